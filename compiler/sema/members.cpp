// Networks inside this one's graph: the members of an ensemble (rule 29), and a teacher. Each is elaborated with its own
// names under a path of its own, on an input that all of them share; what comes of it are its scores.
#include <algorithm>

#include "compiler/ops/build.h"
#include "compiler/ops/registry.h"
#include "compiler/sema/elaborator.h"

namespace netc {
namespace {

constexpr const char* kShared = "shared";
constexpr double kTieBreak = 1e-3;  // the part of mean probabilities in a vote

std::string joined(const std::string& prefix, const std::string& name) {
  return prefix.empty() || name.empty() ? prefix + name : prefix + "." + name;
}

ValueId sum_of(Builder& builder, const std::vector<ValueId>& values) {
  ValueId sum = values.front();
  for (size_t i = 1; i < values.size(); ++i) sum = build::add(builder, sum, values[i]);
  return sum;
}

ValueId log_softmax(Builder& builder, ValueId logits) { return builder.emit(op("log_softmax"), {logits}, {{"axis", int64_t{1}}}); }

// log of the mean of e^v, without underflow: every term is at most 1, and one of them is 1.
ValueId log_mean_exp(Builder& builder, const std::vector<ValueId>& values) {
  ValueId greatest = values.front();
  for (size_t i = 1; i < values.size(); ++i) greatest = build::maximum(builder, greatest, values[i]);
  std::vector<ValueId> terms;
  for (const ValueId value : values) terms.push_back(build::exp(builder, build::sub(builder, value, greatest)));
  const ValueId mean = build::mul(builder, sum_of(builder, terms), 1 / static_cast<double>(values.size()));
  return build::add(builder, build::log(builder, mean), greatest);
}

// One of the classes with the greatest score each; equal ones share the vote.
ValueId vote_of(Builder& builder, ValueId scores) {
  const ValueId best = build::equal(builder, scores, build::broadcast(builder, build::reduce_max(builder, scores, {1}, true), builder.type(scores).shape));
  return build::div(builder, best, build::reduce_sum(builder, best, {1}, true));
}

}  // namespace

std::string Elaborator::state_path(const std::string& path) const {
  if (!member_ || !shared_globs_) return path;
  const std::string relative = path.substr(member_prefix_.size() + 1);
  const bool shared = std::any_of(shared_globs_->begin(), shared_globs_->end(), [&](const std::string& glob) { return glob_matches(glob, relative); });
  return shared ? joined(joined(ensemble_prefix_, kShared), relative) : path;
}

// A member's input is the one that is there already.
TensorDatum Elaborator::member_input(const InputStmt& input, const Shape& shape) {
  const TensorDatum& there = input_values_.front();
  if (there.shape == shape) return there;
  Diagnostic d = error("E0516", member_->span, "`" + member_->network->name.text + "` takes " + to_string(shape) + ", the input is " + to_string(there.shape));
  if (presentable(input.name.span.file)) d.secondary.push_back({input.name.span, "its input"});
  fail(std::move(d));
}

TensorDatum Elaborator::run_member(const EnsembleMember& member, const std::string& prefix) {
  const EnsembleMember* around = std::exchange(member_, &member);
  const std::string prefix_around = std::exchange(member_prefix_, prefix);
  std::vector<DeclaredOutput> outputs_around;
  std::swap(outputs_, outputs_around);
  const size_t inputs_before = inputs_.size();
  Request request;
  request.module = member.module;
  request.network = member.network;
  request.args_module = member.args_module;
  request.args = member.args;
  request.reference_span = member.span;
  Scope scope;
  PathScope paths;
  paths.prefix = prefix;
  Context ctx;
  ctx.module = request.module;
  ctx.scope = &scope;
  ctx.path = &paths;
  ctx.place = Place::network;
  bind_network_args(request, ctx);
  const int32_t layer = open_layer(LayerNode::Kind::block, prefix, member.network->name.text, std::string(project_.sources().text(member.span)), member.span, {});
  run_body(member.network->body, ctx);
  if (!input_values_.empty()) layers_[static_cast<size_t>(layer)].inputs = {input_values_.front().shape};
  close_layer(layer, ctx.current);
  close_scope(scope, ctx);
  if (failed_) throw Failed{};
  if (inputs_.size() > inputs_before + 1 || input_values_.size() != 1)
    fail(error("E0516", member.span, "a member has one input, `" + member.network->name.text + "` has several"));
  if (outputs_.empty()) throw Failed{};  // its own check says so
  const TensorDatum scores = scores_of(outputs_).value;
  if (scores.shape.size() != 1)
    fail(error("E0205", member.span, "a member gives one score a class, [C], `" + member.network->name.text + "` gives " + to_string(scores.shape)));
  std::swap(outputs_, outputs_around);
  member_prefix_ = prefix_around;
  member_ = around;
  return scores;
}

TensorDatum Elaborator::run_members(const Ensemble& ensemble, const std::string& prefix) {
  ensemble_prefix_ = prefix;
  shared_globs_ = &ensemble.shared;
  std::vector<TensorDatum> scores;
  for (const EnsembleMember& member : ensemble.members) {
    scores.push_back(run_member(member, joined(prefix, member.name)));
    if (scores.back().shape == scores.front().shape) continue;
    Diagnostic d = error("E0516", member.span, "members differ: " + std::to_string(scores.back().shape[0]) + " classes");
    d.secondary.push_back({ensemble.members.front().span, std::to_string(scores.front().shape[0]) + " classes"});
    fail(std::move(d));
  }
  shared_globs_ = nullptr;
  const std::string shared = joined(prefix, kShared) + ".";
  for (size_t i = 0; i < ensemble.shared.size(); ++i) {
    const std::string& glob = ensemble.shared[i];
    const std::vector<StateVariable>& states = builder_.graph().states;
    if (std::any_of(states.begin(), states.end(), [&](const StateVariable& s) { return s.path.starts_with(shared) && glob_matches(glob, s.path.substr(shared.size())); }))
      continue;
    fail(error("E0514", ensemble.shared_spans[i], "no parameter's path in the members of `" + ensemble.name.text + "` matches \"" + glob + "\""));
  }
  return combine(ensemble, scores);
}

// What the scores of all members come to, as scores again: their softmax is the ensemble's probabilities.
TensorDatum Elaborator::combine(const Ensemble& ensemble, const std::vector<TensorDatum>& scores) {
  if (scores.size() == 1) return scores.front();
  builder_.set_origin(origin_at(ensemble.name.span, joined(ensemble_prefix_, "combine")));
  const double share = 1 / static_cast<double>(scores.size());
  std::vector<ValueId> logits, logarithms, votes;
  for (const TensorDatum& each : scores) logits.push_back(each.id);
  if (ensemble.combine == Ensemble::Combine::mean_logits) return tensor(build::mul(builder_, sum_of(builder_, logits), share));
  for (const ValueId each : logits) logarithms.push_back(log_softmax(builder_, each));
  const ValueId mean = log_mean_exp(builder_, logarithms);
  if (ensemble.combine == Ensemble::Combine::mean_probabilities) return tensor(mean);
  // Votes, with a little of the mean probabilities: they break ties, and a class without votes is not impossible.
  for (const ValueId each : logits) votes.push_back(vote_of(builder_, each));
  const ValueId counted = build::mul(builder_, sum_of(builder_, votes), (1 - kTieBreak) * share);
  const ValueId rest = build::mul(builder_, build::exp(builder_, mean), kTieBreak);
  return tensor(build::log(builder_, build::maximum(builder_, build::add(builder_, counted, rest), build::number(builder_, 1e-30, rest))));
}

void Elaborator::run_ensemble(const Ensemble& ensemble, Span span) {
  if (config_.purpose == Purpose::train) {
    Diagnostic d = error("E0516", span, "the members of `" + ensemble.name.text + "` are trained one by one");
    d.fixes.push_back({"netc train FILE.net:TRAIN, or FILE.net:TRAIN." + ensemble.members.front().name + " for one of them", "", {}});
    fail(std::move(d));
  }
  for (const auto& [name, text] : config_.set)
    fail(error("E0104", {}, "`" + ensemble.name.text + "` has no argument `" + name + "`, which --set gives"));
  const TensorDatum scores = run_members(ensemble, "");
  outputs_.push_back({{"logits", span}, scores});
}

// The teacher's parameters are at "teacher.…", where the network has none.
void Elaborator::require_no_teacher(const Ensemble& teacher) {
  const std::vector<StateVariable>& states = builder_.graph().states;
  const auto own = std::find_if(states.begin(), states.end(), [](const StateVariable& s) { return s.path.starts_with("teacher."); });
  if (own == states.end()) return;
  Span span = teacher.members.front().span;
  for (const Node& node : builder_.graph().nodes)
    if (node.origin.path == "teacher" || node.origin.path.starts_with("teacher.")) {
      span = node.origin.chain.empty() ? node.origin.span : node.origin.chain.back().span;
      break;
    }
  Diagnostic d = error("E0108", span, "two things here have the path `teacher`");
  d.secondary.push_back({teacher.members.front().span, "the teacher"});
  d.notes.push_back("the parameters of a teacher have paths of their own, `teacher.…`: give the network's layer another label");
  fail(std::move(d));
}

// A teacher sees what the network sees, after the augmentation, and does not learn.
TensorDatum Elaborator::teacher_scores(const Ensemble& teacher) {
  require_no_teacher(teacher);
  within_teacher_ = true;
  const TensorDatum scores = run_members(teacher, "teacher");
  within_teacher_ = false;
  return scores;
}

// temperature^2 * KL(teacher || network), the mean over the batch, without the samples whose label the loss ignores.
ValueId Elaborator::distillation(ValueId logits, ValueId label, const Request& request) {
  const DistillSpec& spec = *request.recipe->distill;
  const TensorDatum scores = teacher_scores(*request.teacher);
  const int64_t classes = builder_.type(logits).shape[1];
  const Span span = request.teacher->members.front().span;
  if (scores.shape[0] != classes)
    fail(error("E0501", span, std::to_string(scores.shape[0]) + " classes of the teacher, " + std::to_string(classes) + " of the network"));
  builder_.set_origin(origin_at(span, "teacher.loss"));
  const double cooling = 1 / spec.temperature;
  const ValueId theirs = build::mul(builder_, scores.id, cooling), ours = build::mul(builder_, logits, cooling);
  ValueId target = builder_.emit(op("softmax"), {theirs}, {{"axis", int64_t{1}}});
  LossSpec plain;
  plain.ignored_label = request.recipe->loss.ignored_label;
  const Attrs sum{{"reduction", std::string("sum")}}, mean{{"reduction", std::string("mean")}};
  ValueId counted;  // how many samples count, where not all do
  if (plain.ignored_label) {
    const ValueId weight = targets_of(label, plain, classes).weight;
    target = build::mul(builder_, target, weight);
    counted = builder_.emit(op("sum_valid"), {weight}, sum);
  }
  const Attrs& reduction = counted.valid() ? sum : mean;
  const ValueId cross = builder_.emit(op("cross_entropy_against"), {ours, target}, reduction);
  const ValueId entropy = builder_.emit(op("cross_entropy_against"), {theirs, target}, reduction);  // of the teacher: no gradient
  ValueId divergence = build::sub(builder_, cross, entropy);
  if (counted.valid()) divergence = build::div(builder_, divergence, build::maximum(builder_, counted, build::number(builder_, 1e-20, counted)));
  return build::mul(builder_, divergence, spec.temperature * spec.temperature);
}

}  // namespace netc
