// A C++ program that trains a network on batches of its own, saves it, and runs what it has saved.
//
//   host_training examples/host_training/shapes.net shapes.safetensors
//
// The pictures are drawn here: frames, crosses and discs of any size and place, in noise.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <netc/netc.hpp>
#include <random>
#include <string>
#include <vector>

namespace {

constexpr int kSide = 16, kClasses = 3;
constexpr int kEpochs = 4;           // as shapes.net says
constexpr int kStepsPerEpoch = 100;  // batches are drawn without end: an epoch is what we call one

struct Batch {
  std::vector<uint8_t> pixels;  // [count, 1, 16, 16]
  std::vector<int64_t> labels;  // [count]
};

Batch draw(int count, std::mt19937& random) {
  Batch batch{std::vector<uint8_t>(static_cast<size_t>(count * kSide * kSide)),
              std::vector<int64_t>(static_cast<size_t>(count))};
  auto pick = [&](int low, int high) { return std::uniform_int_distribution<int>(low, high)(random); };
  for (int n = 0; n < count; ++n) {
    const int label = pick(0, kClasses - 1), radius = pick(3, 5);
    const int cy = pick(radius, kSide - 1 - radius), cx = pick(radius, kSide - 1 - radius);
    batch.labels[static_cast<size_t>(n)] = label;
    for (int y = 0; y < kSide; ++y)
      for (int x = 0; x < kSide; ++x) {
        const int dy = std::abs(y - cy), dx = std::abs(x - cx);
        const bool frame = std::max(dy, dx) == radius,
                   cross = std::min(dy, dx) == 0 && std::max(dy, dx) <= radius;
        const bool disc = dy * dy + dx * dx <= radius * radius;
        const bool ink = label == 0 ? frame : label == 1 ? cross : disc;
        batch.pixels[static_cast<size_t>((n * kSide + y) * kSide + x)] =
            static_cast<uint8_t>((ink ? 150 : 0) + pick(0, 100));
      }
  }
  return batch;
}

[[noreturn]] void fail(const netc::Error& error) {
  std::fprintf(stderr, "%s", error.text().c_str());
  std::exit(1);
}

void train(const std::string& file, const std::string& weights, std::mt19937& random) {
  netc::Options options;
  options.steps_per_epoch = kStepsPerEpoch;  // the schedule must know; with a data set it would be counted
  auto trainer = netc::Trainer::from_recipe(file, options);
  if (!trainer) fail(trainer.error());
  const int count = static_cast<int>(trainer->batch_size());
  for (int epoch = 0; epoch < kEpochs; ++epoch) {
    float sum = 0;
    for (int step = 0; step < kStepsPerEpoch; ++step) {
      Batch batch = draw(count, random);
      const netc::Tensor inputs[] = {netc::Tensor::of(batch.pixels.data(), {count, 1, kSide, kSide}),
                                     netc::Tensor::of(batch.labels.data(), {count})};
      auto loss = trainer->step(inputs, count);
      if (!loss) fail(loss.error());
      sum += *loss;
    }
    std::printf("epoch %d/%d  loss %.4f\n", epoch + 1, kEpochs, static_cast<double>(sum / kStepsPerEpoch));
  }
  if (auto saved = trainer->save(weights); !saved) fail(saved.error());
}

// The share of fresh pictures that the saved network names rightly.
double test(const std::string& file, const std::string& weights, std::mt19937& random) {
  constexpr int kCount = 500;
  netc::Options options;
  options.max_batch = kCount;
  auto network = netc::Network::from_file(file, options);
  if (!network) fail(network.error());
  if (auto loaded = network->load(weights); !loaded) fail(loaded.error());
  auto session = network->session();
  if (!session) fail(session.error());
  Batch batch = draw(kCount, random);
  std::vector<float> scores(static_cast<size_t>(kCount * kClasses));
  const netc::Tensor image = netc::Tensor::of(batch.pixels.data(), {kCount, 1, kSide, kSide});
  netc::Tensor logits = netc::Tensor::of(scores.data(), {kCount, kClasses});
  if (auto done = session->run(&image, &logits, kCount); !done) fail(done.error());
  int right = 0;
  for (int n = 0; n < kCount; ++n) {
    const float* row = scores.data() + n * kClasses;
    right += std::max_element(row, row + kClasses) - row == batch.labels[static_cast<size_t>(n)];
  }
  return static_cast<double>(right) / kCount;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: host_training SHAPES.net WEIGHTS.safetensors\n");
    return 2;
  }
  std::mt19937 random(1);
  train(argv[1], argv[2], random);
  std::printf("accuracy %.1f %% on pictures it has not seen; weights in %s\n",
              100 * test(argv[1], argv[2], random), argv[2]);
  return 0;
}
