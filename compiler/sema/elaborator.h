// The elaborator: walks the bodies of a network and builds its Graph. Internal to compiler/sema.
//
// One object elaborates one network. Its work is spread over files by concern:
//   evaluate.cpp    expressions, conversions to the type of a parameter
//   functions.cpp   built-in compile-time functions
//   initialisers.cpp  `he_normal(fan_out)` and its numbers
//   calls.cpp       what a call means: resolving the callee, binding arguments, entering a block
//   nested_calls.cpp  calls as other languages write them, with the chain that is meant
//   primitives.cpp  calls of operators
//   statements.cpp  the statements of a body
//   loops.cpp       for, repeat, if
//   residual.cpp, inception.cpp  the two constructs
//   contracts.cpp   what a layer demands of its input, with fixes
//   report.cpp      diagnostics: spans, chains of calls, provenance of shapes
//   augmented_input.cpp  what augmentation makes of the input
//   network.cpp     inputs, outputs, auxiliary heads; from a reference to a finished graph
//   members.cpp     networks inside this one: an ensemble's members, a teacher
//   transfer.cpp    frozen parameters, and what a recipe's globs name
//   objective.cpp   loss and metrics
//   advice.cpp      warnings
//
// Errors are put into the sink where they are found and then thrown as `Failed`, which a statement
// catches: what it would have made is *poisoned*, and whatever depends on that stays silent.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "compiler/sema/datum.h"
#include "compiler/sema/ensembles.h"
#include "compiler/sema/scope.h"
#include "compiler/sema/sema.h"

namespace netc {

struct Failed {};  // an error was reported; see above

using Current = std::vector<TensorDatum>;  // empty: nothing is current

// The arguments that a call gave, for carets: parameter name -> spans.
struct CallRecord {
  Span callee;
  std::string text;  // "conv_bn(64, 7x7, stride = 2)"
  std::map<std::string, Span> values;     // of the value alone
  std::map<std::string, Span> arguments;  // with the name, `stride = 2`
};

// A block call in progress.
struct Frame {
  std::string text;  // for the chain: "basic(128)"
  Span span;         // of the callee, in the caller's file
  const BlockDecl* block = nullptr;
  const Module* module = nullptr;
  CallRecord record;
};

enum class Place : uint8_t { network, block, residual, branches, branch, aux_head };

// The runtime has a Context as well: without a namespace of its own the linker would take one's destructor for the other's.
inline namespace sema {

// Everything that a statement may look at or change.
struct Context {
  const Module* module = nullptr;
  Scope* scope = nullptr;
  PathScope* path = nullptr;
  Place place = Place::network;
  Current current;
  Current block_input;
  std::vector<Current>* branches = nullptr;  // place branches: the results so far
  std::vector<Span>* branch_spans = nullptr;
};

}  // namespace sema

// `share tower = embed(128)`: every use of `tower` has the same parameters.
struct SharedBlock {
  std::string path;
  Callable callable;
  std::vector<BoundArg> args;
  int uses = 0;
};

class Elaborator {
 public:
  Elaborator(Project& project, const ElaborateConfig& config, DiagnosticSink& sink);

  // Builds the network. nullopt after errors.
  struct Request {
    const Module* module = nullptr;
    const NetworkDecl* network = nullptr;
    const Module* args_module = nullptr;      // where `args` are written
    const std::vector<Arg>* args = nullptr;   // of `train x = net(args)`
    const TrainDecl* train = nullptr;         // the `train` that names the network, if one does
    const Module* train_module = nullptr;     // where it is declared
    Span reference_span;                      // of the network in it
    const Recipe* recipe = nullptr;           // its loss, augmentation and data set
    const Ensemble* ensemble = nullptr;       // instead of `network`
    const Ensemble* teacher = nullptr;        // of a recipe that distills, for training
    const Name& name() const { return ensemble ? ensemble->name : network->name; }
  };
  std::optional<ElaboratedNetwork> run(const Request& request);

