// Every optimizer, schedule and loss that a recipe can name, over 20 steps, against PyTorch's in double precision: losses,
// learning rates and weights. fixtures/training.json is written by scripts/fixtures/make_training_fixtures.py.
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

#include "compiler/passes/average.h"
#include "compiler/passes/differentiate.h"
#include "compiler/passes/pipeline.h"
#include "compiler/passes/update.h"
#include "compiler/sema/recipe_values.h"
#include "compiler/sema/sema.h"
#include "runtime/train/schedule.h"
#include "tests/fixture/fixture.h"
#include "tests/fixture/interpreted_training.h"

namespace netc {
namespace {

using nlohmann::json;

constexpr double kTolerance = 1e-9;
constexpr int64_t kSamples = 6, kClasses = 4;

const std::string kNetwork = R"(
network net { input image: [3, 2, 2]; flatten; hidden: linear(6); tanh; fc: linear(4); output logits }
network master { input image: [3, 2, 2]; flatten; fc: linear(4); output logits }
dataset data { train = numpy("x.npy", "y.npy") }
train run = net on data { batch = 6; epochs = EPOCHS; )";

const json& cases() {
  static const json all = [] {
    std::ifstream file(std::string(NETC_TEST_DIR) + "/recipes/fixtures/training.json");
    return json::parse(file);
  }();
  return all;
}

struct Trained {
  Recipe recipe;
  Graph graph;  // of the loss
};

Trained elaborate_case(const json& c, int64_t epochs) {
  std::string text = kNetwork + c.at("keys").get<std::string>() + " }\n";
  text.replace(text.find("EPOCHS"), 6, std::to_string(epochs));
  Project project;
  DiagnosticSink sink;
  project.load_text("t.net", text, sink);
  const std::optional<Recipe> recipe = resolve_recipe(project, "t.net:run", sink);
  if (!recipe) throw std::runtime_error(sink.all().front().message);
  auto net = elaborate(project, "t.net:run", *recipe, {.purpose = Purpose::train, .batch = kSamples}, sink);
  if (!net) throw std::runtime_error(sink.all().front().message);
  return {*recipe, std::move(net->graph)};
}

InterpretInputs given_inputs(const Graph& graph) {
  InterpretInputs given;
  for (const StateVariable& state : graph.states) {
    HostTensor& tensor = given.states[state.path];
    tensor = {state.type.shape, std::vector<double>(static_cast<size_t>(state.type.elements()))};
    if (state.kind == StateKind::parameter || state.kind == StateKind::buffer)  // a teacher's weights are buffers
      tensor = fixture::hash_tensor("training/" + state.path, state.type.shape, -0.5, 0.5);
  }
  given.inputs["image"] = fixture::hash_tensor("training/image", {kSamples, 3, 2, 2});
  given.inputs["label"] = fixture::hash_tensor("training/label", {kSamples}, 0, kClasses, true);
  given.scalars.valid_count = kSamples;
  return given;
}

void expect_close(const HostTensor& got, const json& expected) {
  const auto values = expected.get<std::vector<double>>();
  ASSERT_EQ(got.data.size(), values.size());
  for (size_t i = 0; i < values.size(); ++i) EXPECT_NEAR(got.data[i], values[i], kTolerance) << "element " << i;
}

class TrainingSteps : public testing::TestWithParam<size_t> {};

TEST_P(TrainingSteps, AreThoseOfPyTorch) {
  const json& c = cases().at(GetParam());
  const auto losses = c.at("losses").get<std::vector<double>>(), rates = c.at("rates").get<std::vector<double>>();
  const auto steps = static_cast<int64_t>(losses.size());
  const int64_t per_epoch = c.at("steps_per_epoch");
  const TrainingLength length{.steps_per_epoch = per_epoch, .epochs = steps / per_epoch};
  const auto [recipe, network] = elaborate_case(c, length.epochs);
  const Graph graph = optimize(differentiate(network, "loss"));
  fixture::InterpretedTraining training(graph, given_inputs(graph), recipe.optimizer);
  PlateauState plateau;
  for (int64_t step = 0; step < steps; ++step) {
    SCOPED_TRACE("step " + std::to_string(step));
    const auto at = static_cast<size_t>(step);
    const double loss = training.step(), rate = learning_rate(recipe.schedule, step, length, plateau);
    EXPECT_NEAR(loss, losses[at], kTolerance);
    EXPECT_NEAR(rate, rates[at], kTolerance);
    training.update(rate);
    if (recipe.optimizer.swa) {
      const int64_t models = averaged_models(*recipe.optimizer.swa, step + 1, length);
      if (models > averaged_models(*recipe.optimizer.swa, step, length)) training.add_to_average(models - 1);
    }
    if ((step + 1) % per_epoch == 0) observe_epoch(recipe.schedule, loss, plateau);
  }
  for (const auto& [path, values] : c.at("weights").items()) expect_close(training.state(path), values);
  if (c.contains("average"))
    for (const auto& [path, values] : c.at("average").items()) expect_close(training.average(path), values);
}

INSTANTIATE_TEST_SUITE_P(PyTorch, TrainingSteps, testing::Range(size_t{0}, cases().size()),
                         [](const testing::TestParamInfo<size_t>& at) { return cases().at(at.param).at("name").get<std::string>(); });

// Running statistics of three batches, the mean of each batch's own: torch.optim.swa_utils.update_bn.
TEST(Recalibration, IsThatOfPyTorch) {
  Project project;
  DiagnosticSink sink;
  project.load_text("t.net", R"(
network net {
  input image: [3, 2, 2]
  first: conv(5, 1x1); norm: batch_norm; relu
  second: conv(4, 1x1); last: batch_norm
  global_avg_pool; output logits
}
dataset data { train = numpy("x.npy", "y.npy") }
train run = net on data { batch = 6; epochs = 4; optimizer = sgd(); schedule = constant(0.1); swa = average(start = 2epochs) }
)", sink);
  const auto net = elaborate(project, "t.net:run", {.purpose = Purpose::train, .batch = kSamples}, sink);
  ASSERT_TRUE(net) << sink.all().front().message;
  const Graph graph = optimize(batch_statistics(net->graph));
  EXPECT_TRUE(graph.outputs.empty());
  InterpretInputs given;
  std::vector<std::string> buffers;
  for (const StateVariable& state : net->graph.states) {
    const bool parameter = state.kind == StateKind::parameter;
    given.states[state.path] = parameter ? fixture::hash_tensor("recalibration/" + state.path, state.type.shape, -0.5, 0.5)
                                         : HostTensor{state.type.shape, std::vector<double>(static_cast<size_t>(state.type.elements()), 7)};
    if (!parameter) buffers.push_back(state.path);
    if (state.path.ends_with("conv.bias") || state.path == "first.bias" || state.path == "second.bias")
      given.states[state.path].data.assign(given.states[state.path].data.size(), 0);
  }
  given.inputs["label"] = {{kSamples}, std::vector<double>(kSamples, 0)};
  given.scalars.valid_count = kSamples;
  std::map<std::string, HostTensor> means;
  for (const std::string& path : buffers) means[path] = {given.states[path].shape, std::vector<double>(given.states[path].data.size(), -3)};
  for (int64_t i = 0; i < 3; ++i) {
    given.inputs["image"] = fixture::hash_tensor("recalibration/image" + std::to_string(i), {kSamples, 3, 2, 2});
    given.states = interpret(graph, given).states;
    for (const std::string& path : buffers) {
      InterpretInputs slabs;
      slabs.scalars.step = i;
      slabs.states = {{kBufferSlab, given.states[path]}, {kSwaBufferSlab, means[path]}};
      means[path] = interpret(make_buffer_average(given.states[path].shape[0]), slabs).states.at(kSwaBufferSlab);
    }
  }
  std::ifstream file(std::string(NETC_TEST_DIR) + "/recipes/fixtures/recalibration.json");
  const json expected = json::parse(file);
  for (const auto& [layer, statistics] : expected.items())
    for (const auto& [name, values] : statistics.items()) expect_close(means.at(layer + "." + name), values);
}

// A new one needs a case.
TEST(TrainingFixtures, HaveEveryOptimizerScheduleAndLoss) {
  std::string keys;
  for (const json& c : cases()) keys += c.at("keys").get<std::string>() + ";";
  for (const auto* known : {&optimizers(), &clippings(), &averagings(), &schedules(), &losses()})
    for (const ConstructorDef& def : *known) EXPECT_NE(keys.find(def.name + "("), std::string::npos) << def.name << " has no case";
}

}  // namespace
}  // namespace netc
