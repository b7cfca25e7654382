#include "compiler/backend/cuda/nest_source.h"

#include <fmt/format.h>

#include <algorithm>

#include "compiler/backend/cuda/expression_source.h"
#include "compiler/backend/cuda/lane_source.h"
#include "compiler/base/error.h"

namespace netc {
namespace {

constexpr int64_t kLongestF32Sum = 256;
constexpr int64_t kLargestReducedWindow = 7;

class NestSource {
 public:
  NestSource(SourceWriter& out, KernelExtents& extents, const KernelBody& body, const CudaPlan& plan)
      : out_(out),
        extents_(extents),
        body_(body),
        nest_(body.nest),
        plan_(plan),
        analysis_(body),
        axes_(nest_axes(body, body.partials.empty() ? std::vector<int>{} : body.partials[0].kept)),
        merged_(merge_axes(body, analysis_, body.nest.parallel_extents())),
        expressions_(out, extents, body, analysis_, merged_) {}

  int emit() {
    index_ = expressions_.index_type();
    set_single_axes();
    if (!body_.partials.empty())
      partial_sums();
    else if (nest_.reductions.empty())
      map();
    else
      reductions();
    return shared_bytes_;
  }

 private:
  bool is_loop(int axis) const {
    return nest_.extents[static_cast<size_t>(axis)] > 1 && merged_[static_cast<size_t>(axis)] < 0;
  }
  int64_t loop_extent(int axis) const {
    int64_t extent = nest_.extents[static_cast<size_t>(axis)];
    for (int outer = axis - 1, last = axis; outer >= 0; --outer)
      if (merged_[static_cast<size_t>(outer)] == last)
        extent *= nest_.extents[static_cast<size_t>(last = outer)];
    return extent;
  }
  void set_single_axes() {
    for (int a = 0; a < static_cast<int>(nest_.extents.size()); ++a)
      if (nest_.extents[static_cast<size_t>(a)] == 1) expressions_.set_axis(a, "0");
  }

  int last_loop(const std::vector<int>& axes) const {
    int last = -1;
    for (int a : axes)
      if (is_loop(a)) last = a;
    return last;
  }

  std::vector<int> loops_of(const std::vector<int>& axes) const {
    std::vector<int> loops;
    for (int a : axes)
      if (is_loop(a)) loops.push_back(a);
    return loops;
  }

  // Whether these axes, which are summed over, are a window's: their extents stay in the text.
  bool is_window(const std::vector<int>& loops) const {
    return !loops.empty() && std::all_of(loops.begin(), loops.end(), [&](int axis) {
      return axis >= nest_.parallel &&
             loop_extent(axis) <= (loops.size() > 1 ? kLargestReducedWindow : KernelExtents::kSmall);
    });
  }

  // Names the axes of a flat index, the last one fastest. Returns that one's name.
  std::string decode(const std::vector<int>& axes, const std::string& flat) {
    const std::vector<int> loops = loops_of(axes);
    const bool window = is_window(loops);
    const std::string group = flat + "_by";
    const auto by = [&](int64_t value) {
      return window ? std::to_string(value) : expressions_.divisor(group.c_str(), value);
    };
    int64_t stride = 1;
    std::string innermost = "0";
    for (size_t i = loops.size(); i-- > 0;) {
      const int axis = loops[i];
      const int64_t extent = loop_extent(axis);
      std::string text = stride == 1 ? flat : fmt::format("{} / {}", flat, by(stride));
      stride *= extent;
      if (i > 0) text = fmt::format("{} % {}", text, by(extent));
      if (text != flat) {
        const std::string name = fmt::format("a{}", axis);
        out_.line(fmt::format("const {} {} = {};", index_, name, text));
        text = name;
      }
      expressions_.set_axis(axis, text);
      if (i + 1 == loops.size()) innermost = text;
    }
    return innermost;
  }

