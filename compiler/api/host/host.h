// The public header as its implementation sees it: types live in netc::v1, next to the compiler's own
// in netc, which have some of the same names. Every call of the interface runs inside `guarded`.
#pragma once

#define NETC_BUILDING 1
#include "netc/netc.hpp"

#include <memory>
#include <stdexcept>
#include <type_traits>

#include "compiler/base/error.h"
#include "compiler/base/shape.h"
#include "compiler/sema/project.h"
#include "runtime/executor.h"

namespace netc::v1 {

// A wrong call: an unknown option, a tensor that does not fit.
class ArgumentError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// The exception being handled, as the caller sees it. `sources` may be null.
Error current_error(const SourceMap* sources) noexcept;

// Runs `body`; what it throws becomes the Result's error.
template <class T, class Body>
Result<T> guarded(const SourceMap* sources, Body&& body) noexcept {
  try {
    if constexpr (std::is_void_v<T>) {
      body();
      return Result<void>();
    } else {
      return Result<T>(body());
    }
  } catch (...) {
    return Result<T>(current_error(sources));
  }
}

// The host's executor behind ours, or a pool of Options::threads.
std::unique_ptr<netc::Executor> make_executor(const Options& options);

// THROWS ArgumentError for an option's value that makes no sense.
void check_options(const Options& options);

netc::DType internal(DType dtype);
DType external(netc::DType dtype);

// The bytes of one sample and how a caller's tensor holds them. THROWS ArgumentError unless the tensor
// is [batch, ...sample] of `dtype`.
void check_tensor(const Tensor& tensor, const std::string& role, const std::string& name, netc::DType dtype,
                  const Shape& sample, int64_t batch);
bool is_dense(const Tensor& tensor);
// Between a caller's tensor, of any strides, and dense row-major memory.
void gather(const Tensor& from, std::byte* to);
void scatter(const std::byte* from, const Tensor& to);

}  // namespace netc::v1
