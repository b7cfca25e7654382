// inception(merge = concat | sum) { branch { } ... }  (rule 19)
//
// Every branch starts from the same value. `concat` joins the channels in textual order, so the other
// extents must agree; `sum` adds, so whole shapes must.
#include <algorithm>

#include "compiler/sema/elaborator.h"

namespace netc {

Current Elaborator::run_inception(const Link& link, const InceptionLink& inception, const Current& value, Context& ctx) {
  const ConstructArgs args = construct_args(inception.args, "inception", {"merge"});
  std::string merge = "concat";
  if (const auto found = args.by_name.find("merge"); found != args.by_name.end())
    merge = word_argument(*found->second, {"concat", "sum"});
  const TensorDatum x = single_or_poisoned(value, inception.keyword_span, "`inception`");

  Context outer = ctx;
  PathScope labelled;
  if (link.label) {
    labelled.prefix = ctx.path->join(claim_segment(link.label, "", link.label->span, *ctx.path));
    outer.path = &labelled;
  }
  const int32_t layer = open_layer(LayerNode::Kind::inception, outer.path->prefix, "inception",
                                   merge == "sum" ? "inception(merge = sum)" : "inception", inception.keyword_span, value);
  std::vector<Current> branches;
  std::vector<Span> spans;
  Scope scope(ctx.scope);
  Context inner = nested(outer, scope);
  inner.place = Place::branches;
  inner.current = {x};
  inner.branches = &branches;
  inner.branch_spans = &spans;
  run_body(inception.body, inner);
  close_scope(scope, ctx);
  if (branches.empty()) fail(error("E0216", inception.keyword_span, "`inception` has no branches", "`branch { }` is the identity"));

  std::vector<TensorDatum> results;
  bool poisoned = false;
  for (size_t i = 0; i < branches.size(); ++i) {
    try {
      results.push_back(single(branches[i], spans[i], "the end of `branch`"));
    } catch (const Failed&) {
      poisoned = true;
    }
  }
  if (poisoned || x.poisoned()) throw Failed{};
  builder_.set_origin(origin_at(inception.keyword_span, outer.path->prefix));
  const Current result{merge_branches(inception, merge, results, spans, x)};
  close_layer(layer, result);
  return result;
}

void Elaborator::run_branch(const BranchStmt& branch, Context& ctx) {
  PathScope paths;
  paths.prefix = ctx.path->join(claim_segment(branch.label, "branch", branch.keyword_span, *ctx.path));
  Scope scope(ctx.scope);
  Context inner = nested(ctx, scope);
  inner.place = Place::branch;
  inner.path = &paths;
  inner.branches = nullptr;
  inner.branch_spans = nullptr;
  const int32_t layer = open_layer(LayerNode::Kind::branch, paths.prefix, branch.label ? branch.label->text : "branch",
                                   "branch", branch.keyword_span, ctx.current);
  run_body(branch.body, inner);
  close_layer(layer, inner.current);
  close_scope(scope, ctx);
  ctx.branches->push_back(inner.current);
  ctx.branch_spans->push_back(join(branch.keyword_span, branch.body.span));
}

TensorDatum Elaborator::merge_branches(const InceptionLink& inception, const std::string& merge,
                                       const std::vector<TensorDatum>& results, const std::vector<Span>& spans,
                                       const TensorDatum& x) {
  const bool sum = merge == "sum";
  const auto key = [&](const TensorDatum& t) {
    return sum || t.shape.empty() ? t.shape : Shape(t.shape.begin() + 1, t.shape.end());
  };
  // What most branches have is what was meant; the first of the others is wrong.
  size_t agreeing = 0, most = 0;
  for (size_t i = 0; i < results.size(); ++i) {
    const auto votes = static_cast<size_t>(
        std::count_if(results.begin(), results.end(), [&](const TensorDatum& t) { return key(t) == key(results[i]); }));
    if (votes > most) most = votes, agreeing = i;
  }
  if (most < results.size()) {
    size_t wrong = 0;
    while (key(results[wrong]) == key(results[agreeing])) ++wrong;
    Span culprit = spans[wrong];
    Fix fix;
    for (const Graph& graph = builder_.graph(); const Label& label : change_labels(x, results[wrong])) {
      if (key(results[agreeing]) != key(x) || sum) break;
      culprit = label.span;
      // The window of the call whose extent changed, if it has a middle.
      for (const Node& node : graph.nodes) {
        const auto record = records_.find({node.origin.span.file, node.origin.span.begin});
        if (record == records_.end() || !node.attrs.has("stride_h")) continue;
        const auto argument = record->second.arguments.find("stride");
        const bool here = (argument != record->second.arguments.end() && argument->second == culprit) ||
                          node.origin.span == culprit;
        if (!here || node.inputs.empty()) continue;
        const Shape& weight = node.inputs.size() > 1 && node.inputs[1].valid() ? graph.type(node.inputs[1]).shape : Shape{};
        const int64_t window = node.attrs.has("window_h") ? node.attrs.integer("window_h") : weight.size() == 4 ? weight[2] : 0;
        if (window % 2 == 0) continue;
        const bool pool = node.attrs.has("window_h");
        fix.text = pool ? "stride = 1, pad = " + std::to_string(window / 2) : "stride = 1";
        if (argument != record->second.arguments.end() && argument->second == culprit)
          fix.edits = {{culprit, fix.text}};
      }
    }
    Diagnostic d = error("E0202", culprit, sum ? "inception: the branches differ" : "inception: the branches differ in size");
    d.secondary.push_back({spans[agreeing], to_string(results[agreeing].shape)});
    for (size_t i = 0; i < results.size(); ++i)
      if (key(results[i]) != key(results[agreeing])) d.secondary.push_back({spans[i], to_string(results[i].shape)});
    if (sum) d.notes.push_back("merge = sum adds the branches, so their shapes are equal");
    if (!fix.text.empty()) d.fixes.push_back(std::move(fix));
    fail(std::move(d));
  }
  if (results.size() == 1) return results.front();
  if (!sum) {
    std::vector<ValueId> ids;
    for (const TensorDatum& t : results) ids.push_back(t.id);
    return tensor(emit("concat", std::move(ids), {{"axis", int64_t{1}}}, inception.keyword_span)[0]);
  }
  ValueId total = results.front().id;
  for (size_t i = 1; i < results.size(); ++i) total = emit("add", {total, results[i].id}, {}, inception.keyword_span)[0];
  return tensor(total);
}

}  // namespace netc