  void map() {
    out_.line(fmt::format("const {0} point = (({0})blockIdx.x * {1} + ({0})threadIdx.x){2};", index_,
                          plan_.threads, plan_.lanes > 1 ? fmt::format(" * {}", plan_.lanes) : ""));
    out_.line(fmt::format("if (point >= {}) return;", points()));
    const std::string last = decode(axes_.points, "point");
    if (plan_.lanes == 1) return stores();
    emit_lanes(lane_context(), last_loop(axes_.points), last, {});
  }

  // All values before all stores: a store may go over an operand that another value loads (in place).
  void stores() {
    std::vector<std::string> values, sums;
    for (const Store& s : nest_.stores) values.push_back(expressions_.value(s.value));
    for (const PartialSum& p : body_.partials) sums.push_back(expressions_.value(p.body));
    for (size_t i = 0; i < values.size(); ++i)
      expressions_.store(nest_.stores[i].output, analysis_.store_offset(nest_.stores[i].output), values[i]);
    for (size_t i = 0; i < sums.size(); ++i) out_.line(fmt::format("sum{} += {};", i, sums[i]));
  }

  std::string points() { return expressions_.number("points", plan_.points); }
  std::string blocks_of_points() {
    return index_ == "int" ? extents_.count_divisor("point_blocks", plan_.point_blocks())
                           : std::to_string(plan_.point_blocks());
  }

  // Which points and which of their terms a thread has. Returns the name of the points' last axis.
  std::string place_thread() {
    const int threads = plan_.term_threads();
    const std::string point_blocks = plan_.rows > 1 ? blocks_of_points() : "";
    const std::string blocks = plan_.rows > 1 ? fmt::format("({})blockIdx.x % {}", index_, point_blocks)
                                              : fmt::format("({})blockIdx.x", index_);
    if (plan_.rows > 1)
      out_.line(fmt::format("const {0} row = ({0})blockIdx.x / {1};", index_, point_blocks));
    const std::string thread = "(int)threadIdx.x";
    std::string point = thread, term = "0";
    if (threads > 1) {
      point = fmt::format("{} {} {}", thread, plan_.terms_inner ? "/" : "%",
                          plan_.terms_inner ? threads : plan_.point_threads);
      term = fmt::format("{} {} {}", thread, plan_.terms_inner ? "%" : "/",
                         plan_.terms_inner ? threads : plan_.point_threads);
    }
    out_.line(fmt::format("const int first_term = {};", term));
    if (plan_.lanes > 1) point = fmt::format("({}) * {}", point, plan_.lanes);
    out_.line(fmt::format("const {} point = {} * {} + {};", index_, blocks, plan_.point_threads * plan_.lanes,
                          point));
    out_.line(fmt::format("const bool active = point < {};", points()));
    return decode(axes_.points, "point");
  }

  static std::string identity(ReduceKind kind) {
    switch (kind) {
      case ReduceKind::sum:
        return "0.0f";
      case ReduceKind::max:
        return "-infinity()";
      case ReduceKind::min:
        return "infinity()";
      case ReduceKind::argmax:
        return "Best{-infinity(), none()}";
    }
    return "";
  }
  static const char* type_of(ReduceKind kind, bool wide) {
    return kind == ReduceKind::argmax ? "Best" : kind == ReduceKind::sum && wide ? "double" : "f32";
  }
  static std::string variable(size_t reduction) { return "r" + std::to_string(reduction); }

  // variable = variable combined with a term's value.
  std::string update(const Reduction& r, const std::string& name, const std::string& value) {
    switch (r.kind) {
      case ReduceKind::sum:
        return fmt::format("{} += {};", name, value);
      case ReduceKind::max:
        return fmt::format("{0} = max_nan({0}, {1});", name, value);
      case ReduceKind::min:
        return fmt::format("{0} = min_nan({0}, {1});", name, value);
      case ReduceKind::argmax:
        return fmt::format("{0} = better({0}, Best{{{1}, (int)({2})}});", name, value, position());
    }
    return "";
  }

  // Row-major position in the reduction axes.
  std::string position() {
    LinearForm form;
    int64_t stride = 1;
    for (int axis = static_cast<int>(nest_.extents.size()) - 1; axis >= nest_.parallel; --axis) {
      if (nest_.extents[static_cast<size_t>(axis)] > 1) form.axes[axis] = stride;
      stride *= nest_.extents[static_cast<size_t>(axis)];
    }
    return expressions_.index(form);
  }

