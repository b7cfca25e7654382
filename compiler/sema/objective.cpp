// What a graph is for: the network's outputs, the training loss, or the metrics of an evaluation.
//
//   train:  loss = loss(logits, label) + sum of weight * loss(aux head, label);  correct = top-1 count
//   eval:   loss_sum over the valid samples, top1 and top5 counts
#include <algorithm>

#include "compiler/sema/elaborator.h"

namespace netc {

ValueId Elaborator::loss_of(ValueId logits, ValueId label, const LossSpec& loss, const std::string& reduction) {
  const Span span = outputs_.front().name.span;
  switch (loss.kind) {
    case LossSpec::Kind::cross_entropy:
      return emit("cross_entropy", {logits, label}, {{"label_smoothing", loss.label_smoothing}, {"reduction", reduction}}, span)[0];
    case LossSpec::Kind::mse: {
      const int64_t classes = builder_.type(logits).shape[1];
      const ValueId target = emit("one_hot", {label}, {{"classes", classes}}, span)[0];
      return emit("mse", {logits, target}, {{"reduction", reduction}}, span)[0];
    }
  }
  return {};
}

void Elaborator::check_classes(const Request& request) {
  if (!recipe_) return;
  const Shape& logits = outputs_.front().value.shape;
  int64_t classes = static_cast<int64_t>(recipe_->dataset.class_names.size());
  if (classes == 0 && recipe_->dataset.train) {
    if (recipe_->dataset.train->kind == DataSourceSpec::Kind::cifar10) classes = 10;
    if (recipe_->dataset.train->kind == DataSourceSpec::Kind::cifar100) classes = 100;
  }
  if (classes == 0 || logits.size() != 1 || logits[0] == classes) return;
  std::string message = std::to_string(logits[0]) + " logits, " + std::to_string(classes) + " classes";
  const std::string& network = request.network->name.text;
  Diagnostic d = error("E0501", request.reference_span, message);
  for (const auto& [text, span] : default_args_) {
    if (text != "classes = " + std::to_string(logits[0])) continue;
    const SourceMap& sources = project_.sources();
    d.message += " (" + text + " is the default at " + sources.file(span.file).path + ":" + std::to_string(line_of(span)) + ")";
    if (presentable(span.file)) d.secondary.push_back({span, "the default"});
  }
  const bool has_classes = std::any_of(request.network->params.begin(), request.network->params.end(),
                                       [](const Parameter& p) { return p.name.text == "classes"; });
  if (has_classes) {
    const std::string fixed = network + "(classes = " + std::to_string(classes) + ")";
    Fix fix{fixed, "", {}};
    if (request.reference_span.valid() && (!request.args || request.args->empty())) fix.edits.push_back({request.reference_span, fixed});
    d.fixes.push_back(std::move(fix));
  }
  fail(std::move(d));
}

void Elaborator::add_objective(const Request& request) {
  if (config_.purpose == Purpose::predict) {
    for (const DeclaredOutput& output : outputs_) builder_.add_output(output.name.text, output.value.id);
    return;
  }
  const LossSpec loss = request.recipe ? request.recipe->loss : LossSpec{};
  // The scores: the only output, or the one named `logits`.
  const DeclaredOutput* scores = &outputs_.front();
  for (const DeclaredOutput& output : outputs_)
    if (output.name.text == "logits") scores = &output;
  if (outputs_.size() > 1 && scores->name.text != "logits")
    fail(error("E0513", scores->name.span, "training needs one output, or one named `logits`", "this network has " + std::to_string(outputs_.size())));
  const auto check_scores = [&](const Shape& shape, Span span, const std::string& what) {
    if (shape.size() == 1) return;
    Diagnostic d = error("E0205", span, what + " is one score a class, [C], got " + to_string(shape));
    d.fixes.push_back({"global_avg_pool or flatten, then linear(classes)", "", {}});
    fail(std::move(d));
  };
  check_scores(scores->value.shape, scores->name.span, "`" + scores->name.text + "`");
  const Span span = scores->name.span;
  builder_.set_origin(origin_at(span, "loss"));
  const ValueId label = builder_.add_input("label", {DType::i64, {config_.batch}});
  const ValueId logits = scores->value.id;
  const int64_t classes = scores->value.shape[0];
  if (config_.purpose == Purpose::eval) {
    builder_.add_output("loss_sum", loss_of(logits, label, loss, "sum"));
    builder_.add_output("top1", emit("topk_correct", {logits, label}, {{"k", int64_t{1}}}, span)[0]);
    builder_.add_output("top5", emit("topk_correct", {logits, label}, {{"k", std::min<int64_t>(5, classes)}}, span)[0]);
    return;
  }
  ValueId total = loss_of(logits, label, loss, "mean");
  for (size_t i = 0; i < aux_heads_.size(); ++i) {
    const AuxHead& head = aux_heads_[i];
    const Shape& shape = builder_.type(head.value).shape;
    check_scores(Shape(shape.begin() + 1, shape.end()), aux_spans_[i], "the end of `aux_head " + head.name + "`");
    builder_.set_origin(origin_at(aux_spans_[i], head.name + ".loss"));
    const ValueId weight = builder_.constant(head.weight, {DType::f32, {}});
    total = emit("add", {total, emit("mul", {loss_of(head.value, label, loss, "mean"), weight}, {}, span)[0]}, {}, span)[0];
  }
  builder_.set_origin(origin_at(span, "loss"));
  builder_.add_output("loss", total);
  builder_.add_output("correct", emit("topk_correct", {logits, label}, {{"k", int64_t{1}}}, span)[0]);
}

}  // namespace netc
