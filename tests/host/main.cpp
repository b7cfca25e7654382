// Uses every call of the library's interface once, and the promises that come with them.
//   host FOLDER: shapes.net and, in its data set, npy files
#include <netc/netc.hpp>

#include <atomic>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace {

void require(bool condition, const char* what, const std::string& detail = {}) {
  if (condition) return;
  std::fprintf(stderr, "failed: %s\n%s\n", what, detail.c_str());
  std::exit(1);
}

// A pool of the host's own: a thread for every call.
struct Threads final : netc::Executor {
  std::atomic<int> calls{0};
  int concurrency() const override { return 3; }
  void parallel_for(int n, void (*f)(void*, int), void* context) override {
    ++calls;
    std::vector<std::thread> threads;
    for (int i = 1; i < n; ++i) threads.emplace_back(f, context, i);
    f(context, 0);
    for (std::thread& thread : threads) thread.join();
  }
};

std::vector<float> predict(const netc::Network& network, std::vector<uint8_t>& pixels, int batch) {
  auto session = network.session();
  require(bool(session), "a session", session.error().text());
  std::vector<float> scores(static_cast<size_t>(batch) * 4, -1.f);
  netc::Tensor image = netc::Tensor::of(pixels.data(), {batch, 1, 8, 8});
  netc::Tensor logits = netc::Tensor::of(scores.data(), {batch, 4});
  auto done = session->run(&image, &logits, batch);
  require(bool(done), "a run", done.error().text());
  return scores;
}

// Errors and stops leave a trainer where its last step left it: going on ends as if nothing had happened.
void check_interrupted_training(const std::string& file, const netc::Options& options, const std::string& whole, double loss) {
  const std::string saved = whole + ".interrupted";
  auto trainer = netc::Trainer::from_recipe(file, options);
  require(bool(trainer), "a trainer to interrupt");
  require(!trainer->fit([](const netc::Progress& p) {
    if (p.step == 5) throw std::runtime_error("the host's");
  }), "an exception of the host's is an error");
  require(bool(trainer->save(saved)), "save after an error");
  auto stopped = trainer->fit([&](const netc::Progress& p) {
    if (p.step == 7) trainer->stop();
  });
  require(stopped && stopped->samples == 0, "a stop before an epoch's end evaluates nothing");
  auto metrics = trainer->fit();
  require(metrics && metrics->loss == loss, "the rest of a training after an error and a stop");
  auto resumed = netc::Trainer::from_recipe(file, options);
  int64_t first = 0;
  require(bool(resumed->resume(saved)), "resume what was saved after an error");
  metrics = resumed->fit([&](const netc::Progress& p) {
    if (first == 0) first = p.step;
  });
  require(metrics && metrics->loss == loss && first == 6, "it stands at the step of the error", std::to_string(first));
}

