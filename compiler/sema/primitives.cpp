// Calls of operators: from the language's terms to the graph's.
//
// The language never writes the batch. An operator's attributes that speak of axes or shapes are
// widened by it here: `axis = 0` of a value [C, H, W] is axis 1 of [N, C, H, W], `shape = [C]` is
// [N, C]. A raw parameter has no batch: beside a value that has one, operators that broadcast see
// it with a leading 1.
#include <algorithm>
#include <cctype>

#include "compiler/ops/registry.h"
#include "compiler/sema/elaborator.h"
#include "compiler/sema/primitive_names.h"

namespace netc {
namespace {

constexpr int64_t kMaxAttribute = int64_t{1} << 31;

Ints list_of(const Datum& datum) {
  Ints out;
  if (const auto* items = datum.as<std::vector<Datum>>())
    for (const Datum& item : *items)
      if (const IntDatum* i = item.as<IntDatum>()) out.push_back(i->value);
  return out;
}

void replace_all(std::string& text, const std::string& from, const std::string& to) {
  for (size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size()))
    text.replace(at, from.size(), to);
}

bool is_batched(const TensorDatum& t) { return t.batched; }

// Whether an operator means the same for a raw parameter as for a value with a batch: it works element by element.
bool takes_parameters(const OpDef& op) {
  return is_broadcasting(op.name) || (op.scalar && op.inputs.size() == 1 && !op.inputs.front().variadic &&
                                      std::all_of(op.attrs.begin(), op.attrs.end(), [](const AttrDef& a) { return a.type == AttrType::real; }));
}

}  // namespace

TensorDatum Elaborator::tensor(ValueId id, bool batched) const {
  const Shape& shape = builder_.type(id).shape;
  return {id, batched ? Shape(shape.begin() + 1, shape.end()) : shape, batched};
}

Attrs Elaborator::widen_attrs(const OpDef& op, const std::vector<BoundArg>& args, const TensorDatum& first, Span span) {
  Attrs attrs;
  const auto find = [&](const std::string& name) -> const AttrDef* {
    for (const AttrDef& attr : op.attrs)
      if (attr.name == name) return &attr;
    return nullptr;
  };
  for (const BoundArg& arg : args) {
    const Datum& value = arg.value.front();
    if (value.as<TensorDatum>()) continue;
    const auto mismatch = [&](const std::string& wanted) {
      fail(error("E0301", arg.value_span, "`" + arg.name + "` of `" + op.name + "` is " + wanted + ", this is " + kind_of(value)));
    };
    const auto bounded = [&](int64_t number) {
      if (number > kMaxAttribute || number < -kMaxAttribute)
        fail(error("E0802", arg.value_span, "`" + arg.name + "` = " + with_commas(number) + " is too large"));
      return number;
    };
    const auto check_axis = [&](int64_t axis) {
      if (axis < 0 || axis >= static_cast<int64_t>(first.shape.size()))
        fail(error("E0207", arg.value_span, "axis " + std::to_string(axis) + " of " + to_string(first.shape),
                   "axes count from 0, without the batch"));
    };
    const AttrDef* def = find(arg.name);
    if (!def) {
      const SizeDatum* size = value.as<SizeDatum>();
      const IntDatum* both = value.as<IntDatum>();
      if (!size && !both) mismatch("a size such as 3x3");
      attrs.set(arg.name + "_h", bounded(size ? size->height : both->value));
      attrs.set(arg.name + "_w", bounded(size ? size->width : both->value));
      continue;
    }
    switch (def->type) {
      case AttrType::integer: {
        const IntDatum* number = value.as<IntDatum>();
        if (!number) mismatch("an int");
        if (arg.name == "axis") check_axis(number->value);
        attrs.set(arg.name, bounded(number->value) + (arg.name == "axis" && first.batched ? 1 : 0));
        break;
      }
      case AttrType::real: {
        const IntDatum* number = value.as<IntDatum>();
        const QuantityLit* quantity = value.as<QuantityLit>();
        if (const double* d = value.as<double>()) attrs.set(arg.name, *d);
        else if (number && number->literal) attrs.set(arg.name, static_cast<double>(number->value));
        else if (quantity && quantity->unit == Unit::percent) attrs.set(arg.name, quantity->value / 100);
        else mismatch("a float");
        break;
      }
      case AttrType::boolean:
        if (!value.as<bool>()) mismatch("a bool");
        attrs.set(arg.name, *value.as<bool>());
        break;
      case AttrType::text:
        if (!value.as<std::string>()) mismatch("a string");
        attrs.set(arg.name, *value.as<std::string>());
        break;
      case AttrType::ints: {
        const auto* items = value.as<std::vector<Datum>>();
        if (!items || list_of(value).size() != items->size()) mismatch("a list of ints");
        Ints numbers = list_of(value);
        for (int64_t number : numbers) bounded(number);
        if (first.batched) check_lists(arg, numbers, args, first);
        if (arg.name == "axes" || arg.name == "permutation")
          for (int64_t axis : numbers) check_axis(axis);
        if (first.batched) {
          const std::string& n = arg.name;
          if (n == "axes" || n == "permutation")
            for (int64_t& axis : numbers) ++axis;
          if (n == "permutation" || n == "begins" || n == "before" || n == "after") numbers.insert(numbers.begin(), 0);
          if (n == "steps") numbers.insert(numbers.begin(), 1);
          if (n == "shape" || n == "sizes") numbers.insert(numbers.begin(), config_.batch);
        }
        if (arg.name == "shape") {
          int64_t count = 1;
          for (int64_t extent : numbers)
            if (!checked_mul(count, extent, count)) fail(error("E0802", arg.value_span, "the shape has too many elements"));
        }
        attrs.set(arg.name, std::move(numbers));
        break;
      }
    }
  }
  (void)span;
  return attrs;
}

