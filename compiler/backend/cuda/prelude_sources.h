// The prelude's files, embedded as text (cmake/embed_text.cmake).
#pragma once

namespace netc {

// "device", "common", "emulation", "cuda_emulation_abi". THROWS InternalError for another name.
const char* prelude_source(const char* name);

}  // namespace netc
