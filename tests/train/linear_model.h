// A softmax regression on 4x4 images in plain C++ kernels: the smallest program with all that the training
// loop has to carry: parameters, a running mean, momentum, gradients, augmentation, a seed.
#pragma once

#include <algorithm>
#include <cmath>

#include "runtime/data/dataset.h"
#include "tests/runtime/fake_executable.h"

namespace netc {

struct LinearModel {
  static constexpr int64_t kPixels = 16, kClasses = 3;
  static constexpr int64_t kWeights = kPixels * kClasses;

  // operands: weight, gradient, mean (state), image, label, affine, loss, correct (arena). One task.
  static void grad(std::byte* state, std::byte* arena, const KernelArgs* args, int64_t, int64_t) {
    float *weight = at<float>(state, args, 0), *gradient = at<float>(state, args, 1),
          *mean = at<float>(state, args, 2);
    const auto* image = at<uint8_t>(arena, args, 3);
    const auto* label = at<int64_t>(arena, args, 4);
    const float* affine = at<float>(arena, args, 5);
    std::fill_n(gradient, kWeights, 0.0f);
    float total = 0;
    int32_t correct = 0;
    const int64_t n = args->scalars->valid_count;
    for (int64_t i = 0; i < n; ++i) {
      float x[kPixels], p[kClasses];
      const float* m = affine + 6 * i;
      for (int64_t y = 0; y < 4; ++y)
        for (int64_t c = 0; c < 4; ++c) {
          auto iy = static_cast<int64_t>(std::lround(m[0] * y + m[1] * c + m[2]));
          auto ix = static_cast<int64_t>(std::lround(m[3] * y + m[4] * c + m[5]));
          bool inside = iy >= 0 && iy < 4 && ix >= 0 && ix < 4;
          x[y * 4 + c] = inside ? image[i * kPixels + iy * 4 + ix] / 255.0f : 0;
        }
      for (int64_t k = 0; k < kPixels; ++k) mean[k] += 0.01f * (x[k] - mean[k]);
      total += forward(weight, x, label[i], p);
      correct += best(p) == label[i];
      for (int64_t c = 0; c < kClasses; ++c)
        for (int64_t k = 0; k < kPixels; ++k)
          gradient[c * kPixels + k] += (p[c] - (c == label[i] ? 1 : 0)) * x[k] / static_cast<float>(n);
    }
    *at<float>(arena, args, 6) = total / static_cast<float>(n);
    *at<int32_t>(arena, args, 7) = correct;
  }

  // operands: weight, momentum, gradient (state).
  static void apply(std::byte* state, std::byte*, const KernelArgs* args, int64_t, int64_t) {
    float *weight = at<float>(state, args, 0), *momentum = at<float>(state, args, 1);
    const float* gradient = at<float>(state, args, 2);
    for (int64_t k = 0; k < kWeights; ++k) {
      momentum[k] = 0.9f * momentum[k] + gradient[k];
      weight[k] -= args->scalars->learning_rate * momentum[k];
    }
  }

  // operands: weight (state), image, label, loss_sum, top1, top5 (arena).
  static void eval(std::byte* state, std::byte* arena, const KernelArgs* args, int64_t, int64_t) {
    float total = 0, top1 = 0;
    for (int64_t i = 0; i < args->scalars->valid_count; ++i) {
      float x[kPixels], p[kClasses];
      for (int64_t k = 0; k < kPixels; ++k) x[k] = at<uint8_t>(arena, args, 1)[i * kPixels + k] / 255.0f;
      int64_t label = at<int64_t>(arena, args, 2)[i];
      total += forward(at<float>(state, args, 0), x, label, p);
      top1 += best(p) == label;
    }
    *at<float>(arena, args, 3) = total;
    *at<float>(arena, args, 4) = top1;
    *at<float>(arena, args, 5) = static_cast<float>(args->scalars->valid_count);
  }

