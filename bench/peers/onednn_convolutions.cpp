// Times oneDNN's convolutions on demand. Compiled by environment.py against the library of the registry's wheel.
//
// Reads lines `DIRECTION DTYPE N C H W K R STRIDE PAD SECONDS` with DIRECTION one of forward, data, weights and
// DTYPE f32 or bf16. Answers each with a JSON line: the milliseconds of every run and the implementation's name. All layouts are
// oneDNN's own choice ("any"), and data lie in them before the clock starts. Forward has bias and ReLU as
// post-operation, as inference needs them; weight gradients are f32 in both types.
#include <chrono>
#include <cstdio>
#include <cstring>
#include <iostream>
#include <sstream>
#include <string>
#include <unordered_map>
#include <vector>

#include "dnnl.hpp"

using dnnl::memory;
using Dims = memory::dims;
using Type = memory::data_type;
using Clock = std::chrono::steady_clock;

namespace {

struct Request {
  std::string direction, dtype;
  int64_t n, c, h, w, k, r, stride, pad;
  double seconds;
};

double milliseconds(Clock::duration d) { return std::chrono::duration<double, std::milli>(d).count(); }

class Bench {
 public:
  Bench() : engine_(dnnl::engine::kind::cpu, 0), stream_(engine_) {}

  void answer(const Request& q) {
    const int64_t oh = (q.h + 2 * q.pad - q.r) / q.stride + 1, ow = (q.w + 2 * q.pad - q.r) / q.stride + 1;
    const Type type = q.dtype == "bf16" ? Type::bf16 : Type::f32;
    const auto any = [](Dims dims, Type t) { return memory::desc(dims, t, memory::format_tag::any); };
    const memory::desc x = any({q.n, q.c, q.h, q.w}, type), w = any({q.k, q.c, q.r, q.r}, type);
    const memory::desc dw = any({q.k, q.c, q.r, q.r}, Type::f32), y = any({q.n, q.k, oh, ow}, type);
    const memory::desc bias({q.k}, Type::f32, memory::format_tag::x);
    const Dims strides{q.stride, q.stride}, pads{q.pad, q.pad};
    const auto algorithm = dnnl::algorithm::convolution_direct;
    if (q.direction == "forward") {
      dnnl::post_ops post;
      post.append_eltwise(dnnl::algorithm::eltwise_relu, 0.f, 0.f);
      dnnl::primitive_attr attr;
      attr.set_post_ops(post);
      const dnnl::convolution_forward::primitive_desc pd(engine_, dnnl::prop_kind::forward_inference, algorithm, x, w, bias, y,
                                                         strides, pads, pads, attr);
      measure(dnnl::convolution_forward(pd), pd.impl_info_str(), q.seconds,
              {{DNNL_ARG_SRC, pd.src_desc()}, {DNNL_ARG_WEIGHTS, pd.weights_desc()}, {DNNL_ARG_BIAS, pd.bias_desc()},
               {DNNL_ARG_DST, pd.dst_desc()}});
      return;
    }
    const dnnl::convolution_forward::primitive_desc hint(engine_, dnnl::prop_kind::forward_training, algorithm, x, w, y,
                                                         strides, pads, pads);
    if (q.direction == "data") {
      const dnnl::convolution_backward_data::primitive_desc pd(engine_, algorithm, x, w, y, strides, pads, pads, hint);
      measure(dnnl::convolution_backward_data(pd), pd.impl_info_str(), q.seconds,
              {{DNNL_ARG_DIFF_DST, pd.diff_dst_desc()}, {DNNL_ARG_WEIGHTS, pd.weights_desc()},
               {DNNL_ARG_DIFF_SRC, pd.diff_src_desc()}});
    } else {
      const dnnl::convolution_backward_weights::primitive_desc pd(engine_, algorithm, x, dw, y, strides, pads, pads, hint);
      measure(dnnl::convolution_backward_weights(pd), pd.impl_info_str(), q.seconds,
              {{DNNL_ARG_DIFF_DST, pd.diff_dst_desc()}, {DNNL_ARG_SRC, pd.src_desc()},
               {DNNL_ARG_DIFF_WEIGHTS, pd.diff_weights_desc()}});
    }
  }

 private:
  void measure(const dnnl::primitive& primitive, const char* implementation, double seconds,
               const std::vector<std::pair<int, memory::desc>>& arguments) {
    std::unordered_map<int, memory> memories;
    for (const auto& [name, desc] : arguments) memories.emplace(name, filled(desc));
    for (int i = 0; i < 3; ++i) primitive.execute(stream_, memories);
    stream_.wait();
    std::string times;
    const Clock::time_point start = Clock::now();
    do {
      const Clock::time_point before = Clock::now();
      primitive.execute(stream_, memories);
      stream_.wait();
      char text[32];
      std::snprintf(text, sizeof text, "%s%.5f", times.empty() ? "" : ", ", milliseconds(Clock::now() - before));
      times += text;
    } while (milliseconds(Clock::now() - start) < 1e3 * seconds);
    std::printf("{\"implementation\": \"%s\", \"ms\": [%s]}\n", implementation, times.c_str());
    std::fflush(stdout);
  }

  // Small normal numbers in any layout and type: sixteen-bit patterns 0x3c00 + i are about 0.01 as the upper half of an f32 and as a bf16.
  memory filled(const memory::desc& desc) {
    memory m(desc, engine_);
    auto* data = static_cast<uint16_t*>(m.map_data<void>());
    for (size_t i = 0; i < desc.get_size() / 2; ++i) data[i] = static_cast<uint16_t>(0x3c00 + i % 37);
    m.unmap_data(data);
    return m;
  }

  dnnl::engine engine_;
  dnnl::stream stream_;
};

}  // namespace

int main() {
  try {
    Bench bench;
    const dnnl_version_t* v = dnnl_version();
    std::printf("{\"version\": \"%d.%d.%d\", \"cpu_runtime\": %u}\n", v->major, v->minor, v->patch, v->cpu_runtime);
    std::fflush(stdout);
    for (std::string line; std::getline(std::cin, line);) {
      Request q;
      if (std::istringstream(line) >> q.direction >> q.dtype >> q.n >> q.c >> q.h >> q.w >> q.k >> q.r >> q.stride >> q.pad >> q.seconds)
        bench.answer(q);
      else
        return 2;
    }
  } catch (const dnnl::error& error) {
    std::fprintf(stderr, "oneDNN: %s\n", error.what());
    return 1;
  }
}