// With steps_per_epoch the samples are the host's: reading the data set for evaluate() makes no other training of it.
void check_stepwise_training(const std::string& file, netc::Options options, const std::string& saved, const netc::Tensor* inputs, int batch) {
  options.steps_per_epoch = 5;
  auto trainer = netc::Trainer::from_recipe(file, options);
  require(trainer && trainer->step(inputs, batch) && trainer->evaluate() && trainer->save(saved), "step, evaluate and save");
  auto resumed = netc::Trainer::from_recipe(file, options);
  auto done = resumed->resume(saved);
  require(bool(done), "resume in a trainer that has not evaluated", done ? "" : done.error().text());
  auto few = trainer->step(inputs, batch - 1);  // the network has batch norm
  require(!few && few.error().kind == netc::ErrorKind::argument, "fewer samples than batch norm needs are an error");
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  const std::string folder = argv[1], file = folder + "/tiny.net", saved = folder + "/saved.safetensors";
  require(std::string(netc::version()).size() >= 5, "a version");

  // Errors are values.
  auto missing = netc::Network::from_file(folder + "/none.net");
  require(!missing && !missing.error().diagnostics.empty(), "a missing file is an error");
  auto wrong = netc::Network::from_source("network n { input x: [3, 8, 8]\n conv2d(4, 3x3)\n output y }");
  require(!wrong && wrong.error().kind == netc::ErrorKind::program, "a wrong program is an error");
  require(wrong.error().diagnostics[0].code == "E0101" && wrong.error().diagnostics[0].line == 2, "it has code and line",
          wrong.error().text());
  netc::Options unknown;
  unknown.device = "abacus";
  require(!netc::Network::from_file(file, unknown), "an unknown device is an error");
  netc::Options strange;
  strange.cpu = "z80";
  auto no_such = netc::Network::from_file(file, strange);
  require(!no_such && no_such.error().kind == netc::ErrorKind::argument, "an unknown processor is a wrong argument");
  netc::Options small;
  small.max_bytes = 1000;
  require(!netc::Network::from_file(file, small), "max_bytes is kept");

  // Winograd's convolutions keep transformed weights, unless they are turned off.
  const std::string wide = "network wide { input x: [64, 20, 20]\n conv(64, 3x3)\n output y }";
  netc::Options direct;
  direct.winograd = false;
  auto with = netc::Network::from_source(wide), off = netc::Network::from_source(wide, direct);
  require(with && off && with->planned_bytes() > off->planned_bytes(), "Options::winograd", with ? "" : with.error().text());

  // Training on the host's own batches, then on the recipe's data, then from a saved state.
  netc::Options options;
  options.threads = 2;
  options.cache_dir = folder + "/kernels";
  auto trainer = netc::Trainer::from_recipe(file, options);
  require(bool(trainer), "a trainer", trainer.error().text());
  require(std::filesystem::is_directory(options.cache_dir), "compiled kernels are kept where Options::cache_dir says");
  netc::Options without = options;
  without.cache_dir = "none";
  require(bool(netc::Trainer::from_recipe(file, without)), "a trainer without a cache");
  without.cache_dir = file + "/no/folder";
  require(bool(netc::Trainer::from_recipe(file, without)), "a cache that cannot be used is no error");
  const int batch = static_cast<int>(trainer->batch_size());
  std::vector<uint8_t> images(static_cast<size_t>(batch) * 64);
  std::vector<int64_t> labels(static_cast<size_t>(batch));
  for (size_t i = 0; i < images.size(); ++i) images[i] = static_cast<uint8_t>(i * 37 % 251);
  for (size_t i = 0; i < labels.size(); ++i) labels[i] = static_cast<int64_t>(i % 4);
  netc::Tensor inputs[2] = {netc::Tensor::of(images.data(), {batch, 1, 8, 8}), netc::Tensor::of(labels.data(), {batch})};
  float first = 0, last = 0;
  for (int i = 0; i < 12; ++i) {
    auto loss = trainer->step(inputs, batch);
    require(bool(loss), "a step", loss.error().text());
    (i == 0 ? first : last) = *loss;
  }
  require(std::isfinite(last) && last < first, "the loss falls", std::to_string(first) + " " + std::to_string(last));
  require(!trainer->step(inputs, batch + 1), "too large a batch is an error");

  // A loss that is not finite is an error that names the layer, and changes no weight.
  std::ofstream(folder + "/real.net") << "network flat { input x: [1, 2, 2]; flatten; fc: linear(4); output logits }\n"
                                         "dataset none { train = numpy(\"x.npy\", \"y.npy\") }\n"
                                         "train run = flat on none { optimizer = sgd(); schedule = constant(0.1); batch = 2; epochs = 1 }\n";
  netc::Options few = options;
  few.steps_per_epoch = 10;
  auto real = netc::Trainer::from_recipe(folder + "/real.net", few);
  require(bool(real), "a trainer of reals", real ? "" : real.error().text());
  std::vector<float> values = {1, 2, 3, 4, 5, 6, NAN, 8};
  netc::Tensor two_reals[2] = {netc::Tensor::of(values.data(), {2, 1, 2, 2}), netc::Tensor::of(labels.data(), {2})};
  auto diverged = real->step(two_reals, 2);
  require(!diverged && diverged.error().text().find("E0914 the loss is nan at step 1") != std::string::npos &&
              diverged.error().text().find("`flatten0`, flatten") != std::string::npos,
          "a loss that is no number", diverged ? "" : diverged.error().text());
  values[6] = 7;
  auto healthy = real->step(two_reals, 2);
  require(healthy && std::isfinite(*healthy), "the weights were not changed");

  auto fresh = netc::Trainer::from_recipe(file, options);
  require(bool(fresh), "another trainer");
  int64_t steps = 0;
  auto metrics = fresh->fit([&](const netc::Progress& progress) { steps = progress.step; });
  require(bool(metrics), "fit", metrics.error().text());
  require(steps > 0 && metrics->samples > 0 && metrics->top1 >= 0.25, "fit learns", std::to_string(metrics->top1));
  auto save = fresh->save(saved);
  require(bool(save), "save", save.error().text());
  auto resumed = netc::Trainer::from_recipe(file, options);
  auto resume = resumed->resume(saved);
  require(bool(resume), "resume", resume.error().text());
  auto again = resumed->evaluate();
  require(again && again->loss == metrics->loss, "the resumed network is the saved one");
  require(!resumed->resume(folder + "/none.safetensors"), "a missing checkpoint is an error");
  check_interrupted_training(file, options, saved, metrics->loss);
  check_stepwise_training(file, options, folder + "/steps.safetensors", inputs, batch);

  // One network, many threads; any executor; any batch; any strides: the same bits.
  options.max_batch = 5;
  auto network = netc::Network::from_file(file, options);
  require(bool(network), "a network", network.error().text());
  require(network->inputs().size() == 1 && network->inputs()[0].shape == std::vector<int64_t>{1, 8, 8}, "its input");
  require(network->outputs().size() == 1 && network->outputs()[0].shape == std::vector<int64_t>{4}, "its output");
  require(network->parameter_count() > 0 && network->planned_bytes() > 0, "its size");
  require(bool(network->load(saved)), "load");
  require(!network->load(folder + "/none.safetensors"), "missing weights are an error");

  std::vector<uint8_t> pixels(5 * 64);
  for (size_t i = 0; i < pixels.size(); ++i) pixels[i] = static_cast<uint8_t>(i * 91 % 256);
  const std::vector<float> expected = predict(*network, pixels, 5);
  std::vector<std::thread> threads;
  std::atomic<int> equal{0};
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      std::vector<uint8_t> mine = pixels;
      for (int i = 0; i < 5; ++i) equal += predict(*network, mine, 5) == expected;
    });
  for (std::thread& thread : threads) thread.join();
  require(equal == 20, "sessions of many threads agree");
  const std::vector<float> two = predict(*network, pixels, 2);
  require(std::vector<float>(expected.begin(), expected.begin() + 8) == two, "a smaller batch agrees");

  Threads own;
  netc::Options with_executor = options;
  with_executor.executor = &own;
  auto other = netc::Network::from_file(file, with_executor);
  require(other && other->load(saved), "a network with the host's executor");
  require(predict(*other, pixels, 5) == expected && own.calls > 0, "the host's executor gives the same bits");

  auto session = network->session();
  std::vector<uint8_t> spread(5 * 128);
  for (size_t i = 0; i < pixels.size(); ++i) spread[2 * i] = pixels[i];
  std::vector<float> scores(20);
  netc::Tensor strided{spread.data(), netc::DType::u8, {5, 1, 8, 8}, {128, 128, 16, 2}};
  netc::Tensor logits = netc::Tensor::of(scores.data(), {5, 4});
  require(bool(session->run(&strided, &logits, 5)) && scores == expected, "strides");
  netc::Tensor misfit = netc::Tensor::of(spread.data(), {5, 1, 8, 7});
  auto refused = session->run(&misfit, &logits, 5);
  require(!refused && refused.error().kind == netc::ErrorKind::argument, "a tensor that does not fit is an error");
  require(!session->run(&strided, &logits, 6), "a batch above max_batch is an error");

  // An ensemble is a network: two members with the same weights say what one says.
  const char* member = "member(tiny, weights = \"saved.safetensors\")";
  std::ofstream(folder + "/pair.net") << "import \"tiny.net\" { tiny }\nensemble pair { a = " << member << "; b = " << member
                                      << "; combine = mean_logits }\n";
  auto pair = netc::Network::from_file(folder + "/pair.net", options);
  require(bool(pair), "an ensemble", pair ? "" : pair.error().text());
  require(bool(pair->load("")), "members load their own weights");
  const std::vector<float> both = predict(*pair, pixels, 5);
  for (size_t i = 0; i < both.size(); ++i)
    require(std::fabs(both[i] - expected[i]) <= 1e-4f * (1 + std::fabs(expected[i])), "the mean of equal members");
  std::puts("host: all calls behave");
}