  // Checks what can be known of a block that nothing calls: its names, arguments and places, with an
  // input and parameters of which nothing is known.
  void check_block(const Module& module, const BlockDecl& block);
  // Evaluates a `let` of a file.
  void check_let(const Module& module, const LetDecl& let);

  // Compile-time evaluation for other parts of sema: a `let` of a file, a key of a recipe.
  Datum evaluate_in(const Module& module, const Expression& expr, const TypeExpr* expected = nullptr);

  [[noreturn]] void fail(Diagnostic diagnostic);
  // The same, and ends the elaboration: nothing is looked at after it.
  [[noreturn]] void stop(Diagnostic diagnostic);
  void report(Diagnostic diagnostic);
  // A diagnostic whose primary span is `span`, or the user's call that led to it, with the chain.
  Diagnostic error(std::string code, Span span, std::string message, std::string label = {}) const;
  Diagnostic advice(std::string code, Span span, std::string message, std::string label = {}) const;

 private:
  // Counts work against the limit, so that a short program cannot keep the compiler busy for ever.
  void spend(int64_t steps, Span at) {
    steps_ += steps;
    if (steps_ > config_.limits.steps) too_many_steps(at);
  }
  [[noreturn]] void too_many_steps(Span at);

  // evaluate.cpp
  Datum evaluate(const Expression& expr, Context& ctx, const TypeExpr* expected = nullptr);
  Datum evaluate_binary(const Expression& expr, const Binary& binary, Context& ctx);
  Datum evaluate_arithmetic(const Expression& expr, const Binary& binary, const Datum& a, const Datum& b);
  Datum evaluate_name(const Expression& expr, const std::string& name, Context& ctx);
  Datum evaluate_member(const Expression& expr, const Member& member, Context& ctx);
  Datum evaluate_call(const Expression& expr, const Call& call, Context& ctx, const TypeExpr* expected);
  Datum evaluate_with(const Expression& expr, const With& with, Context& ctx);
  Datum evaluate_list(const ListExpr& list, Context& ctx, const TypeExpr* expected);
  Datum coerce(Datum datum, const TypeExpr& type, Span span, const std::string& what, Context* ctx = nullptr);
  int64_t evaluate_int(const Expression& expr, Context& ctx, const std::string& what);
  double evaluate_float(const Expression& expr, Context& ctx, const std::string& what);
  bool evaluate_bool(const Expression& expr, Context& ctx, const std::string& what);
  // What the name stands for; null if nothing. Marks it used.
  std::optional<Datum> look_up(const std::string& name, Span span, Context& ctx);
  Datum module_datum(const NameTarget& target, const std::string& name, Span span);
  std::vector<std::string> visible_names(const Context& ctx, bool callables) const;
  void check_fresh(const Name& name, const Context& ctx);

  // functions.cpp
  std::optional<Datum> call_function(const std::string& name, const Expression& expr, const Call& call, Context& ctx);

  // initialisers.cpp
  Datum evaluate_init(const Expression& expr, Context& ctx);
  InitSpec compute_init(const InitDatum& init, const Shape& shape, Span span);

  // calls.cpp
  struct CallSiteInfo {
    Span callee;
    Span whole;  // callee and arguments
    std::string written;  // the callee as written: names the path segment
    std::string text;
    const std::vector<Arg>* args = nullptr;
    std::optional<Name> label;
  };
  Current call(const CallSiteInfo& site, const Callable& callable, Current input, Context& ctx);
  Current call_block(const CallSiteInfo& site, const Callable& callable, std::vector<BoundArg> args, Current input,
                     Context& ctx);
  Current enter_block(const CallSiteInfo& site, const Callable& callable, const std::vector<BoundArg>& args,
                      CallRecord record, Current input, const std::string& path, Context& ctx);
  // The call with the values of its arguments, without those that are the default: "conv(64, 3x3, stride = 2)" for
  // `conv(width, 3x3, stride = s)`. As written where it has tensors or nothing to evaluate.
  std::string call_with_values(const CallSiteInfo& site, const Callable& callable, const std::vector<BoundArg>& args,
                               Context& ctx);
  std::vector<BoundArg> bind(const CallSiteInfo& site, const Callable& callable, Context& ctx);
  void bind_defaults(const BlockDecl& block, const Callable& callable, const CallSiteInfo& site,
                     const std::vector<BoundArg>& args, Context& inner, Context& outer);
  void refuse_nested_call(const CallSiteInfo& site, const Callable& callable, Context& ctx);
  void advise_product_as_size(const Expression& written, const Datum& value);
  void unknown_argument(const Name& name, const Callable& callable);
  std::vector<std::string> parameter_names(const Callable& callable) const;
  Callable resolve_callee(const Expression& callee, Context& ctx);
  [[noreturn]] void unknown_callee(const std::string& name, Span span, Context& ctx);
  std::string claim_segment(const std::optional<Name>& label, const std::string& callee, Span span, PathScope& path);
  Callable check_block_type(const Callable& callable, const TypeExpr& type, Span span);

