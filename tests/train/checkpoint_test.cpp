// Checkpoints: what loading reports and refuses, and metadata that came from elsewhere.
#include "runtime/train/checkpoint.h"

#include <gtest/gtest.h>

#include "tests/data/files.h"

namespace netc {
namespace {

Program program_of(std::vector<std::pair<std::string, Shape>> slots) {
  Program p;
  for (auto& [path, shape] : slots) {
    StateKind kind = path.starts_with("momentum/") ? StateKind::moment : StateKind::parameter;
    p.state.push_back({path, {DType::f32, shape}, kind, {}, p.state_bytes});
    p.state_bytes += p.state.back().type.bytes();
  }
  return p;
}

const ModelInfo kModel{
    "resnet20(classes = 2)",
    {"cat", "dog \"x\""},
    {{PreprocessSpec::Kind::resize, 256, 0}, {PreprocessSpec::Kind::center_crop, 224, 224}},
    {0.5, 0.25},
    {0.1, 1},
    ""};

TEST(Checkpoint, ModelInfoSurvives) {
  TemporaryFolder folder;
  State state(program_of({{"fc.weight", {2}}}));
  save_checkpoint(folder / "w", state, kModel);
  EXPECT_EQ(read_model_info(SafetensorsFile(folder / "w")), kModel);
}

TEST(Checkpoint, MalformedMetadata) {
  TemporaryFolder folder;
  const std::pair<Metadata, std::string> cases[] = {
      {{{"netc.class_names", "[1]"}}, "\"netc.class_names\": "},
      {{{"netc.class_names", "[\"a\""}}, "\"netc.class_names\": "},
      {{{"netc.preprocess", "[{\"kind\":\"blur\",\"height\":1,\"width\":1}]"}},
       "\"netc.preprocess\": preprocessing \"blur\""},
      {{{"netc.preprocess", "[{\"kind\":\"resize\",\"height\":-1,\"width\":1}]"}},
       "\"netc.preprocess\": a size of -1x1"},
      {{{"netc.mean", "{}"}}, "\"netc.mean\": "},
  };
  for (const auto& [metadata, error] : cases) {
    write_safetensors(folder / "w", {}, metadata);
    std::string expected = "E0605 w is no checkpoint that this netc understands: " + error;
    EXPECT_EQ(
        error_of(folder, [&] { read_model_info(SafetensorsFile(folder / "w")); }).substr(0, expected.size()),
        expected);
  }
}

struct Loading {
  TemporaryFolder folder;
  State saved{
      program_of({{"conv.weight", {4}}, {"fc.weight", {3, 4}}, {"fc.bias", {3}}, {"momentum/fc.bias", {3}}})};
  Loading() {
    for (float& v : saved.floats(*saved.find("fc.bias"))) v = 5;
    for (float& v : saved.floats(*saved.find("conv.weight"))) v = 7;
    TrainingId id;
    TrainingProgress progress;
    save_checkpoint(folder / "w", saved, kModel, &id, &progress);
  }
  std::string error(State& state, LoadWeightsOptions options = {}) {
    return error_of(folder, [&] { load_weights(state, SafetensorsFile(folder / "w"), options); });
  }
};

TEST(Checkpoint, LoadsWhatTheNetworkHas) {
  Loading t;
  State state(program_of({{"fc.bias", {3}}, {"conv.weight", {4}}}));
  LoadReport report = load_weights(state, SafetensorsFile(t.folder / "w"));
  EXPECT_EQ(report.loaded, (std::vector<std::string>{"fc.bias", "conv.weight"}));
  EXPECT_EQ(report.unexpected.size(), 2u);  // fc.weight and its bias's momentum
  EXPECT_EQ(state.floats(*state.find("fc.bias"))[2], 5);
}

TEST(Checkpoint, NamesBothShapesAndAFix) {
  Loading t;
  State state(program_of({{"conv.weight", {4}}, {"fc.weight", {102, 4}}, {"fc.bias", {3}}}));
  const std::string refused = "E0601 weights do not fit: 2 loaded, 1 mismatched: fc.weight file [3, 4], network [102, 4], 1 "
                              "unexpected: momentum/fc.bias";
  EXPECT_EQ(t.error(state), refused) << "commands have no `except`";
  EXPECT_EQ(t.error(state, {.of_recipe = true}), refused + " | fix: except = [\"fc.**\"]");
  EXPECT_EQ(state.floats(*state.find("conv.weight"))[0], 0);  // all or nothing
  load_weights(state, SafetensorsFile(t.folder / "w"),
               {.file_name = {}, .except = [](const std::string& path) { return path.starts_with("fc."); }});
  EXPECT_EQ(state.floats(*state.find("conv.weight"))[0], 7);
}

TEST(Checkpoint, NamesWhatIsMissing) {
  Loading t;
  State other(program_of({{"a.w", {1}}, {"b.w", {1}}, {"c.w", {1}}, {"d.w", {1}}}));
  EXPECT_EQ(t.error(other),
            "E0601 weights do not fit: 0 loaded, 4 missing: a.w, b.w, c.w, …, 4 unexpected: conv.weight, "
            "fc.weight, "
            "fc.bias, …");
}

TEST(Checkpoint, MapsNames) {
  Loading t;
  State state(program_of({{"head.bias", {3}}}));
  LoadReport report = load_weights(
      state, SafetensorsFile(t.folder / "w"),
      {.file_name = [](const std::string& path) { return "fc" + path.substr(4); }, .except = {}});
  EXPECT_EQ(report.loaded, (std::vector<std::string>{"head.bias"}));
  EXPECT_EQ(state.floats(*state.find("head.bias"))[0], 5);
}

TEST(Checkpoint, ResumingNeedsATrainingsCheckpoint) {
  Loading t;
  save_checkpoint(t.folder / "weights", t.saved, kModel);
  EXPECT_EQ(error_of(t.folder, [&] { restore_training(t.saved, SafetensorsFile(t.folder / "weights"), {}); }),
            "E0605 weights is no checkpoint that this netc understands: its metadata have no "
            "\"netc.training.step\"");
  write_safetensors(t.folder / "other", {}, {});
  EXPECT_EQ(error_of(t.folder, [&] { restore_training(t.saved, SafetensorsFile(t.folder / "other"), {}); }),
            "E0605 other is no checkpoint that this netc understands: its metadata have no \"netc.version\"");
  State more(program_of({{"conv.weight", {4}}, {"momentum/conv.weight", {4}}}));
  EXPECT_TRUE(error_of(t.folder, [&] {
                // "w" does not say how convolutions were done: directly, as all were once.
                restore_training(more, SafetensorsFile(t.folder / "w"), {.recipe = {{"winograd", "off"}}, .target = {}, .network = {}});
              }).starts_with("E0601 weights do not fit: 1 loaded, 1 missing: momentum/conv.weight"));
}

TEST(Checkpoint, RecipesTextFollowsWhatChangesBits) {
  Recipe base;
  base.network = "resnet20()";
  const RecipeText text = recipe_text(base);
  EXPECT_EQ(text, (RecipeText{{"augment", "[]"},
                              {"loss", "cross_entropy()"},
                              {"network", "resnet20()"},
                              {"normalize", "none"},
                              {"optimizer", "sgd()"},
                              {"precision", "f32"},
                              {"preprocess", "[]"},
                              {"schedule", "constant(lr = 0.1)"},
                              {"winograd", "on"}}));
  Recipe changed = base;
  changed.epochs = 9;
  changed.name = "other";
  EXPECT_EQ(recipe_text(changed), text);  // a constant schedule does not see the end
  changed.schedule.kind = ScheduleSpec::Kind::cosine;
  changed.schedule.warmup = {2.5, true};
  changed.optimizer = {OptimizerSpec::Kind::adamw, 0, 0, 0.05, false, 0.9, 0.98, 1e-6};
  changed.augment = {{AugmentSpec::Kind::rotate, 0, 0, 0, 15}, {AugmentSpec::Kind::crop, 32, 32, 4, 0}};
  changed.dataset.preprocess = {{PreprocessSpec::Kind::resize, 40, 0}};  // `augment` replaces it
  changed.augment_preprocess = {{PreprocessSpec::Kind::resize, 256, 0}, {PreprocessSpec::Kind::center_crop, 224, 224}};
  changed.dataset.mean = {0.1 + 0.2};
  changed.dataset.std = {1};
  EXPECT_EQ(recipe_text(changed),
            (RecipeText{{"augment", "[rotate(15deg), crop(32x32, pad = 4)]"},
                        {"epochs", "9"},
                        {"loss", "cross_entropy()"},
                        {"network", "resnet20()"},
                        {"normalize", "channels(mean = [0.30000000000000004], std = [1])"},
                        {"optimizer", "adamw(beta1 = 0.9, beta2 = 0.98, eps = 1e-06, weight_decay = 0.05)"},
                        {"precision", "f32"},
                        {"preprocess", "[resize(256), center_crop(224x224)]"},
                        {"schedule", "[warmup(2.5epochs), cosine(peak = 0.1)]"},
                        {"winograd", "on"}}));
  changed = base;
  changed.precision = {Precision::bf16, {{"fc.**", Precision::f32}}};
  EXPECT_EQ(recipe_text(changed).at("precision"), "[bf16, f32(\"fc.**\")]");
  changed.precision = {Precision::tf32, {}};
  EXPECT_EQ(recipe_text(changed).at("precision"), "tf32");
  changed = base;
  changed.winograd = false;
  EXPECT_EQ(recipe_text(changed).at("winograd"), "off");
}

}  // namespace
}  // namespace netc
