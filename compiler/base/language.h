// The version of the .net language that this netc reads: docs/language.md describes it. It changes when an existing file
// could come to mean something else.
#pragma once

namespace netc {

inline constexpr const char* kLanguageVersion = "1";

}  // namespace netc
