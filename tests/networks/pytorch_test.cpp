// Whole networks of the standard library in the interpreter against torchvision's in float64: logits in inference; in
// training the loss, every gradient, the new running statistics, and the losses of three steps of SGD.
// fixtures/*.json are written by scripts/fixtures/make_network_fixtures.py.
#include <gtest/gtest.h>

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "compiler/passes/differentiate.h"
#include "compiler/passes/pipeline.h"
#include "compiler/sema/sema.h"
#include "tests/fixture/fixture.h"
#include "tests/fixture/interpreted_training.h"

namespace netc {
namespace {

using nlohmann::json;

constexpr double kTolerance = 1e-9;

struct Case {
  const char* network;
  const char* file;   // of the standard library
  const char* shape;  // the image as the file declares it, "" if the fixture's is the same
  const char* names;  // the map to torchvision's names, "" if they are the same
};

std::string text_of(const std::string& path) {
  std::ifstream file(path);
  EXPECT_TRUE(file) << path;
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// A network of the standard library for smaller images.
ElaboratedNetwork elaborate_for(const Case& c, const json& fixture, Purpose purpose) {
  std::string text = text_of(std::string(NETC_SOURCE_DIR) + "/stdlib/" + c.file);
  Shape image = fixture.at("image").get<Shape>();
  const std::string wanted = to_string(Shape(image.begin() + 1, image.end()));
  for (size_t at = 0; *c.shape && (at = text.find(c.shape, at)) != std::string::npos; at += wanted.size())
    text.replace(at, std::string(c.shape).size(), wanted);
  Project project;
  DiagnosticSink sink;
  project.load_text("network.net", text, sink);
  auto net = elaborate(project, std::string("network.net:") + c.network, {.purpose = purpose, .batch = image[0]}, sink);
  for (const Diagnostic& d : sink.all())
    if (d.severity == Severity::error) ADD_FAILURE() << render_text(d, project.sources());
  if (!net) throw std::runtime_error("no network");
  return std::move(*net);
}

class Network : public testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    fixture_ = json::parse(text_of(fmt::format("{}/networks/fixtures/{}.json", NETC_TEST_DIR, GetParam().network)));
    if (!*GetParam().names) return;
    Project project;
    DiagnosticSink sink;
    names_ = resolve_names_map(project, std::string("std.names:") + GetParam().names, sink);
    ASSERT_TRUE(names_);
  }

  std::string torch_name(const std::string& path) const {
    if (!names_) return path;
    std::optional<std::string> name = map_name(*names_, path);
    EXPECT_TRUE(name) << path << " has no name";
    return name.value_or("");
  }

  // The states of a graph by their hash functions; gradients and moments start at 0.
  InterpretInputs initial(const Graph& graph) const {
    InterpretInputs given;
    const std::string prefix = fixture_.at("network").get<std::string>() + "/";
    std::map<std::string, json> bounds;
    for (const json& state : fixture_.at("states")) bounds[state.at("name")] = state;
    for (const StateVariable& state : graph.states) {
      HostTensor& tensor = given.states[state.path];
      tensor = {state.type.shape, std::vector<double>(static_cast<size_t>(state.type.elements()))};
      if (state.kind != StateKind::parameter && state.kind != StateKind::buffer) continue;
      const std::string name = torch_name(state.path);
      if (!bounds.count(name)) {
        ADD_FAILURE() << state.path << ": the fixture has no " << name;
        continue;
      }
      EXPECT_EQ(bounds[name].at("shape").get<Shape>(), state.type.shape) << name;
      tensor = fixture::hash_tensor(prefix + name, state.type.shape, bounds[name].at("low"), bounds[name].at("high"));
    }
    const Shape image = fixture_.at("image").get<Shape>();
    given.inputs["image"] = fixture::hash_tensor(prefix + "image", image);
    given.inputs["label"] = fixture::hash_tensor(prefix + "label", {image[0]}, 0, fixture_.at("classes"), true);
    given.scalars.seed = fixture_.at("seed").get<int64_t>();
    given.scalars.valid_count = image[0];
    return given;
  }

  json fixture_;
  std::optional<NamesMap> names_;
};

TEST_P(Network, LogitsInInference) {
  Graph graph = elaborate_for(GetParam(), fixture_, Purpose::predict).graph;
  fixture::Summary expected = fixture::summary_of(fixture_.at("logits"));
  EXPECT_EQ(fixture::difference(interpret(graph, initial(graph)).outputs.at("logits"), expected, "logits", kTolerance), "");
  // The same after all passes, batch-norm folding among them.
  Graph optimized = optimize(graph);
  EXPECT_EQ(fixture::difference(interpret(optimized, initial(optimized)).outputs.at("logits"), expected, "logits", kTolerance), "");
}

TEST_P(Network, LossGradientsAndSteps) {
  OptimizerSpec optimizer;
  optimizer.momentum = fixture_["sgd"].at("momentum");
  optimizer.weight_decay = fixture_["sgd"].at("weight_decay");
  Graph graph = optimize(differentiate(elaborate_for(GetParam(), fixture_, Purpose::train).graph, "loss"));
  fixture::InterpretedTraining trainer(graph, initial(graph), optimizer);
  const std::vector<double> losses = fixture_.at("losses").get<std::vector<double>>();
  for (size_t step = 0; step < losses.size(); ++step) {
    double loss = trainer.step();
    EXPECT_NEAR(loss, losses[step], kTolerance * losses[step]) << "step " << step;
    if (step == 0) {
      size_t compared = 0;
      for (const StateVariable& state : trainer.graph().states) {
        const bool trained = state.kind == StateKind::parameter;
        if (!trained && state.kind != StateKind::buffer) continue;
        const std::string name = torch_name(state.path);
        const json& expected = fixture_.at(trained ? "gradients" : "statistics").at(name);
        const HostTensor& got = trainer.state(trained ? "gradient/" + state.path : state.path);
        EXPECT_EQ(fixture::difference(got, fixture::summary_of(expected), name, kTolerance), "") << name;
        ++compared;
      }
      EXPECT_EQ(compared, fixture_.at("gradients").size() + fixture_.at("statistics").size());
    }
    if (step + 1 < losses.size()) trainer.update(fixture_["sgd"].at("lr"));
  }
}

INSTANTIATE_TEST_SUITE_P(PyTorch, Network,
                         testing::Values(Case{"lenet", "lenet.net", "", ""},
                                         Case{"resnet18", "resnet.net", "[3, 224, 224]", "torchvision_resnet"},
                                         Case{"googlenet", "googlenet.net", "[3, 224, 224]", "torchvision_googlenet"}),
                         [](const testing::TestParamInfo<Case>& at) { return std::string(at.param.network); });

}  // namespace
}  // namespace netc
