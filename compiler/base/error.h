// The exceptions that are neither a user's `.net` error (support/diagnostic.h) nor a bug elsewhere.
#pragma once

#include <stdexcept>
#include <string>

namespace netc {

// Something outside the program went wrong: a file, a device, a value of the input data.
// `code` is a stable diagnostic code ("E0701"); what() is one or more complete lines, without the code.
class RuntimeError : public std::runtime_error {
 public:
  RuntimeError(std::string code, const std::string& message, std::string fix = {})
      : std::runtime_error(message), code_(std::move(code)), fix_(std::move(fix)) {}
  const std::string& code() const { return code_; }
  const std::string& fix() const { return fix_; }  // empty where there is none

 private:
  std::string code_;
  std::string fix_;
};

// A broken invariant of netc itself. Never the user's fault.
class InternalError : public std::logic_error {
 public:
  using std::logic_error::logic_error;
};

}  // namespace netc

// Checks an invariant of netc, in every build type.
#define NETC_CHECK(condition, message)                                                             \
  do {                                                                                             \
    if (!(condition))                                                                              \
      throw ::netc::InternalError(std::string("netc bug at ") + __FILE__ + ":" +                   \
                                  std::to_string(__LINE__) + ": " + #condition + ": " + (message)); \
  } while (false)