  // primitives.cpp
  Current call_primitive(const CallSiteInfo& site, const OpDef& op, const std::string& name,
                         const std::vector<BoundArg>& args, Current input, Context& ctx, const std::string& path);
  // Two uses of one path (a shared block) draw different random numbers.
  std::string random_path(const std::string& path);
  // Emits an operator; converts its refusal into a diagnostic. Inputs and attributes are the graph's.
  std::vector<ValueId> emit(const std::string& op_name, std::vector<ValueId> inputs, Attrs attrs, Span span);
  std::vector<ValueId> emit_op(const OpDef& op, std::vector<ValueId> inputs, Attrs attrs, Span span,
                               const std::string& called, const std::vector<BoundArg>& args = {});
  std::string callers_name(const std::string& attribute, const std::vector<BoundArg>& args) const;
  TensorDatum tensor(ValueId id, bool batched = true) const;
  void check_broadcast(const std::vector<TensorDatum>& inputs, const std::string& name, Span span);
  void check_lists(const BoundArg& arg, const Ints& numbers, const std::vector<BoundArg>& args, const TensorDatum& first);
  Attrs widen_attrs(const OpDef& op, const std::vector<BoundArg>& args, const TensorDatum& first, Span span);

  // statements.cpp
  void run_body(const Body& body, Context& ctx);
  void run_statement(const Stmt& stmt, Context& ctx);
  void run_chain(const Chain& chain, Context& ctx);
  Current run_link(const Link& link, bool first, bool only, const Current& value, Context& ctx);
  void run_let(const LetStmt& let, Context& ctx);
  void run_param(const ParamStmt& param, Span span, Context& ctx);
  void run_require(const RequireStmt& require, Context& ctx);
  void run_share(const ShareStmt& share, Context& ctx);
  void poison(const Stmt& stmt, Context& ctx);
  TensorDatum single(const Current& current, Span span, const std::string& what) const;
  // The same, but a poisoned value is returned: the body of a construct is still worth checking.
  TensorDatum single_or_poisoned(const Current& current, Span span, const std::string& what) const;
  Context nested(Context& ctx, Scope& scope) const;
  void close_scope(const Scope& scope, const Context& ctx);

  // loops.cpp
  void run_for(const ForStmt& loop, Context& ctx);
  void run_repeat(const RepeatStmt& loop, Context& ctx);
  void run_if(const IfStmt& branch, Context& ctx);
  struct Loop {
    const std::optional<Name>* label;
    Span keyword_span;
    const Body* body;
    int64_t count;
    std::function<void(int64_t, Scope&)> declare;
  };
  void run_loop(const Loop& loop, Context& ctx);
  void count_layers(int64_t times, const Body& body, Span span);
  void check_body(const Body& body, const Context& ctx, const std::vector<Name>& unknown);