// What a program may write for an order of axes and a shape, before the batch, which it does not write, is put in front.
void Elaborator::check_lists(const BoundArg& arg, const Ints& numbers, const std::vector<BoundArg>& args, const TensorDatum& first) {
  const std::string written = callers_name(arg.name, args), name = written.empty() ? arg.name : written;
  const size_t rank = first.shape.size();
  if (arg.name == "permutation" && numbers.size() != rank) {
    Diagnostic d = error("E0207", arg.value_span, "`" + name + "` of `transpose` has one number an axis: " + std::to_string(rank) + " here, this has " + std::to_string(numbers.size()));
    d.primary.span = argument_span(name, d.primary.span);
    fail(std::move(d));
  }
  const auto wrong = std::find_if(numbers.begin(), numbers.end(), [](int64_t extent) { return extent < 1; });
  if (arg.name != "shape" || wrong == numbers.end()) return;
  Diagnostic d = error("E0207", arg.value_span, "an extent is at least 1, this is " + std::to_string(*wrong));
  d.primary.span = argument_span(name, d.primary.span);
  // `-1` elsewhere stands for what is left.
  int64_t whole = 1, rest = 1;
  bool fits = *wrong == -1;
  for (int64_t extent : first.shape) fits = fits && checked_mul(whole, extent, whole);
  for (auto it = numbers.begin(); it != numbers.end(); ++it)
    if (it != wrong) fits = fits && *it > 0 && checked_mul(rest, *it, rest);
  if (fits && whole % rest == 0) {
    std::string fixed;
    for (auto it = numbers.begin(); it != numbers.end(); ++it) fixed += (fixed.empty() ? "" : ", ") + std::to_string(it == wrong ? whole / rest : *it);
    d.fixes.push_back({"[" + fixed + "]", "", {{d.primary.span, "[" + fixed + "]"}}});
  }
  fail(std::move(d));
}

void Elaborator::check_broadcast(const std::vector<TensorDatum>& inputs, const std::string& name, Span span) {
  for (size_t i = 1; i < inputs.size(); ++i) {
    const Shape &a = inputs[0].shape, &b = inputs[i].shape;
    const auto refuse = [&](const std::string& why) {
      Diagnostic d = error("E0204", span, name + ": " + to_string(a) + " and " + to_string(b) + " do not agree", why);
      if (a.size() == 3 && b.size() == 1) d.fixes.push_back({"global_avg_pool(keep = true) keeps [C, 1, 1]", "", {}});
      fail(std::move(d));
    };
    if (a.size() != b.size()) refuse("broadcasting needs equal rank");
    for (size_t axis = 0; axis < a.size(); ++axis)
      if (a[axis] != b[axis] && a[axis] != 1 && b[axis] != 1) refuse("extents are equal, or one of them is 1");
  }
}

Current Elaborator::call_primitive(const CallSiteInfo& site, const OpDef& op, const std::string& name,
                                   const std::vector<BoundArg>& args, Current input, Context&, const std::string& path) {
  std::vector<TensorDatum> tensors = std::move(input);
  for (const BoundArg& arg : args)
    if (const TensorDatum* t = arg.value.front().as<TensorDatum>()) tensors.push_back(*t);
  for (const TensorDatum& t : tensors)
    if (t.poisoned()) return {TensorDatum{}};

  const bool variadic = !op.inputs.empty() && op.inputs.back().variadic;
  const auto required = static_cast<size_t>(
      std::count_if(op.inputs.begin(), op.inputs.end(), [](const InputDef& i) { return !i.optional; }));
  if (tensors.size() < required || (!variadic && tensors.size() > op.inputs.size())) {
    if (tensors.empty()) fail(error("E0210", site.callee, "`" + name + "` has no value to work on", "write `x -> " + name + "`"));
    Diagnostic d = error("E0211", site.callee, "`" + name + "` takes " + std::to_string(required) +
                                                   (required == 1 ? " tensor" : " tensors") + ", got " +
                                                   std::to_string(tensors.size()));
    if (required > tensors.size() && required == 2)
      d.fixes.push_back({name + "(other), which takes the current value first", "", {}});
    fail(std::move(d));
  }
  const bool batched = std::any_of(tensors.begin(), tensors.end(), [](const TensorDatum& t) { return t.batched; });
  if (!takes_parameters(op) && (!tensors.front().batched || (variadic && !std::all_of(tensors.begin(), tensors.end(), is_batched)))) {
    Diagnostic d = error("E0221", site.callee, "`" + name + "` takes values of a batch, a `param` is the same for all of it");
    d.notes.push_back("`x -> add(w)` and `x -> mul(w)` combine a value with a parameter");
    fail(std::move(d));
  }
  builder_.set_origin(origin_at(site.callee, path));
  if (is_broadcasting(op.name)) {
    check_broadcast(tensors, name, site.callee);
    for (TensorDatum& t : tensors) {
      if (t.batched || !batched) continue;
      Shape widened = t.shape;
      widened.insert(widened.begin(), 1);
      t.id = emit("reshape", {t.id}, {{"shape", widened}}, site.callee)[0];
    }
  }
  Attrs attrs = widen_attrs(op, args, tensors.front(), site.callee);
  for (const AttrDef& attr : op.attrs)
    if (attr.name == "path" && attr.type == AttrType::text) attrs.set("path", random_path(path));

  std::vector<ValueId> inputs;
  for (const TensorDatum& t : tensors) inputs.push_back(t.id);
  while (!variadic && inputs.size() < op.inputs.size()) inputs.push_back(ValueId{});
  const std::vector<ValueId> outputs = emit_op(op, inputs, std::move(attrs), site.callee, name, args);
  for (const auto& [in, out] : op.state_updates) {
    const auto state = state_values_.find(inputs[static_cast<size_t>(in)]);
    if (state == state_values_.end()) continue;
    pending_updates_[state->second] = outputs[static_cast<size_t>(out)];
    state_values_[outputs[static_cast<size_t>(out)]] = state->second;
  }
  return {tensor(outputs[0], batched)};
}

