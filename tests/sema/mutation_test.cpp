// Programs with random damage give diagnostics: never an exception, a crash or a hang.
#include <gtest/gtest.h>

#include <random>

#include "compiler/sema/sema.h"
#include "stdlib/stdlib_sources.h"

namespace netc {
namespace {

const char* const kWords[] = {"0", "-1", "9223372036854775807", "1e300", "3x3", "50%", "5epochs", "true", "relu", "conv", "x", "[]",
                              "[1, 2]", "..", "->", "{", "}", "(", ")", ",", "\n", "block_input", "branch { }", "residual", "inception",
                              "concat", "linear(3)", "flatten", "image", "shortcut", "global_avg_pool", "1000000000", "if", "for i in 0..3"};

// Replaces, deletes or repeats a few words.
std::string damaged(std::string text, std::mt19937& random) {
  const auto below = [&](size_t n) { return static_cast<size_t>(random() % n); };
  for (size_t edits = 1 + below(3); edits > 0; --edits) {
    const auto is_word = [&](size_t i) { return std::isalnum(static_cast<unsigned char>(text[i])) || text[i] == '_'; };
    size_t begin = below(text.size()), end = begin;
    while (begin > 0 && is_word(begin - 1)) --begin;
    while (end < text.size() && is_word(end)) ++end;
    if (begin == end) end = begin + 1;
    const std::string word = kWords[below(std::size(kWords))];
    switch (below(3)) {
      case 0: text.replace(begin, end - begin, word); break;
      case 1: text.erase(begin, end - begin); break;
      default: text.insert(end, " " + word + " ");
    }
  }
  return text;
}

const char* const kRecipe = R"(
import std.resnet { resnet20 }
dataset cifar { train = cifar10("data_batch_*.bin"); test = cifar10("t.bin"); normalize = cifar; classes = ["a", "b"] }
recipe base { optimizer = adamw(weight_decay = 0.05); schedule = [warmup(5epochs), one_cycle(0.1, 30%)]; batch = 4; epochs = 3 }
train run = resnet20(classes = 2) on cifar { use base; augment = [crop(32x32, pad = 4), shift(10%)]; seed = 3 }
names m { "stage.{s}.**" = "layer{s+1}.**" }
network siamese(width: int = 8) {
    input left: u8 [3, 16, 16]
    input right: [3, 16, 16]
    share tower = embed(width)
    left -> tower as a
    right -> tower -> sub(a)
    softmax
    output y
}
block embed(width: int) {
    residual(shortcut = project, scale = 0.5) { inception { branch { conv(width, 3x3) }; branch { max_pool(3x3, stride = 1, pad = 1) } } }
    if width > 4 { conv_bn(width / 2, 1x1, init = he_normal(fan_out)) }
    global_avg_pool
}
)";

TEST(Mutation, DamagedProgramsGiveDiagnostics) {
  std::vector<std::string> texts = {kRecipe};
  for (const StdlibSource* source = stdlib_sources(); source->name; ++source)
    if (std::string(source->name) != "prelude" && std::string(source->name) != "names") texts.emplace_back(source->text);
  for (const std::string& text : texts) {  // damage to a program that is wrong already tests its syntax only
    Project project;
    DiagnosticSink sink;
    project.load_text("t.net", text, sink);
    EXPECT_TRUE(check(project, "t.net", {}, sink)) << text;
  }
  std::mt19937 random(20240612);
  ElaborateConfig config;
  config.limits.layers = 2000;
  for (int round = 0; round < 2000; ++round) {
    const std::string text = damaged(texts[static_cast<size_t>(round) % texts.size()], random);
    Project project;
    DiagnosticSink sink;
    project.load_text("t.net", text, sink);
    try {
      check(project, "t.net", config, sink);
      for (const Diagnostic& d : sink.all()) {
        ASSERT_FALSE(render_text(d, project.sources()).empty());
        ASSERT_TRUE(explanation_of(d.code)) << d.code;
      }
    } catch (const std::exception& e) {
      FAIL() << e.what() << "\n" << text;
    }
  }
}

}  // namespace
}  // namespace netc
