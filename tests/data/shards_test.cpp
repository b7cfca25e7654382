// Tar shards, corrupt records, and parts of a data set.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <set>

#include "runtime/data/image.h"
#include "runtime/executor.h"
#include "runtime/data/select.h"
#include "tests/data/files.h"

namespace netc {
namespace {

// A member of a tar file (POSIX ustar), padded to blocks of 512 bytes.
std::string member(const std::string& name, const std::string& bytes, char type = '0') {
  std::string header(512, '\0');
  const auto put = [&](size_t at, const std::string& text) { header.replace(at, text.size(), text); };
  char size[13];
  std::snprintf(size, sizeof size, "%011zo", bytes.size());
  put(0, name);
  put(100, "0000644");
  put(108, "0000000");
  put(116, "0000000");
  put(124, size);
  put(136, "00000000000");
  put(148, "        ");
  put(156, std::string(1, type));
  if (type == '1') put(157, "1.cls");
  put(257, std::string("ustar\0" "00", 8));
  unsigned sum = 0;
  for (const char c : header) sum += static_cast<unsigned char>(c);
  char text[8];
  std::snprintf(text, sizeof text, "%06o", sum);
  put(148, std::string(text, 7));
  return header + bytes + std::string((512 - bytes.size() % 512) % 512, '\0');
}
const std::string kEnd(1024, '\0');

// A grey picture of one value.
std::string picture(uint8_t value, int64_t size = 2) {
  const std::vector<uint8_t> png = encode_png({1, size, size, std::vector<uint8_t>(static_cast<size_t>(size * size), value)});
  return {reinterpret_cast<const char*>(png.data()), png.size()};
}

std::unique_ptr<Dataset> load(const TemporaryFolder& folder, const std::string& files, bool skip = false) {
  SerialExecutor executor;
  LoadOptions options;
  options.channels = 1;
  options.classes = 3;
  options.skip_corrupt = skip;
  return load_dataset({DataSourceSpec::Kind::webdataset, files, "", folder.path()}, options, executor);
}

std::vector<int> values(const Dataset& data) {
  std::vector<int> first;
  std::vector<std::byte> image(static_cast<size_t>(data.format().bytes()));
  for (int64_t i = 0; i < data.count(); ++i) {
    data.copy_image(i, image.data());
    first.push_back(static_cast<int>(image[0]));
  }
  return first;
}

std::vector<int64_t> labels(const Dataset& data) { return {data.labels().begin(), data.labels().end()}; }

TEST(Shards, SamplesInTheOrderOfFilesAndMembers) {
  TemporaryFolder folder;
  folder.write("b.tar", member("x/0003.png", picture(30)) + member("x/0003.cls", "2") + kEnd);
  folder.write("a.tar", member("x/0001.cls", "1\n") + member("x/0001.json", "{}") + member("x/0001.png", picture(10)) +
                            member("readme.txt", "a set") + member("x/0002.png", picture(20)) + member("x/0002.cls", "0") + kEnd);
  for (const bool skip : {false, true}) {
    const auto data = load(folder, "*.tar", skip);
    EXPECT_EQ(to_string(data->format()), "u8[1, 2, 2]");
    EXPECT_EQ(values(*data), (std::vector<int>{10, 20, 30}));
    EXPECT_EQ(labels(*data), (std::vector<int64_t>{1, 0, 2}));
    EXPECT_TRUE(data->skipped().empty());
  }
  folder.write("packed.tar.gz", gzip(member("1.png", picture(7)) + member("1.cls", "1") + kEnd));
  folder.write("packed.tar.xz", xz(member("1.png", picture(8)) + member("1.cls", "1") + kEnd));
  EXPECT_EQ(values(*load(folder, "packed.tar.gz")), (std::vector<int>{7}));
  EXPECT_EQ(values(*load(folder, "packed.tar.xz")), (std::vector<int>{8}));
}

TEST(Shards, NamesAsOtherToolsWriteThem) {
  TemporaryFolder folder;
  folder.write("s.tar", member("._1.png", "macOS") + member("./1.PNG", picture(1)) + member("./1.seg.png", picture(9)) + member("./1.cls", "2\r\n") +
                            member("._2.png", "macOS") + member("2.Jpg", picture(2)) + member("2.CLS", "1") + kEnd);
  const auto data = load(folder, "s.tar");
  EXPECT_EQ(values(*data), (std::vector<int>{1, 2}));
  EXPECT_EQ(labels(*data), (std::vector<int64_t>{2, 1}));
}

// A shard that was cut is an error wherever the cut is; with `skip` every whole sample before it stays.
TEST(Shards, CutAnywhere) {
  const std::string first = member("1.png", picture(1)) + member("1.cls", "1"), second = member("2.png", picture(2)) + member("2.cls", "0");
  ASSERT_EQ(first.size(), 2048u);
  struct Case {
    size_t size;
    std::string error;
    std::vector<int> left;
  };
  const Case cases[] = {{4096, "E0704 s.tar ends at offset 4096 without the blocks of zeros that end a tar file", {1, 2}},
                        {3072, "E0704 s.tar ends at offset 3072 without the blocks of zeros that end a tar file", {1}},
                        {2048 + 200, "E0704 s.tar is corrupt after offset 1024: ", {1}},
                        {2048 + 512 + 30, "E0704 s.tar: 2.png at offset 2048 is truncated", {1}},
                        {2048 - 500, "E0704 s.tar ends at offset 1548 without the blocks of zeros", {1}}};
  for (const Case& c : cases) {
    TemporaryFolder folder;
    folder.write("s.tar", (first + second + kEnd).substr(0, c.size));
    EXPECT_EQ(error_of(folder, [&] { load(folder, "s.tar"); }).substr(0, c.error.size()), c.error);
    const auto data = load(folder, "s.tar", true);
    EXPECT_EQ(values(*data), c.left) << c.size;
    EXPECT_EQ(data->skipped().size(), 1u) << c.size;
  }
  TemporaryFolder folder;
  const std::string packed = gzip(first + second + kEnd);
  folder.write("a.tar.gz", packed.substr(0, packed.size() / 4));
  folder.write("b.tar", first + kEnd);
  const std::string damaged = "E0704 a.tar.gz is corrupt at its beginning: ";
  EXPECT_EQ(error_of(folder, [&] { load(folder, "*.tar*"); }).substr(0, damaged.size()), damaged);
  const auto data = load(folder, "*.tar*", true);
  EXPECT_EQ(values(*data), (std::vector<int>{1}));
  EXPECT_EQ(data->skipped().size(), 1u);
}

// A corrupt record is named, with shard, member and offset; it is an error, or it is left out.
TEST(Shards, CorruptRecords) {
  const std::string good = member("1.png", picture(1)) + member("1.cls", "1"), last = member("9.png", picture(9)) + member("9.cls", "2") + kEnd;
  const std::string whole = picture(5);
  struct Case {
    std::string record, error;
  };
  const Case cases[] = {
      {member("2.png", "not a picture") + member("2.cls", "0"), "E0703 s.tar: 2.png at offset 2048 is neither a PNG nor a JPEG image"},
      {member("2.png", whole.substr(0, whole.size() - 20)) + member("2.cls", "0"), "E0704 s.tar: 2.png at offset 2048 is not a whole PNG image: "},
      {member("2.png", whole), "E0703 s.tar: 2.png at offset 2048 has no class: 2.cls is missing | fix: corrupt = skip"},
      {member("2.cls", "0"), "E0703 s.tar: `2` has a class and no picture | fix: corrupt = skip"},
      {member("2.png", whole) + member("2.cls", "cat"), "E0703 s.tar: 2.cls at offset 3072 is `cat`, not the number of a class | fix: corrupt = skip"},
      {member("2.png", whole) + member("2.jpg", whole) + member("2.cls", "0"),
       "E0703 s.tar: 2.jpg at offset 3072 is the second picture of its sample | fix: corrupt = skip"},
      {member("2.png", whole) + member("2.cls", "0") + member("2.cls", "1"),
       "E0703 s.tar: 2.cls at offset 4096 is the second class of its sample | fix: corrupt = skip"},
      {member("2.png", whole) + member("2.cls", "0\r1"), "E0703 s.tar: 2.cls at offset 3072 is `0?1`, not the number of a class | fix: corrupt = skip"},
      {member("2.png", whole) + member("2.cls", "", '1'),
       "E0703 s.tar: 2.cls at offset 3072 is a link to another member, which is not followed | fix: corrupt = skip"},
      {member("2.seg.png", whole) + member("2.cls", "0"), "E0703 s.tar: `2` has a class and no picture | fix: corrupt = skip"},
      {std::string(1024, 'x'), "E0704 s.tar is corrupt at offset 2048: "},
  };
  for (const Case& c : cases) {
    TemporaryFolder folder;
    folder.write("s.tar", good + c.record + last);
    EXPECT_EQ(error_of(folder, [&] { load(folder, "s.tar"); }).substr(0, c.error.size()), c.error);
    const auto data = load(folder, "s.tar", true);
    EXPECT_EQ(values(*data), (std::vector<int>{1, 9})) << c.error;
    EXPECT_EQ(labels(*data), (std::vector<int64_t>{1, 2}));
    ASSERT_EQ(data->skipped().size(), 1u) << c.error;
    EXPECT_NE(data->skipped()[0].why.find("s.tar"), std::string::npos);
  }
  TemporaryFolder folder;
  folder.write("s.tar", good.substr(0, 700));
  const std::string cut = "E0704 s.tar ends at offset 700 without the blocks of zeros", cut_within = "E0704 s.tar: 1.png at offset 0 is truncated";
  EXPECT_EQ(error_of(folder, [&] { load(folder, "s.tar"); }).substr(0, cut.size()), cut);
  EXPECT_EQ(error_of(folder, [&] { load(folder, "s.tar", true); }), "E0706 s.tar holds no picture that can be read");
  folder.write("s.tar", good.substr(0, 540));
  EXPECT_EQ(error_of(folder, [&] { load(folder, "s.tar"); }).substr(0, cut_within.size()), cut_within);
  folder.write("s.tar", good + kEnd);
  folder.write("label.tar", member("1.png", whole) + member("1.cls", "3") + kEnd);
  EXPECT_EQ(error_of(folder, [&] { load(folder, "label.tar", true); }), "E0707 label.tar: label 3 of 1.cls is out of range: there are 3 classes");
  folder.write("size.tar", good + member("2.png", picture(2, 3)) + member("2.cls", "0") + kEnd);
  EXPECT_EQ(error_of(folder, [&] { load(folder, "size.tar", true); }),
            "E0706 images differ in size: size.tar: 2.png at offset 2048 is 3x3, size.tar: 1.png at offset 0 is 2x2 | fix: preprocess = "
            "[resize(256), center_crop(224x224)]");
  EXPECT_EQ(error_of(folder, [&] { load(folder, folder.write("text.tar", "no tar file at all, but a text that is a little long")); }).substr(0, 30),
            "E0703 text.tar is not a tar fi");
}

TEST(Shards, FoldersSkipCorruptPicturesToo) {
  TemporaryFolder folder;
  folder.write("d/cat/a.png", "no picture");
  folder.write("d/cat/b.png", picture(4));
  folder.write("d/dog/c.png", picture(6));
  SerialExecutor executor;
  LoadOptions options;
  options.skip_corrupt = true;
  const auto data = load_dataset({DataSourceSpec::Kind::image_folder, "d", "", folder.path()}, options, executor);
  EXPECT_EQ(values(*data), (std::vector<int>{4, 6}));
  EXPECT_EQ(labels(*data), (std::vector<int64_t>{0, 1}));
  ASSERT_EQ(data->skipped().size(), 1u);
  options.skip_corrupt = false;
  EXPECT_EQ(error_of(folder, [&] { load_dataset({DataSourceSpec::Kind::image_folder, "d", "", folder.path()}, options, executor); }),
            "E0703 d/cat/a.png is neither a PNG nor a JPEG image");
}

// What the system does not let us read is no corrupt picture: reading the process's memory at address 0 is an I/O error.
TEST(Shards, UnreadablePicturesAreNeverSkipped) {
  TemporaryFolder folder;
  folder.write("d/a/0.png", picture(1));
  std::filesystem::create_symlink("/proc/self/mem", folder / "d/a/1.png");
  SerialExecutor executor;
  LoadOptions options;
  options.channels = 1;
  options.classes = 1;
  options.skip_corrupt = true;
  const std::string error = error_of(folder, [&] { load_dataset({DataSourceSpec::Kind::image_folder, "d", "", folder.path()}, options, executor); });
  EXPECT_TRUE(error.starts_with("E0702 cannot read d/a/1.png: ")) << error;
}

TEST(Select, PartsKeepTheClassesSharesAndDoNotOverlap) {
  std::vector<int64_t> of_samples;
  for (int64_t i = 0; i < 100; ++i) of_samples.push_back(i < 60 ? 0 : i < 90 ? 1 : 2);
  const Split split = split_samples(of_samples, 0.2, 30, "d");
  EXPECT_EQ(split.validation.size(), 20u);
  EXPECT_EQ(split.train.size(), 30u);
  std::vector<int64_t> held(3), trained(3);
  for (const int64_t i : split.validation) ++held[static_cast<size_t>(of_samples[static_cast<size_t>(i)])];
  for (const int64_t i : split.train) ++trained[static_cast<size_t>(of_samples[static_cast<size_t>(i)])];
  EXPECT_EQ(held, (std::vector<int64_t>{12, 6, 2}));
  EXPECT_EQ(trained, (std::vector<int64_t>{11, 11, 8}));  // in turn, until the third class is used up
  std::set<int64_t> all(split.train.begin(), split.train.end());
  all.insert(split.validation.begin(), split.validation.end());
  EXPECT_EQ(all.size(), 50u);
  EXPECT_TRUE(std::is_sorted(split.train.begin(), split.train.end()));
  EXPECT_EQ(split_samples(of_samples, 0.2, 30, "d").train, split.train);
  EXPECT_EQ(split_samples(of_samples, 0.2, 0, "d").train.size(), 80u);
  TemporaryFolder folder;
  EXPECT_EQ(error_of(folder, [&] { split_samples(of_samples, 0.2, 81, "d"); }),
            "E0706 d has 100 training samples: 20 are held out, and 81 of the other 80 are asked for");
  EXPECT_EQ(error_of(folder, [&] { split_samples(std::vector<int64_t>{0, 1}, 0.2, 0, "d"); }),
            "E0706 d has 2 training samples, too few of any class for 20 % of them, rounded, to be one | fix: a larger `validation`");

  std::shared_ptr<const Dataset> data = make_dataset({DType::u8, 1, 1, 1}, {std::byte{5}, std::byte{6}, std::byte{7}}, {2, 0, 1}, {"a", "b", "c"});
  const auto part = select(data, {2, 0});
  EXPECT_EQ(values(*part), (std::vector<int>{7, 5}));
  EXPECT_EQ(labels(*part), (std::vector<int64_t>{1, 2}));
  EXPECT_EQ(part->class_names(), data->class_names());
}

TEST(Select, BalancedWeights) {
  // n / (classes * n of the class), as scikit-learn's "balanced".
  const std::vector<int64_t> of_samples = {0, 0, 0, 1, 255};
  EXPECT_EQ(balanced_weights(of_samples, 2), (std::vector<double>{4.0 / 6, 2}));
  EXPECT_EQ(balanced_weights(of_samples, 3), (std::vector<double>{4.0 / 9, 4.0 / 3, 0}));
}

}  // namespace
}  // namespace netc
