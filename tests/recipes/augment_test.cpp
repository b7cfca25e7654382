// Every augmentation that a recipe can name against reference pictures: the sheets that `netc augment` draws, compiled for
// this machine, against those that scripts/fixtures/make_augment_fixtures.py has drawn by torchvision's rules.
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>

#include "compiler/api/augment_sheet.h"
#include "compiler/sema/recipe_values.h"
#include "runtime/data/image.h"
#include "runtime/thread_pool.h"

namespace netc {
namespace {

using nlohmann::json;

constexpr int kRounding = 1;  // a value on the border between two levels falls on either

const std::string kFolder = std::string(NETC_TEST_DIR) + "/recipes/fixtures/augment";

const json& cases() {
  static const json all = [] {
    std::ifstream file(kFolder + "/cases.json");
    return json::parse(file);
  }();
  return all;
}

Image drawn_sheet(const json& c, const std::string& device = "cpu") {
  const std::string text = "dataset pictures { train = numpy(\"" + kFolder + "/pictures.npy\", \"" + kFolder + R"(/labels.npy")
    normalize = channels(mean = [0.5, 0.4, 0.3], std = [0.25, 0.5, 0.2]) }
network net { input image: u8 [3, 20, 24]; flatten; linear(3); output logits }
train run = net on pictures { optimizer = sgd(); schedule = constant(0.1); batch = 3; epochs = 1; seed = 7; augment = [)" +
                           c.at("augment").get<std::string>() + "] }\n";
  Project project;
  DiagnosticSink sink;
  EXPECT_TRUE(project.load_text("t.net", text, sink));
  ThreadPool pool(1);
  AugmentSheetRequest request;
  request.network.reference = "t.net";
  request.samples = 3;
  request.views = c.at("views");
  request.settings.device = device;
  return augment_sheet(project, request, pool);
}

class AugmentedPictures : public testing::TestWithParam<size_t> {};

TEST_P(AugmentedPictures, AreTheReference) {
  const json& c = cases().at(GetParam());
  const Image got = drawn_sheet(c), expected = decode_image_file(kFolder + "/" + c.at("name").get<std::string>() + ".png");
  ASSERT_EQ(got.channels, expected.channels);
  ASSERT_EQ(got.height, expected.height);
  ASSERT_EQ(got.width, expected.width);
  int64_t different = 0;
  for (size_t i = 0; i < got.pixels.size(); ++i) {
    const int difference = std::abs(static_cast<int>(got.pixels[i]) - static_cast<int>(expected.pixels[i]));
    if (difference <= kRounding) continue;
    const auto at = static_cast<int64_t>(i), y = at / got.width % got.height, x = at % got.width;
    if (++different <= 5) ADD_FAILURE() << "row " << y << ", column " << x << ": " << +got.pixels[i] << " for " << +expected.pixels[i];
  }
  EXPECT_EQ(different, 0) << "values of " << got.pixels.size();
}

INSTANTIATE_TEST_SUITE_P(Torchvision, AugmentedPictures, testing::Range(size_t{0}, cases().size()),
                         [](const testing::TestParamInfo<size_t>& at) { return cases().at(at.param).at("name").get<std::string>(); });

// One definition for every device: the kernels of a GPU, in the emulation, draw what the CPU's do.
TEST(AugmentedOnCuda, IsWhatTheCpuDraws) {
  int compared = 0;
  for (const json& c : cases()) {
    const std::string name = c.at("name");
    if (name != "list" && name != "trivial_augment" && name != "curves" && name != "enlarged" && name != "mixup_or_cutmix") continue;
    SCOPED_TRACE(name);
    ++compared;
    const Image cpu = drawn_sheet(c), cuda = drawn_sheet(c, "cuda-emulation");
    ASSERT_EQ(cpu.pixels.size(), cuda.pixels.size());
    int64_t different = 0;
    for (size_t i = 0; i < cpu.pixels.size(); ++i) different += std::abs(static_cast<int>(cpu.pixels[i]) - static_cast<int>(cuda.pixels[i])) > kRounding;
    EXPECT_EQ(different, 0) << "values of " << cpu.pixels.size();
  }
  EXPECT_EQ(compared, 5);
}

// A new one needs a sheet.
TEST(AugmentFixtures, HaveEveryAugmentation) {
  std::string lists;
  for (const json& c : cases()) lists += "," + c.at("augment").get<std::string>() + ",";
  for (const ConstructorDef& def : augmentations())
    EXPECT_TRUE(lists.find("," + def.name + "(") != std::string::npos || lists.find("," + def.name + ",") != std::string::npos)
        << def.name << " has no reference picture";
}

}  // namespace
}  // namespace netc
