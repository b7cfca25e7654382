// Advice: programs that are right, where a better one is known. Each can be switched off.
//
//   A0101  a 5x5 convolution that two 3x3 ones replace with the same receptive field
//   A0102  a wide 3x3 convolution that a 1x1 reduction before it makes cheaper
//   A0103  a plain stack so deep that `residual` is the known cure
//   A0104  a value or a name that nothing uses
//   A0105  a product of two numbers where a size is meant (found where arguments are bound)
#include <algorithm>

#include "compiler/ir/op_def.h"
#include "compiler/sema/elaborator.h"

namespace netc {
namespace {

constexpr int64_t kWideChannels = 512;  // both sides of a 3x3 convolution
constexpr int kDeepStack = 20;          // convolutions in a row without a second way around them

// Whether the value comes from a 1x1 convolution, through operators of one input or normalisation.
bool is_reduced(const Graph& graph, ValueId id) {
  while (id.valid()) {
    const Node& node = graph.producer(id);
    if (!node.op || node.inputs.empty() || node.op->name == "add" || node.op->name == "concat") return false;
    if (node.op->name == "convolution") {
      const Shape& weight = graph.type(node.inputs[1]).shape;
      return weight[2] == 1 && weight[3] == 1;
    }
    id = node.inputs[0];
  }
  return false;
}

}  // namespace

void Elaborator::advise() {
  advise_convolutions();
  advise_depth();
  advise_unused();
}

void Elaborator::advise_convolutions() {
  const Graph& graph = builder_.graph();
  for (const Node& node : graph.nodes) {
    if (!node.op || node.op->name != "convolution" || !presentable(node.origin.span.file)) continue;
    if (project_.sources().file(node.origin.span.file).is_stdlib) continue;
    const Shape& weight = graph.type(node.inputs[1]).shape;
    if (node.attrs.integer("groups") != 1) continue;
    const int64_t k = weight[0], c = weight[1];
    const auto record = records_.find({node.origin.span.file, node.origin.span.begin});
    Span window = node.origin.span;
    if (record != records_.end())
      if (const auto found = record->second.values.find("window"); found != record->second.values.end()) window = found->second;
    Diagnostic d;
    d.severity = Severity::advice;
    d.chain = node.origin.chain;
    d.primary.span = window;
    if (weight[2] == 5 && weight[3] == 5 && c > 1) {
      const int64_t five = 25 * c * k, threes = 9 * c * k + 9 * k * k;
      if (threes >= five) continue;
      d.code = "A0101";
      d.message = "two 3x3 convolutions see as much as this 5x5 with " + std::to_string(100 * (five - threes) / five) + " % fewer parameters";
      d.primary.text = with_commas(five) + " parameters, " + with_commas(threes) + " as two 3x3";
    } else if (weight[2] == 3 && weight[3] == 3 && c >= kWideChannels && k >= kWideChannels &&
               !is_reduced(graph, node.inputs[0])) {
      const int64_t narrow = c / 4, direct = 9 * c * k, reduced = c * narrow + 9 * narrow * narrow + narrow * k;
      d.code = "A0102";
      d.message = "a 1x1 reduction before this wide 3x3 makes it cheaper";
      d.primary.text = with_commas(direct) + " parameters, " + with_commas(reduced) + " as 1x1 to " + std::to_string(narrow) +
                       ", 3x3, 1x1 to " + std::to_string(k);
    } else {
      continue;
    }
    report(std::move(d));
  }
}

void Elaborator::advise_depth() {
  const Graph& graph = builder_.graph();
  // Uses of a value; where two ways part, or meet again, gradients have a short way back.
  std::vector<int> uses(graph.values.size());
  for (const Node& node : graph.nodes)
    for (ValueId input : node.inputs)
      if (input.valid()) ++uses[static_cast<size_t>(input.index)];
  std::vector<int> depth(graph.values.size());
  for (const Node& node : graph.nodes) {
    if (!node.op || node.inputs.empty() || !node.inputs[0].valid() || node.outputs.empty()) continue;
    const auto from = static_cast<size_t>(node.inputs[0].index);
    const bool joins = node.op->name == "concat" || node.op->name == "add";
    int reached = joins || uses[from] > 1 ? 0 : depth[from];
    if (node.op->name == "convolution") ++reached;
    depth[static_cast<size_t>(node.outputs[0].index)] = reached;
    if (reached != kDeepStack || node.op->name != "convolution" || project_.sources().file(node.origin.span.file).is_stdlib) continue;
    Diagnostic d;
    d.severity = Severity::advice;
    d.code = "A0103";
    d.message = std::to_string(kDeepStack) + " convolutions in a row without a `residual` around any";
    d.primary = {node.origin.span, "plain stacks this deep train badly (He et al. 2015)"};
    d.chain = node.origin.chain;
    d.fixes.push_back({"residual { ... } around every two or three of them", "", {}});
    report(std::move(d));
    return;
  }
}

void Elaborator::advise_unused() {
  for (const auto& [place, use] : name_uses_) {
    if (use.used) continue;
    Diagnostic d;
    d.severity = Severity::advice;
    d.code = "A0104";
    d.message = "nothing uses `" + use.name + "`";
    d.primary.span = use.span;
    d.notes.push_back("a name that begins with `_` is not reported");
    report(std::move(d));
  }
  const Graph& graph = builder_.graph();
  std::vector<bool> live(graph.values.size());
  const auto mark = [&](ValueId id) {
    if (id.valid()) live[static_cast<size_t>(id.index)] = true;
  };
  for (const DeclaredOutput& output : outputs_) mark(output.value.id);
  for (const AuxHead& head : aux_heads_) mark(head.value);
  for (size_t n = graph.nodes.size(); n-- > 0;) {
    const Node& node = graph.nodes[n];
    const bool needed = std::any_of(node.outputs.begin(), node.outputs.end(),
                                    [&](ValueId id) { return live[static_cast<size_t>(id.index)]; });
    if (needed) {
      for (ValueId input : node.inputs) mark(input);
      continue;
    }
    const bool leaf = !node.op || node.op->leaf;
    if (leaf || !node.origin.span.valid() || project_.sources().file(node.origin.span.file).is_stdlib) continue;
    // Only the end of what is not needed: the call whose result nothing takes.
    const bool end = std::none_of(graph.nodes.begin() + static_cast<int64_t>(n) + 1, graph.nodes.end(), [&](const Node& user) {
      return std::any_of(user.inputs.begin(), user.inputs.end(), [&](ValueId input) {
        return input.valid() && std::find(node.outputs.begin(), node.outputs.end(), input) != node.outputs.end();
      });
    });
    if (!end) continue;
    Diagnostic d;
    d.severity = Severity::advice;
    d.code = "A0104";
    d.message = "nothing uses this value";
    d.primary.span = node.origin.span;
    d.chain = node.origin.chain;
    report(std::move(d));
  }
}

// `conv(64, 3*3)` has a window of 9x9.
void Elaborator::advise_product_as_size(const Expression& written, const Datum& value) {
  if (!config_.advice || !presentable(written.span.file)) return;
  const Binary* product = written.as<Binary>();
  if (!product || product->op != BinaryOp::mul || !product->lhs->as<IntLit>() || !product->rhs->as<IntLit>()) return;
  const std::string text(project_.sources().text(written.span)), number = std::to_string(value.as<SizeDatum>()->height);
  const std::string size = std::string(project_.sources().text(product->lhs->span)) + "x" + std::string(project_.sources().text(product->rhs->span));
  Diagnostic d = advice("A0105", written.span, "`" + text + "` is the number " + number + ", a size of " + to_text(value));
  d.fixes.push_back({size, "", {{written.span, size}}});
  report(std::move(d));
}

}  // namespace netc