  // residual.cpp, inception.cpp
  Current run_residual(const Link& link, const ResidualLink& residual, const Current& value, Context& ctx);
  TensorDatum make_shortcut(const ResidualLink& residual, const std::string& mode, const TensorDatum& x,
                            const TensorDatum& y, Context& ctx);
  TensorDatum project_shortcut(const ResidualLink& residual, const TensorDatum& x, const TensorDatum& y, Context& ctx);
  TensorDatum pad_shortcut(const ResidualLink& residual, const TensorDatum& x, const TensorDatum& y);
  [[noreturn]] void sides_differ(const ResidualLink& residual, const std::string& mode, const TensorDatum& x,
                                 const TensorDatum& side, const TensorDatum& y);
  TensorDatum drop_path(const TensorDatum& x, double rate, Span span, Context& ctx);
  TensorDatum scaled(const TensorDatum& x, double scale, Span span);
  Current run_inception(const Link& link, const InceptionLink& inception, const Current& value, Context& ctx);
  void run_branch(const BranchStmt& branch, Context& ctx);
  TensorDatum merge_branches(const InceptionLink& inception, const std::string& merge,
                             const std::vector<TensorDatum>& results, const std::vector<Span>& spans,
                             const TensorDatum& x);
  // A word argument of a construct, `shortcut = project`; `fallback` if absent.
  struct ConstructArgs {
    std::map<std::string, const Arg*> by_name;
  };
  ConstructArgs construct_args(const std::vector<Arg>& args, const std::string& construct,
                               const std::vector<std::string>& names);
  std::string word_argument(const Arg& arg, const std::vector<std::string>& words);

  // contracts.cpp
  void check_momentum(Scope& scope);
  void check_contract(const std::string& block, const CallSiteInfo& site, const Current& input, Scope& scope);

  // report.cpp
  bool presentable(int32_t file) const;
  // The span that a reader of the user's program knows: `span`, or the innermost call around it.
  Span visible(Span span, size_t* depth = nullptr) const;
  // Of the argument that sets `parameter` in the visible call, or the call itself.
  Span argument_span(const std::string& parameter, Span fallback) const;
  const CallRecord* visible_record() const;
  int line_of(Span span) const;
  // "32 -> 16 at line 4, 16 -> 8 at line 9": how the height of a value came about.
  std::string shrink_history(const TensorDatum& value) const;
  // Where channels and extents changed between two values of one body.
  std::vector<Label> change_labels(const TensorDatum& from, const TensorDatum& to) const;
  Origin origin_at(Span span, const std::string& path) const;

  // network.cpp
  std::optional<ElaboratedNetwork> build(const Request& request);
  struct DeclaredOutput {
    Name name;
    TensorDatum value;
  };
  void bind_network_args(const Request& request, Context& ctx);
  const DeclaredOutput& scores_of(const std::vector<DeclaredOutput>& outputs);
  void run_input(const InputStmt& input, Context& ctx);
  void check_trained_input(const Name& name);
  void run_output(const OutputStmt& output, Context& ctx);
  void run_aux_head(const AuxHeadStmt& head, Context& ctx);
  TensorDatum prepare_image(const InputStmt& input, const Shape& shape, DType declared);

  // members.cpp
  TensorDatum run_member(const EnsembleMember& member, const std::string& prefix);
  TensorDatum run_members(const Ensemble& ensemble, const std::string& prefix);
  TensorDatum combine(const Ensemble& ensemble, const std::vector<TensorDatum>& scores);
  void run_ensemble(const Ensemble& ensemble, Span span);
  void require_no_teacher(const Ensemble& teacher);
  TensorDatum teacher_scores(const Ensemble& teacher);
  ValueId distillation(ValueId logits, ValueId label, const Request& request);
  TensorDatum member_input(const InputStmt& input, const Shape& shape);
  // The path of a state: of those that members share, without the member's name.
  std::string state_path(const std::string& path) const;
  // Whether what is elaborated now learns: not in an evaluation, nor within a teacher.
  bool trains() const { return config_.purpose == Purpose::train && !within_teacher_; }

  // augmented_input.cpp
  std::optional<SizeDatum> prepared_size(std::optional<SizeDatum> size, const std::vector<PreprocessSpec>& steps,
                                         const std::function<Span(size_t)>& place);
  void check_prepared(const Shape& shape, Span input, bool augments);
  Shape augmented_input(const Shape& shape, DType dtype);
  ValueId augment_image(ValueId value, const Shape& shape, Span span);
  ValueId mix_images(ValueId value, Span span);
  ElaboratedNetwork finish(const Request& request);

