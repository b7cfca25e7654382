#include "tests/cpu/kernel_harness.h"

#include <gtest/gtest.h>
#include <xmmintrin.h>

#include <algorithm>
#include <cstring>
#include <ctime>

#include "compiler/base/error.h"
#include "compiler/lower/tasks.h"
#include "runtime/cpu/load.h"
#include "tests/tolerance.h"

namespace netc {
namespace {

constexpr int64_t kGuardBytes = 256;  // around every operand, checked after a run

uint16_t half_bits(double value) {
  if (std::isnan(value)) return 0x7e00;
  value = round_to(value, DType::f16);
  const uint16_t sign = std::signbit(value) ? 0x8000 : 0;
  const double magnitude = std::abs(value);
  if (std::isinf(magnitude)) return sign | 0x7c00;
  if (magnitude < 0x1p-14) return static_cast<uint16_t>(sign | static_cast<int>(magnitude * 0x1p24));
  int exponent;
  const double mantissa = std::frexp(magnitude, &exponent);  // [0.5, 1)
  return static_cast<uint16_t>(sign | ((exponent + 14) << 10) | static_cast<int>((mantissa * 2 - 1) * 1024));
}

double half_value(uint16_t bits) {
  const int exponent = (bits >> 10) & 31, mantissa = bits & 1023;
  double magnitude = exponent == 0    ? std::ldexp(mantissa, -24)
                     : exponent == 31 ? (mantissa ? std::nan("") : HUGE_VAL)
                                      : std::ldexp(1024 + mantissa, exponent - 25);
  return bits & 0x8000 ? -magnitude : magnitude;
}

template <class T>
T load_as(const std::byte* at) {
  T value;
  std::memcpy(&value, at, sizeof value);
  return value;
}
template <class T>
void store_as(std::byte* at, T value) {
  std::memcpy(at, &value, sizeof value);
}

// Processor time of this thread: other processes on the machine do not count.
double thread_seconds() {
  timespec time;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

int64_t span_of(const KernelOperand& o) {
  int64_t span = 1;
  for (size_t d = 0; d < o.shape.size(); ++d) span += (o.shape[d] - 1) * o.strides[d];
  return span;
}

// Calls visit(row-major element number, element offset in the buffer).
template <class Visit>
void for_each_element(const Shape& shape, const Shape& strides, const Visit& visit) {
  const int64_t count = element_count(shape);
  for (int64_t i = 0; i < count; ++i) {
    int64_t rest = i, offset = 0;
    for (size_t d = shape.size(); d-- > 0;) {
      offset += rest % shape[d] * strides[d];
      rest /= shape[d];
    }
    visit(i, offset);
  }
}
template <class Visit>
void for_each_element(const KernelOperand& o, const Visit& visit) {
  for_each_element(o.shape, o.strides, visit);
}

// Elements that a halo adds before the operand's first and behind its last.
std::pair<int64_t, int64_t> halo_span(const KernelOperand& o) {
  if (o.halo.dimension < 0) return {0, 0};
  const int64_t stride = o.strides[static_cast<size_t>(o.halo.dimension)];
  return {o.halo.before * stride, o.halo.after * stride};
}

// As the runtime does: subnormals are zero.
struct FlushSubnormals {
  unsigned saved = _mm_getcsr();
  FlushSubnormals() { _mm_setcsr(0x1f80 | 0x8000 | 0x0040); }
  ~FlushSubnormals() { _mm_setcsr(saved); }
};

struct Memory {
  std::vector<int64_t> offsets;
  std::vector<std::byte> arena, scratch;
  std::byte* base() { return aligned(arena); }
  static std::byte* aligned(std::vector<std::byte>& bytes) {
    return bytes.data() + (64 - reinterpret_cast<uintptr_t>(bytes.data()) % 64) % 64;
  }
};

Memory allocate(const KernelBody& body, int64_t scratch, const std::vector<int>& alias) {
  Memory memory;
  int64_t size = kGuardBytes;
  for (size_t i = 0; i < body.operands.size(); ++i) {
    if (i < alias.size() && alias[i] >= 0) {
      memory.offsets.push_back(memory.offsets[static_cast<size_t>(alias[i])]);
      continue;
    }
    const int64_t element = size_of(body.operands[i].dtype);
    const auto [before, after] = halo_span(body.operands[i]);
    memory.offsets.push_back(size + ceil_div(before * element, 64) * 64);
    size = memory.offsets.back() + ceil_div((span_of(body.operands[i]) + after) * element, 64) * 64 + kGuardBytes;
  }
  memory.arena.assign(static_cast<size_t>(size + 64), std::byte{0xff});  // NaN in every floating format
  memory.scratch.assign(static_cast<size_t>(scratch + 64 + kGuardBytes), std::byte{0xff});
  return memory;
}

}  // namespace

double read_element(const std::byte* at, DType dtype) {
  switch (dtype) {
    case DType::f32: return static_cast<double>(load_as<float>(at));
    case DType::f16: return half_value(load_as<uint16_t>(at));
    case DType::bf16: return static_cast<double>(std::bit_cast<float>(uint32_t{load_as<uint16_t>(at)} << 16));
    case DType::u8: return static_cast<double>(load_as<uint8_t>(at));
    case DType::i32: return static_cast<double>(load_as<int32_t>(at));
    case DType::i64: return static_cast<double>(load_as<int64_t>(at));
  }
  return 0;
}

void write_element(std::byte* at, DType dtype, double value) {
  switch (dtype) {
    case DType::f32: return store_as(at, static_cast<float>(value));
    case DType::f16: return store_as(at, half_bits(value));
    case DType::bf16: {
      uint32_t bits = std::bit_cast<uint32_t>(static_cast<float>(value));
      if (bits & 0xffff) bits = std::bit_cast<uint32_t>(static_cast<float>(round_to(value, dtype)));  // else it is one, subnormals too
      return store_as(at, static_cast<uint16_t>(bits >> 16));
    }
    case DType::u8: return store_as(at, static_cast<uint8_t>(value));
    case DType::i32: return store_as(at, static_cast<int32_t>(value));
    case DType::i64: return store_as(at, static_cast<int64_t>(value));
  }
}

CompiledKernel::CompiledKernel(KernelBody body, Target target) : body_(std::move(body)), target_(std::move(target)) {
  verify(body_);
  Program program;
  const NamedKernel named{"kernel", &body_};
  const double start = thread_seconds();
  program.objects.push_back(compile_object({&named, 1}, target_));
  compile_seconds_ = thread_seconds() - start;
  object_bytes_ = program.objects[0].size();
  KernelInfo info{"kernel", {}};
  for (const KernelOperand& o : body_.operands) info.operand_spaces.push_back(o.space);
  program.kernels.push_back(info);
  executable_ = load_on_cpu(std::move(program));
  function_ = executable_->function(0);
  tasks_ = task_grid(body_, target_).tasks();
  scratch_ = scratch_bytes(body_, target_);
}

CompiledKernel::CompiledKernel(KernelBody body, const Target& target, std::shared_ptr<const HostExecutable> executable, int32_t number)
    : body_(std::move(body)), target_(target), executable_(std::move(executable)), function_(executable_->function(number)),
      tasks_(task_count(body_, target_)) {}

std::vector<HostTensor> CompiledKernel::run(const std::vector<const HostTensor*>& operands, const RuntimeScalars& scalars,
                                            Split split, const std::vector<int>& alias, std::string* fault) const {
  Memory memory = allocate(body_, scratch_, alias);
  std::byte* base = memory.base();
  auto address = [&](size_t i, int64_t element) {
    return base + memory.offsets[i] + element * size_of(body_.operands[i].dtype);
  };
  for (size_t i = 0; i < operands.size(); ++i)
    if (operands[i])
      for_each_element(body_.operands[i], [&](int64_t n, int64_t offset) {
        write_element(address(i, offset), body_.operands[i].dtype, operands[i]->data[static_cast<size_t>(n)]);
      });
  const std::vector<std::byte> before = memory.arena;
  const KernelArgs args{memory.offsets.data(), &scalars, Memory::aligned(memory.scratch)};
  {
    FlushSubnormals mode;
    if (split == Split::whole) function_(base, base, &args, 0, tasks_);
    else
      for (int64_t t = tasks_; t-- > 0;) function_(base, base, &args, t, t + 1);
  }
  const std::string broken = executable_->take_fault();
  if (fault) *fault = broken;
  else EXPECT_EQ(broken, "");
  std::vector<HostTensor> results(body_.operands.size());
  std::vector<std::byte> unwritten = memory.arena;
  for (size_t i = 0; i < body_.operands.size(); ++i) {
    const KernelOperand& o = body_.operands[i];
    if (!o.written) continue;
    results[i].shape = o.shape;
    for_each_element(o, [&](int64_t, int64_t offset) {
      results[i].data.push_back(read_element(address(i, offset), o.dtype));
      const ptrdiff_t position = address(i, offset) - memory.arena.data();
      std::copy_n(before.begin() + position, size_of(o.dtype), unwritten.begin() + position);
    });
  }
  for (size_t i = 0; i < body_.operands.size(); ++i)
    for (const HaloMargin& margin : halo_margins(body_.operands[i]))
      for_each_element(margin.shape, body_.operands[i].strides, [&](int64_t, int64_t offset) {
        std::byte* at = address(i, margin.offset + offset);
        const int64_t size = size_of(body_.operands[i].dtype);
        EXPECT_TRUE(std::all_of(at, at + size, [](std::byte b) { return b == std::byte{0}; })) << "a halo is not zero";
        const ptrdiff_t position = at - memory.arena.data();
        std::copy_n(before.begin() + position, size, unwritten.begin() + position);
      });
  EXPECT_TRUE(unwritten == before) << "a byte outside of the written operands changed";
  for (size_t k = memory.scratch.size() - static_cast<size_t>(kGuardBytes) + 64; k < memory.scratch.size(); ++k)
    EXPECT_EQ(memory.scratch[k], std::byte{0xff}) << "the kernel wrote behind its scratch memory";
  return results;
}

double CompiledKernel::measure(int runs) const {
  Memory memory = allocate(body_, scratch_, {});
  std::byte* base = memory.base();
  for (size_t i = 0; i < body_.operands.size(); ++i)
    for_each_element(body_.operands[i], [&](int64_t n, int64_t offset) {
      write_element(base + memory.offsets[i] + offset * size_of(body_.operands[i].dtype), body_.operands[i].dtype,
                    is_floating(body_.operands[i].dtype) ? static_cast<double>(n % 7) * 0.25 - 0.75 : 0);
    });
  RuntimeScalars scalars;
  const KernelArgs args{memory.offsets.data(), &scalars, Memory::aligned(memory.scratch)};
  FlushSubnormals mode;
  double best = 1e9;
  for (int i = 0; i < runs; ++i) {
    const double start = thread_seconds();
    function_(base, base, &args, 0, tasks_);
    best = std::min(best, thread_seconds() - start);
  }
  return best;
}

KernelOperand dense_operand(const std::string& name, const TensorType& type, bool written) {
  return {name, type.dtype, type.shape, row_major_strides(type.shape), Space::arena, written};
}

KernelBody body_of(const OpDef& op, const Attrs& attrs, const std::vector<TensorType>& inputs,
                   const std::vector<bool>& present, const std::vector<TensorType>& outputs) {
  KernelBody body;
  for (size_t i = 0; i < inputs.size(); ++i)
    body.operands.push_back(dense_operand("in" + std::to_string(i), inputs[i], false));
  for (size_t i = 0; i < outputs.size(); ++i)
    body.operands.push_back(dense_operand("out" + std::to_string(i), outputs[i], true));
  const OpCall call{attrs, inputs, present, outputs};
  if (op.contract) {
    body.contraction = ContractionStage{op.contract(call), 0, 1};
    body.nest.extents = outputs[0].shape;
    body.nest.parallel = static_cast<int>(outputs[0].shape.size());
    body.nest.stores = {{0, body.nest.dag.reduced(0)}};
  } else {
    body.nest = op.scalar(call);
  }
  for (Store& s : body.nest.stores) s.output += static_cast<int>(inputs.size());
  return body;
}

HostTensor random_tensor(const TensorType& type, double low, double high, std::mt19937& random) {
  HostTensor tensor{type.shape, {}};
  std::uniform_real_distribution<double> real(low, high);
  std::uniform_int_distribution<int64_t> integer(static_cast<int64_t>(low), static_cast<int64_t>(high));
  for (int64_t i = 0; i < type.elements(); ++i)
    tensor.data.push_back(is_floating(type.dtype) ? round_to(real(random), type.dtype) : static_cast<double>(integer(random)));
  return tensor;
}

void expect_close(const HostTensor& expected, const HostTensor& got, DType dtype, int64_t length, const std::string& what) {
  ASSERT_EQ(expected.shape, got.shape) << what;
  double scale = 0;
  for (double v : expected.data)
    if (std::isfinite(v)) scale = std::max(scale, std::abs(v));
  const Tolerance allowed = tolerance(dtype, length);
  int reported = 0;
  for (size_t i = 0; i < expected.data.size() && reported < 3; ++i) {
    // What an operand of that type can hold of the reference.
    const double want = is_floating(dtype) ? expected.data[i] : round_to(expected.data[i], dtype);
    if (allowed.accepts(want, got.data[i], scale)) continue;
    ADD_FAILURE() << what << ", element " << i << " of " << to_string(expected.shape) << ": expected " << want
                  << ", got " << got.data[i];
    ++reported;
  }
}

int64_t reduction_length(const KernelBody& body) {
  if (!body.contraction) return body.nest.reduction_count();
  return std::max<int64_t>(1, body.contraction->contraction.multiply_adds() / body.nest.parallel_count());
}

}  // namespace netc
