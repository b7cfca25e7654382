// What a graph is for: the network's outputs, the training loss, or the metrics of an evaluation.
//
//   train:  loss = loss(logits, label) + sum of weight * loss(aux head, label);  correct = top-1 count
//   eval:   loss_sum over the valid samples, top1 and top5 counts
#include <algorithm>

#include "compiler/ops/build.h"
#include "compiler/ops/registry.h"
#include "compiler/sema/elaborator.h"

namespace netc {
namespace {

bool has_class_weights(const LossSpec& loss) { return loss.balanced || !loss.class_weights.empty(); }

}  // namespace

// Labels that are ignored, class weights and mixed samples make a target [C] of a label; without any of them the label
// itself is enough.
Elaborator::Targets Elaborator::targets_of(ValueId label, const LossSpec& loss, int64_t classes) {
  using namespace build;
  ValueId hard = builder_.emit(op("one_hot"), {label}, {{"classes", classes}});
  if (loss.ignored_label) hard = mul(builder_, hard, counts(label, *loss.ignored_label));
  if (mix_.valid()) hard = builder_.emit(op("mix_targets"), {hard, mix_});
  const ValueId rows = reduce_sum(builder_, hard, {1}, true);
  Targets targets{hard, rows};
  const double smoothing = loss.label_smoothing;
  if (smoothing > 0) {
    const double off = loss.kind == LossSpec::Kind::binary_cross_entropy ? 0.5 : 1 / static_cast<double>(classes);
    targets.target = add(builder_, mul(builder_, hard, 1 - smoothing), mul(builder_, rows, smoothing * off));
  }
  if (has_class_weights(loss)) {
    std::vector<ValueId> parts;
    // Before the data are known, as in `netc explain`, balanced weights are all 1.
    const std::vector<double> unknown(static_cast<size_t>(classes), 1.0);
    for (double weight : loss.class_weights.empty() ? unknown : loss.class_weights) parts.push_back(builder_.constant(weight, {DType::f32, {1, 1}}));
    const ValueId weights = concat(builder_, std::move(parts), 1);
    targets.target = mul(builder_, targets.target, weights);
    targets.weight = reduce_sum(builder_, mul(builder_, hard, weights), {1}, true);
  }
  return targets;
}

// [N, 1]: 0 for samples with the ignored label, else 1.
ValueId Elaborator::counts(ValueId label, int64_t ignored) {
  using namespace build;
  const ValueId value = reshape(builder_, cast(builder_, label, DType::f32), {config_.batch, 1});
  const ValueId is_ignored = equal(builder_, value, number(builder_, static_cast<double>(ignored), value));
  return sub(builder_, number(builder_, 1, value), is_ignored);
}

ValueId Elaborator::loss_of(ValueId logits, ValueId label, const LossSpec& loss, const std::string& reduction) {
  const int64_t classes = builder_.type(logits).shape[1];
  const Attrs attrs{{"reduction", reduction}};
  switch (loss.kind) {
    case LossSpec::Kind::cross_entropy: {
      const bool weighted = loss.ignored_label || has_class_weights(loss);
      if (!weighted && !mix_.valid())
        return builder_.emit(op("cross_entropy"), {logits, label},
                             {{"label_smoothing", loss.label_smoothing}, {"reduction", reduction}});
      const Targets targets = targets_of(label, loss, classes);
      if (!weighted || reduction == "sum") return builder_.emit(op("cross_entropy_against"), {logits, targets.target}, attrs);
      // The mean that the samples' weights make, as PyTorch's; 0 where none counts.
      const Attrs sum{{"reduction", std::string("sum")}};
      const ValueId total = builder_.emit(op("cross_entropy_against"), {logits, targets.target}, sum);
      const ValueId weight = builder_.emit(op("sum_valid"), {targets.weight}, sum);
      return build::div(builder_, total, build::maximum(builder_, weight, build::number(builder_, 1e-20, weight)));
    }
    case LossSpec::Kind::mse: return builder_.emit(op("mse"), {logits, targets_of(label, loss, classes).target}, attrs);
    case LossSpec::Kind::binary_cross_entropy:
      return builder_.emit(op("binary_cross_entropy"), {logits, targets_of(label, loss, classes).target}, attrs);
    case LossSpec::Kind::smooth_l1:
      return builder_.emit(op("smooth_l1"), {logits, targets_of(label, loss, classes).target},
                           {{"beta", loss.beta}, {"reduction", reduction}});
  }
  return {};
}

// The number of counted samples whose label is among the `k` highest scores.
ValueId Elaborator::correct_of(ValueId logits, ValueId label, const LossSpec& loss, int64_t k) {
  using namespace build;
  if (!loss.ignored_label) return builder_.emit(op("topk_correct"), {logits, label}, {{"k", k}});
  const ValueId rank = reshape(builder_, builder_.emit(op("label_rank"), {logits, label}), {config_.batch, 1});
  const ValueId hit = greater(builder_, number(builder_, static_cast<double>(k), rank), rank);
  return builder_.emit(op("sum_valid"), {mul(builder_, hit, counts(label, *loss.ignored_label))},
                       {{"reduction", std::string("sum")}});
}

// What an evaluation adds up. "counted" and "loss_weight", where there, are what the sums are divided by.
void Elaborator::add_metrics(ValueId logits, ValueId label, const LossSpec& loss) {
  const int64_t classes = builder_.type(logits).shape[1];
  const Attrs sum{{"reduction", std::string("sum")}};
  builder_.add_output("probabilities", builder_.emit(op("softmax"), {logits}, {{"axis", int64_t{1}}}));
  if (config_.augmented) return;  // the views' probabilities are averaged before anything is counted
  builder_.add_output("loss_sum", loss_of(logits, label, loss, "sum"));
  builder_.add_output("top1", correct_of(logits, label, loss, 1));
  builder_.add_output("top5", correct_of(logits, label, loss, std::min<int64_t>(5, classes)));
  if (loss.ignored_label)
    builder_.add_output("counted", builder_.emit(op("sum_valid"), {counts(label, *loss.ignored_label)}, sum));
  if (loss.ignored_label || has_class_weights(loss))
    builder_.add_output("loss_weight", builder_.emit(op("sum_valid"), {targets_of(label, loss, classes).weight}, sum));
}

void Elaborator::check_loss(const LossSpec& loss, int64_t classes, Span span) {
  const auto weights = static_cast<int64_t>(loss.class_weights.size());
  if (weights != 0 && weights != classes)
    fail(error("E0501", train_ ? setting_place("loss", 0) : span,
               std::to_string(classes) + " logits, " + std::to_string(weights) + " class weights in `cross_entropy`"));
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
  const std::string& network = request.name().text;
  Diagnostic d = error("E0501", request.reference_span, message);
  for (const auto& [text, span] : default_args_) {
    if (text != "classes = " + std::to_string(logits[0])) continue;
    const SourceMap& sources = project_.sources();
    d.message += " (" + text + " is the default at " + sources.file(span.file).path + ":" + std::to_string(line_of(span)) + ")";
    if (presentable(span.file)) d.secondary.push_back({span, "the default"});
  }
  const bool has_classes = request.network && std::any_of(request.network->params.begin(), request.network->params.end(),
                                       [](const Parameter& p) { return p.name.text == "classes"; });
  if (config_.set.count("classes")) {
    d.fixes.push_back({"--set classes=" + std::to_string(classes), "", {}});
  } else if (has_classes) {
    const std::string fixed = network + "(classes = " + std::to_string(classes) + ")";
    Fix fix{fixed, "", {}};
    if (request.reference_span.valid() && (!request.args || request.args->empty())) fix.edits.push_back({request.reference_span, fixed});
    d.fixes.push_back(std::move(fix));
  }
  fail(std::move(d));
}

void Elaborator::add_objective(const Request& request) {
  if (config_.input_only) {
    builder_.add_output("seen", input_values_.front().id);
    return;
  }
  if (config_.purpose == Purpose::predict || config_.without_loss) {
    for (const DeclaredOutput& output : outputs_) builder_.add_output(output.name.text, output.value.id);
    for (const AuxHead& head : aux_heads_) builder_.add_output(head.name, head.value);
    return;
  }
  const LossSpec loss = request.recipe ? request.recipe->loss : LossSpec{};
  const DeclaredOutput* scores = &scores_of(outputs_);
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
  check_loss(loss, scores->value.shape[0], span);
  if (config_.purpose == Purpose::eval) return add_metrics(logits, label, loss);
  ValueId total = loss_of(logits, label, loss, "mean");
  for (size_t i = 0; i < aux_heads_.size(); ++i) {
    const AuxHead& head = aux_heads_[i];
    const Shape& shape = builder_.type(head.value).shape;
    check_scores(Shape(shape.begin() + 1, shape.end()), aux_spans_[i], "the end of `aux_head " + head.name + "`");
    if (shape[1] != scores->value.shape[0])
      fail(error("E0501", aux_spans_[i], "`aux_head " + head.name + "` has " + std::to_string(shape[1]) + " logits, `" + scores->name.text +
                                             "` has " + std::to_string(scores->value.shape[0])));
    builder_.set_origin(origin_at(aux_spans_[i], head.name + ".loss"));
    const ValueId weight = builder_.constant(head.weight, {DType::f32, {}});
    total = emit("add", {total, emit("mul", {loss_of(head.value, label, loss, "mean"), weight}, {}, span)[0]}, {}, span)[0];
  }
  if (request.teacher) {
    const double share = request.recipe->distill->share;
    total = build::add(builder_, build::mul(builder_, total, 1 - share), build::mul(builder_, distillation(logits, label, request), share));
  }
  builder_.set_origin(origin_at(span, "loss"));
  builder_.add_output("loss", total);
  builder_.add_output("correct", correct_of(logits, label, loss, 1));
  if (loss.ignored_label)
    builder_.add_output("counted", builder_.emit(op("sum_valid"), {counts(label, *loss.ignored_label)},
                                                 {{"reduction", std::string("sum")}}));
}

}  // namespace netc