  std::vector<int> reduced_axes() const {
    std::vector<int> axes;
    for (int a = nest_.parallel; a < static_cast<int>(nest_.extents.size()); ++a) axes.push_back(a);
    return axes;
  }

  // Declares r0, r1, … and folds the terms first, first + step, … < end into them.
  void fold(const std::string& first, int64_t step, int64_t count, const std::string& condition) {
    const std::string terms =
        is_window(loops_of(reduced_axes())) ? std::to_string(count) : expressions_.number("terms", count);
    const bool wide = ceil_div(count, step) > kLongestF32Sum &&
                      std::any_of(nest_.reductions.begin(), nest_.reductions.end(),
                                  [](const Reduction& r) { return r.kind == ReduceKind::sum; });
    for (size_t i = 0; i < nest_.reductions.size(); ++i)
      out_.line(fmt::format("{} {} = {};", type_of(nest_.reductions[i].kind, wide), variable(i),
                            identity(nest_.reductions[i].kind)));
    wide_ = wide;
    if (!condition.empty()) out_.open("if (" + condition + ")");
    if (wide) {
      out_.open(fmt::format("for ({0} piece = {1}; piece < {2}; piece += {3})", index_, first, terms,
                            step * kLongestF32Sum));
      for (size_t i = 0; i < nest_.reductions.size(); ++i)
        if (nest_.reductions[i].kind == ReduceKind::sum) out_.line(fmt::format("f32 part{} = 0.0f;", i));
      out_.open(fmt::format("for ({0} term = piece; term < smaller<{0}>({1}, piece + {2}); term += {3})",
                            index_, terms, step * kLongestF32Sum, step));
    } else {
      out_.open(fmt::format("for ({0} term = {1}; term < {2}; term += {3})", index_, first, terms, step));
    }
    expressions_.open_scope();
    decode(reduced_axes(), "term");
    for (size_t i = 0; i < nest_.reductions.size(); ++i) {
      const Reduction& r = nest_.reductions[i];
      const bool part = wide && r.kind == ReduceKind::sum;
      out_.line(update(r, part ? "part" + std::to_string(i) : variable(i), expressions_.value(r.body)));
    }
    expressions_.close_scope();
    out_.close();
    if (wide) {
      for (size_t i = 0; i < nest_.reductions.size(); ++i)
        if (nest_.reductions[i].kind == ReduceKind::sum)
          out_.line(fmt::format("{} += (double)part{};", variable(i), i));
      out_.close();
    }
    if (!condition.empty()) out_.close();
  }

  // What the stores see as reduced(i).
  std::vector<std::string> results() const {
    std::vector<std::string> names;
    for (size_t i = 0; i < nest_.reductions.size(); ++i) {
      const ReduceKind kind = nest_.reductions[i].kind;
      names.push_back(kind == ReduceKind::argmax         ? fmt::format("(f32){}.position", variable(i))
                      : wide_ && kind == ReduceKind::sum ? fmt::format("(f32){}", variable(i))
                                                         : variable(i));
    }
    return names;
  }

  // One value per thread to one per point.
  void combine(const std::string& name, const char* operation, int bytes) {
    const int threads = plan_.term_threads();
    if (threads == 1) return;
    out_.line(fmt::format("{0} = combine<{1}, {2}, {3}>({0}, (int)threadIdx.x, first_term);", name, operation,
                          threads, plan_.terms_inner ? 1 : plan_.point_threads));
    shared_bytes_ = std::max(shared_bytes_, plan_.threads * bytes);
  }

  static const char* combiner(ReduceKind kind) {
    switch (kind) {
      case ReduceKind::sum:
        return "Sum";
      case ReduceKind::max:
        return "Max";
      case ReduceKind::min:
        return "Min";
      case ReduceKind::argmax:
        return "First";
    }
    return "";
  }

