// A network from its declaration to a finished graph: arguments, inputs, outputs, auxiliary heads.
#include <algorithm>

#include "compiler/base/error.h"
#include "compiler/sema/elaborator.h"

namespace netc {

Elaborator::Elaborator(Project& project, const ElaborateConfig& config, DiagnosticSink& sink)
    : project_(project), config_(config), sink_(sink), prelude_(project.prelude(sink)) {}

int32_t Elaborator::open_layer(LayerNode::Kind kind, const std::string& path, const std::string& name,
                               const std::string& text, Span span, const Current& input) {
  LayerNode layer;
  layer.kind = kind;
  layer.parent = open_layer_;
  layer.path = path;
  layer.name = name;
  layer.text = text;
  layer.origin = origin_at(span, path);
  for (const TensorDatum& t : input) layer.inputs.push_back(t.shape);
  layer.first_node = static_cast<int32_t>(builder_.graph().nodes.size());
  layers_.push_back(std::move(layer));
  return open_layer_ = static_cast<int32_t>(layers_.size()) - 1;
}

void Elaborator::close_layer(int32_t layer, const Current& output) {
  LayerNode& node = layers_[static_cast<size_t>(layer)];
  node.last_node = static_cast<int32_t>(builder_.graph().nodes.size());
  if (!output.empty()) node.output = output.front().shape;
  const bool has_children = layer + 1 < static_cast<int32_t>(layers_.size());
  if (node.kind == LayerNode::Kind::block && !has_children) node.kind = LayerNode::Kind::layer;
  open_layer_ = node.parent;
}

std::optional<ElaboratedNetwork> Elaborator::run(const Request& request) {
  std::optional<ElaboratedNetwork> net = build(request);
  NETC_CHECK(net || sink_.has_errors(), "elaboration failed without a diagnostic");
  return net;
}

std::optional<ElaboratedNetwork> Elaborator::build(const Request& request) {
  recipe_ = request.recipe;
  reference_span_ = request.reference_span;
  train_ = request.train;
  train_module_ = request.train_module;
  user_root_ = !request.module->is_stdlib || (request.args_module && !request.args_module->is_stdlib);
  Scope scope;
  PathScope paths;
  Context ctx;
  ctx.module = request.module;
  ctx.scope = &scope;
  ctx.path = &paths;
  ctx.place = Place::network;
  try {
    const Name& declared = request.name();
    if (!request.ensemble) bind_network_args(request, ctx);
    open_layer(LayerNode::Kind::network, "", declared.text, declared.text, declared.span, {});
    if (request.ensemble) run_ensemble(*request.ensemble, declared.span);
    else run_body(request.network->body, ctx);
    close_layer(0, request.ensemble ? Current{outputs_.front().value} : ctx.current);
    layers_[0].kind = LayerNode::Kind::network;
    close_scope(scope, ctx);
    const Span name = declared.span;
    if (inputs_.empty() && input_values_.empty())
      fail(error("E0217", name, "`" + declared.text + "` has no input", "it begins with `input image: [3, 224, 224]`"));
    if (outputs_.empty() && !failed_)
      fail(error("E0217", name, "`" + declared.text + "` has no output", "it ends with `output logits`"));
    if (failed_) return std::nullopt;
    check_classes(request);
    if (config_.advice && !request.ensemble) advise();  // members are advised where they are declared
    add_objective(request);
    check_globs();
    if (failed_) return std::nullopt;
    return finish(request);
  } catch (const Failed&) {
    return std::nullopt;
  }
}

void Elaborator::check_block(const Module& module, const BlockDecl& block) {
  checks_block_ = true;
  Scope scope;
  PathScope paths;
  Context ctx;
  ctx.module = &module;
  ctx.scope = &scope;
  ctx.path = &paths;
  ctx.place = Place::block;
  ctx.current = ctx.block_input = {TensorDatum{}};
  for (const Parameter& p : block.params) {
    check_fresh(p.name, ctx);
    scope.declare(p.name.text, {{}, p.span, ScopeEntry::Kind::parameter, true});
  }
  try {
    run_body(block.body, ctx);
  } catch (const Failed&) {  // a limit was exceeded
  }
}

namespace {

// The text of `--set name=text`, one file however many networks take it: what is wrong in it is then said once.
int32_t text_of_set(SourceMap& sources, const std::string& name, const std::string& text) {
  const std::string path = "--set " + name, whole = "let " + name + " = " + text + "\n";
  for (int32_t file = 0; file < sources.size(); ++file)
    if (sources.file(file).path == path && sources.file(file).text == whole) return file;
  return sources.add(path, whole);
}

}  // namespace

void Elaborator::bind_network_args(const Request& request, Context& ctx) {
  const std::vector<Parameter>& params = request.network->params;
  const std::string& network = request.network->name.text;
  std::vector<std::string> names;
  for (const Parameter& p : params) names.push_back(p.name.text);
  std::map<std::string, Datum> given;
  bool failed = false;

  Scope arg_scope;
  PathScope arg_paths;
  Context args_ctx;
  args_ctx.module = request.args_module ? request.args_module : request.module;
  args_ctx.scope = &arg_scope;
  args_ctx.path = &arg_paths;
  args_ctx.place = Place::block;
  const auto set = [&](const std::string& name, const Parameter& p, const Expression& value) {
    given[name] = coerce(evaluate(value, args_ctx, &p.type), p.type, value.span, "`" + name + "` of `" + network + "`");
  };
  if (request.args) {
    size_t position = 0;
    for (const Arg& arg : *request.args) {
      try {
        const std::string name = arg.name ? arg.name->text : position < names.size() ? names[position++] : "";
        const auto found = std::find(names.begin(), names.end(), name);
        if (found == names.end()) {
          if (!arg.name) fail(error("E0106", arg.span, "`" + network + "` takes at most " + std::to_string(names.size()) + " arguments"));
          Diagnostic d = error("E0104", arg.name->span, "`" + network + "` has no argument `" + name + "`");
          if (const std::optional<std::string> close = nearest(name, names)) d.fixes.push_back({*close, "", {{arg.name->span, *close}}});
          fail(std::move(d));
        }
        if (given.count(name)) fail(error("E0107", arg.span, "`" + name + "` is given twice"));
        set(name, params[static_cast<size_t>(found - names.begin())], *arg.value);
      } catch (const Failed&) {
        failed = true;
      }
    }
  }
  for (const auto& [name, text] : config_.set) {
    if (member_) break;  // their arguments are written where they are named
    try {
      const auto found = std::find(names.begin(), names.end(), name);
      if (found == names.end()) {
        Diagnostic d = error("E0104", {}, "`" + network + "` has no argument `" + name + "`, which --set gives");
        if (const std::optional<std::string> close = nearest(name, names)) d.fixes.push_back({"--set " + *close + "=" + text, "", {}});
        fail(std::move(d));
      }
      const int32_t file = text_of_set(project_.sources(), name, text);
      const int errors = sink_.error_count();
      const Ast ast = parse(project_.sources(), file, sink_, project_.limits());
      if (sink_.error_count() > errors || ast.declarations.empty() || !ast.declarations.front().as<LetDecl>()) {
        failed = true;
        continue;
      }
      set(name, params[static_cast<size_t>(found - names.begin())], ast.declarations.front().as<LetDecl>()->value);
    } catch (const Failed&) {
      failed = true;
    }
  }
  for (const Parameter& p : params) {
    try {
      Datum value;
      if (const auto found = given.find(p.name.text); found != given.end()) {
        value = found->second;
      } else if (p.default_value) {
        value = coerce(evaluate(*p.default_value, ctx, &p.type), p.type, p.default_value->span,
                       "the default of `" + p.name.text + "`");
        default_args_.push_back({p.name.text + " = " + to_text(value), p.span});
      } else {
        Diagnostic d = error("E0105", request.reference_span.valid() ? request.reference_span : p.name.span,
                             "`" + network + "` needs `" + p.name.text + "`", to_text(p.type));
        if (!request.reference_span.valid()) d.fixes.push_back({"--set " + p.name.text + "=VALUE, or a default", "", {}});
        fail(std::move(d));
      }
      check_fresh(p.name, ctx);
      ctx.scope->declare(p.name.text, {std::move(value), p.span, ScopeEntry::Kind::parameter, true});
    } catch (const Failed&) {
      failed = true;
      ctx.scope->declare(p.name.text, {{}, p.span, ScopeEntry::Kind::parameter, true});
    }
  }
  if (failed) throw Failed{};
}

void Elaborator::run_input(const InputStmt& input, Context& ctx) {
  DType declared = DType::f32;
  if (input.dtype) {
    const std::optional<DType> dtype = dtype_from_name(input.dtype->text);
    if (!dtype || (*dtype != DType::f32 && *dtype != DType::u8)) {
      Diagnostic d = error("E0301", input.dtype->span, "an input is f32 or u8, not `" + input.dtype->text + "`");
      if (input.dtype->text == "float" || input.dtype->text == "float32") d.fixes.push_back({"f32", "", {{input.dtype->span, "f32"}}});
      if (input.dtype->text == "uint8" || input.dtype->text == "byte") d.fixes.push_back({"u8", "", {{input.dtype->span, "u8"}}});
      fail(std::move(d));
    }
    declared = *dtype;
  }
  const Datum extents = evaluate(input.shape, ctx);
  const auto* items = extents.as<std::vector<Datum>>();
  if (!items) fail(error("E0301", input.shape.span, "a shape is a list of ints such as [3, 224, 224]"));
  Shape shape;
  int64_t count = 1;
  for (const Datum& item : *items) {
    const IntDatum* extent = item.as<IntDatum>();
    if (!extent) fail(error("E0301", input.shape.span, "an extent is an int, this is " + kind_of(item)));
    if (extent->value < 1) fail(error("E0313", input.shape.span, "an extent is at least 1, this shape is " + to_text(extents)));
    if (!checked_mul(count, extent->value, count) || count > config_.limits.elements)
      fail(error("E0802", input.shape.span, "an input of this shape has more than " + with_commas(config_.limits.elements) + " elements"));
    shape.push_back(extent->value);
  }
  if (shape.empty() || shape.size() > 4)
    fail(error("E0301", input.shape.span, "an input has 1 to 4 extents, without the batch: [C, H, W]"));
  check_fresh(input.name, ctx);
  for (const InputInfo& other : inputs_)
    if (!member_ && other.name == input.name.text)
      fail(error("E0103", input.name.span, "`" + other.name + "` is an input already"));
  if (!member_) check_trained_input(input.name);
  builder_.set_origin(origin_at(input.name.span, input.name.text));
  const bool reused = member_ && !inputs_.empty();
  const TensorDatum value = reused ? member_input(input, shape) : prepare_image(input, shape, declared);
  if (!reused) input_values_.push_back(value);
  ctx.scope->declare(input.name.text, {Datum{value}, input.name.span, ScopeEntry::Kind::tensor, true});
  // One input is current; of several, none is (rule 9).
  const bool only = input_values_.size() == 1;
  ctx.current = only ? Current{value} : Current{};
  ctx.block_input = ctx.current;
}

// Training and evaluation give a network one input, and add inputs of their own: labels, and what augmentation draws.
void Elaborator::check_trained_input(const Name& name) {
  if (config_.purpose == Purpose::predict) return;
  if (name.text == "label" || name.text == "affine" || name.text == "color" || name.text == "erase" || name.text == "mix") {
    Diagnostic d = error("E0517", name.span, "`" + name.text + "` is an input that training adds");
    d.fixes.push_back({"another name, such as `image`", "", {}});
    fail(std::move(d));
  }
  if (!recipe_ || inputs_.empty() || config_.without_loss) return;
  Diagnostic d = error("E0517", name.span, "a network of several inputs is not trained or evaluated", "nothing gives this one a value");
  if (reference_span_.valid()) d.secondary.push_back({reference_span_, "trained here"});
  fail(std::move(d));
}

TensorDatum Elaborator::prepare_image(const InputStmt& input, const Shape& shape, DType declared) {
  const bool first = inputs_.empty();
  const bool has_data = first && recipe_ && !config_.raw_input;
  const bool images = has_data && recipe_->dataset.train && recipe_->dataset.train->kind != DataSourceSpec::Kind::numpy;
  const DType dtype = images ? DType::u8 : declared;
  const std::vector<double> none;
  const std::vector<double>& mean = has_data ? recipe_->dataset.mean : none;
  const std::vector<double>& std = has_data ? recipe_->dataset.std : none;
  const Span span = input.name.span;
  // Where data and network do not fit, the `train` that joins them is what the reader can change.
  const Span place = !presentable(span.file) || project_.sources().file(span.file).is_stdlib ? reference_span_ : span;

  InputInfo info;
  info.name = input.name.text;
  info.shape = shape;
  info.dtype = dtype;
  info.normalized = dtype == DType::u8 || !mean.empty();
  info.mean = mean;
  info.std = std;
  if (!mean.empty() && mean.size() != 1 && mean.size() != static_cast<size_t>(shape[0]))
    fail(error("E0510", place, "`normalize` has " + std::to_string(mean.size()) + " channels, the input " + std::to_string(shape[0])));

  const bool augments = has_data && (config_.purpose == Purpose::train || config_.augmented) &&
                        (!recipe_->augment.empty() || !recipe_->augment_preprocess.empty());
  if (images && !config_.without_loss) check_prepared(shape, span, augments);
  Shape batched = augments ? augmented_input(shape, dtype) : shape;
  batched.insert(batched.begin(), config_.batch);
  // Who trains and tests hands in the images of a data set, whatever the network calls them.
  const bool from_data = first && config_.purpose != Purpose::predict;
  ValueId value = builder_.add_input(from_data ? "image" : input.name.text, {dtype, batched});
  if (dtype != DType::f32) value = emit("cast", {value}, {{"dtype", std::string("f32")}}, span)[0];
  if (augments) value = augment_image(value, shape, span);
  if (info.normalized) {
    // (x / 255 - mean) / std as one multiplication and one addition.
    const double unit = dtype == DType::u8 ? 255 : 1;
    std::vector<double> factor, offset;
    for (size_t c = 0; c < std::max<size_t>(mean.size(), 1); ++c) {
      const double deviation = std.empty() ? 1 : std[c % std.size()];
      factor.push_back(1 / (unit * deviation));
      offset.push_back(mean.empty() ? 0 : -mean[c] / deviation);
    }
    const int rank = static_cast<int>(batched.size());
    value = emit("mul", {value, channel_constants(factor, rank)}, {}, span)[0];
    if (std::any_of(offset.begin(), offset.end(), [](double o) { return o != 0; }))
      value = emit("add", {value, channel_constants(offset, rank)}, {}, span)[0];
  }
  if (augments) value = mix_images(value, span);
  inputs_.push_back(std::move(info));
  return tensor(value);
}

ValueId Elaborator::channel_constants(const std::vector<double>& values, int rank) {
  const TensorType one{DType::f32, Shape(static_cast<size_t>(rank), 1)};
  if (std::all_of(values.begin(), values.end(), [&](double v) { return v == values.front(); }))
    return builder_.constant(values.front(), one);
  std::vector<ValueId> parts;
  for (double value : values) parts.push_back(builder_.constant(value, one));
  return emit("concat", std::move(parts), {{"axis", int64_t{1}}}, {})[0];
}

// The scores of a network: its only output, or the one named `logits`.
const Elaborator::DeclaredOutput& Elaborator::scores_of(const std::vector<DeclaredOutput>& outputs) {
  const auto named = std::find_if(outputs.begin(), outputs.end(), [](const DeclaredOutput& o) { return o.name.text == "logits"; });
  if (named != outputs.end()) return *named;
  if (outputs.size() > 1)
    fail(error("E0513", outputs.front().name.span, "training needs one output, or one named `logits`", "this network has " + std::to_string(outputs.size())));
  return outputs.front();
}

void Elaborator::run_output(const OutputStmt& output, Context& ctx) {
  Current current = ctx.current;
  if (output.value) {
    Context inner = ctx;
    run_chain(*output.value, inner);
    current = inner.current;
  }
  for (const DeclaredOutput& other : outputs_) {
    if (other.name.text != output.name.text) continue;
    Diagnostic d = error("E0218", output.name.span, "`" + output.name.text + "` is an output already");
    d.secondary.push_back({other.name.span, "first here"});
    fail(std::move(d));
  }
  // Known even where the value is wrong, so that the network is not said to have no output.
  outputs_.push_back({output.name, {}});
  outputs_.back().value = single(current, output.keyword_span, "`output`");
}

void Elaborator::run_aux_head(const AuxHeadStmt& head, Context& ctx) {
  const ConstructArgs args = construct_args(head.args, "aux_head", {"weight"});
  const auto found = args.by_name.find("weight");
  if (found == args.by_name.end()) {
    Diagnostic d = error("E0105", head.name.span, "`aux_head` needs `weight`", "how much its loss counts");
    d.fixes.push_back({"aux_head " + head.name.text + "(weight = 0.3)", "", {}});
    fail(std::move(d));
  }
  const double weight = evaluate_float(*found->second->value, ctx, "`weight` of `aux_head`");
  if (weight < 0) fail(error("E0313", found->second->value->span, "`weight` of `aux_head` is at least 0, this is " + real_text(weight)));
  const TensorDatum x = single(ctx.current, head.keyword_span, "`aux_head`");
  PathScope paths;
  paths.prefix = ctx.path->join(claim_segment(head.name, "", head.name.span, *ctx.path));
  if (!trains()) return;
  Scope scope(ctx.scope);
  Context inner = nested(ctx, scope);
  inner.place = Place::aux_head;
  inner.path = &paths;
  inner.current = {x};
  const int32_t layer = open_layer(LayerNode::Kind::aux_head, paths.prefix, head.name.text, "aux_head " + head.name.text,
                                   head.keyword_span, {x});
  run_body(head.body, inner);
  close_layer(layer, inner.current);
  close_scope(scope, ctx);
  const TensorDatum value = single(inner.current, head.keyword_span, "the end of `aux_head`");
  aux_heads_.push_back({paths.prefix, weight, value.id});
  aux_spans_.push_back(head.name.span);
}

ElaboratedNetwork Elaborator::finish(const Request& request) {
  ElaboratedNetwork net;
  net.name = request.name().text;
  net.reference = recipe_ ? recipe_->network : net.name;
  for (const auto& [state, value] : pending_updates_)
    if (config_.purpose == Purpose::train && !config_.input_only) builder_.add_update(state, value);
  for (const DeclaredOutput& output : outputs_) net.outputs.push_back({output.name.text, output.value.id});
  if (request.ensemble) {
    net.shared = request.ensemble->shared;
    for (const EnsembleMember& member : request.ensemble->members) net.members.push_back({member.name, member.weights});
  }
  if (request.teacher)
    for (const EnsembleMember& member : request.teacher->members) net.teachers.push_back({member.name, member.weights});
  const Shape& first = outputs_.front().value.shape;
  net.classes = first.size() == 1 ? first[0] : 0;
  net.graph = builder_.finish();
  net.inputs = std::move(inputs_);
  net.aux_heads = std::move(aux_heads_);
  net.layers = std::move(layers_);
  net.frozen = std::move(frozen_);
  if (recipe_) {
    net.class_names = recipe_->dataset.class_names;
    net.dataset = recipe_->dataset;
  }
  return net;
}

}  // namespace netc
