// The statements of a body, in order; each maps the current value to the next one (rule 8).
//
// A statement that fails is *poisoned*: the names it would have declared are known, but what they
// stand for is not, and nothing that depends on them is reported again.
#include <algorithm>

#include "compiler/sema/elaborator.h"

namespace netc {
namespace {

const char* word_of(const Stmt& stmt) {
  return std::visit(Overloaded{[](const ChainStmt&) { return "a chain"; }, [](const LetStmt&) { return "`let`"; },
                               [](const ParamStmt&) { return "`param`"; }, [](const ForStmt&) { return "`for`"; },
                               [](const RepeatStmt&) { return "`repeat`"; }, [](const IfStmt&) { return "`if`"; },
                               [](const InputStmt&) { return "`input`"; }, [](const OutputStmt&) { return "`output`"; },
                               [](const RequireStmt&) { return "`require`"; }, [](const ShareStmt&) { return "`share`"; },
                               [](const AuxHeadStmt&) { return "`aux_head`"; },
                               [](const BranchStmt&) { return "`branch`"; }},
                    stmt.node);
}

std::string one_line(std::string_view source, size_t most) {
  std::string text;
  for (char c : source) {
    const bool blank = c == ' ' || c == '\t' || c == '\n' || c == '\r';
    if (!blank) text += c;
    else if (!text.empty() && text.back() != ' ') text += ' ';
  }
  return text.size() > most ? text.substr(0, most - 3) + "..." : text;
}

}  // namespace

Context Elaborator::nested(Context& ctx, Scope& scope) const {
  Context inner = ctx;
  inner.scope = &scope;
  return inner;
}

void Elaborator::run_body(const Body& body, Context& ctx) {
  for (const Stmt& stmt : body.statements) {
    try {
      run_statement(stmt, ctx);
    } catch (const Failed&) {
      failed_ = true;
      if (stopped_) throw;
      poison(stmt, ctx);
      if (stmt.as<RequireStmt>() && ctx.place == Place::block) {
        ctx.current = {TensorDatum{}};  // the rest relies on what was required
        return;
      }
    }
  }
}

void Elaborator::run_statement(const Stmt& stmt, Context& ctx) {
  if (stopped_) throw Failed{};
  const bool in_branches = ctx.place == Place::branches;
  const bool is_branch = stmt.as<BranchStmt>() != nullptr;
  if (in_branches && !is_branch && !stmt.as<ForStmt>() && !stmt.as<RepeatStmt>() && !stmt.as<IfStmt>() &&
      !stmt.as<LetStmt>() && !stmt.as<RequireStmt>()) {
    Diagnostic d = error("E0216", stmt.span, "`inception` holds branches only, this is " + std::string(word_of(stmt)));
    d.fixes.push_back({"branch { " + one_line(project_.sources().text(stmt.span), 40) + " }", "", {}});
    fail(std::move(d));
  }
  if (is_branch && !in_branches)
    fail(error("E0120", stmt.as<BranchStmt>()->keyword_span, "`branch` stands in `inception { }` only"));
  if ((stmt.as<InputStmt>() || stmt.as<OutputStmt>()) && ctx.place != Place::network)
    fail(error("E0120", stmt.span, std::string(word_of(stmt)) + " stands in a network only, not in a block or a construct"));
  if (const AuxHeadStmt* head = stmt.as<AuxHeadStmt>(); head && ctx.place != Place::network && ctx.place != Place::block)
    fail(error("E0120", head->keyword_span, "`aux_head` stands in a network or a block, not in another construct"));

  std::visit(Overloaded{
                 [&](const ChainStmt& s) { run_chain(s.chain, ctx); },
                 [&](const LetStmt& s) { run_let(s, ctx); },
                 [&](const ParamStmt& s) { run_param(s, stmt.span, ctx); },
                 [&](const ForStmt& s) { run_for(s, ctx); },
                 [&](const RepeatStmt& s) { run_repeat(s, ctx); },
                 [&](const IfStmt& s) { run_if(s, ctx); },
                 [&](const InputStmt& s) { run_input(s, ctx); },
                 [&](const OutputStmt& s) { run_output(s, ctx); },
                 [&](const RequireStmt& s) { run_require(s, ctx); },
                 [&](const ShareStmt& s) { run_share(s, ctx); },
                 [&](const AuxHeadStmt& s) { run_aux_head(s, ctx); },
                 [&](const BranchStmt& s) { run_branch(s, ctx); },
             },
             stmt.node);
}

void Elaborator::poison(const Stmt& stmt, Context& ctx) {
  const auto declare = [&](const Name& name, Datum datum) {
    if (!ctx.scope->find(name.text)) ctx.scope->declare(name.text, {std::move(datum), name.span, ScopeEntry::Kind::let, true});
  };
  const Current unknown{TensorDatum{}};
  if (const ChainStmt* s = stmt.as<ChainStmt>()) {
    for (const Link& link : s->chain.links)
      if (link.as_name) declare(*link.as_name, {TensorDatum{}});
    ctx.current = unknown;
  } else if (const LetStmt* let = stmt.as<LetStmt>()) {
    declare(let->name, {});
  } else if (const ParamStmt* param = stmt.as<ParamStmt>()) {
    declare(param->name, {TensorDatum{}});
  } else if (const ShareStmt* share = stmt.as<ShareStmt>()) {
    declare(share->name, {});
  } else if (const InputStmt* input = stmt.as<InputStmt>()) {
    declare(input->name, {TensorDatum{}});
    input_values_.push_back({});
    ctx.current = ctx.block_input = unknown;
  } else if (stmt.as<ForStmt>() || stmt.as<RepeatStmt>() || stmt.as<IfStmt>()) {
    ctx.current = unknown;
  } else if (stmt.as<BranchStmt>() && ctx.branches) {
    ctx.branches->push_back(unknown);
    ctx.branch_spans->push_back(stmt.span);
  }
}

TensorDatum Elaborator::single_or_poisoned(const Current& current, Span span, const std::string& what) const {
  return current.size() == 1 ? current.front() : single(current, span, what);
}

TensorDatum Elaborator::single(const Current& current, Span span, const std::string& what) const {
  if (current.size() == 1) {
    if (current.front().poisoned()) throw Failed{};
    return current.front();
  }
  Elaborator& self = const_cast<Elaborator&>(*this);  // reporting does not change what is built
  if (current.empty())
    self.fail(error("E0210", span, what + " has no value to start from", "nothing is current here: write `x -> ...`"));
  self.fail(error("E0211", span, what + " takes one value, " + std::to_string(current.size()) + " are current",
                  "join them first: `-> concat`"));
}

void Elaborator::run_chain(const Chain& chain, Context& ctx) {
  Current value = ctx.current;
  bool failed = false;
  for (size_t i = 0; i < chain.links.size(); ++i) {
    try {
      value = run_link(chain.links[i], i == 0, chain.links.size() == 1, value, ctx);
    } catch (const Failed&) {
      if (stopped_) throw;
      // The rest of the chain is still checked for errors of its own.
      failed = true;
      value = {TensorDatum{}};
      if (const std::optional<Name>& as = chain.links[i].as_name; as && !ctx.scope->find(as->text))
        ctx.scope->declare(as->text, {Datum{TensorDatum{}}, as->span, ScopeEntry::Kind::tensor, true});
    }
  }
  ctx.current = std::move(value);
  if (failed) failed_ = true;
}

Current Elaborator::run_link(const Link& link, bool first, bool, const Current& value, Context& ctx) {
  Current result = std::visit(
      Overloaded{
          [&](const CallLink& call_link) -> Current {
            Datum callee;
            const NameRef* ref = call_link.callee.as<NameRef>();
            if (ref) {
              const std::optional<Datum> found = look_up(ref->name, call_link.callee.span, ctx);
              if (!found) {
                // What the arguments have to say is worth hearing too.
                unknown_callee(ref->name, call_link.callee.span, ctx);
              }
              callee = *found;
            } else {
              callee = evaluate(call_link.callee, ctx);
            }
            if (callee.as<std::monostate>()) throw Failed{};
            const std::string written(project_.sources().text(call_link.callee.span));
            if (const TensorDatum* t = callee.as<TensorDatum>(); t && !call_link.has_parentheses) {
              if (first) {
                if (link.label) fail(error("E0117", link.label->span, "a label names a call, `" + written + "` is a value"));
                return {*t};
              }
              fail(error("E0117", call_link.callee.span, "`" + written + "` is a value; a value starts a chain"));
            }
            if (const auto* several = callee.as<std::vector<TensorDatum>>(); several && !call_link.has_parentheses && first)
              return *several;
            const Callable* callable = callee.as<Callable>();
            if (!callable) {
              fail(error("E0117", call_link.callee.span, "`" + one_line(written, 40) + "` is " + kind_of(callee) + ", it is not called"));
            }
            if (value.empty()) {
              Diagnostic d = error("E0210", call_link.callee.span, "nothing is current here", "takes the current value");
              if (!input_values_.empty()) d.notes.push_back("a network of several inputs says which one: `x -> " + written + "`");
              else d.notes.push_back("a network begins with `input image: [3, 224, 224]`");
              fail(std::move(d));
            }
            CallSiteInfo site;
            site.callee = call_link.callee.span;
            site.whole = call_link.has_parentheses ? join(site.callee, call_link.args_span) : site.callee;
            site.written = ref ? ref->name : callable->name;
            site.text = one_line(project_.sources().text(site.whole), 60);
            site.args = &call_link.args;
            site.label = link.label;
            return call(site, *callable, value, ctx);
          },
          [&](const ListLink& list) -> Current {
            Current values;
            for (const Expression& item : list.values) {
              const Datum datum = evaluate(item, ctx);
              const TensorDatum* t = datum.as<TensorDatum>();
              if (!t) fail(error("E0301", item.span, "expected a tensor, this is " + kind_of(datum)));
              values.push_back(*t);
            }
            return values;
          },
          [&](const ResidualLink& residual) { return run_residual(link, residual, value, ctx); },
          [&](const InceptionLink& inception) { return run_inception(link, inception, value, ctx); },
      },
      link.node);
  if (link.as_name) {
    check_fresh(*link.as_name, ctx);
    Datum datum = result.size() == 1 ? Datum{result.front()} : Datum{result};
    ctx.scope->declare(link.as_name->text, {std::move(datum), link.as_name->span, ScopeEntry::Kind::tensor, false});
  }
  return result;
}

void Elaborator::run_let(const LetStmt& let, Context& ctx) {
  Datum value = evaluate(let.value, ctx);
  if (value.as<TensorDatum>())
    fail(error("E0315", let.value.span, "`let` is compile time only; a tensor is named with `as`"));
  check_fresh(let.name, ctx);
  ctx.scope->declare(let.name.text, {std::move(value), let.name.span, ScopeEntry::Kind::let, false});
}

void Elaborator::run_require(const RequireStmt& require, Context& ctx) {
  if (evaluate_bool(require.condition, ctx, "a condition")) return;
  std::string text = "a requirement does not hold: " + one_line(project_.sources().text(require.condition.span), 60);
  if (require.text)
    if (const StringLit* lit = require.text->as<StringLit>()) text = lit->value;
  Diagnostic d = error("E0314", require.condition.span, text);
  if (d.primary.span != require.condition.span) d.secondary.push_back({require.condition.span, "required here"});
  // The call is what the reader can change.
  if (d.primary.span == require.condition.span && !frames_.empty() && presentable(frames_.back().span.file)) {
    d.secondary.push_back({require.condition.span, "required here"});
    d.primary.span = frames_.back().span;
    if (!d.chain.empty()) d.chain.erase(d.chain.begin());
  }
  fail(std::move(d));
}

void Elaborator::run_param(const ParamStmt& param, Span span, Context& ctx) {
  const Datum extents = evaluate(param.shape, ctx);
  Shape shape;
  const auto* items = extents.as<std::vector<Datum>>();
  if (!items) fail(error("E0301", param.shape.span, "a shape is a list of ints such as [64, 3, 3, 3], this is " + kind_of(extents)));
  int64_t count = 1;
  for (const Datum& item : *items) {
    const IntDatum* extent = item.as<IntDatum>();
    if (!extent) fail(error("E0301", param.shape.span, "an extent is an int, this is " + kind_of(item)));
    if (extent->value <= 0) {
      Diagnostic d = error("E0313", param.shape.span, "an extent is at least 1, this shape is " + to_text(extents));
      if (!presentable(param.shape.span.file)) d.primary.span = argument_span("channels", d.primary.span);
      fail(std::move(d));
    }
    shape.push_back(extent->value);
    if (!checked_mul(count, extent->value, count) || count > config_.limits.elements)
      fail(error("E0802", param.shape.span, "a parameter " + to_text(extents) + " has too many elements, the limit is " +
                                                with_commas(config_.limits.elements)));
  }
  InitDatum init;
  if (param.init) init = *evaluate_init(*param.init, ctx).as<InitDatum>();

  std::string leaf = param.name.text;
  if (ctx.module->is_stdlib && leaf.back() == '_') leaf.pop_back();  // `bias_` beside the argument `bias`
  StateVariable variable;
  const std::string own_path = ctx.path->join(leaf);
  variable.path = state_path(own_path);
  variable.type = {DType::f32, shape};
  // A frozen parameter has no gradient: what leads to it only is never computed.
  const bool frozen = is_frozen(variable.path, init.buffer);
  variable.kind = init.buffer || frozen ? StateKind::buffer : StateKind::parameter;
  variable.init = compute_init(init, shape, param.init ? param.init->span : span);

  int32_t state = builder_.graph().state_index(variable.path);
  if (state >= 0 && variable.path != own_path) {  // another member has it too
    const Shape& first = builder_.graph().states[static_cast<size_t>(state)].type.shape;
    if (first != shape)
      fail(error("E0516", member_->span, "members share `" + variable.path + "`, which is " + to_string(first) + " in one and " + to_string(shape) + " here"));
  } else if (state >= 0 && current_shared_ >= 0) {
    const Shape& first = builder_.graph().states[static_cast<size_t>(state)].type.shape;
    if (first != shape)
      fail(error("E0220", span, "`" + shared_[static_cast<size_t>(current_shared_)].callable.name + "` is shared: its `" + leaf +
                                    "` is " + to_string(first) + ", this use needs " + to_string(shape)));
  } else {
    const auto [previous, fresh] = ctx.path->taken.emplace(leaf, param.name.span);
    if (!fresh || state >= 0) {
      Diagnostic d = error("E0108", param.name.span, "two things here have the path `" + variable.path + "`");
      if (!fresh) d.secondary.push_back({previous->second, "first here"});
      fail(std::move(d));
    }
    parameter_bytes_ += count * size_of(DType::f32);
    if (parameter_bytes_ > config_.limits.parameter_bytes)
      fail(error("E0803", span, "the parameters need more than " + with_commas(config_.limits.parameter_bytes) + " bytes"));
    builder_.set_origin(origin_at(param.name.span, variable.path));
    state = builder_.declare_state(std::move(variable));
  }
  builder_.set_origin(origin_at(param.name.span, ctx.path->join(leaf)));
  const auto pending = pending_updates_.find(state);
  const ValueId value = pending != pending_updates_.end() ? pending->second : builder_.read_state(state);
  state_values_[value] = state;
  if (!ctx.module->is_prelude) check_fresh(param.name, ctx);
  ctx.scope->declare(param.name.text, {Datum{TensorDatum{value, shape, false}}, param.name.span, ScopeEntry::Kind::param, false});
}

void Elaborator::run_share(const ShareStmt& share, Context& ctx) {
  Callable callable = resolve_callee(share.value.callee, ctx);
  if (!callable.block || callable.shared >= 0)
    fail(error("E0117", share.value.callee.span, "a block is shared, `" + callable.name + "` is not one"));
  check_fresh(share.name, ctx);
  CallSiteInfo site;
  site.callee = share.value.callee.span;
  site.whole = share.value_span;
  site.args = &share.value.args;
  SharedBlock shared;
  shared.args = bind(site, callable, ctx);
  shared.path = ctx.path->join(claim_segment(share.name, "", share.name.span, *ctx.path));
  shared.callable = callable;
  shared.callable.name = share.name.text;
  Callable handle;
  handle.module = callable.module;
  handle.block = callable.block;
  handle.shared = static_cast<int>(shared_.size());
  handle.name = share.name.text;
  shared_.push_back(std::move(shared));
  ctx.scope->declare(share.name.text, {Datum{handle}, share.name.span, ScopeEntry::Kind::shared, false});
}

void Elaborator::close_scope(const Scope& scope, const Context& ctx) {
  if (!config_.advice || !presentable(ctx.module->file)) return;
  for (const auto& [name, entry] : scope.entries()) {
    const bool counts = entry.kind == ScopeEntry::Kind::let || entry.kind == ScopeEntry::Kind::tensor ||
                        entry.kind == ScopeEntry::Kind::param || entry.kind == ScopeEntry::Kind::shared;
    if (!counts || name[0] == '_' || entry.span.file != ctx.module->file) continue;
    NameUse& use = name_uses_[{entry.span.file, entry.span.begin}];
    use.name = name;
    use.span = entry.span;
    use.used |= entry.used;
  }
}

}  // namespace netc
