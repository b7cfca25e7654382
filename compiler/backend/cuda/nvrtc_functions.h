// NVRTC's functions as we call them. tests/cuda compares these types with nvrtc.h where the toolkit is
// installed.
#pragma once

#include <cstddef>

namespace netc {

using NvrtcResult = int;  // nvrtcResult: 0 is success
using NvrtcProgram = struct _nvrtcProgram*;

#define NETC_NVRTC_FUNCTIONS(X)                                                                            \
  X(nvrtcVersion, NvrtcResult (*)(int* major, int* minor))                                                 \
  X(nvrtcGetErrorString, const char* (*)(NvrtcResult))                                                     \
  X(nvrtcCreateProgram, NvrtcResult (*)(NvrtcProgram*, const char* source, const char* name, int headers,  \
                                        const char* const* header_texts, const char* const* header_names)) \
  X(nvrtcDestroyProgram, NvrtcResult (*)(NvrtcProgram*))                                                   \
  X(nvrtcCompileProgram, NvrtcResult (*)(NvrtcProgram, int count, const char* const* options))             \
  X(nvrtcGetCUBINSize, NvrtcResult (*)(NvrtcProgram, size_t*))                                             \
  X(nvrtcGetCUBIN, NvrtcResult (*)(NvrtcProgram, char*))                                                   \
  X(nvrtcGetProgramLogSize, NvrtcResult (*)(NvrtcProgram, size_t*))                                        \
  X(nvrtcGetProgramLog, NvrtcResult (*)(NvrtcProgram, char*))

}  // namespace netc
