// The driver's functions as we call them, by the names that libcuda exports. tests/cuda_runtime compares
// these types with cuda.h where the toolkit is installed.
#pragma once

#include <cstddef>

namespace netc {

using CuResult = int;  // CUresult: 0 is success
using CuDevice = int;
using CuAddress = unsigned long long;  // CUdeviceptr
using CuContext = struct CUctx_st*;
using CuModule = struct CUmod_st*;
using CuFunction = struct CUfunc_st*;
using CuStream = struct CUstream_st*;
using CuEvent = struct CUevent_st*;
using CuGraph = struct CUgraph_st*;
using CuGraphExec = struct CUgraphExec_st*;

#define NETC_CUDA_DRIVER_FUNCTIONS(X)                                                               \
  X(cuInit, CuResult (*)(unsigned flags))                                                           \
  X(cuDriverGetVersion, CuResult (*)(int* version))                                                 \
  X(cuGetErrorName, CuResult (*)(CuResult, const char**))                                           \
  X(cuGetErrorString, CuResult (*)(CuResult, const char**))                                         \
  X(cuDeviceGetCount, CuResult (*)(int* count))                                                     \
  X(cuDeviceGet, CuResult (*)(CuDevice*, int ordinal))                                              \
  X(cuDeviceGetName, CuResult (*)(char* name, int length, CuDevice))                                \
  X(cuDeviceTotalMem_v2, CuResult (*)(size_t * bytes, CuDevice))                                    \
  X(cuDeviceGetAttribute, CuResult (*)(int* value, int attribute, CuDevice))                        \
  X(cuDevicePrimaryCtxRetain, CuResult (*)(CuContext*, CuDevice))                                   \
  X(cuDevicePrimaryCtxRelease_v2, CuResult (*)(CuDevice))                                           \
  X(cuCtxPushCurrent_v2, CuResult (*)(CuContext))                                                   \
  X(cuCtxPopCurrent_v2, CuResult (*)(CuContext*))                                                   \
  X(cuModuleLoadData, CuResult (*)(CuModule*, const void* image))                                   \
  X(cuModuleUnload, CuResult (*)(CuModule))                                                         \
  X(cuModuleGetFunction, CuResult (*)(CuFunction*, CuModule, const char* name))                     \
  X(cuFuncSetAttribute, CuResult (*)(CuFunction, int attribute, int value))                         \
  X(cuMemGetInfo_v2, CuResult (*)(size_t * free, size_t * total))                                   \
  X(cuMemAlloc_v2, CuResult (*)(CuAddress*, size_t bytes))                                          \
  X(cuMemAllocManaged, CuResult (*)(CuAddress*, size_t bytes, unsigned flags))                      \
  X(cuMemFree_v2, CuResult (*)(CuAddress))                                                          \
  X(cuMemAllocHost_v2, CuResult (*)(void**, size_t bytes))                                          \
  X(cuMemFreeHost, CuResult (*)(void*))                                                             \
  X(cuMemsetD8_v2, CuResult (*)(CuAddress, unsigned char value, size_t bytes))                      \
  X(cuMemcpyHtoDAsync_v2, CuResult (*)(CuAddress to, const void* from, size_t bytes, CuStream))     \
  X(cuMemcpyDtoHAsync_v2, CuResult (*)(void* to, CuAddress from, size_t bytes, CuStream))           \
  X(cuMemcpyDtoDAsync_v2, CuResult (*)(CuAddress to, CuAddress from, size_t bytes, CuStream))       \
  X(cuStreamCreate, CuResult (*)(CuStream*, unsigned flags))                                        \
  X(cuStreamDestroy_v2, CuResult (*)(CuStream))                                                     \
  X(cuStreamSynchronize, CuResult (*)(CuStream))                                                    \
  X(cuStreamWaitEvent, CuResult (*)(CuStream, CuEvent, unsigned flags))                             \
  X(cuStreamBeginCapture_v2, CuResult (*)(CuStream, int mode))                                      \
  X(cuStreamEndCapture, CuResult (*)(CuStream, CuGraph*))                                           \
  X(cuGraphInstantiateWithFlags, CuResult (*)(CuGraphExec*, CuGraph, unsigned long long flags))     \
  X(cuGraphDestroy, CuResult (*)(CuGraph))                                                          \
  X(cuGraphLaunch, CuResult (*)(CuGraphExec, CuStream))                                             \
  X(cuGraphExecDestroy, CuResult (*)(CuGraphExec))                                                  \
  X(cuLaunchKernel, CuResult (*)(CuFunction, unsigned grid_x, unsigned grid_y, unsigned grid_z,     \
                                 unsigned block_x, unsigned block_y, unsigned block_z,              \
                                 unsigned shared_bytes, CuStream, void** parameters, void** extra)) \
  X(cuEventCreate, CuResult (*)(CuEvent*, unsigned flags))                                          \
  X(cuEventDestroy_v2, CuResult (*)(CuEvent))                                                       \
  X(cuEventRecord, CuResult (*)(CuEvent, CuStream))                                                 \
  X(cuEventSynchronize, CuResult (*)(CuEvent))                                                      \
  X(cuEventElapsedTime, CuResult (*)(float* milliseconds, CuEvent start, CuEvent end))

// Of the enumerations of cuda.h, what we use.
constexpr CuResult kCudaOutOfMemory = 2, kCudaNoDevice = 100;
constexpr int kMajorVersion = 75, kMinorVersion = 76, kConcurrentManagedAccess = 89;  // of a device
constexpr int kMaxDynamicSharedBytes = 8;                                             // of a function
constexpr unsigned kAttachGlobal = 1;  // managed memory for every stream
constexpr unsigned kNonBlockingStream = 1, kEventWithoutTime = 2;
constexpr int kCaptureThreadLocal = 1;

}  // namespace netc
