// Streams of ResNet-50's and GoogLeNet's launches: whatever touches the same memory is in an order, and
// GoogLeNet's branches run side by side where they are small.
#include <gtest/gtest.h>

#include <cstdio>
#include <set>
#include <string>

#include "compiler/api/compile.h"
#include "tests/lower/stream_order.h"

namespace netc {
namespace {

constexpr int64_t kGranule = 16;  // all branches have channels in multiples of 8

Compilation plan(const char* network, bool training, const char* precision) {
  CompileSettings settings;
  settings.device = "cuda:sm_90";
  settings.precision = precision;
  Project project;
  NetworkRequest request;
  request.reference = network;
  return training ? plan_training(project, request, nullptr, 1, settings)
                  : plan_inference(project, request, 1, settings);
}

TEST(NetworkStreams, WhateverTouchesTheSameMemoryIsInAnOrder) {
  for (const char* network : {"std.resnet:resnet50", "std.googlenet:googlenet"})
    for (bool training : {false, true}) {
      const Compilation c = plan(network, training, "bf16");
      for (const EntryPoint& entry : c.plan.program.entries)
        EXPECT_EQ(find_race(entry, c.plan.program.state_bytes, c.plan.kernels.bodies, kGranule), "")
            << network << " " << entry.name;
      const EntryPoint& entry = *c.plan.program.find_entry(training ? "step" : "predict");
      std::set<int32_t> streams;
      size_t waits = 0;
      for (const Launch& l : entry.launches) {
        streams.insert(l.stream);
        waits += l.waits.size();
      }
      std::printf("%s, %s, batch 1: %zu launches on %zu streams, %zu waits\n", network,
                  training ? "training" : "inference", entry.launches.size(), streams.size(), waits);
      if (network == std::string("std.googlenet:googlenet")) {
        EXPECT_GT(streams.size(), 1u);
      }
    }
}

// The checker notices each wait that is missing.
TEST(NetworkStreams, EveryWaitIsNeeded) {
  Compilation c = plan("std.googlenet:googlenet", false, "bf16");
  for (EntryPoint& entry : c.plan.program.entries)
    if (entry.name == "predict") {
      size_t dropped = 0;
      for (Launch& l : entry.launches) {
        if (l.waits.empty()) continue;
        const std::vector<int32_t> waits = l.waits;
        l.waits.erase(l.waits.begin());
        EXPECT_NE(find_race(entry, c.plan.program.state_bytes, c.plan.kernels.bodies, kGranule), "")
            << l.label;
        l.waits = waits;
        if (++dropped == 12) break;  // each takes a while
      }
      EXPECT_GT(dropped, 0u);
    }
}

}  // namespace
}  // namespace netc
