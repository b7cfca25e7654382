// Calls as other languages write them: `relu(conv(16, 3x3))`, `relu(x)`. Here tensors flow: `conv(16, 3x3) -> relu`.
#include <algorithm>

#include "compiler/ir/op_def.h"
#include "compiler/sema/elaborator.h"
#include "compiler/sema/primitive_names.h"

namespace netc {
namespace {

constexpr size_t kMaxChain = 100;  // bytes of a fix

}  // namespace

// `relu(conv(16, 3x3))`, as other languages have it: a tensor is no argument of a call but what flows into it.
void Elaborator::refuse_nested_call(const CallSiteInfo& site, const Callable& callable, Context& ctx) {
  const auto is_tensor = [&](const Expression& expr) {
    const NameRef* ref = expr.as<NameRef>();
    const ScopeEntry* entry = ref ? ctx.scope->find(ref->name) : nullptr;
    return entry && entry->datum.as<TensorDatum>();
  };
  const auto nested = [&](const std::vector<Arg>& args, size_t i) -> const Call* {
    const Call* call = i < args.size() && !args[i].name ? args[i].value->as<Call>() : nullptr;
    const NameRef* ref = call ? call->callee->as<NameRef>() : nullptr;
    const std::vector<std::string>& functions = function_names();
    if (!ref || std::find(functions.begin(), functions.end(), ref->name) != functions.end()) return nullptr;
    const std::optional<Datum> found = look_up(ref->name, call->callee->span, ctx);
    return found && found->as<Callable>() ? call : nullptr;
  };
  const auto source = [&](Span span) { return std::string(project_.sources().text(span)); };
  const Call* call = nested(*site.args, 0);
  if (!call) {  // `relu(x)`, `concat(a, b)`
    size_t tensors = 0;
    while (tensors < site.args->size() && !(*site.args)[tensors].name && is_tensor(*(*site.args)[tensors].value)) ++tensors;
    if (tensors == 0) return;
    const bool takes_tensors = callable.op ? callable.op->inputs.size() > 1 || (!callable.op->inputs.empty() && callable.op->inputs.back().variadic)
                                           : callable.block->params.empty() || callable.block->params.front().type.name.text == "tensor";
    if (takes_tensors) return;
    const Span first = site.args->front().span, last = (*site.args)[tensors - 1].span;
    Diagnostic d = error("E0315", join(first, last), "a tensor is no argument of `" + source(site.callee) + "`, it flows into it");
    std::string rest;
    for (size_t i = tensors; i < site.args->size(); ++i) rest += (rest.empty() ? "" : ", ") + source((*site.args)[i].span);
    const std::string names = source(join(first, last));
    const std::string chain = (tensors > 1 ? "[" + names + "]" : names) + " -> " + source(site.callee) + (rest.empty() ? "" : "(" + rest + ")");
    const std::string_view before = std::string_view(project_.sources().file(site.callee.file).text).substr(0, site.callee.begin);
    const size_t end = before.find_last_not_of(" \t\r\n");
    const bool is_first_link = end == std::string_view::npos || before[end] != '>';
    if (is_first_link && chain.size() <= kMaxChain) d.fixes.push_back({chain, "", {{site.whole, chain}}});
    fail(std::move(d));
  }
  Diagnostic d = error("E0315", site.args->front().span, "`" + source(call->callee->span) + "` makes a tensor, which is no argument", "calls are chained");
  // The innermost call comes first: `conv(16, 3x3) -> relu`.
  bool only_first = true;
  const auto link = [&](Span callee, const std::vector<Arg>& args, size_t first) {
    std::string text;
    for (size_t i = first; i < args.size(); ++i) {
      only_first &= !nested(args, i);
      text += (text.empty() ? "" : ", ") + source(args[i].span);
    }
    return source(callee) + (text.empty() ? "" : "(" + text + ")");
  };
  std::string chain = link(site.callee, *site.args, 1);
  while (call) {
    const std::vector<Arg>& args = call->args;
    const Call* inner = nested(args, 0);
    const bool from_tensor = !args.empty() && is_tensor(*args.front().value);
    chain = link(call->callee->span, args, inner || from_tensor ? 1 : 0) + " -> " + chain;
    if (from_tensor) chain = source(args.front().span) + " -> " + chain;
    call = inner;
  }
  if (!only_first) d.notes.push_back("name each value with `as`, then `[a, b] -> " + source(site.callee) + "`");
  else if (chain.size() <= kMaxChain) d.fixes.push_back({chain, "", {{site.whole, chain}}});
  fail(std::move(d));
}

}  // namespace netc
