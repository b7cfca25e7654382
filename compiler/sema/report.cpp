// Diagnostics in the user's terms: where to point, which calls led there, how a shape came about.
#include <algorithm>

#include "compiler/sema/elaborator.h"

namespace netc {

bool Elaborator::presentable(int32_t file) const {
  if (file < 0) return false;
  if (file == prelude_.file) return false;
  return !user_root_ || !project_.sources().file(file).is_stdlib;
}

Span Elaborator::visible(Span span, size_t* depth) const {
  size_t k = frames_.size();
  while (k > 0 && !presentable(span.file)) span = frames_[--k].span;
  if (depth) *depth = k;
  return span;
}

const CallRecord* Elaborator::visible_record() const {
  for (size_t k = frames_.size(); k-- > 0;)
    if (presentable(frames_[k].span.file)) return &frames_[k].record;
  return nullptr;
}

Span Elaborator::argument_span(const std::string& parameter, Span fallback) const {
  const CallRecord* record = visible_record();
  if (!record) return fallback;
  const auto found = record->values.find(parameter);
  return found != record->values.end() && presentable(found->second.file) ? found->second : record->callee;
}

int Elaborator::line_of(Span span) const {
  return span.valid() ? project_.sources().position(span.file, span.begin).line : 0;
}

Diagnostic Elaborator::error(std::string code, Span span, std::string message, std::string label) const {
  Diagnostic diagnostic;
  size_t depth = 0;
  const Span place = visible(span, &depth);
  diagnostic.code = std::move(code);
  diagnostic.message = std::move(message);
  diagnostic.primary = {place, std::move(label)};
  // A call that is itself pointed at is no step of the way to it.
  while (depth > 0 && frames_[depth - 1].span == place) --depth;
  for (size_t k = depth; k-- > 0;)
    if (presentable(frames_[k].span.file)) diagnostic.chain.push_back({frames_[k].text, frames_[k].span});
  return diagnostic;
}

Diagnostic Elaborator::advice(std::string code, Span span, std::string message, std::string label) const {
  Diagnostic diagnostic = error(std::move(code), span, std::move(message), std::move(label));
  diagnostic.severity = Severity::advice;
  return diagnostic;
}

void Elaborator::report(Diagnostic diagnostic) {
  if (stopped_) return;
  const Span at = diagnostic.primary.span;
  // A block that is called ten times is wrong once.
  const std::string key = diagnostic.code + "@" + std::to_string(at.file) + ":" + std::to_string(at.begin) +
                          (at.valid() ? "" : diagnostic.message);
  if (diagnostic.severity == Severity::error) failed_ = true;
  if (!reported_.insert(key).second) return;
  if (diagnostic.severity == Severity::error && sink_.error_count() >= config_.limits.errors) {
    Diagnostic many;
    many.code = "E0033";
    many.message = "too many errors: stopped after " + std::to_string(config_.limits.errors);
    sink_.add(std::move(many));
    stopped_ = true;
    return;
  }
  sink_.add(std::move(diagnostic));
}

void Elaborator::stop(Diagnostic diagnostic) {
  report(std::move(diagnostic));
  stopped_ = true;
  throw Failed{};
}

void Elaborator::too_many_steps(Span at) {
  Diagnostic d = error("E0801", at, "more than " + with_commas(config_.limits.steps) + " steps of evaluation");
  d.notes.push_back("iterations, values of ranges and expressions are counted, whether they make layers or not");
  stop(std::move(d));
}

void Elaborator::fail(Diagnostic diagnostic) {
  report(std::move(diagnostic));
  throw Failed{};
}

Origin Elaborator::origin_at(Span span, const std::string& path) const {
  size_t depth = 0;
  Origin origin;
  origin.path = path;
  origin.span = visible(span, &depth);
  for (size_t k = depth; k-- > 0;)
    if (presentable(frames_[k].span.file)) origin.chain.push_back({frames_[k].text, frames_[k].span});
  return origin;
}

std::string Elaborator::shrink_history(const TensorDatum& value) const {
  struct Step {
    int64_t from, to;
    Span span;
  };
  std::vector<Step> steps;  // newest first
  const Graph& graph = builder_.graph();
  ValueId id = value.id;
  while (id.valid()) {
    const Node& node = graph.producer(id);
    if (node.inputs.empty() || !node.inputs[0].valid()) break;
    const Shape& out = graph.type(id).shape;
    const Shape& in = graph.type(node.inputs[0]).shape;
    if (out.size() == 4 && in.size() == 4 && out[2] != in[2]) {
      if (!steps.empty() && steps.back().span == node.origin.span) steps.back().from = in[2];
      else steps.push_back({in[2], out[2], node.origin.span});
    }
    id = node.inputs[0];
  }
  constexpr size_t kShown = 4;
  if (steps.size() > kShown) steps.resize(kShown);
  std::string text;
  for (auto step = steps.rbegin(); step != steps.rend(); ++step)
    text += (text.empty() ? "" : ", ") + std::to_string(step->from) + " -> " + std::to_string(step->to) +
            " at line " + std::to_string(line_of(step->span));
  return text;
}

std::vector<Label> Elaborator::change_labels(const TensorDatum& from, const TensorDatum& to) const {
  std::vector<Label> labels;
  const Graph& graph = builder_.graph();
  std::vector<Span> seen;
  ValueId id = to.id;
  while (id.valid() && id != from.id) {
    const Node& node = graph.producer(id);
    if (node.inputs.empty() || !node.inputs[0].valid()) break;
    const Shape& out = graph.type(id).shape;
    const Shape& in = graph.type(node.inputs[0]).shape;
    const bool channels = out.size() > 1 && in.size() > 1 && out[1] != in[1];
    const bool extent = out.size() == 4 && in.size() == 4 && (out[2] != in[2] || out[3] != in[3]);
    if ((channels || extent) && std::find(seen.begin(), seen.end(), node.origin.span) == seen.end()) {
      seen.push_back(node.origin.span);
      const auto record = records_.find({node.origin.span.file, node.origin.span.begin});
      const auto place = [&](const char* parameter, bool with_name) {
        if (record == records_.end()) return node.origin.span;
        const auto& spans = with_name ? record->second.arguments : record->second.values;
        const auto found = spans.find(parameter);
        return found == spans.end() ? node.origin.span : found->second;
      };
      std::string text;
      if (channels) text = std::to_string(in[1]) + " -> " + std::to_string(out[1]) + " channels";
      if (extent) text += (text.empty() ? "" : ", ") + std::to_string(in[2]) + " -> " + std::to_string(out[2]);
      const Span channel_span = place("channels", false), stride_span = place("stride", true);
      // One text after the last of the two carets.
      if (channels && extent && channel_span != stride_span) labels.push_back({channel_span, ""});
      labels.push_back({extent ? stride_span : channel_span, text});
    }
    id = node.inputs[0];
  }
  std::reverse(labels.begin(), labels.end());
  return labels;
}

}  // namespace netc