  static FakeExecutable executable(int64_t batch, int64_t eval_batch) {
    Program p;
    p.target = "test machine";
    auto slot = [&](const char* path, StateKind kind, Shape shape, InitSpec init) {
      p.state.push_back({path, {DType::f32, shape}, kind, init, p.state_bytes});
      p.state_bytes += p.state.back().type.bytes();
      return BufferRef{Space::state, p.state.back().offset};
    };
    BufferRef weight =
        slot("fc.weight", StateKind::parameter, {kClasses, kPixels}, {InitSpec::Kind::normal, 0, 0.1});
    BufferRef momentum = slot("momentum/fc.weight", StateKind::moment, {kClasses, kPixels}, {});
    BufferRef mean = slot("input.running_mean", StateKind::buffer, {kPixels}, {});
    BufferRef gradient = slot("gradient/fc.weight", StateKind::gradient, {kClasses, kPixels}, {});
    auto entry = [&](const char* name, std::vector<IoSlot> inputs, std::vector<IoSlot> outputs) {
      EntryPoint e{name, std::move(inputs), std::move(outputs), {}, 0};
      for (std::vector<IoSlot>* slots : {&e.inputs, &e.outputs})
        for (IoSlot& s : *slots) {
          s.buffer.offset = e.arena_bytes;
          e.arena_bytes += (s.type.bytes() + 63) / 64 * 64;
        }
      return e;
    };
    EntryPoint grad_entry = entry("grad",
                                  {{"image", {DType::u8, {batch, 1, 4, 4}}, {}},
                                   {"label", {DType::i64, {batch}}, {}},
                                   {"affine", {DType::f32, {batch, 2, 3}}, {}}},
                                  {{"loss", {DType::f32, {}}, {}}, {"correct", {DType::i32, {}}, {}}});
    EntryPoint eval_entry = entry(
        "eval",
        {{"image", {DType::u8, {eval_batch, 1, 4, 4}}, {}}, {"label", {DType::i64, {eval_batch}}, {}}},
        {{"loss_sum", {DType::f32, {}}, {}}, {"top1", {DType::f32, {}}, {}}, {"top5", {DType::f32, {}}, {}}});
    auto launch = [&](EntryPoint& e, int32_t kernel, std::vector<BufferRef> state) {
      KernelInfo info{e.name, std::vector<Space>(state.size(), Space::state)};
      for (std::vector<IoSlot>* slots : {&e.inputs, &e.outputs})
        for (IoSlot& s : *slots) {
          state.push_back(s.buffer);
          info.operand_spaces.push_back(Space::arena);
        }
      e.launches.push_back({kernel, std::move(state), 1, e.name, 0, 0});
      p.kernels.push_back(std::move(info));
    };
    EntryPoint apply_entry = entry("apply", {}, {});
    launch(grad_entry, 0, {weight, gradient, mean});
    launch(eval_entry, 1, {weight});
    launch(apply_entry, 2, {weight, momentum, gradient});
    p.entries = {grad_entry, eval_entry, apply_entry};
    return {p, {grad, eval, apply}};
  }

  // Images whose brightest row tells the class, with noise.
  static std::unique_ptr<Dataset> data(int64_t count, uint32_t seed) {
    std::vector<std::byte> pixels;
    std::vector<int64_t> labels;
    uint32_t state = seed;
    auto random = [&] { return (state = state * 1664525u + 1013904223u) >> 24; };
    for (int64_t i = 0; i < count; ++i) {
      labels.push_back(static_cast<int64_t>(random() % kClasses));
      for (int64_t k = 0; k < kPixels; ++k)
        pixels.push_back(static_cast<std::byte>(random() / 2 + (k / 4 == labels.back() ? 128 : 0)));
    }
    return make_dataset({DType::u8, 1, 4, 4}, std::move(pixels), std::move(labels), {});
  }

 private:
  template <class T>
  static T* at(std::byte* base, const KernelArgs* args, int operand) {
    return reinterpret_cast<T*>(base + args->offsets[operand]);
  }
  static int64_t best(const float* p) {
    int64_t b = 0;
    for (int64_t c = 1; c < kClasses; ++c)
      if (p[c] > p[b]) b = c;
    return b;
  }
  // Fills p with the probabilities; returns the cross entropy.
  static float forward(const float* weight, const float* x, int64_t label, float* p) {
    float sum = 0;
    for (int64_t c = 0; c < kClasses; ++c) {
      p[c] = 0;
      for (int64_t k = 0; k < kPixels; ++k) p[c] += weight[c * kPixels + k] * x[k];
      p[c] = std::exp(p[c]);
      sum += p[c];
    }
    for (int64_t c = 0; c < kClasses; ++c) p[c] /= sum;
    return -std::log(p[label]);
  }
};

}  // namespace netc
