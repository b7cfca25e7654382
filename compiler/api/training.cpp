#include "compiler/api/training.h"

#include <fmt/format.h>

#include <filesystem>

#include "compiler/api/inner_networks.h"
#include "compiler/api/layer_table.h"
#include "compiler/base/error.h"
#include "runtime/data/select.h"
#include "runtime/initialize.h"
#include "runtime/thread_pool.h"

namespace netc {
namespace {

Recipe overridden(Recipe recipe, const TrainingRequest& request) {
  if (request.seed) recipe.seed = *request.seed;
  if (request.epochs) recipe.epochs = *request.epochs;
  if (request.batch) recipe.batch = *request.batch;
  recipe.precision = precision_of(request.settings, &recipe);
  recipe.winograd = request.settings.winograd;
  for (const auto& [role, path] : request.data) {
    if (role == "train") recipe.dataset.train = find_source(recipe.dataset, role, request.data);
    if (role == "test") recipe.dataset.test = find_source(recipe.dataset, role, request.data);
  }
  return recipe;
}

bool is_folder(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::is_directory(path, ignored);
}

std::string in_folder(const std::string& folder, const std::string& declared) {
  return declared.empty() ? declared : (std::filesystem::path(folder) / std::filesystem::path(declared).filename()).string();
}

}  // namespace

DataSourceSpec find_source(const DatasetSpec& dataset, const std::string& role,
                           const std::map<std::string, std::string>& overrides) {
  for (const auto& [name, path] : overrides)
    if (name != "train" && name != "test")
      throw RuntimeError("E0701", "a data set has no role `" + name + "`", "--data train=PATH or --data test=PATH");
  const std::optional<DataSourceSpec>& declared = role == "train" ? dataset.train : dataset.test;
  const auto given = overrides.find(role);
  if (!declared)
    throw RuntimeError("E0701", "the data set `" + dataset.name + "` declares no `" + role + "`",
                       "declare it in the .net file: " + role + " = image_folder(\"PATH\")");
  DataSourceSpec source = *declared;
  if (given == overrides.end()) return source;

  const std::string& path = given->second;
  source.base_dir = std::filesystem::current_path().string();
  const size_t comma = path.find(',');
  if (comma != std::string::npos) {
    source.images = path.substr(0, comma);
    source.labels = path.substr(comma + 1);
  } else if (is_folder(path) && source.kind != DataSourceSpec::Kind::image_folder) {
    source.labels = in_folder(path, source.labels);
    source.images = in_folder(path, source.images);
  } else {
    source.images = path;
  }
  return source;
}

namespace {

// The role's part of the source that it comes from.
std::unique_ptr<Dataset> part_of(std::unique_ptr<Dataset> data, const DatasetSpec& dataset, const std::string& role) {
  if (role == "test" || (dataset.validation == 0 && dataset.subset == 0)) return data;
  Split split = split_samples(data->labels(), dataset.validation, dataset.subset, dataset.name);
  return select(std::move(data), role == "validation" ? std::move(split.validation) : std::move(split.train));
}

std::unique_ptr<Dataset> load(const DatasetSpec& dataset, const std::map<std::string, std::string>& overrides,
                              const ElaboratedNetwork& network, LoadOptions options, Executor& executor) {
  options.skip_corrupt = dataset.skip_corrupt;
  options.channels = network.inputs.empty() || network.inputs[0].shape.size() != 3 ? 0 : network.inputs[0].shape[0];
  if (options.role == "validation") options.role = "train";  // it is held out of it
  const DataSourceSpec source = find_source(dataset, options.role, overrides);
  // A folder's classes are its folders: they must be as many as the network tells apart, neither more nor less.
  const bool names_classes = source.kind == DataSourceSpec::Kind::image_folder;
  if (!names_classes) options.classes = network.classes;
  std::unique_ptr<Dataset> data = load_dataset(source, options, executor);
  const auto found = static_cast<int64_t>(data->class_names().size());
  if (names_classes && network.classes > 0 && found != network.classes)
    throw RuntimeError("E0501", fmt::format("{} logits, {} classes in {}", network.classes, found, source.images),
                       fmt::format("--set classes={}", found));
  return data;
}

}  // namespace

std::unique_ptr<Dataset> load_role(const DatasetSpec& dataset, const std::string& role,
                                   const std::map<std::string, std::string>& overrides,
                                   const ElaboratedNetwork& network, Executor& executor,
                                   std::optional<int64_t> ignored_label) {
  LoadOptions options;
  options.role = role;
  options.preprocess = dataset.preprocess;
  options.ignored_label = ignored_label;
  std::unique_ptr<Dataset> data = load(dataset, overrides, network, std::move(options), executor);
  return part_of(std::move(data), dataset, role);
}

std::unique_ptr<Dataset> load_augmented(const Recipe& recipe, const std::string& role,
                                        const std::map<std::string, std::string>& overrides,
                                        const ElaboratedNetwork& network, Executor& executor) {
  LoadOptions options;
  options.role = role;
  options.preprocess = training_preprocess(recipe);
  options.ignored_label = recipe.loss.ignored_label;
  if (crops_when_read(recipe)) {
    options.crop_height = recipe.augment.front().height;
    options.crop_width = recipe.augment.front().width;
  }
  std::unique_ptr<Dataset> data = load(recipe.dataset, overrides, network, std::move(options), executor);
  return part_of(std::move(data), recipe.dataset, role);
}

std::string evaluation_role(const DatasetSpec& dataset) { return dataset.test ? "test" : dataset.validation > 0 ? "validation" : "test"; }

std::unique_ptr<Dataset> balance_classes(Recipe& recipe, Project& project, const NetworkRequest& request,
                                         const std::map<std::string, std::string>& overrides, Executor& executor) {
  if (!recipe.loss.balanced) return nullptr;
  const ElaboratedNetwork network = elaborate_network(project, request, recipe, Purpose::predict, 1);
  std::unique_ptr<Dataset> train = load_augmented(recipe, "train", overrides, network, executor);
  recipe.loss.class_weights = balanced_weights(train->labels(), network.classes);
  return train;
}

Training::Training(Project& project, const TrainingRequest& request, std::unique_ptr<Executor> executor)
    : project_(project), request_(request), recipe_(overridden(find_recipe(project, request.network.reference), request)), executor_(std::move(executor)) {
  if (request.needs_data) {
    require_files(find_source(recipe_.dataset, "train", {}), "train");
    if (recipe_.dataset.test) require_files(*recipe_.dataset.test, "test");
  }
  train_ = balance_classes(recipe_, project, request.network, {}, *executor_);  // weights are constants of the program
  model_ = load_model(plan_training(project, request.network, &recipe_, recipe_.batch, request.settings), executor_->workers());
  initialize(*model_.state, recipe_.seed, *executor_);
  const std::vector<InnerNetwork>& teachers = model_.compilation.network.teachers;
  if (recipe_.weights && !request.resumes)
    loaded_ = load_initial_weights(*model_.state, *recipe_.weights, teachers.empty() ? "" : kTeacherPrefix, project);
  if (!teachers.empty() && !request.resumes)
    load_inner_networks(*model_.state, kTeacherPrefix, teachers, recipe_.distill->weights ? &*recipe_.distill->weights : nullptr, project);
  context_ = std::make_unique<Context>(*model_.executable, model_.state);
}

int64_t Training::parameters() const { return parameter_count(model_.compilation.network); }

int64_t Training::parameters_inference() const { return parameter_count(*model_.compilation.evaluation); }

int64_t Training::parameters_frozen() const { return frozen_count(model_.compilation.network); }

void Training::load_data() {
  const ElaboratedNetwork& network = model_.compilation.network;
  if (!train_) train_ = load_augmented(recipe_, "train", {}, network, *executor_);
  // Held-out samples say which epoch is the best; the test set is for `netc eval` then.
  const std::string role = recipe_.dataset.validation > 0 ? "validation" : "test";
  if (role == "validation" || recipe_.dataset.test) test_ = load_role(recipe_.dataset, role, {}, network, *executor_, recipe_.loss.ignored_label);
}

ModelInfo Training::info() const {
  ModelInfo info = model_info(model_.compilation.network);
  if (info.class_names.empty() && train_) info.class_names = train_->class_names();
  info.preprocess = recipe_.dataset.preprocess;
  return info;
}

TrainingId Training::id() const {
  NETC_CHECK(has_data(), "id before load_data");
  return training_id(*context_, {recipe_, *train_, test_.get(), {}});
}

TrainResult Training::run(const TrainOptions& options) {
  NETC_CHECK(has_data(), "run before load_data");
  TrainOptions own = options;
  if (!own.finite.find_bad_layers)
    own.finite.find_bad_layers = [this](const State& state, const Batch& batch, const RuntimeScalars& scalars) {
      return find_bad_layers(state, batch, scalars);
    };
  return train(*context_, {recipe_, *train_, test_.get(), info()}, own, *executor_);
}

std::vector<BadLayer> Training::find_bad_layers(const State& state, const Batch& batch, const RuntimeScalars& scalars) {
  if (!probe_) probe_ = std::make_unique<BadLayerProbe>(project_, request_.network, recipe_, request_.settings, *executor_);
  return probe_->find(state, batch, scalars);
}

EvalResult Training::evaluate(const EvalOptions& options) {
  NETC_CHECK(has_data(), "evaluate before load_data");
  return netc::evaluate(*context_, test_ ? *test_ : *train_, *executor_, options);
}

}  // namespace netc
