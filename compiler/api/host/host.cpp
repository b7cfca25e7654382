#include "compiler/api/host/host.h"

#include <fmt/format.h>

#include <cstring>
#include <new>

#include "runtime/thread_pool.h"

namespace netc::v1 {
namespace {

Diagnostic simple(const std::string& code, const std::string& message, const std::string& fix) {
  const std::string head = code.empty() ? "" : code + " ";
  return {code, message, "", 0, 0, fix, head + message + "\n" + (fix.empty() ? "" : "fix: " + fix + "\n")};
}

Diagnostic from_compiler(const netc::Diagnostic& d, const SourceMap* sources) {
  if (!sources) return simple(d.code, d.message, d.fixes.empty() ? "" : d.fixes[0].text);
  Diagnostic out{d.code, d.message, "", 0, 0, d.fixes.empty() ? "" : d.fixes[0].text, render_text(d, *sources)};
  if (d.primary.span.valid()) {
    const LineColumn at = sources->position(d.primary.span.file, d.primary.span.begin);
    out.file = sources->file(d.primary.span.file).path;
    out.line = at.line;
    out.column = at.column;
  }
  return out;
}

ErrorKind kind_of_code(const std::string& code) {
  if (code == "E0901" || code == "E0922" || code == "E0923") return ErrorKind::argument;
  if (code.rfind("E06", 0) == 0 || code.rfind("E07", 0) == 0) return ErrorKind::data;
  return ErrorKind::runtime;
}

// Calls of the host's parallel_for stand for workers: call i runs the i-th range as worker i.
class HostExecutor final : public netc::Executor {
 public:
  explicit HostExecutor(v1::Executor& host) : host_(host), workers_(std::max(1, std::min(host.concurrency(), 1024))) {}

  int workers() const override { return workers_; }

  void parallel_for(int64_t tasks, TaskBody body) override {
    if (tasks <= 0) return;
    struct Call {
      TaskBody body;
      int64_t tasks;
      int ranges;
    } call{body, tasks, static_cast<int>(std::min<int64_t>(tasks, workers_))};
    if (call.ranges == 1) {
      body(0, 0, tasks);
      return;
    }
    host_.parallel_for(
        call.ranges,
        [](void* context, int index) {
          const Call& c = *static_cast<Call*>(context);
          c.body(index, c.tasks * index / c.ranges, c.tasks * (index + 1) / c.ranges);
        },
        &call);
  }

 private:
  v1::Executor& host_;
  int workers_;
};

// Visits every element in row-major order with its offset in the caller's memory, in elements.
template <class Visit>
void for_each_element(const Tensor& tensor, Visit&& visit) {
  const size_t rank = tensor.shape.size();
  std::vector<int64_t> index(rank, 0);
  int64_t offset = 0, count = 1;
  for (int64_t extent : tensor.shape) count *= extent;
  for (int64_t i = 0; i < count; ++i) {
    visit(i, offset);
    for (size_t d = rank; d-- > 0;) {
      offset += tensor.strides[d];
      if (++index[d] < tensor.shape[d]) break;
      offset -= tensor.strides[d] * tensor.shape[d];
      index[d] = 0;
    }
  }
}

int64_t total_bytes(const Tensor& tensor) {
  int64_t bytes = size_of(internal(tensor.dtype));
  for (int64_t extent : tensor.shape) bytes *= extent;
  return bytes;
}

}  // namespace

Error current_error(const SourceMap* sources) noexcept {
  try {
    try {
      throw;
    } catch (const CompileError& error) {
      Error out{ErrorKind::program, {}};
      for (const netc::Diagnostic& d : error.diagnostics()) out.diagnostics.push_back(from_compiler(d, sources));
      return out;
    } catch (const ArgumentError& error) {
      return {ErrorKind::argument, {simple("", error.what(), "")}};
    } catch (const RuntimeError& error) {
      return {kind_of_code(error.code()), {simple(error.code(), error.what(), error.fix())}};
    } catch (const std::bad_alloc&) {
      return {ErrorKind::runtime, {simple("E0911", "out of memory", "")}};
    } catch (const std::exception& error) {
      return {ErrorKind::internal, {simple("E0999", error.what(), "")}};
    }
  } catch (...) {  // no memory even for the message
    return {ErrorKind::internal, std::vector<Diagnostic>(1)};
  }
}

std::unique_ptr<netc::Executor> make_executor(const Options& options) {
  if (options.executor) return std::make_unique<HostExecutor>(*options.executor);
  return std::make_unique<ThreadPool>(options.threads);
}

void check_options(const Options& options) {
  if (options.threads < 0 || options.threads > 1024)
    throw ArgumentError(fmt::format("threads is {}, must be 0 to 1024", options.threads));
  if (options.max_batch < 1 || options.max_batch > 1 << 20)
    throw ArgumentError(fmt::format("max_batch is {}, must be 1 to 1048576", options.max_batch));
}

netc::DType internal(DType dtype) {
  switch (dtype) {
    case DType::f32: return netc::DType::f32;
    case DType::f16: return netc::DType::f16;
    case DType::bf16: return netc::DType::bf16;
    case DType::u8: return netc::DType::u8;
    case DType::i32: return netc::DType::i32;
    case DType::i64: return netc::DType::i64;
  }
  throw ArgumentError("a tensor's dtype is none of netc's");
}

DType external(netc::DType dtype) {
  switch (dtype) {
    case netc::DType::f32: return DType::f32;
    case netc::DType::f16: return DType::f16;
    case netc::DType::bf16: return DType::bf16;
    case netc::DType::u8: return DType::u8;
    case netc::DType::i32: return DType::i32;
    case netc::DType::i64: return DType::i64;
  }
  return DType::f32;
}

void check_tensor(const Tensor& tensor, const std::string& role, const std::string& name, netc::DType dtype,
                  const Shape& sample, int64_t batch) {
  Shape expected{batch};
  expected.insert(expected.end(), sample.begin(), sample.end());
  const netc::DType given = internal(tensor.dtype);
  if (given != dtype || tensor.shape != expected)
    throw ArgumentError(fmt::format("{} {} takes {}{}, got {}{}", role, name, name_of(dtype), to_string(expected),
                                    name_of(given), to_string(tensor.shape)));
  if (!tensor.data) throw ArgumentError(fmt::format("{} {} has no data", role, name));
  if (!tensor.strides.empty() && tensor.strides.size() != tensor.shape.size())
    throw ArgumentError(fmt::format("{} {} has {} strides for rank {}", role, name, tensor.strides.size(), tensor.shape.size()));
}

bool is_dense(const Tensor& tensor) { return tensor.strides.empty() || tensor.strides == row_major_strides(tensor.shape); }

void gather(const Tensor& from, std::byte* to) {
  if (is_dense(from)) {
    std::memcpy(to, from.data, static_cast<size_t>(total_bytes(from)));
    return;
  }
  const auto size = size_of(internal(from.dtype));
  const auto* data = static_cast<const std::byte*>(from.data);
  for_each_element(from, [&](int64_t i, int64_t offset) { std::memcpy(to + i * size, data + offset * size, static_cast<size_t>(size)); });
}

void scatter(const std::byte* from, const Tensor& to) {
  if (is_dense(to)) {
    std::memcpy(to.data, from, static_cast<size_t>(total_bytes(to)));
    return;
  }
  const auto size = size_of(internal(to.dtype));
  auto* data = static_cast<std::byte*>(to.data);
  for_each_element(to, [&](int64_t i, int64_t offset) { std::memcpy(data + offset * size, from + i * size, static_cast<size_t>(size)); });
}

}  // namespace netc::v1