  // transfer.cpp
  Span setting_place(const std::string& key, size_t index) const;
  Span dataset_place(const std::string& key, size_t index) const;
  bool is_frozen(const std::string& path, bool buffer);
  bool has_frozen(const std::string& prefix) const;
  void check_globs();

  // objective.cpp
  void check_classes(const Request& request);
  void check_loss(const LossSpec& loss, int64_t classes, Span span);
  void add_objective(const Request& request);
  void add_metrics(ValueId logits, ValueId label, const LossSpec& loss);
  ValueId correct_of(ValueId logits, ValueId label, const LossSpec& loss, int64_t k);
  ValueId counts(ValueId label, int64_t ignored);
  ValueId loss_of(ValueId logits, ValueId label, const LossSpec& loss, const std::string& reduction);
  // What a label says of every class, [N, C], and how much each sample counts, [N, 1].
  struct Targets {
    ValueId target, weight;
  };
  Targets targets_of(ValueId label, const LossSpec& loss, int64_t classes);
  ValueId channel_constants(const std::vector<double>& values, int rank);

  // advice.cpp
  void advise();
  void advise_convolutions();
  void advise_depth();
  void advise_unused();

  // The layer tree.
  int32_t open_layer(LayerNode::Kind kind, const std::string& path, const std::string& name, const std::string& text,
                     Span span, const Current& input);
  void close_layer(int32_t layer, const Current& output);

  Project& project_;
  const ElaborateConfig& config_;
  DiagnosticSink& sink_;
  const Module& prelude_;
  Builder builder_;
  std::vector<Frame> frames_;
  std::vector<LayerNode> layers_;
  int32_t open_layer_ = -1;
  std::vector<InputInfo> inputs_;
  std::vector<TensorDatum> input_values_;
  std::vector<DeclaredOutput> outputs_;
  std::vector<AuxHead> aux_heads_;
  std::vector<Span> aux_spans_;                          // of their names
  struct NameUse {
    std::string name;
    Span span;
    bool used = false;
  };
  std::map<std::pair<int32_t, uint32_t>, NameUse> name_uses_;  // by place: a block called twice counts once
  std::map<int32_t, ValueId> pending_updates_;           // state -> its newest value
  std::map<ValueId, int32_t> state_values_;              // a value that is the newest of a state
  const EnsembleMember* member_ = nullptr;               // that is being elaborated
  std::string member_prefix_, ensemble_prefix_;          // "teacher.small", "teacher"
  const std::vector<std::string>* shared_globs_ = nullptr;
  bool within_teacher_ = false;
  std::map<std::string, int> random_uses_;
  std::map<std::string, Span> parameter_spans_;          // path -> declaration
  std::map<std::pair<int32_t, uint32_t>, CallRecord> records_;  // by the visible callee's place
  std::map<std::pair<const Module*, std::string>, Datum> lets_;
  std::set<std::pair<const Module*, std::string>> lets_in_progress_;
  std::set<std::string> reported_;                       // code and place
  std::vector<SharedBlock> shared_;
  int current_shared_ = -1;                              // the `share` whose block is being entered
  std::set<std::string> frozen_;                         // paths
  ValueId mix_;                                          // of mixup and cutmix; invalid without
  const Recipe* recipe_ = nullptr;
  const TrainDecl* train_ = nullptr;
  const Module* train_module_ = nullptr;
  Span reference_span_;                                  // of the network in a `train`; may be invalid
  bool user_root_ = true;
  bool failed_ = false;
  bool stopped_ = false;  // a limit was exceeded, which has been said
  bool checks_block_ = false;  // of which nothing is known: in check_block
  int64_t layer_count_ = 0;
  int64_t steps_ = 0;
  int64_t parameter_bytes_ = 0;
  int64_t activation_bytes_ = 0;
  std::vector<std::pair<std::string, Span>> default_args_;  // network parameters that took their default
};

}  // namespace netc
