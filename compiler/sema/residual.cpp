// residual(shortcut = identity | project | pad, scale, drop_path) { body } [shortcut { }]  (rule 18)
//
//   y = x |> shortcut  +  scale * drop_path(x |> body)
//
// The contract: both sides have one shape. `identity` leaves x as it is. `project` is the identity if
// the shapes agree, else conv_bn(channels, 1x1) at the smallest stride that fits (He et al. 2015,
// option B). `pad` takes every stride-th pixel and appends channels of zeros (option A).
#include <algorithm>

#include "compiler/sema/elaborator.h"

namespace netc {
namespace {

// The smallest stride of a 1x1 window that leads from `from` to `to` extents; 0 if there is none.
int64_t fitting_stride(int64_t from, int64_t to) {
  for (int64_t s = 1; s <= from; ++s) {
    const int64_t reached = (from - 1) / s + 1;
    if (reached == to) return s;
    if (reached < to) return 0;
  }
  return 0;
}

// Both strides; {0, 0} if the shapes cannot be reached.
SizeDatum shortcut_stride(const Shape& x, const Shape& y) {
  if (x.size() != 3 || y.size() != 3) return {0, 0};
  const SizeDatum stride{fitting_stride(x[1], y[1]), fitting_stride(x[2], y[2])};
  return stride.height == 0 || stride.width == 0 ? SizeDatum{0, 0} : stride;
}

}  // namespace

Elaborator::ConstructArgs Elaborator::construct_args(const std::vector<Arg>& args, const std::string& construct,
                                                     const std::vector<std::string>& names) {
  ConstructArgs result;
  for (const Arg& arg : args) {
    if (!arg.name) fail(error("E0106", arg.span, "`" + construct + "` takes its arguments by name"));
    const std::string& name = arg.name->text;
    if (std::find(names.begin(), names.end(), name) == names.end()) {
      Diagnostic d = error("E0104", arg.name->span, "`" + construct + "` has no argument `" + name + "`");
      if (const std::optional<std::string> close = nearest(name, names))
        d.fixes.push_back({*close, "", {{arg.name->span, *close}}});
      else {
        std::string all;
        for (const std::string& each : names) all += (all.empty() ? "" : ", ") + each;
        d.notes.push_back("it takes " + all);
      }
      fail(std::move(d));
    }
    if (!result.by_name.emplace(name, &arg).second)
      fail(error("E0107", arg.span, "`" + name + "` is given twice"));
  }
  return result;
}

std::string Elaborator::word_argument(const Arg& arg, const std::vector<std::string>& words) {
  const NameRef* word = arg.value->as<NameRef>();
  if (word && std::find(words.begin(), words.end(), word->name) != words.end()) return word->name;
  std::string all;
  for (const std::string& each : words) all += (all.empty() ? "" : ", ") + each;
  Diagnostic d = error("E0301", arg.value->span, "`" + arg.name->text + "` is one of " + all);
  if (word)
    if (const std::optional<std::string> close = nearest(word->name, words))
      d.fixes.push_back({*close, "", {{arg.value->span, *close}}});
  fail(std::move(d));
}

Current Elaborator::run_residual(const Link& link, const ResidualLink& residual, const Current& value, Context& ctx) {
  const ConstructArgs args = construct_args(residual.args, "residual", {"shortcut", "scale", "drop_path"});
  const auto find = [&](const char* name) {
    const auto found = args.by_name.find(name);
    return found == args.by_name.end() ? nullptr : found->second;
  };
  std::string mode = residual.shortcut ? "block" : "identity";
  if (const Arg* arg = find("shortcut")) {
    if (residual.shortcut) {
      Diagnostic d = error("E0214", arg->span, "`residual` has two shortcuts", "this one");
      d.secondary.push_back({residual.shortcut->keyword_span, "and this one"});
      fail(std::move(d));
    }
    mode = word_argument(*arg, {"identity", "project", "pad"});
  }
  const double scale = find("scale") ? evaluate_float(*find("scale")->value, ctx, "`scale` of `residual`") : 1;
  double drop_rate = 0;
  if (const Arg* arg = find("drop_path")) {
    TypeExpr percent;
    percent.name.text = "percent";
    drop_rate = coerce(evaluate(*arg->value, ctx), percent, arg->value->span, "`drop_path` of `residual`")
                    .as<QuantityLit>()->value / 100;
  }

  Context outer = ctx;
  PathScope labelled;
  if (link.label) {
    labelled.prefix = ctx.path->join(claim_segment(link.label, "", link.label->span, *ctx.path));
    outer.path = &labelled;
  }
  const TensorDatum x = single_or_poisoned(value, residual.keyword_span, "`residual`");
  const int32_t layer = open_layer(LayerNode::Kind::residual, outer.path->prefix, "residual",
                                   mode == "identity" || mode == "block" ? "residual" : "residual(shortcut = " + mode + ")",
                                   residual.keyword_span, value);
  Scope scope(ctx.scope);
  Context inner = nested(outer, scope);
  inner.place = Place::residual;
  inner.current = {x};
  run_body(residual.body, inner);
  close_scope(scope, ctx);

  TensorDatum side = x;
  if (residual.shortcut) {
    PathScope paths;
    paths.prefix = outer.path->join("shortcut");
    outer.path->taken.emplace("shortcut", residual.shortcut->keyword_span);
    Scope shortcut_scope(ctx.scope);
    Context branch = nested(outer, shortcut_scope);
    branch.path = &paths;
    branch.place = Place::residual;
    branch.current = {x};
    const int32_t side_layer = open_layer(LayerNode::Kind::shortcut, paths.prefix, "shortcut", "shortcut",
                                          residual.shortcut->keyword_span, {x});
    run_body(residual.shortcut->body, branch);
    close_layer(side_layer, branch.current);
    close_scope(shortcut_scope, ctx);
    side = single(branch.current, residual.shortcut->keyword_span, "the end of `shortcut`");
  }
  const TensorDatum y = single(inner.current, residual.keyword_span, "the end of `residual`");
  if (x.poisoned()) throw Failed{};
  if (!residual.shortcut) side = make_shortcut(residual, mode, x, y, outer);
  if (side.shape != y.shape) {
    try {
      sides_differ(residual, mode, x, side, y);
    } catch (const Failed&) {
      close_layer(layer, {y});
      return {y};  // the body's shape is what was meant: go on with it
    }
  }
  builder_.set_origin(origin_at(residual.keyword_span, outer.path->prefix));
  TensorDatum sum = y;
  if (scale != 1) sum = scaled(sum, scale, residual.keyword_span);
  if (drop_rate > 0 && trains()) sum = drop_path(sum, drop_rate, residual.keyword_span, outer);
  builder_.set_origin(origin_at(residual.keyword_span, outer.path->prefix));
  const Current result{tensor(emit("add", {sum.id, side.id}, {}, residual.keyword_span)[0])};
  close_layer(layer, result);
  return result;
}

TensorDatum Elaborator::make_shortcut(const ResidualLink& residual, const std::string& mode, const TensorDatum& x,
                                      const TensorDatum& y, Context& ctx) {
  if (mode == "identity" || x.shape == y.shape) return x;
  return mode == "project" ? project_shortcut(residual, x, y, ctx) : pad_shortcut(residual, x, y);
}

TensorDatum Elaborator::project_shortcut(const ResidualLink& residual, const TensorDatum& x, const TensorDatum& y,
                                         Context& ctx) {
  const SizeDatum stride = shortcut_stride(x.shape, y.shape);
  if (stride.height == 0) {
    Diagnostic d = error("E0215", residual.keyword_span, "no 1x1 convolution leads from the shortcut to the body",
                         "shortcut " + to_string(x.shape) + ", body " + to_string(y.shape));
    for (Label& label : change_labels(x, y)) d.secondary.push_back(std::move(label));
    d.fixes.push_back({"residual { ... } shortcut { ... }, which says what the shortcut does", "", {}});
    fail(std::move(d));
  }
  const auto target = prelude_.names.find("conv_bn");
  if (target == prelude_.names.end()) throw Failed{};
  const Callable conv_bn = *module_datum(target->second, "conv_bn", residual.keyword_span).as<Callable>();
  if (const auto [previous, fresh] = ctx.path->taken.emplace("shortcut", residual.keyword_span); !fresh) {
    Diagnostic d = error("E0108", residual.keyword_span, "two things here have the path `" + ctx.path->join("shortcut") + "`");
    d.secondary.push_back({previous->second, "first here"});
    d.fixes.push_back({"a label: `second: residual(...)`", "", {}});
    fail(std::move(d));
  }
  static const std::vector<Arg> kNoArgs;
  CallSiteInfo site;
  site.callee = site.whole = residual.keyword_span;
  site.written = "conv_bn";
  site.text = "shortcut = project";
  site.args = &kNoArgs;
  const std::vector<BoundArg> args = {
      {"channels", {}, residual.keyword_span, {int_datum(y.shape[0])}},
      {"window", {}, residual.keyword_span, {Datum{SizeDatum{1, 1}}}},
      {"stride", {}, residual.keyword_span, {Datum{stride}}},
  };
  const int32_t layer = open_layer(LayerNode::Kind::shortcut, ctx.path->join("shortcut"), "shortcut",
                                   "shortcut = project", residual.keyword_span, {x});
  Current result = enter_block(site, conv_bn, args, {}, {x}, ctx.path->join("shortcut"), ctx);
  close_layer(layer, result);
  return single(result, residual.keyword_span, "`shortcut = project`");
}

TensorDatum Elaborator::pad_shortcut(const ResidualLink& residual, const TensorDatum& x, const TensorDatum& y) {
  const SizeDatum stride = shortcut_stride(x.shape, y.shape);
  if (stride.height == 0 || y.shape[0] < x.shape[0]) {
    Diagnostic d = error("E0215", residual.keyword_span, "`shortcut = pad` cannot make the body's shape",
                         "shortcut " + to_string(x.shape) + ", body " + to_string(y.shape));
    d.notes.push_back("it takes every n-th pixel and adds channels of zeros; it cannot take channels away");
    for (Label& label : change_labels(x, y)) d.secondary.push_back(std::move(label));
    fail(std::move(d));
  }
  builder_.set_origin(origin_at(residual.keyword_span, ""));
  ValueId id = x.id;
  if (stride != SizeDatum{1, 1})
    id = emit("slice", {id},
              {{"begins", Ints{0, 0, 0, 0}},
               {"sizes", Ints{config_.batch, x.shape[0], y.shape[1], y.shape[2]}},
               {"steps", Ints{1, 1, stride.height, stride.width}}},
              residual.keyword_span)[0];
  if (x.shape[0] < y.shape[0])
    id = emit("pad", {id},
              {{"before", Ints{0, 0, 0, 0}}, {"after", Ints{0, y.shape[0] - x.shape[0], 0, 0}}, {"value", 0.0}},
              residual.keyword_span)[0];
  return tensor(id);
}

void Elaborator::sides_differ(const ResidualLink& residual, const std::string& mode, const TensorDatum& x,
                              const TensorDatum& side, const TensorDatum& y) {
  const bool own = mode == "block";
  Diagnostic d = error("E0201", residual.keyword_span, "residual: the two sides differ",
                       (own ? "shortcut " : "identity ") + to_string(side.shape) + ", body " + to_string(y.shape));
  for (Label& label : change_labels(x, y)) d.secondary.push_back(std::move(label));
  if (own)
    for (Label& label : change_labels(x, side)) d.secondary.push_back(std::move(label));
  const SizeDatum stride = shortcut_stride(x.shape, y.shape);
  if (!own && stride.height > 0) {
    const int64_t parameters = x.shape[0] * y.shape[0] + 2 * y.shape[0];  // a 1x1 convolution, gamma and beta
    Fix fix{"residual(shortcut = project)", "adds " + with_commas(parameters) + " parameters", {}};
    if (!residual.args_span.valid()) {
      const uint32_t end = residual.keyword_span.end;
      fix.edits.push_back({{residual.keyword_span.file, end, end}, "(shortcut = project)"});
    } else if (residual.args.empty() || residual.args.front().name->text != "shortcut") {
      const uint32_t open = residual.args_span.begin + 1;
      fix.edits.push_back({{residual.args_span.file, open, open}, residual.args.empty() ? "shortcut = project" : "shortcut = project, "});
    }
    d.fixes.push_back(std::move(fix));
  }
  fail(std::move(d));
}

TensorDatum Elaborator::scaled(const TensorDatum& x, double scale, Span span) {
  const Shape ones(builder_.type(x.id).shape.size(), 1);
  const ValueId factor = builder_.constant(scale, {DType::f32, ones});
  return tensor(emit("mul", {x.id, factor}, {}, span)[0]);
}

// One draw per sample: the body is dropped or scaled by 1 / (1 - rate) (Huang et al. 2016).
TensorDatum Elaborator::drop_path(const TensorDatum& x, double rate, Span span, Context& ctx) {
  Shape mask(builder_.type(x.id).shape.size(), 1);
  mask[0] = config_.batch;
  const ValueId ones = builder_.constant(1, {DType::f32, mask});
  const ValueId kept = emit("dropout", {ones}, {{"p", rate}, {"path", random_path(ctx.path->join("drop_path"))}}, span)[0];
  return tensor(emit("mul", {x.id, kept}, {}, span)[0]);
}

}  // namespace netc
