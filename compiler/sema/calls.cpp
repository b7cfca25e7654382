// Calls: what a callee is, which argument goes to which parameter, and entering a block.
//
//   bottleneck(64, stride = 2)   binds width = 64, stride = 2, then runs the block's body with the
//   current value as `block_input`, under the path `<scope>.bottleneck0`.
//
// Positional arguments fill parameters from the first one on; an argument given by name, or before
// by `with`, is replaced by a later one. Defaults may use the parameters before them, and any
// parameter whose own default is a literal.
#include <algorithm>

#include "compiler/ops/registry.h"
#include "compiler/sema/elaborator.h"
#include "compiler/sema/primitive_names.h"

namespace netc {
namespace {

constexpr size_t kMaxCallText = 60;

bool is_literal(const Expression& expr) {
  return expr.as<IntLit>() || expr.as<FloatLit>() || expr.as<QuantityLit>() || expr.as<StringLit>() ||
         expr.as<SizeLit>() || expr.as<BoolLit>();
}

// One line, without runs of blanks.
std::string call_text(std::string_view source) {
  std::string text;
  for (char c : source) {
    const bool blank = c == ' ' || c == '\t' || c == '\n' || c == '\r';
    if (!blank) text += c;
    else if (!text.empty() && text.back() != ' ') text += ' ';
  }
  if (text.size() > kMaxCallText) text = text.substr(0, kMaxCallText - 3) + "...";
  return text;
}

// A value as an argument; `named` sizes are square more often than not: `stride = 2`, but `3x3` by position.
std::string argument_text(const Datum& value, bool named) {
  const SizeDatum* size = value.as<SizeDatum>();
  return size && named && size->height == size->width ? std::to_string(size->height) : to_text(value);
}

bool any_poisoned(const Current& current) {
  return std::any_of(current.begin(), current.end(), [](const TensorDatum& t) { return t.poisoned(); });
}

// The attributes of an operator as a program writes them: `stride` for stride_h and stride_w.
std::vector<std::string> attribute_names(const OpDef& op) {
  std::vector<std::string> names;
  for (const AttrDef& attr : op.attrs) {
    const std::string& n = attr.name;
    const bool pair = n.size() > 2 && (n.ends_with("_h") || n.ends_with("_w"));
    const std::string name = pair ? n.substr(0, n.size() - 2) : n;
    if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  }
  return names;
}

}  // namespace

std::vector<std::string> Elaborator::parameter_names(const Callable& callable) const {
  if (callable.op) return attribute_names(*callable.op);
  std::vector<std::string> names;
  for (const Parameter& p : callable.block->params) names.push_back(p.name.text);
  return names;
}

void Elaborator::unknown_argument(const Name& name, const Callable& callable) {
  const std::vector<std::string> names = parameter_names(callable);
  Diagnostic d = error("E0104", name.span, "`" + callable.name + "` has no argument `" + name.text + "`");
  const std::string usual = usual_name_of_argument(name.text);
  std::optional<std::string> close;
  if (std::find(names.begin(), names.end(), usual) != names.end()) close = usual;
  else close = nearest(name.text, names);
  if (close) {
    d.fixes.push_back({*close, "", {{name.span, *close}}});
  } else {
    std::string all;
    for (const std::string& each : names) all += (all.empty() ? "" : ", ") + each;
    d.notes.push_back(all.empty() ? "it takes no arguments" : "it takes " + all);
  }
  report(std::move(d));
}

std::string Elaborator::call_with_values(const CallSiteInfo& site, const Callable& callable,
                                         const std::vector<BoundArg>& args, Context& ctx) {
  const bool as_written = callable.bound.empty() && std::all_of(site.args->begin(), site.args->end(), [](const Arg& arg) {
                            return is_literal(*arg.value);
                          });
  if (as_written) return site.text;
  const auto is_default = [&](const BoundArg& arg) {
    if (!callable.block) return false;
    for (const Parameter& p : callable.block->params) {
      if (p.name.text != arg.name || !p.default_value || !is_literal(*p.default_value)) continue;
      return equal(coerce(evaluate(*p.default_value, ctx, &p.type), p.type, p.default_value->span, "", &ctx), arg.value.front());
    }
    return false;
  };
  std::string text;
  for (const bool named : {false, true}) {
    for (const BoundArg& arg : args) {
      const Datum& value = arg.value.front();
      if (arg.name_span.valid() != named || value.as<InitDatum>()) continue;
      if (value.as<TensorDatum>() || value.as<std::vector<TensorDatum>>()) return site.text;
      if (named && is_default(arg)) continue;
      text += (text.empty() ? "" : ", ") + (named ? arg.name + " = " : std::string()) + argument_text(value, named);
    }
  }
  return call_text(site.written + (text.empty() ? "" : "(" + text + ")"));
}

std::vector<BoundArg> Elaborator::bind(const CallSiteInfo& site, const Callable& callable, Context& ctx) {
  refuse_nested_call(site, callable, ctx);
  std::vector<BoundArg> bound = callable.bound;
  const std::vector<std::string> names = parameter_names(callable);
  const std::vector<std::string>& order = callable.positional.empty() ? names : callable.positional;
  bool failed = false;
  size_t position = 0;
  std::map<std::string, Span> given;
  bool overflowed = false;  // said once, however many arguments are too many
  const auto next_positional = [&](const Arg& arg) -> const std::string& {
    if (position < order.size()) return order[position++];
    if (overflowed) throw Failed{};
    overflowed = true;
    fail(error("E0106", arg.span, "`" + callable.name + "` takes " +
                                      (order.empty()       ? std::string("no arguments")
                                       : order.size() == 1 ? std::string("at most 1 argument")
                                                           : "at most " + std::to_string(order.size()) + " arguments")));
  };
  for (const Arg& arg : *site.args) {
    try {
      std::string name;
      const Parameter* parameter = nullptr;
      Datum value;
      if (callable.op) {
        value = evaluate(*arg.value, ctx);
        if (!arg.name && order.empty() && callable.op->inputs.size() > 1 && !value.as<TensorDatum>())
          fail(error("E0301", arg.span, "`" + callable.name + "` takes a tensor here, this is " + kind_of(value)));
        if (arg.name) name = arg.name->text;
        else if (!value.as<TensorDatum>()) name = next_positional(arg);
        const auto& inputs = callable.op->inputs;
        const bool is_input = std::any_of(inputs.begin(), inputs.end(), [&](const InputDef& i) { return i.name == name; });
        if (arg.name && !is_input && std::find(names.begin(), names.end(), name) == names.end()) {
          unknown_argument(*arg.name, callable);
          throw Failed{};
        }
      } else {
        name = arg.name ? arg.name->text : next_positional(arg);
        for (const Parameter& p : callable.block->params)
          if (p.name.text == name) parameter = &p;
        if (!parameter) {
          unknown_argument(*arg.name, callable);
          throw Failed{};
        }
        value = evaluate(*arg.value, ctx, &parameter->type);
        value = coerce(std::move(value), parameter->type, arg.value->span, "`" + name + "` of `" + callable.name + "`", &ctx);
        if (parameter->type.name.text == "size") advise_product_as_size(*arg.value, value);
      }
      if (!name.empty()) {
        const auto [previous, fresh] = given.emplace(name, arg.span);
        if (!fresh) {
          Diagnostic d = error("E0107", arg.span, "`" + name + "` is given twice");
          d.secondary.push_back({previous->second, "first here"});
          fail(std::move(d));
        }
        bound.erase(std::remove_if(bound.begin(), bound.end(), [&](const BoundArg& b) { return b.name == name; }),
                    bound.end());
      }
      bound.push_back({name, arg.name ? arg.name->span : Span{}, arg.value->span, {std::move(value)}});
    } catch (const Failed&) {
      failed = true;
    }
  }
  if (failed) throw Failed{};
  return bound;
}

Callable Elaborator::resolve_callee(const Expression& callee, Context& ctx) {
  Datum datum;
  if (const NameRef* ref = callee.as<NameRef>()) {
    const std::optional<Datum> found = look_up(ref->name, callee.span, ctx);
    if (!found) unknown_callee(ref->name, callee.span, ctx);
    datum = *found;
  } else {
    datum = evaluate(callee, ctx);
  }
  if (datum.as<std::monostate>()) throw Failed{};
  if (const Callable* callable = datum.as<Callable>()) return *callable;
  fail(error("E0117", callee.span,
             "`" + call_text(project_.sources().text(callee.span)) + "` is " + kind_of(datum) + ", it is not called"));
}

void Elaborator::unknown_callee(const std::string& name, Span span, Context& ctx) {
  Diagnostic d = error("E0101", span, "no operator or block `" + name + "`");
  const std::vector<std::string> names = visible_names(ctx, true);
  const std::string usual = usual_name_of_callee(name), instead = instead_of_callee(name);
  std::optional<std::string> close;
  if (std::find(names.begin(), names.end(), usual) != names.end()) close = usual;
  else if (!instead.empty()) d.notes.push_back(instead);
  else close = nearest(name, names);
  if (const auto label = ctx.path->taken.find(name); label != ctx.path->taken.end()) {
    d.secondary.push_back({label->second, "a label names the parameters; `as " + name + "` after the call names its value"});
    close = std::nullopt;
  }
  if (close) d.fixes.push_back({*close, "", {{span, *close}}});
  fail(std::move(d));
}

std::string Elaborator::claim_segment(const std::optional<Name>& label, const std::string& callee, Span span,
                                      PathScope& path) {
  const std::string segment = label ? label->text : callee + std::to_string(path.ordinals[callee]++);
  const Span at = label ? label->span : span;
  const auto [previous, fresh] = path.taken.emplace(segment, at);
  if (!fresh) {
    Diagnostic d = error("E0108", at, "two things here have the path `" + path.join(segment) + "`");
    d.secondary.push_back({previous->second, "first here"});
    d.notes.push_back("a path names the parameters in checkpoints; give one of them another label");
    fail(std::move(d));
  }
  return segment;
}

Current Elaborator::call(const CallSiteInfo& site, const Callable& callable, Current input, Context& ctx) {
  if (callable.shared >= 0) {
    // By index: the body may declare further shared blocks.
    const auto index = static_cast<size_t>(callable.shared);
    if (!site.args->empty())
      fail(error("E0104", site.args->front().span, "`" + callable.name + "` is shared: its arguments are fixed where it is declared"));
    if (site.label) fail(error("E0108", site.label->span, "`" + callable.name + "` is shared: its path is set where it is declared"));
    const Callable target = shared_[index].callable;
    const std::vector<BoundArg> args = shared_[index].args;
    const std::string path = shared_[index].path;
    ++shared_[index].uses;
    const int outer = current_shared_;
    current_shared_ = callable.shared;
    CallRecord record;
    record.callee = site.callee;
    record.text = site.text;
    Current result;
    try {
      result = enter_block(site, target, args, std::move(record), std::move(input), path, ctx);
    } catch (const Failed&) {
      current_shared_ = outer;
      throw;
    }
    current_shared_ = outer;
    return result;
  }
  if (++layer_count_ > config_.limits.layers)
    stop(error("E0801", site.callee, "more than " + with_commas(config_.limits.layers) + " calls after expansion"));
  if (callable.op) {
    const bool internal = ctx.module->is_stdlib && site.written.rfind("__", 0) == 0;
    std::vector<BoundArg> args = bind(site, callable, ctx);
    if (internal) return call_primitive(site, *callable.op, callable.name, args, std::move(input), ctx, ctx.path->prefix);
    const std::string path = ctx.path->join(claim_segment(site.label, site.written, site.callee, *ctx.path));
    const int32_t layer = open_layer(LayerNode::Kind::layer, path, callable.name, call_with_values(site, callable, args, ctx), site.callee, input);
    Current result = call_primitive(site, *callable.op, callable.name, args, std::move(input), ctx, path);
    close_layer(layer, result);
    return result;
  }
  return call_block(site, callable, bind(site, callable, ctx), std::move(input), ctx);
}

Current Elaborator::call_block(const CallSiteInfo& site, const Callable& callable, std::vector<BoundArg> args,
                               Current input, Context& ctx) {
  CallRecord record;
  record.callee = site.callee;
  record.text = site.text;
  for (const BoundArg& arg : args) {
    record.values[arg.name] = arg.value_span;
    record.arguments[arg.name] = arg.name_span.valid() ? join(arg.name_span, arg.value_span) : arg.value_span;
  }
  const std::string path = ctx.path->join(claim_segment(site.label, site.written, site.callee, *ctx.path));
  return enter_block(site, callable, args, std::move(record), std::move(input), path, ctx);
}

Current Elaborator::enter_block(const CallSiteInfo& site, const Callable& callable, const std::vector<BoundArg>& args,
                                CallRecord record, Current input, const std::string& path, Context& ctx) {
  const BlockDecl& block = *callable.block;
  const bool prelude = callable.module->is_prelude;
  if (prelude && any_poisoned(input)) return {TensorDatum{}};
  for (const Frame& frame : frames_) {
    if (frame.block != &block) continue;
    Diagnostic d = error("E0115", site.callee, "`" + callable.name + "` calls itself", "a network is finite");
    d.notes.push_back("repeat a block with `repeat n { }` or `for x in xs { }`");
    fail(std::move(d));
  }
  if (static_cast<int64_t>(frames_.size()) >= config_.limits.call_depth)
    fail(error("E0805", site.callee, "block calls nested deeper than " + std::to_string(config_.limits.call_depth)));

  if (presentable(site.callee.file)) records_[{site.callee.file, site.callee.begin}] = record;
  frames_.push_back({site.text, site.callee, &block, callable.module, std::move(record)});
  struct PopFrame {
    std::vector<Frame>& frames;
    ~PopFrame() { frames.pop_back(); }
  } pop{frames_};

  Scope scope;
  PathScope paths;
  paths.prefix = path;
  Context inner;
  inner.module = callable.module;
  inner.scope = &scope;
  inner.path = &paths;
  inner.place = Place::block;
  inner.current = input;
  inner.block_input = input;
  for (const BoundArg& arg : args)
    scope.declare(arg.name, {arg.value.front(), arg.value_span, ScopeEntry::Kind::parameter, true});
  bind_defaults(block, callable, site, args, inner, ctx);
  if (prelude) check_contract(block.name.text, site, input, scope);

  const int32_t layer = open_layer(LayerNode::Kind::block, path, callable.name, call_with_values(site, callable, args, ctx), site.callee, input);
  run_body(block.body, inner);
  close_layer(layer, inner.current);
  close_scope(scope, inner);
  return inner.current;
}

void Elaborator::bind_defaults(const BlockDecl& block, const Callable& callable, const CallSiteInfo& site,
                               const std::vector<BoundArg>& args, Context& inner, Context&) {
  const auto is_bound = [&](const Parameter& p) {
    return std::any_of(args.begin(), args.end(), [&](const BoundArg& a) { return a.name == p.name.text; });
  };
  bool failed = false;
  for (const bool literals : {true, false}) {
    for (const Parameter& p : block.params) {
      if (is_bound(p) || (p.default_value && is_literal(*p.default_value)) != literals) continue;
      try {
        if (!p.default_value) {
          Diagnostic d = error("E0105", site.callee, "`" + callable.name + "` needs `" + p.name.text + "`",
                               to_text(p.type));
          if (!presentable(site.callee.file)) d.primary.text.clear();
          fail(std::move(d));
        }
        Datum value = evaluate(*p.default_value, inner, &p.type);
        value = coerce(std::move(value), p.type, p.default_value->span, "the default of `" + p.name.text + "`", &inner);
        inner.scope->declare(p.name.text, {std::move(value), p.span, ScopeEntry::Kind::parameter, true});
      } catch (const Failed&) {
        failed = true;
        inner.scope->declare(p.name.text, {{}, p.span, ScopeEntry::Kind::parameter, true});
      }
    }
  }
  if (failed) throw Failed{};
  if (callable.module->is_prelude) return;  // its own names are known to be fresh
  for (const Parameter& p : block.params) {
    const auto in_module = callable.module->names.find(p.name.text);
    if (in_module == callable.module->names.end() && !prelude_.names.count(p.name.text)) continue;
    Diagnostic d = error("E0103", p.name.span, "`" + p.name.text + "` is already declared", "names are not shadowed");
    if (in_module != callable.module->names.end()) d.secondary.push_back({in_module->second.span, "first here"});
    else d.notes.push_back("the prelude has a block of this name");
    report(std::move(d));
  }
}

Callable Elaborator::check_block_type(const Callable& callable, const TypeExpr& type, Span span) {
  Callable result = callable;
  if (callable.shared >= 0) {
    if (!type.block_params.empty())
      fail(error("E0119", span, "`" + callable.name + "` is shared and takes no arguments, the type is " + to_text(type)));
    return result;
  }
  const std::vector<std::string> names = parameter_names(callable);
  result.positional.clear();
  for (const Parameter& wanted : type.block_params) {
    if (std::find(names.begin(), names.end(), wanted.name.text) == names.end()) {
      Diagnostic d = error("E0119", span, "`" + callable.name + "` has no parameter `" + wanted.name.text + "`",
                           "expected a " + to_text(type));
      fail(std::move(d));
    }
    result.positional.push_back(wanted.name.text);
  }
  if (callable.op) return result;
  for (const Parameter& p : callable.block->params) {
    const bool given = p.default_value ||
                       std::find(result.positional.begin(), result.positional.end(), p.name.text) != result.positional.end() ||
                       std::any_of(callable.bound.begin(), callable.bound.end(),
                                   [&](const BoundArg& b) { return b.name == p.name.text; });
    for (const Parameter& wanted : type.block_params)
      if (wanted.name.text == p.name.text && to_text(wanted.type) != to_text(p.type))
        fail(error("E0119", span, "`" + p.name.text + "` of `" + callable.name + "` is " + to_text(p.type) +
                                      ", the type has " + to_text(wanted.type)));
    if (given) continue;
    Diagnostic d = error("E0119", span, "`" + callable.name + "` also needs `" + p.name.text + "`",
                         "expected a " + to_text(type));
    d.fixes.push_back({callable.name + " with (" + p.name.text + " = ...)", "", {}});
    fail(std::move(d));
  }
  return result;
}

}  // namespace netc
