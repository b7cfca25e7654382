// Whether two declarations of a C function call it in the same way: results and handles are a number of the
// same size and a pointer in both.
#pragma once

#include <type_traits>

namespace netc {

template <class T>
constexpr bool kIsHandle = std::is_pointer_v<T>;
template <class Ours, class Theirs>
constexpr bool kSame = sizeof(Ours) == sizeof(Theirs) && kIsHandle<Ours> == kIsHandle<Theirs>;
template <class Ours, class Theirs>
struct SameFunction : std::false_type {};
template <class R1, class... A1, class R2, class... A2>
struct SameFunction<R1 (*)(A1...), R2 (*)(A2...)> {
  static constexpr bool value = [] {
    if constexpr (sizeof...(A1) != sizeof...(A2))
      return false;
    else
      return kSame<R1, R2> && (kSame<A1, A2> && ...);
  }();
};

}  // namespace netc
