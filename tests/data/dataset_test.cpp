// Every reader on small files, and on a table of malformed ones with the full expected message.
#include "runtime/data/dataset.h"

#include <gtest/gtest.h>

#include "runtime/thread_pool.h"
#include "tests/data/files.h"

namespace netc {
namespace {

using Kind = DataSourceSpec::Kind;

std::unique_ptr<Dataset> load(const TemporaryFolder& folder, Kind kind, const std::string& images,
                              const std::string& labels, LoadOptions options = {}) {
  SerialExecutor executor;
  return load_dataset({kind, images, labels, folder.path()}, options, executor);
}

LoadOptions with_classes(int64_t classes) {
  return {"train", 0, classes, {}};
}

// The whole text, or its start where it ends with "after ": how far a decoder got is its own affair.
void expect_error(const std::string& expected, const std::string& actual) {
  if (expected.ends_with("after "))
    EXPECT_EQ(actual.substr(0, expected.size()), expected);
  else
    EXPECT_EQ(actual, expected);
}

std::vector<int> pixels(const Dataset& data, int64_t index) {
  std::vector<std::byte> bytes(static_cast<size_t>(data.format().bytes()));
  data.copy_image(index, bytes.data());
  std::vector<int> values;
  for (std::byte b : bytes) values.push_back(static_cast<int>(b));
  return values;
}

std::string idx_images(uint32_t n, uint32_t h, uint32_t w, const std::string& elements) {
  return big_endian(0x00000803) + big_endian(n) + big_endian(h) + big_endian(w) + elements;
}
std::string idx_labels(uint32_t n, const std::string& elements) {
  return big_endian(0x00000801) + big_endian(n) + elements;
}

const std::string kTwoImages = idx_images(2, 2, 3, "abcdefghijkl");
const std::string kTwoLabels = idx_labels(2, std::string("\x03\x00", 2));

TEST(Idx, PlainGzipAndXz) {
  TemporaryFolder folder;
  for (auto pack : {+[](const std::string& s) { return s; }, +[](const std::string& s) { return gzip(s); },
                    +[](const std::string& s) { return xz(s); }}) {
    folder.write("images", pack(kTwoImages));
    folder.write("labels", pack(kTwoLabels));
    auto data = load(folder, Kind::idx, "images", "labels");
    EXPECT_EQ(data->count(), 2);
    EXPECT_EQ(to_string(data->format()), "u8[1, 2, 3]");
    EXPECT_EQ(pixels(*data, 1), (std::vector<int>{'g', 'h', 'i', 'j', 'k', 'l'}));
    EXPECT_EQ(data->labels()[0], 3);
  }
}

TEST(Idx, GzipOfTwoMembers) {
  TemporaryFolder folder;
  folder.write("images", gzip(kTwoImages.substr(0, 7)) + gzip(kTwoImages.substr(7)));
  folder.write("labels", kTwoLabels);
  EXPECT_EQ(load(folder, Kind::idx, "images", "labels")->count(), 2);
}

TEST(Idx, ChannelsAndPreprocess) {
  TemporaryFolder folder;
  folder.write("images", kTwoImages);
  folder.write("labels", kTwoLabels);
  auto data = load(folder, Kind::idx, "images", "labels",
                   LoadOptions{"train", 3, 0, {{PreprocessSpec::Kind::center_crop, 2, 1}}});
  EXPECT_EQ(to_string(data->format()), "u8[3, 2, 1]");
  EXPECT_EQ(pixels(*data, 0), (std::vector<int>{'b', 'e', 'b', 'e', 'b', 'e'}));
}

TEST(Idx, MalformedFiles) {
  struct Case {
    std::string images, labels, error;
  };
  std::string truncated_gzip = gzip(kTwoImages), corrupt_gzip = gzip(kTwoImages),
              truncated_xz = xz(kTwoImages);
  truncated_gzip.resize(truncated_gzip.size() - 12);
  corrupt_gzip[corrupt_gzip.size() - 7] ^= 0x55;  // of the checksum
  truncated_xz.resize(truncated_xz.size() - 20);
  const Case cases[] = {
      {"", kTwoLabels,
       "E0704 images is truncated: the IDX magic number should be 4 bytes at offset 0, but only 0 are there"},
      {"P5 2 2", kTwoLabels, "E0703 images is not an IDX file: its first two bytes should be 0"},
      {kTwoLabels, kTwoLabels, "E0703 images has 1 dimensions; images have 3 or 4"},
      {big_endian(0x00000D03), kTwoLabels,
       "E0708 images is an IDX file of element type 13; unsigned bytes (8) are read"},
      {kTwoImages.substr(0, 9), kTwoLabels,
       "E0704 images is truncated: extent 1 should be 4 bytes at offset 8, but only 1 are there"},
      {kTwoImages.substr(0, 20), kTwoLabels,
       "E0704 images is truncated: the images [2, 1, 2, 3] should be 12 bytes at offset 16, but only 4 are "
       "there"},
      {kTwoImages + "x", kTwoLabels,
       "E0705 images has trailing bytes: its data end at offset 28, but the file has 29 bytes"},
      {gzip(kTwoImages + "x"), kTwoLabels,
       "E0705 images has trailing bytes: its data end at offset 28 (decompressed)"},
      {gzip(kTwoImages.substr(0, 20)), kTwoLabels,
       "E0704 images is truncated: the images [2, 1, 2, 3] should be 12 bytes at offset 16, but only 4 are "
       "there"},
      {truncated_gzip, kTwoLabels, "E0704 images: unexpected end of file in the gzip data, after "},
      {corrupt_gzip, kTwoLabels,
       "E0704 images: incorrect data check in the gzip data, after 28 bytes of decompressed data"},
      {truncated_xz, kTwoLabels,
       "E0704 images: unexpected end of file in the xz data, after 28 bytes of decompressed data"},
      {idx_images(3, 2, 2, "abcdabcdabcd"), kTwoLabels, "E0706 images has 3 images, but labels has 2 labels"},
      {idx_images(2, 0, 2, ""), kTwoLabels, "E0703 images: images of shape [2, 1, 0, 2] are empty"},
      {idx_images(0, 2, 2, ""), idx_labels(0, ""), "E0706 images holds no images"},
      {kTwoImages, kTwoImages, "E0703 labels has 3 dimensions; labels have 1"},
      {kTwoImages, idx_labels(2, "\x03\x0b"),
       "E0707 labels: label 11 at offset 9 is out of range: there are 10 classes"},
      {kTwoImages, idx_labels(2, "\x03"),
       "E0704 labels is truncated: the labels [2] should be 2 bytes at offset 8, but only 1 are there"},
  };
  for (const Case& c : cases) {
    TemporaryFolder folder;
    folder.write("images", c.images);
    folder.write("labels", c.labels);
    expect_error(c.error,
                 error_of(folder, [&] { load(folder, Kind::idx, "images", "labels", with_classes(10)); }));
  }
}

TEST(Idx, HugeHeadersCostNoMemory) {
  TemporaryFolder folder;
  folder.write("labels", idx_labels(0xffffffff, "a"));
  for (const std::string& bytes :
       {idx_images(0xffffffff, 4096, 4096, "abc"), gzip(idx_images(0xffffffff, 4096, 4096, "abc")),
        idx_images(0xffffffff, 0xffffffff, 0xffffffff, "abc")}) {
    folder.write("images", bytes);
    std::string error = error_of(folder, [&] { load(folder, Kind::idx, "images", "labels"); });
    EXPECT_TRUE(error.starts_with("E0704") || error.starts_with("E0709") || error.starts_with("E0703"))
        << error;
  }
}

TEST(Files, MissingFoldersAndGlobs) {
  TemporaryFolder folder;
  folder.write("a.bin", "x");
  folder.write("b.bin", "x");
  EXPECT_EQ(
      error_of(folder, [&] { load(folder, Kind::cifar10, "data_batch_*.bin", ""); }),
      "E0701 no file matches \"data_batch_*.bin\" (searched data_batch_*.bin) | fix: --data train=PATH");
  EXPECT_EQ(error_of(folder,
                     [&] {
                       load(folder, Kind::idx, "?.bin", "a.bin", LoadOptions{"test", 0, 0, {}});
                     }),
            "E0701 \"?.bin\" should be one file, but 2 match: a.bin, b.bin | fix: --data test=PATH");
  std::filesystem::create_directory(folder / "folder");
  EXPECT_EQ(error_of(folder, [&] { load(folder, Kind::idx, "folder", "a.bin"); }),
            "E0702 cannot read folder: it is a folder");
}

std::string cifar_record(int label, char pixel) {
  return static_cast<char>(label) + std::string(3072, pixel);
}

TEST(Cifar, SeveralFilesInTheOrderOfTheirNames) {
  TemporaryFolder folder;
  folder.write("data_batch_2.bin", xz(cifar_record(2, 'c')));
  folder.write("data_batch_1.bin", cifar_record(0, 'a') + cifar_record(1, 'b'));
  auto data = load(folder, Kind::cifar10, "data_batch_*.bin", "");
  EXPECT_EQ(data->count(), 3);
  EXPECT_EQ(data->labels()[2], 2);
  EXPECT_EQ(pixels(*data, 2)[3071], 'c');
  EXPECT_EQ(data->class_names()[9], "truck");
}

TEST(Cifar, HundredUsesTheFineLabel) {
  TemporaryFolder folder;
  folder.write("train.bin", "\x04" + cifar_record(99, 'a'));
  auto data = load(folder, Kind::cifar100, "train.bin", "");
  EXPECT_EQ(data->labels()[0], 99);
  EXPECT_EQ(pixels(*data, 0)[0], 'a');
}

TEST(Cifar, MalformedFiles) {
  struct Case {
    std::string bytes, error;
  };
  const Case cases[] = {
      {"", "E0704 t.bin is truncated or no CIFAR-10 file: 0 bytes are no whole number of records of 3073"},
      {cifar_record(1, 'a') + "x",
       "E0704 t.bin is truncated or no CIFAR-10 file: 3074 bytes are no whole number of records of 3073"},
      {cifar_record(1, 'a') + cifar_record(10, 'a'),
       "E0707 t.bin: label 10 at offset 3073 is out of range: there are 10 classes"},
      {xz(cifar_record(1, 'a')).substr(0, 40), "E0704 t.bin: unexpected end of file in the xz data, after "},
  };
  for (const Case& c : cases) {
    TemporaryFolder folder;
    folder.write("t.bin", c.bytes);
    expect_error(c.error, error_of(folder, [&] { load(folder, Kind::cifar10, "t.bin", ""); }));
  }
}

TEST(FashionMnist, DebiansPackage) {
  const std::string root = "/usr/share/datasets/fashion-mnist/";
  if (!std::filesystem::exists(root + "t10k-images-idx3-ubyte.gz"))
    GTEST_SKIP() << "Debian's package dataset-fashion-mnist is not installed";
  TemporaryFolder folder;
  auto data = load(folder, Kind::idx, root + "t10k-images-idx3-ubyte.gz", root + "t10k-labels-idx1-ubyte.gz");
  EXPECT_EQ(data->count(), 10000);
  EXPECT_EQ(to_string(data->format()), "u8[1, 28, 28]");
  EXPECT_EQ(data->labels()[0], 9);
  std::vector<int> histogram(10);
  for (int64_t label : data->labels()) ++histogram[static_cast<size_t>(label)];
  EXPECT_EQ(histogram, std::vector<int>(10, 1000));
}

}  // namespace
}  // namespace netc
