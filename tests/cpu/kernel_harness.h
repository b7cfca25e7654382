// Compiles a kernel body, runs it on host tensors, and brings the written operands back.
#pragma once

#include <memory>
#include <random>
#include <string>
#include <vector>

#include "compiler/backend/cpu/cpu_backend.h"
#include "compiler/interpret/interpret.h"
#include "compiler/ops/registry.h"
#include "runtime/executable.h"

namespace netc {

// Element <-> double, through the storage format.
double read_element(const std::byte* at, DType dtype);
void write_element(std::byte* at, DType dtype, double value);

// How a run deals its tasks out: all in one call, or one call a task, last task first.
enum class Split { whole, reversed_singles };

class CompiledKernel {
 public:
  CompiledKernel(KernelBody body, Target target);
  // Kernel `number` of a loaded program, which was made from this body for this target.
  CompiledKernel(KernelBody body, const Target& target, std::shared_ptr<const HostExecutable> executable, int32_t number);

  // `operands[i]`: the content of a read operand; ignored where null (then NaN or 255). Returns, per
  // operand, its content afterwards (empty data for operands that are not written). Fails the test if a byte
  // outside of the written operands' elements changed.
  // `fault` gets the rule that an emulated kernel broke; without it, that fails the test.
  // `alias[i] >= 0`: operand i lies in the memory of that operand.
  std::vector<HostTensor> run(const std::vector<const HostTensor*>& operands, const RuntimeScalars& scalars = {},
                              Split split = Split::whole, const std::vector<int>& alias = {}, std::string* fault = nullptr) const;
  int64_t tasks() const { return tasks_; }
  // Processor seconds of the fastest of `runs` runs, on this thread.
  double measure(int runs) const;
  size_t object_bytes() const { return object_bytes_; }
  double compile_seconds() const { return compile_seconds_; }

 private:
  KernelBody body_;
  Target target_;
  std::shared_ptr<const HostExecutable> executable_;
  KernelFunction function_ = nullptr;
  int64_t tasks_ = 0, scratch_ = 0;
  size_t object_bytes_ = 0;
  double compile_seconds_ = 0;
};

// The body of one operator with dense operands: its inputs, then its outputs.
// REQUIRES: the operator has `scalar` or `contract`.
KernelBody body_of(const OpDef& op, const Attrs& attrs, const std::vector<TensorType>& inputs,
                   const std::vector<bool>& present, const std::vector<TensorType>& outputs);
KernelOperand dense_operand(const std::string& name, const TensorType& type, bool written);

// Uniform values of the type within [low, high], rounded to the type.
HostTensor random_tensor(const TensorType& type, double low, double high, std::mt19937& random);

// Fails the test unless equal within the tolerance table.
void expect_close(const HostTensor& expected, const HostTensor& got, DType dtype, int64_t reduction_length,
                  const std::string& what);
// Terms of the longest sum behind an element.
int64_t reduction_length(const KernelBody& body);

}  // namespace netc
