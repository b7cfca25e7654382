// The losses that recipes name, with class weights, ignored labels and mixed samples: the elaborated graph against their
// definitions, written out.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "compiler/interpret/interpret.h"
#include "compiler/passes/decompose.h"
#include "compiler/sema/sema.h"

namespace netc {
namespace {

constexpr int64_t kSamples = 4, kClasses = 3;
const std::vector<double> kScores = {0.5, -1, 2, 0, 0.25, -0.5, 3, 1, 1, -2, 0.75, 0.1};

// The outputs of a graph whose scores are its input.
std::map<std::string, double> outputs_of(const std::string& keys, const std::vector<double>& labels, Purpose purpose,
                                         const std::vector<double>& mix = {}) {
  Project project;
  DiagnosticSink sink;
  project.load_text("t.net", R"(
network scores { input image: [3, 1, 1]; param none: [3] = zeros; flatten; add(none); output logits }
dataset data { train = numpy("x.npy", "y.npy"); test = numpy("x.npy", "y.npy") }
train run = scores on data { optimizer = sgd(); schedule = constant(0.1); batch = 4; epochs = 1; )" + keys + " }\n", sink);
  const auto net = elaborate(project, "t.net:run", {.purpose = purpose, .batch = kSamples}, sink);
  EXPECT_TRUE(net) << (sink.all().empty() ? "" : sink.all().front().message);
  InterpretInputs inputs;
  inputs.inputs["image"] = {{kSamples, kClasses, 1, 1}, kScores};
  inputs.states["none"] = {{kClasses}, std::vector<double>(kClasses, 0)};
  inputs.inputs["label"] = {{kSamples}, labels};
  if (!mix.empty()) inputs.inputs["mix"] = {{kSamples, 7}, mix};
  inputs.scalars.valid_count = kSamples;
  std::map<std::string, double> values;
  for (const auto& [name, tensor] : interpret(decompose(net->graph), inputs).outputs) values[name] = tensor.data.at(0);
  return values;
}

double loss_of(const std::string& loss, const std::vector<double>& labels) {
  return outputs_of("loss = " + loss, labels, Purpose::train).at("loss");
}

double log_probability(int64_t sample, int64_t c) {
  const double* x = kScores.data() + sample * kClasses;
  double sum = 0;
  for (int64_t k = 0; k < kClasses; ++k) sum += std::exp(x[k]);
  return x[c] - std::log(sum);
}

const std::vector<double> kLabels = {2, 0, 1, 1};
const std::vector<double> kWeights = {0.5, 2, 3};

TEST(Losses, CrossEntropyWithClassWeightsAndSmoothing) {
  for (double s : {0.0, 0.1}) {
    double sum = 0, weight = 0;
    for (int64_t n = 0; n < kSamples; ++n) {
      const auto y = static_cast<size_t>(kLabels[static_cast<size_t>(n)]);
      sum -= (1 - s) * kWeights[y] * log_probability(n, static_cast<int64_t>(y));
      for (int64_t c = 0; c < kClasses; ++c) sum -= s / kClasses * kWeights[static_cast<size_t>(c)] * log_probability(n, c);
      weight += kWeights[y];
    }
    const std::string smoothing = s == 0 ? "" : ", label_smoothing = 0.1";
    EXPECT_NEAR(loss_of("cross_entropy(weights = [0.5, 2, 3]" + smoothing + ")", kLabels), sum / weight, 1e-12);
    const auto eval = outputs_of("loss = cross_entropy(weights = [0.5, 2, 3]" + smoothing + ")", kLabels, Purpose::eval);
    EXPECT_NEAR(eval.at("loss_sum"), sum, 1e-12);
    EXPECT_NEAR(eval.at("loss_weight"), weight, 1e-12);
  }
}

TEST(Losses, IgnoredLabelsCountNowhere) {
  const double expected = -(log_probability(0, 2) + log_probability(3, 1)) / 2;
  for (const char* ignored : {"255", "-100", "0"}) {  // outside of the classes, and one of them
    const double hole = std::stod(ignored);
    const std::string loss = std::string("loss = cross_entropy(ignore = ") + ignored + ")";
    const auto training = outputs_of(loss, {2, hole, hole, 1}, Purpose::train);
    EXPECT_NEAR(training.at("loss"), expected, 1e-12);
    EXPECT_EQ(training.at("counted"), 2);
    EXPECT_EQ(training.at("correct"), 2);  // scores 2 and 0.75 are the greatest of their samples
    const auto eval = outputs_of(loss, {2, hole, hole, 1}, Purpose::eval);
    EXPECT_NEAR(eval.at("loss_sum") / eval.at("loss_weight"), expected, 1e-12);
    EXPECT_EQ(eval.at("counted"), 2);
    EXPECT_EQ(eval.at("top1"), 2);
  }
  EXPECT_EQ(outputs_of("loss = cross_entropy(ignore = 9)", {9, 9, 9, 9}, Purpose::train).at("loss"), 0);
}

// The mean over samples and classes of `element(score, target)`.
double mean_of(const std::function<double(double, double)>& element) {
  double sum = 0;
  for (int64_t n = 0; n < kSamples; ++n)
    for (int64_t c = 0; c < kClasses; ++c)
      sum += element(kScores[static_cast<size_t>(n * kClasses + c)], static_cast<double>(c) == kLabels[static_cast<size_t>(n)]);
  return sum / (kSamples * kClasses);
}

TEST(Losses, OfIndependentClasses) {
  auto logistic = [](double x) { return 1 / (1 + std::exp(-x)); };
  auto binary = [&](double x, double t) { return -t * std::log(logistic(x)) - (1 - t) * std::log(1 - logistic(x)); };
  EXPECT_NEAR(loss_of("binary_cross_entropy()", kLabels), mean_of(binary), 1e-12);
  EXPECT_NEAR(loss_of("binary_cross_entropy(label_smoothing = 0.2)", kLabels),
              mean_of([&](double x, double t) { return binary(x, 0.8 * t + 0.1); }), 1e-12);
  EXPECT_NEAR(loss_of("mse()", kLabels), mean_of([](double x, double t) { return (x - t) * (x - t); }), 1e-12);
  auto smooth = [](double x, double t) {
    const double d = std::abs(x - t);
    return d < 0.5 ? d * d / 1 : d - 0.25;
  };
  EXPECT_NEAR(loss_of("smooth_l1(beta = 0.5)", kLabels), mean_of(smooth), 1e-12);
}

TEST(Losses, OfMixedSamplesMixTheLabels) {
  // Partners 3, 2, 1, 0; shares of the label 0.75, 1, 0.5, 0.25. The pixels stay: share 1, no rectangle.
  const std::vector<double> shares = {0.75, 1, 0.5, 0.25};
  std::vector<double> mix;
  double expected = 0;
  for (int64_t n = 0; n < kSamples; ++n) {
    const auto at = static_cast<size_t>(n), other = static_cast<size_t>(3 - n);
    for (double value : {static_cast<double>(3 - n), 1.0, 0.0, 0.0, 0.0, 0.0, shares[at]}) mix.push_back(value);
    expected -= shares[at] * log_probability(n, static_cast<int64_t>(kLabels[at])) +
                (1 - shares[at]) * log_probability(n, static_cast<int64_t>(kLabels[other]));
  }
  EXPECT_NEAR(outputs_of("augment = [mixup(0.2)]", kLabels, Purpose::train, mix).at("loss"), expected / kSamples, 1e-12);
}

TEST(Losses, OneWeightAClass) {
  Project project;
  DiagnosticSink sink;
  project.load_text("t.net", R"(
network scores { input image: [3, 1, 1]; flatten; output logits }
dataset data { train = numpy("x.npy", "y.npy") }
train run = scores on data { loss = cross_entropy(weights = [1, 2]); optimizer = sgd(); schedule = constant(0.1); batch = 4; epochs = 1 }
)", sink);
  EXPECT_FALSE(elaborate(project, "t.net:run", {.purpose = Purpose::train}, sink));
  ASSERT_EQ(sink.all().size(), 1u);
  EXPECT_EQ(sink.all().front().message, "3 logits, 2 class weights in `cross_entropy`");
}

}  // namespace
}  // namespace netc