  void reductions() {
    place_thread();
    fold("first_term", plan_.term_threads(), plan_.terms, "active");
    for (size_t i = 0; i < nest_.reductions.size(); ++i) {
      const ReduceKind kind = nest_.reductions[i].kind;
      combine(variable(i), combiner(kind),
              kind == ReduceKind::argmax || (kind == ReduceKind::sum && wide_) ? 8 : 4);
    }
    out_.line(plan_.term_threads() == 1 ? "if (!active) return;" : "if (!active || first_term != 0) return;");
    expressions_.set_reduced(results());
    stores();
  }

  LaneContext lane_context() { return {out_, body_, analysis_, expressions_, merged_}; }

  void partial_sums() {
    const std::string last = place_thread();
    if (plan_.lanes > 1) declare_lane_sums(lane_context());
    for (size_t i = 0; plan_.lanes == 1 && i < body_.partials.size(); ++i)
      out_.line(fmt::format("f32 sum{} = 0.0f;", i));
    const std::string begin =
        plan_.rows > 1 ? fmt::format("row * {} + first_term", plan_.row_terms) : "first_term";
    const std::string end = plan_.rows > 1
                                ? fmt::format("smaller<{}>({}, (row + 1) * {})", index_,
                                              expressions_.number("others", plan_.terms), plan_.row_terms)
                                : expressions_.number("others", plan_.terms);
    out_.open("if (active)");
    out_.open(fmt::format("for ({} other = {}; other < {}; other += {})", index_, begin, end,
                          plan_.term_threads()));
    expressions_.open_scope();
    decode(axes_.terms, "other");
    if (!nest_.reductions.empty()) {
      fold("0", 1, nest_.reduction_count(), "");
      expressions_.set_reduced(results());
    }
    if (plan_.lanes > 1)
      emit_lanes(lane_context(), last_loop(axes_.points), last, {});
    else
      stores();
    expressions_.close_scope();
    out_.close();
    out_.close();
    if (plan_.lanes > 1) {
      out_.line(fmt::format("const {} first_point = point - (int)threadIdx.x % {} * {};", index_,
                            plan_.point_threads, plan_.lanes));
      shared_bytes_ =
          emit_lane_sums(lane_context(), {plan_.term_threads(), plan_.point_threads * plan_.lanes},
                         fmt::format("first_point + column < {}", points()),
                         [&](size_t i, const std::string& column, const std::string& value) {
                           store_sum(i, "(first_point + " + column + ")", value);
                         });
      return;
    }
    for (size_t i = 0; i < body_.partials.size(); ++i) combine(fmt::format("sum{}", i), "Sum", 4);
    out_.open(plan_.term_threads() == 1 ? "if (active)" : "if (active && first_term == 0)");
    for (size_t i = 0; i < body_.partials.size(); ++i) store_sum(i, "point", fmt::format("sum{}", i));
    out_.close();
  }

  void store_sum(size_t partial, const std::string& point, const std::string& value) {
    const KernelOperand& o = body_.operands[static_cast<size_t>(body_.partials[partial].output)];
    std::string offset = fmt::format("{} * {}", point, expressions_.number("stride", o.strides[1]));
    if (plan_.rows > 1)
      offset = fmt::format("row * {} + {}", expressions_.number("stride", o.strides[0]), offset);
    expressions_.store_at(body_.partials[partial].output, offset, value);
  }

  SourceWriter& out_;
  KernelExtents& extents_;
  const KernelBody& body_;
  const LoopNest& nest_;
  const CudaPlan& plan_;
  IndexAnalysis analysis_;
  NestAxes axes_;
  std::vector<int> merged_;
  ExpressionSource expressions_;
  std::string index_;
  bool wide_ = false;
  int shared_bytes_ = 0;
};

}  // namespace

int emit_nest_source(SourceWriter& out, KernelExtents& extents, const KernelBody& body,
                     const CudaPlan& plan) {
  NETC_CHECK(!body.contraction, "a contraction in a loop nest");
  return NestSource(out, extents, body, plan).emit();
}

}  // namespace netc
