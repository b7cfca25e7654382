#include "compiler/api/training.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "compiler/api/inner_networks.h"
#include "compiler/api/layer_table.h"
#include "compiler/base/digest.h"
#include "compiler/base/error.h"
#include "compiler/lower/tasks.h"
#include "runtime/data/find_files.h"
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
    const DataSourceSpec source = find_source(recipe.dataset, role, request.data);
    (role == "train" ? recipe.dataset.train : recipe.dataset.test) = source;
  }
  return recipe;
}

bool is_folder(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::is_directory(path, ignored);
}

const std::optional<DataSourceSpec>& declared(const DatasetSpec& dataset, const std::string& role) {
  return role == "train" ? dataset.train : dataset.test;
}

void require_declared(const DatasetSpec& dataset, const std::string& role) {
  if (!declared(dataset, role))
    throw RuntimeError("E0701", "the data set `" + dataset.name + "` declares no `" + role + "`",
                       "declare it in the .net file: " + role + " = image_folder(\"PATH\")");
}

std::string in_folder(const std::string& folder, const std::string& declared) {
  return declared.empty() ? declared : (std::filesystem::path(folder) / std::filesystem::path(declared).filename()).string();
}

}  // namespace

DataSourceSpec find_source(const DatasetSpec& dataset, const std::string& role,
                           const std::map<std::string, std::string>& overrides) {
  for (const auto& [name, path] : overrides) {
    if (name != "train" && name != "test")
      throw RuntimeError("E0701", "a data set has no role `" + name + "`", "--data train=PATH or --data test=PATH");
    require_declared(dataset, name);  // a path for what is not there would do nothing
  }
  require_declared(dataset, role);
  const auto given = overrides.find(role);
  DataSourceSpec source = *declared(dataset, role);
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
    if (!source.labels.empty()) source.labels = resolve_path(declared(dataset, role)->base_dir, source.labels);  // as declared
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

// The folders of the training data, where these are an image folder that is on this machine.
std::vector<std::string> training_folders(const DatasetSpec& dataset, const std::map<std::string, std::string>& overrides) {
  if (!dataset.train || dataset.train->kind != DataSourceSpec::Kind::image_folder) return {};
  try {
    return folder_classes(find_source(dataset, "train", overrides), "train");
  } catch (const RuntimeError& error) {
    if (error.code() != "E0701") throw;
    return {};
  }
}

// Numbers the classes of an image folder by their names: as the weights or the training data do (options.class_names), as
// `classes` says, or as the training's folders are sorted. They must be as many as the network tells apart.
void number_folders(LoadOptions& options, const DataSourceSpec& source, const DatasetSpec& dataset,
                    const std::map<std::string, std::string>& overrides, const ElaboratedNetwork& network) {
  std::vector<std::string>& order = options.class_names;
  const bool known = !order.empty();
  if (!known) order = dataset.class_names;
  if (order.empty() && options.role == "test") order = training_folders(dataset, overrides);
  const std::vector<std::string> folders = folder_classes(source, options.role);
  const auto classes = static_cast<int64_t>(order.empty() ? folders.size() : order.size());
  if (network.classes > 0 && classes != network.classes)
    throw RuntimeError("E0501", fmt::format("{} logits, {} classes in {}", network.classes, classes, source.images),
                       fmt::format("--set classes={}", classes));
  if (known || options.role != "train") return;
  for (const std::string& name : order)
    if (std::find(folders.begin(), folders.end(), name) == folders.end())
      throw RuntimeError("E0711", fmt::format("{} has no folder for the class `{}`", source.images, name));
}

std::unique_ptr<Dataset> load(const DatasetSpec& dataset, const std::map<std::string, std::string>& overrides,
                              const ElaboratedNetwork& network, LoadOptions options, Executor& executor) {
  options.skip_corrupt = dataset.skip_corrupt;
  options.channels = network.inputs.empty() || network.inputs[0].shape.size() != 3 ? 0 : network.inputs[0].shape[0];
  if (options.role == "validation") options.role = "train";  // it is held out of it
  const DataSourceSpec source = find_source(dataset, options.role, overrides);
  if (source.kind == DataSourceSpec::Kind::image_folder)
    number_folders(options, source, dataset, overrides, network);
  else
    options.classes = network.classes;
  return load_dataset(source, options, executor);
}

}  // namespace

std::unique_ptr<Dataset> load_role(const DatasetSpec& dataset, const std::string& role,
                                   const std::map<std::string, std::string>& overrides,
                                   const ElaboratedNetwork& network, Executor& executor,
                                   std::optional<int64_t> ignored_label, const std::vector<std::string>& class_names) {
  LoadOptions options;
  options.class_names = class_names;
  options.role = role;
  options.preprocess = dataset.preprocess;
  options.ignored_label = ignored_label;
  std::unique_ptr<Dataset> data = load(dataset, overrides, network, std::move(options), executor);
  return part_of(std::move(data), dataset, role);
}

std::unique_ptr<Dataset> load_augmented(const Recipe& recipe, const std::string& role,
                                        const std::map<std::string, std::string>& overrides,
                                        const ElaboratedNetwork& network, Executor& executor,
                                        const std::vector<std::string>& class_names) {
  LoadOptions options;
  options.role = role;
  options.class_names = class_names;
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
  if (!request.resume.empty()) request_.settings.tiles = read_training_tiles(SafetensorsFile(request.resume));
  train_ = balance_classes(recipe_, project, request.network, {}, *executor_);  // weights are constants of the program
  model_ = load_model(plan_training(project, request.network, &recipe_, recipe_.batch, request_.settings),
                      executor_->workers());
  initialize(*model_.state, recipe_.seed, *executor_);
  const std::vector<InnerNetwork>& teachers = model_.compilation.network.teachers;
  if (recipe_.weights && request.resume.empty())
    loaded_ = load_initial_weights(*model_.state, *recipe_.weights, teachers.empty() ? "" : kTeacherPrefix, project);
  if (!teachers.empty() && request.resume.empty())
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
  // Held-out samples lie in the memory of the training's, unless those are prepared in another way.
  const bool prepared_alike = training_preprocess(recipe_) == recipe_.dataset.preprocess && !crops_when_read(recipe_);
  if (const auto whole = selected_from(*train_); role == "validation" && prepared_alike && whole) {
    const DatasetSpec& dataset = recipe_.dataset;
    test_ = select(whole, split_samples(whole->labels(), dataset.validation, dataset.subset, dataset.name).validation);
    return;
  }
  if (role == "validation" || recipe_.dataset.test)
    test_ = load_role(recipe_.dataset, role, {}, network, *executor_, recipe_.loss.ignored_label, train_->class_names());
}

ModelInfo Training::info() const {
  ModelInfo info = model_info(model_.compilation.network);
  if (info.class_names.empty() && train_) info.class_names = train_->class_names();
  info.preprocess = recipe_.dataset.preprocess;
  info.fingerprint = digest(to_string(model_.compilation.network.graph)).hex();
  if (is_cuda(model_.compilation.target)) info.tiles = model_.compilation.target.features;
  return info;
}

TrainingId Training::id() const {
  NETC_CHECK(has_data(), "id before load_data");
  return training_id(*context_, {recipe_, *train_, test_.get(), info()});
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
