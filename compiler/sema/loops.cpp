// `for`, `repeat` and `if`: run at compile time, they leave a static graph (rule 6).
//
// Calls are counted before they are built: `repeat 1000000 { conv(64, 3x3) }` is refused at once. Loops that call nothing
// are limited by the steps of evaluation that they take.
#include "compiler/sema/elaborator.h"

namespace netc {
namespace {

constexpr int64_t kIterationSteps = 10;  // an iteration's scope and paths cost about as much as so many expressions

// Calls that one run of the body makes at least.
int64_t calls_in(const Body& body) {
  int64_t calls = 0;
  for (const Stmt& stmt : body.statements) {
    if (const ChainStmt* chain = stmt.as<ChainStmt>()) {
      for (const Link& link : chain->chain.links) {
        if (link.as<CallLink>()) ++calls;
        if (const ResidualLink* residual = link.as<ResidualLink>()) calls += 1 + calls_in(residual->body);
        if (const InceptionLink* inception = link.as<InceptionLink>()) calls += 1 + calls_in(inception->body);
      }
    } else if (const BranchStmt* branch = stmt.as<BranchStmt>()) {
      calls += calls_in(branch->body);
    } else if (const ForStmt* loop = stmt.as<ForStmt>()) {
      calls += calls_in(loop->body);
    } else if (const RepeatStmt* repeat = stmt.as<RepeatStmt>()) {
      const IntLit* count = repeat->count.as<IntLit>();
      calls += calls_in(repeat->body) * (count && count->value >= 0 && count->value < 1'000'000 ? count->value : 1);
    } else {
      ++calls;  // anything costs something
    }
  }
  return calls;
}

}  // namespace

void Elaborator::count_layers(int64_t times, const Body& body, Span span) {
  int64_t total = 0;
  if (checked_mul(times, std::max<int64_t>(1, calls_in(body)), total) && checked_add(total, layer_count_, total) &&
      total <= config_.limits.layers)
    return;
  fail(error("E0801", span, "this loop makes the network larger than " + with_commas(config_.limits.layers) + " calls",
             with_commas(times) + " times"));
}

void Elaborator::run_loop(const Loop& loop, Context& ctx) {
  count_layers(loop.count, *loop.body, loop.keyword_span);
  std::string prefix = ctx.path->prefix;
  if (*loop.label) {
    prefix = ctx.path->join(claim_segment(*loop.label, "", (*loop.label)->span, *ctx.path));
  } else {
    if (ctx.path->unlabelled_loop.valid()) {
      Diagnostic d = error("E0109", loop.keyword_span, "a second loop without a label", "its paths would be those of the first");
      d.secondary.push_back({ctx.path->unlabelled_loop, "the first one"});
      d.fixes.push_back({"a label: `stage2: " + std::string(project_.sources().text(loop.keyword_span)) + " ...`", "", {}});
      report(std::move(d));
      prefix = ctx.path->join("second_loop");  // goes on without clashes that only follow from this error
    }
    ctx.path->unlabelled_loop = loop.keyword_span;
  }
  const int32_t layer = open_layer(LayerNode::Kind::loop, prefix, *loop.label ? (*loop.label)->text : "loop", "",
                                   loop.keyword_span, ctx.current);
  for (int64_t i = 0; i < loop.count; ++i) {
    spend(kIterationSteps, loop.keyword_span);
    Scope scope(ctx.scope);
    PathScope paths;
    paths.prefix = prefix.empty() ? std::to_string(i) : prefix + "." + std::to_string(i);
    Context inner = nested(ctx, scope);
    inner.path = &paths;
    loop.declare(i, scope);
    run_body(*loop.body, inner);
    ctx.current = inner.current;
    close_scope(scope, ctx);
  }
  close_layer(layer, ctx.current);
}

// Runs a body of which it is not known whether, or how often, it runs: for what is wrong in it whatever happens.
void Elaborator::check_body(const Body& body, const Context& ctx, const std::vector<Name>& unknown) {
  Scope scope(ctx.scope);
  PathScope paths = *ctx.path;  // labels here clash with those around, not with those of another arm
  Context inner = ctx;
  inner.scope = &scope;
  inner.path = &paths;
  for (const Name& name : unknown) scope.declare(name.text, {{}, name.span, ScopeEntry::Kind::loop, true});
  run_body(body, inner);
  close_scope(scope, ctx);
}

void Elaborator::run_for(const ForStmt& loop, Context& ctx) {
  Datum range;
  try {
    range = evaluate(loop.range, ctx);
    if (checks_block_ && range.as<std::monostate>()) throw Failed{};
  } catch (const Failed&) {
    if (!checks_block_) throw;
    std::vector<Name> names{loop.variable};
    if (loop.index) names.push_back(*loop.index);
    for (const Name& name : names) check_fresh(name, ctx);
    check_body(loop.body, ctx, names);
    throw;
  }
  const auto* items = range.as<std::vector<Datum>>();
  if (!items) {
    Diagnostic d = error("E0309", loop.range.span, "`for` runs over a list or a range, this is " + kind_of(range));
    if (range.as<IntDatum>()) {
      const std::string fixed = "0.." + std::string(project_.sources().text(loop.range.span));
      d.fixes.push_back({fixed, "", {{loop.range.span, fixed}}});
    }
    fail(std::move(d));
  }
  check_fresh(loop.variable, ctx);
  if (loop.index) check_fresh(*loop.index, ctx);
  run_loop({&loop.label, loop.keyword_span, &loop.body, static_cast<int64_t>(items->size()),
            [&](int64_t i, Scope& scope) {
              if (loop.index) scope.declare(loop.index->text, {int_datum(i), loop.index->span, ScopeEntry::Kind::loop, true});
              scope.declare(loop.variable.text, {(*items)[static_cast<size_t>(i)], loop.variable.span, ScopeEntry::Kind::loop, true});
            }},
           ctx);
}

void Elaborator::run_repeat(const RepeatStmt& loop, Context& ctx) {
  int64_t count = 0;
  try {
    count = evaluate_int(loop.count, ctx, "the count of `repeat`");
  } catch (const Failed&) {
    if (checks_block_) check_body(loop.body, ctx, {});
    throw;
  }
  if (count < 0) fail(error("E0313", loop.count.span, "`repeat` counts from 0 up, this is " + std::to_string(count)));
  run_loop({&loop.label, loop.keyword_span, &loop.body, count, [](int64_t, Scope&) {}}, ctx);
}

void Elaborator::run_if(const IfStmt& branch, Context& ctx) {
  const Body* chosen = branch.else_body ? &*branch.else_body : nullptr;
  bool unknown = false;
  for (const IfArm& arm : branch.arms) {
    try {
      if (!evaluate_bool(arm.condition, ctx, "the condition of `if`")) continue;
    } catch (const Failed&) {
      if (!checks_block_) throw;
      unknown = true;
      check_body(arm.body, ctx, {});
      continue;
    }
    chosen = &arm.body;
    break;
  }
  if (unknown) {
    if (chosen) check_body(*chosen, ctx, {});
    throw Failed{};  // which of them runs, and so what is current, is not known
  }
  if (!chosen) return;
  Scope scope(ctx.scope);
  Context inner = nested(ctx, scope);
  run_body(*chosen, inner);
  ctx.current = inner.current;
  close_scope(scope, ctx);
}

}  // namespace netc
