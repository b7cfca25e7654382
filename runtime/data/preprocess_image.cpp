// Channels, resizing and cropping. The arithmetic follows Pillow and torchvision, with which published
// weights were trained: a different resize costs a network accuracy.
#include <algorithm>
#include <cmath>
#include <type_traits>

#include "compiler/base/error.h"
#include "runtime/data/image.h"

namespace netc {
namespace {

// The inputs first..first+weights.size()-1 that one output pixel mixes, along one axis.
struct Mix {
  int64_t first;
  std::vector<double> weights;  // sum 1
  std::vector<int64_t> fixed;   // the same in fixed point
};

constexpr int kFractionBits = 32 - 8 - 2;  // Pillow's: a sum of u8 stays within 32 bits
constexpr int64_t kMaxPixels = 100'000'000;

std::vector<Mix> triangle_mixes(int64_t from, int64_t to) {
  const double scale = static_cast<double>(from) / static_cast<double>(to);
  const double support = std::max(1.0, scale);
  std::vector<Mix> mixes;
  for (int64_t o = 0; o < to; ++o) {
    const double center = (static_cast<double>(o) + 0.5) * scale;
    int64_t first = std::max<int64_t>(0, static_cast<int64_t>(center - support + 0.5));
    int64_t last = std::min<int64_t>(from, static_cast<int64_t>(center + support + 0.5));
    Mix mix{first, {}, {}};
    double sum = 0;
    for (int64_t i = first; i < last; ++i) {
      double distance = std::abs(static_cast<double>(i) - center + 0.5) / support;
      mix.weights.push_back(std::max(0.0, 1 - distance));
      sum += mix.weights.back();
    }
    for (double& w : mix.weights) {
      w /= sum;
      mix.fixed.push_back(std::llround(w * (1 << kFractionBits)));
    }
    mixes.push_back(std::move(mix));
  }
  return mixes;
}

// One output value from inputs `stride` apart.
float mix_values(const float* in, int64_t stride, const Mix& mix) {
  double sum = 0;
  for (size_t k = 0; k < mix.weights.size(); ++k)
    sum += mix.weights[k] * in[static_cast<int64_t>(k) * stride];
  return static_cast<float>(sum);
}

uint8_t mix_values(const uint8_t* in, int64_t stride, const Mix& mix) {
  int64_t sum = int64_t{1} << (kFractionBits - 1);
  for (size_t k = 0; k < mix.fixed.size(); ++k) sum += mix.fixed[k] * in[static_cast<int64_t>(k) * stride];
  return static_cast<uint8_t>(std::clamp<int64_t>(sum >> kFractionBits, 0, 255));
}

template <class T>
BasicImage<T> resize_width(const BasicImage<T>& image, int64_t width) {
  BasicImage<T> out{image.channels, image.height, width, {}};
  out.pixels.resize(static_cast<size_t>(image.channels * image.height * width));
  std::vector<Mix> mixes = triangle_mixes(image.width, width);
  for (int64_t row = 0; row < image.channels * image.height; ++row)
    for (int64_t x = 0; x < width; ++x) {
      const Mix& mix = mixes[static_cast<size_t>(x)];
      out.pixels[static_cast<size_t>(row * width + x)] =
          mix_values(image.pixels.data() + row * image.width + mix.first, 1, mix);
    }
  return out;
}

template <class T>
BasicImage<T> resize_height(const BasicImage<T>& image, int64_t height) {
  BasicImage<T> out{image.channels, height, image.width, {}};
  out.pixels.resize(static_cast<size_t>(image.channels * height * image.width));
  std::vector<Mix> mixes = triangle_mixes(image.height, height);
  for (int64_t c = 0; c < image.channels; ++c)
    for (int64_t y = 0; y < height; ++y)
      for (int64_t x = 0; x < image.width; ++x) {
        const Mix& mix = mixes[static_cast<size_t>(y)];
        out.pixels[static_cast<size_t>((c * height + y) * image.width + x)] = mix_values(
            image.pixels.data() + (c * image.height + mix.first) * image.width + x, image.width, mix);
      }
  return out;
}

template <class T>
BasicImage<T> center_crop(const BasicImage<T>& image, int64_t height, int64_t width,
                          const std::string& name) {
  if (height > image.height || width > image.width)
    throw RuntimeError("E0710",
                       "center_crop(" + std::to_string(height) + "x" + std::to_string(width) + ") exceeds " +
                           name + ", which is " + std::to_string(image.height) + "x" +
                           std::to_string(image.width),
                       "resize(" + std::to_string(std::max(height, width)) + ") before it");
  // torchvision rounds half of the margin to even.
  auto top = static_cast<int64_t>(std::nearbyint(static_cast<double>(image.height - height) / 2));
  auto left = static_cast<int64_t>(std::nearbyint(static_cast<double>(image.width - width) / 2));
  return crop(image, top, left, height, width);
}

template <class T>
T luma(T r, T g, T b) {
  if constexpr (std::is_integral_v<T>)
    return static_cast<T>((r * 19595 + g * 38470 + b * 7471 + 0x8000) >> 16);
  else
    return T(0.299) * r + T(0.587) * g + T(0.114) * b;
}

}  // namespace

template <class T>
BasicImage<T> with_channels(BasicImage<T> image, int64_t channels, const std::string& name) {
  if (image.channels == channels) return image;
  const auto plane = static_cast<size_t>(image.height * image.width);
  if (image.channels == 1 && channels == 3) {
    image.pixels.resize(plane * static_cast<size_t>(channels));
    for (int64_t c = 1; c < channels; ++c)
      std::copy_n(image.pixels.begin(), plane, image.pixels.begin() + c * static_cast<int64_t>(plane));
  } else if (image.channels == 3 && channels == 1) {
    for (size_t i = 0; i < plane; ++i)
      image.pixels[i] = luma(image.pixels[i], image.pixels[plane + i], image.pixels[2 * plane + i]);
    image.pixels.resize(plane);
  } else {
    throw RuntimeError("E0710", name + " has " + std::to_string(image.channels) +
                                    " channels, the network takes " + std::to_string(channels));
  }
  image.channels = channels;
  return image;
}

template <class T>
BasicImage<T> resize(const BasicImage<T>& image, int64_t height, int64_t width) {
  NETC_CHECK(height > 0 && width > 0, "sema refuses empty sizes");
  BasicImage<T> out = image.width == width ? image : resize_width(image, width);
  return image.height == height ? out : resize_height(out, height);
}

template <class T>
BasicImage<T> crop(const BasicImage<T>& image, int64_t top, int64_t left, int64_t height, int64_t width) {
  NETC_CHECK(top >= 0 && left >= 0 && top + height <= image.height && left + width <= image.width, "a crop within its image");
  BasicImage<T> out{image.channels, height, width, {}};
  out.pixels.reserve(static_cast<size_t>(image.channels * height * width));
  for (int64_t c = 0; c < image.channels; ++c)
    for (int64_t y = 0; y < height; ++y) {
      auto row = image.pixels.begin() + ((c * image.height + top + y) * image.width + left);
      out.pixels.insert(out.pixels.end(), row, row + width);
    }
  return out;
}

template <class T>
BasicImage<T> preprocess(BasicImage<T> image, const std::vector<PreprocessSpec>& specs,
                         const std::string& name) {
  for (const PreprocessSpec& spec : specs) {
    switch (spec.kind) {
      case PreprocessSpec::Kind::resize: {
        int64_t height = spec.height, width = spec.width;
        if (width == 0) {  // the shorter side becomes `height`, the other one follows, rounded down
          int64_t shorter = std::min(image.height, image.width), longer = std::max(image.height, image.width);
          int64_t other = 0;
          if (!checked_mul(spec.height, longer, other)) other = INT64_MAX;  // more than is allowed, too
          other /= shorter;
          height = image.height <= image.width ? spec.height : other;
          width = image.height <= image.width ? other : spec.height;
        }
        if (height > kMaxPixels / std::max<int64_t>(width, 1))
          throw RuntimeError("E0709", name + " would be resized from " + std::to_string(image.height) + "x" +
                                          std::to_string(image.width) + " to " + std::to_string(height) +
                                          "x" + std::to_string(width) + " pixels; at most " +
                                          std::to_string(kMaxPixels) + " are allowed");
        image = resize(image, height, width);
        break;
      }
      case PreprocessSpec::Kind::center_crop:
        image = center_crop(image, spec.height, spec.width, name);
        break;
    }
  }
  return image;
}

template Image with_channels(Image, int64_t, const std::string&);
template FloatImage with_channels(FloatImage, int64_t, const std::string&);
template Image crop(const Image&, int64_t, int64_t, int64_t, int64_t);
template FloatImage crop(const FloatImage&, int64_t, int64_t, int64_t, int64_t);
template Image resize(const Image&, int64_t, int64_t);
template FloatImage resize(const FloatImage&, int64_t, int64_t);
template Image preprocess(Image, const std::vector<PreprocessSpec>&, const std::string&);
template FloatImage preprocess(FloatImage, const std::vector<PreprocessSpec>&, const std::string&);

}  // namespace netc
