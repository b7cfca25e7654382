// A C++ program that classifies a picture with a network that `netc train` made.
//
//   host_inference examples/fashion_mnist/fashion_mnist.net build/demo/best.safetensors
//
// The picture is drawn below. Pixels go in as bytes: the normalisation is part of the network.
#include <netc/netc.hpp>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <vector>

namespace {

constexpr int kSide = 28;
constexpr const char* kTrousers[kSide] = {
    "                            ", "        ###########         ", "        ###########         ",
    "        ###########         ", "        ###########         ", "        ###########         ",
    "        ###########         ", "        ###########         ", "        ###########         ",
    "        ##### #####         ", "        ##### #####         ", "        ##### #####         ",
    "        ##### #####         ", "        ##### #####         ", "        ##### #####         ",
    "        ##### #####         ", "        ##### #####         ", "        ##### #####         ",
    "        ##### #####         ", "        ##### #####         ", "        ##### #####         ",
    "        ##### #####         ", "        ####   ####         ", "        ####   ####         ",
    "        ####   ####         ", "        ####   ####         ", "        ####   ####         ",
    "                            "};

int fail(const netc::Error& error) {
  std::fprintf(stderr, "%s", error.text().c_str());
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: host_inference NETWORK.net WEIGHTS.safetensors\n");
    return 2;
  }
  auto network = netc::Network::from_file(argv[1]);
  if (!network) return fail(network.error());
  if (auto loaded = network->load(argv[2]); !loaded) return fail(loaded.error());
  auto session = network->session();
  if (!session) return fail(session.error());
  std::printf("%lld parameters, %.1f MiB planned\n", static_cast<long long>(network->parameter_count()),
              static_cast<double>(network->planned_bytes()) / (1 << 20));

  std::vector<uint8_t> pixels(kSide * kSide);
  for (int y = 0; y < kSide; ++y)
    for (int x = 0; x < kSide; ++x) pixels[static_cast<size_t>(y * kSide + x)] = kTrousers[y][x] == '#' ? 200 : 0;
  std::vector<float> logits(static_cast<size_t>(network->outputs()[0].shape[0]));
  const auto classes = static_cast<int64_t>(logits.size());

  netc::Tensor image = netc::Tensor::of(pixels.data(), {1, 1, kSide, kSide});
  netc::Tensor scores = netc::Tensor::of(logits.data(), {1, classes});
  if (auto done = session->run(&image, &scores, 1); !done) return fail(done.error());

  const float largest = *std::max_element(logits.begin(), logits.end());
  float sum = 0;
  for (float& value : logits) sum += value = std::exp(value - largest);
  for (size_t i = 0; i < logits.size(); ++i) {
    const char* name = i < network->class_names().size() ? network->class_names()[i].c_str() : "";
    std::printf("%5.1f %%  %zu %s\n", static_cast<double>(100 * logits[i] / sum), i, name);
  }
  return 0;
}
