// Data sets: where images and labels lie, how they are prepared and what the classes are called.
//
//   dataset cifar { train = cifar10("data_batch_*.bin"); test = cifar10("test_batch.bin"); normalize = cifar }
#include <algorithm>

#include "compiler/sema/recipe_values.h"
#include "compiler/sema/recipes.h"

namespace netc {
namespace {

const std::vector<std::string> kKeys = {"train", "test", "preprocess", "normalize", "classes", "validation", "subset", "corrupt"};

struct Statistics {
  const char* name;
  std::vector<double> mean, std;
};

// Means and deviations of the training images, of values in 0..1.
const std::vector<Statistics>& known_statistics() {
  static const std::vector<Statistics> table = {
      {"imagenet", {0.485, 0.456, 0.406}, {0.229, 0.224, 0.225}},
      {"cifar", {0.4914, 0.4822, 0.4465}, {0.2470, 0.2435, 0.2616}},
      {"mnist", {0.1307}, {0.3081}},
      {"fashion_mnist", {0.2860}, {0.3530}},
  };
  return table;
}

DataSourceSpec source(ConfigReader& reader, const Expression& value) {
  const Constructor c = reader.constructor(value,
                                           {{"idx", {"images", "labels"}},
                                            {"cifar10", {"files"}},
                                            {"cifar100", {"files"}},
                                            {"image_folder", {"folder"}},
                                            {"numpy", {"images", "labels"}},
                                            {"webdataset", {"files"}}},
                                           "a data source", {"tfrecord", "imagenet", "csv"});
  DataSourceSpec spec;
  spec.kind = c.name == "idx"            ? DataSourceSpec::Kind::idx
              : c.name == "cifar10"      ? DataSourceSpec::Kind::cifar10
              : c.name == "cifar100"     ? DataSourceSpec::Kind::cifar100
              : c.name == "image_folder" ? DataSourceSpec::Kind::image_folder
              : c.name == "webdataset"   ? DataSourceSpec::Kind::webdataset
                                         : DataSourceSpec::Kind::numpy;
  const bool pair = c.name == "idx" || c.name == "numpy";
  const std::string first = pair ? "images" : c.name == "image_folder" ? "folder" : "files";
  reader.require(c, first);
  spec.images = reader.text(*c.fields.at(first), "`" + first + "` of `" + c.name + "`");
  if (pair) {
    reader.require(c, "labels");
    spec.labels = reader.text(*c.fields.at("labels"), "`labels` of `" + c.name + "`");
  }
  spec.base_dir = reader.module().directory;
  return spec;
}

std::vector<PreprocessSpec> preprocess(ConfigReader& reader, const Expression& value) {
  std::vector<PreprocessSpec> steps;
  for (const Expression* item : reader.items(value))
    steps.push_back(read_preprocess_step(reader, reader.constructor(*item, preprocess_steps(), "a preprocessing step", {"pad", "grayscale"})));
  return steps;
}

// Of the training samples: more than none, and not all.
double share(ConfigReader& reader, const Expression& value) {
  const double part = reader.percent(value, "`validation`");
  if (part <= 0 || part >= 1) reader.fail(reader.error("E0507", value.span, "`validation` lies between 0% and 100%, both excluded"));
  return part;
}

void normalize(ConfigReader& reader, const Expression& value, DatasetSpec& spec) {
  std::vector<std::string> words;
  for (const Statistics& statistics : known_statistics()) words.emplace_back(statistics.name);
  if (!value.as<Call>()) {
    const std::string word = reader.word(value, "`normalize`", words);
    for (const Statistics& statistics : known_statistics())
      if (word == statistics.name) spec.mean = statistics.mean, spec.std = statistics.std;
    return;
  }
  const Constructor c = reader.constructor(value, {{"channels", {"mean", "std"}}}, "a normalisation such as channels(mean = [...], std = [...])");
  reader.require(c, "mean");
  reader.require(c, "std");
  spec.mean = reader.reals(*c.fields.at("mean"), "`mean`");
  spec.std = reader.reals(*c.fields.at("std"), "`std`");
  if (spec.mean.size() != spec.std.size() || spec.mean.empty())
    reader.fail(reader.error("E0507", c.span, "`mean` and `std` have one number for each channel"));
  for (double deviation : spec.std)
    if (deviation <= 0) reader.fail(reader.error("E0507", c.fields.at("std")->span, "a standard deviation is above 0"));
}

// `mean = [127.5]` is of bytes; pictures are normalised as values in 0..1.
void check_statistics(Elaborator& elaborator, const DatasetDecl& dataset, const DatasetSpec& spec) {
  const auto outside = [](double value) { return value < 0 || value > 1; };
  if (std::none_of(spec.mean.begin(), spec.mean.end(), outside) && std::none_of(spec.std.begin(), spec.std.end(), outside)) return;
  for (const auto& item : dataset.body.items) {
    const Entry* entry = std::get_if<Entry>(&item);
    if (!entry || entry->key.text != "normalize") continue;
    Diagnostic d = elaborator.error("E0507", entry->value.span, "means and deviations of pictures are of values from 0 to 1");
    d.notes.push_back("a byte is divided by 255 first: 127.5 is 0.5");
    elaborator.report(std::move(d));
  }
}

}  // namespace

Span dataset_span(Project&, const Module& module, const TrainDecl& train, const std::string& key, size_t index) {
  const auto found = module.names.find(train.data.text);
  const DatasetDecl* dataset = found != module.names.end() && found->second.declaration ? found->second.declaration->as<DatasetDecl>() : nullptr;
  if (!dataset) return train.data.span;
  for (const auto& item : dataset->body.items) {
    const Entry* entry = std::get_if<Entry>(&item);
    if (!entry || entry->key.text != key) continue;
    const ListExpr* list = entry->value.as<ListExpr>();
    return list && index < list->items.size() ? list->items[index].span : entry->value.span;
  }
  return train.data.span;
}

std::optional<DatasetSpec> find_dataset(Project& project, const Module& module, const Name& name, DiagnosticSink& sink) {
  const int errors = sink.error_count();
  const ElaborateConfig config;
  Elaborator elaborator(project, config, sink);
  const auto found = module.names.find(name.text);
  if (found != module.names.end() && !found->second.declaration) return std::nullopt;
  const DatasetDecl* dataset = found != module.names.end() ? found->second.declaration->as<DatasetDecl>() : nullptr;
  if (!dataset) {
    Diagnostic d = elaborator.error("E0512", name.span, "no data set `" + name.text + "`");
    std::vector<std::string> names;
    for (const auto& [each, target] : module.names)
      if (target.declaration && target.declaration->as<DatasetDecl>()) names.push_back(each);
    if (const std::optional<std::string> close = nearest(name.text, names)) d.fixes.push_back({*close, "", {{name.span, *close}}});
    elaborator.report(std::move(d));
    return std::nullopt;
  }
  ConfigReader reader(project, *found->second.module, elaborator);
  DatasetSpec spec;
  spec.name = dataset->name.text;
  reader.entries(dataset->body, "data sets", [&](const Entry& entry) {
    const std::string& key = entry.key.text;
    if (key == "train") spec.train = source(reader, entry.value);
    else if (key == "test") spec.test = source(reader, entry.value);
    else if (key == "preprocess") spec.preprocess = preprocess(reader, entry.value);
    else if (key == "normalize") normalize(reader, entry.value, spec);
    else if (key == "validation") spec.validation = share(reader, entry.value);
    else if (key == "subset") spec.subset = reader.integer(entry.value, "`subset`", 1, int64_t{1} << 40);
    else if (key == "corrupt") spec.skip_corrupt = reader.word(entry.value, "`corrupt`", {"fail", "skip"}) == "skip";
    else if (key == "classes") spec.class_names = reader.texts(entry.value, "`classes`");
    else {
      Diagnostic d = reader.error("E0502", entry.key.span, "a data set has no key `" + key + "`");
      if (const std::optional<std::string> close = nearest(key, kKeys)) d.fixes.push_back({*close, "", {{entry.key.span, *close}}});
      else d.notes.push_back("it has train, test, preprocess, normalize, classes, validation, subset, corrupt");
      reader.fail(std::move(d));
    }
  });
  if (spec.train && spec.train->kind != DataSourceSpec::Kind::numpy) check_statistics(elaborator, *dataset, spec);
  if (sink.error_count() == errors && !spec.train) {
    Diagnostic d = elaborator.error("E0503", dataset->name.span, "`" + spec.name + "` has no `train`");
    d.fixes.push_back({"train = idx(\"train-images.gz\", \"train-labels.gz\")", "", {}});
    elaborator.report(std::move(d));
  }
  return sink.error_count() > errors ? std::nullopt : std::optional(std::move(spec));
}

}  // namespace netc