std::string Elaborator::random_path(const std::string& path) {
  const int use = random_uses_[path]++;
  return use == 0 ? path : path + "#" + std::to_string(use);
}

std::vector<ValueId> Elaborator::emit(const std::string& op_name, std::vector<ValueId> inputs, Attrs attrs, Span span) {
  const OpDef* def = find_op(op_name);
  if (!def) fail(error("E0101", span, "this build of netc has no operator `" + op_name + "`"));
  return emit_op(*def, std::move(inputs), std::move(attrs), span, op_name);
}

// What the block that calls an operator calls the value of its attribute `attribute`: of `__batch_norm(epsilon = eps)`
// and "epsilon" it is "eps". Empty where that value is no parameter.
std::string Elaborator::callers_name(const std::string& attribute, const std::vector<BoundArg>& args) const {
  for (const BoundArg& arg : args) {
    if (arg.name != attribute || !arg.value_span.valid()) continue;
    std::string text(project_.sources().text(arg.value_span));
    text.resize(std::min(text.find('.'), text.size()));  // `to.height` is of `to`
    const bool is_name = std::all_of(text.begin(), text.end(), [](unsigned char c) { return std::isalnum(c) || c == '_'; });
    return is_name && !text.empty() && !std::isdigit(static_cast<unsigned char>(text[0])) ? text : "";
  }
  return "";
}

std::vector<ValueId> Elaborator::emit_op(const OpDef& op, std::vector<ValueId> inputs, Attrs attrs, Span span,
                                         const std::string& called, const std::vector<BoundArg>& args) {
  std::vector<ValueId> outputs;
  try {
    outputs = builder_.emit_all(op, std::move(inputs), std::move(attrs));
  } catch (const OpError& refusal) {
    std::string what = refusal.what();
    std::string name = called;
    std::string parameter = refusal.attr();
    if (parameter.ends_with("_h") || parameter.ends_with("_w")) parameter.resize(parameter.size() - 2);
    if (const std::string argument = callers_name(parameter, args); !argument.empty()) {
      replace_all(what, "`" + parameter + "`", "`" + argument + "`");
      parameter = argument;
    }
    if (const CallRecord* record = visible_record(); record && !presentable(span.file)) {
      name = record->text.substr(0, record->text.find('('));
    }
    Diagnostic d = error(refusal.code(), span,
                         what.rfind("takes", 0) == 0                                      ? name + " " + what
                         : what.rfind(name, 0) == 0 || what.rfind("window", 0) == 0 ? what
                                                                                          : name + ": " + what);
    if (!parameter.empty() && !presentable(span.file)) d.primary.span = argument_span(parameter, d.primary.span);
    fail(std::move(d));
  }
  for (ValueId id : outputs) {
    const TensorType& type = builder_.type(id);
    int64_t count = 1;
    for (int64_t extent : type.shape)
      if (!checked_mul(count, std::max<int64_t>(extent, 1), count)) count = INT64_MAX / 16;
    if (count / std::max<int64_t>(config_.batch, 1) > config_.limits.elements)
      fail(error("E0802", span, "a value of " + with_commas(count / std::max<int64_t>(config_.batch, 1)) +
                                    " elements, the limit is " + with_commas(config_.limits.elements)));
    activation_bytes_ += count * size_of(type.dtype);
    if (activation_bytes_ > config_.limits.activation_bytes)
      fail(error("E0804", span, "all values together need more than " + with_commas(config_.limits.activation_bytes) + " bytes"));
  }
  return outputs;
}

}  // namespace netc
