// .npy and .npz: round trips, every element type, and malformed files with their messages.
#include "runtime/data/npy.h"

#include <gtest/gtest.h>

#include <cstring>

#include "runtime/data/dataset.h"
#include "tests/data/files.h"

namespace netc {
namespace {

std::string npy(const std::string& header, const std::string& data) {
  return std::string("\x93NUMPY\x01\x00", 8) + little_endian(header.size(), 2) + header + data;
}
std::string npy(const std::string& descr, const std::string& shape, const std::string& data) {
  return npy("{'descr': '" + descr + "', 'fortran_order': False, 'shape': " + shape + ", }\n", data);
}

template <class T>
std::string raw(std::initializer_list<T> values) {
  return {reinterpret_cast<const char*>(values.begin()), values.size() * sizeof(T)};
}

template <class T>
std::vector<T> elements(const Array& array) {
  std::vector<T> values(array.bytes.size() / sizeof(T));
  std::memcpy(values.data(), array.bytes.data(), array.bytes.size());
  return values;
}

TEST(Npy, WritesWhatItReads) {
  TemporaryFolder folder;
  for (const Shape& shape : {Shape{}, Shape{3}, Shape{2, 3}, Shape{1, 2, 3, 4}, Shape{0, 4}}) {
    Array array{{DType::f32, shape}, {}};
    for (int64_t i = 0; i < array.type.bytes(); ++i) array.bytes.push_back(static_cast<std::byte>(i));
    write_npy(folder / "x.npy", array);
    EXPECT_EQ(read_text(folder / "x.npy").size() % 64, static_cast<size_t>(array.type.bytes()) % 64);
    Array back = read_npy(folder / "x.npy");
    EXPECT_EQ(back.type, array.type);
    EXPECT_EQ(back.bytes, array.bytes);
  }
}

TEST(Npy, ElementTypes) {
  TemporaryFolder folder;
  auto read = [&](const std::string& bytes) { return read_npy(folder.write("x.npy", bytes)); };
  EXPECT_EQ(elements<float>(read(npy("<f8", "(2,)", raw<double>({0.5, -3})))),
            (std::vector<float>{0.5f, -3}));
  EXPECT_EQ(elements<int32_t>(read(npy("|i1", "(2,)", raw<int8_t>({-1, 3})))), (std::vector<int32_t>{-1, 3}));
  EXPECT_EQ(elements<int32_t>(read(npy("<i2", "(2,)", raw<int16_t>({-300, 3})))),
            (std::vector<int32_t>{-300, 3}));
  EXPECT_EQ(elements<int64_t>(read(npy("<i8", "()", raw<int64_t>({7})))), (std::vector<int64_t>{7}));
  EXPECT_EQ(read(npy("|b1", "(2,)", "\1\1")).type.dtype, DType::u8);
  EXPECT_EQ(
      read(npy("{\"shape\": (2, 1), \"descr\": \"<i4\", \"fortran_order\": False}", "12345678")).type.shape,
      (Shape{2, 1}));
}

TEST(Npy, MalformedFiles) {
  struct Case {
    std::string bytes, error;
  };
  const Case cases[] = {
      {"", "E0703 x.npy is not a .npy file: it does not start with \\x93NUMPY"},
      {"PK\3\4 something else", "E0703 x.npy is not a .npy file: it does not start with \\x93NUMPY"},
      {std::string("\x93NUMPY\x04\x00\x01\x00 ", 11),
       "E0708 x.npy is a .npy file of version 4; 1 to 3 are read"},
      {std::string("\x93NUMPY\x01\x00\xff\xff{", 11),
       "E0704 x.npy is truncated: its header should be 65535 bytes at offset 10 of 11"},
      {npy("hello", ""), "E0703 x.npy: the .npy header is not understood at character 0: expected '{'"},
      {npy("{'descr': [('a', '<f4')]}", ""),
       "E0703 x.npy: the .npy header is not understood at character 10: expected a string"},
      {npy("{'descr': '<f4', 'shape': (2,)}", ""),
       "E0703 x.npy: the .npy header is not understood at character 31: a key is missing"},
      {npy("{'descr': '<f4', 'descr': '<f4'}", ""),
       "E0703 x.npy: the .npy header is not understood at character 25: an unexpected key 'descr'"},
      {npy("<f4", "(-2,)", ""),
       "E0703 x.npy: the .npy header is not understood at character 51: expected an extent"},
      {npy("<f4", "(99999999999999999999,)", ""),
       "E0703 x.npy: the .npy header is not understood at character 51: expected an extent"},
      {npy("<f4", "(4294967296, 4294967296)", "abcd"),
       "E0703 x.npy: the shape [4294967296, 4294967296] overflows"},
      {npy("<f4", "(1000000000000,)", "abcd"),
       "E0704 x.npy is truncated: [1000000000000] of '<f4' is 4000000000000 bytes at offset 80, but 4 are "
       "there"},
      {npy("<f4", "(1,)", "abcde"),
       "E0705 x.npy has trailing bytes: [1] of '<f4' is 4 bytes at offset 68, but 5 are there"},
      {npy(">f4", "(1,)", "abcd"),
       "E0708 x.npy has elements of type '>f4', which is not supported | fix: numpy.save(path, "
       "x.astype(\"float32\"))"},
      {npy("{'descr': '<f4', 'fortran_order': True, 'shape': (1, 1)}", "abcd"),
       "E0708 x.npy is in Fortran order, which is not supported | fix: numpy.save(path, "
       "numpy.ascontiguousarray(x))"},
  };
  for (const Case& c : cases) {
    TemporaryFolder folder;
    std::string path = folder.write("x.npy", c.bytes);
    EXPECT_EQ(error_of(folder, [&] { read_npy(path); }), c.error);
  }
}

// A zip archive of one member, as numpy.savez and savez_compressed write it.
std::string zip(const std::string& name, const std::string& plain, bool compress) {
  std::string packed = compress ? deflate_text(plain, -15) : plain;
  auto crc = static_cast<uint32_t>(
      crc32(0, reinterpret_cast<const Bytef*>(plain.data()), static_cast<uInt>(plain.size())));
  std::string common = little_endian(0, 2) + little_endian(compress ? 8 : 0, 2) + little_endian(0, 4) +
                       little_endian(crc, 4) + little_endian(packed.size(), 4) +
                       little_endian(plain.size(), 4) + little_endian(name.size(), 2) + little_endian(0, 2);
  std::string local = "PK\3\4" + little_endian(20, 2) + common + name + packed;
  std::string central =
      "PK\1\2" + little_endian(20, 2) + little_endian(20, 2) + common + little_endian(0, 14) + name;
  return local + central + "PK\5\6" + little_endian(0, 4) + little_endian(1, 2) + little_endian(1, 2) +
         little_endian(central.size(), 4) + little_endian(local.size(), 4) + little_endian(0, 2);
}

TEST(Npz, StoredAndDeflated) {
  TemporaryFolder folder;
  std::string array = npy("<f4", "(2,)", raw<float>({1, 2}));
  for (bool compress : {false, true}) {
    std::map<std::string, Array> arrays =
        read_npz(folder.write("x.npz", zip("weights.npy", array, compress)));
    ASSERT_EQ(arrays.size(), 1u);
    EXPECT_EQ(elements<float>(arrays.at("weights")), (std::vector<float>{1, 2}));
  }
}

TEST(Npz, MalformedFiles) {
  const std::string array = npy("<f4", "(2,)", raw<float>({1, 2}));
  const std::string good = zip("w.npy", array, true), stored = zip("w.npy", array, false);
  const size_t central = good.find("PK\1\2"), end = good.find("PK\5\6"), data = 30 + 5;
  // The archive with bytes replaced: {position, value}, …
  const auto damaged = [](std::string bytes, const std::vector<std::pair<size_t, char>>& changes) {
    for (const auto& [position, value] : changes) bytes[position] = value;
    return bytes;
  };
  // The same field of the local header and of the directory, which must agree.
  const auto both = [&](size_t local, char value) { return damaged(good, {{local, value}, {central + local + 2, value}}); };
  const std::string no_zip = "E0703 x.npz is not a readable zip archive: ";
  struct Case {
    std::string bytes, error;
  };
  const Case cases[] = {
      {"", no_zip},
      {good.substr(0, good.size() - 1), no_zip},
      {damaged(good, {{end + 18, 'x'}}), no_zip},
      {damaged(good, {{end + 16, 0}}), no_zip},
      {damaged(good, {{0, 'Q'}}), no_zip},
      {damaged(good, {{central + 24, 'x'}}), no_zip},
      {both(8, 12), "E0708 x.npz:w is packed by method 12; stored and deflated members are read"},
      {both(6, 1), "E0708 x.npz:w is encrypted"},
      {both(14, 'x'), "E0704 x.npz:w is corrupt: its checksum differs"},
      {damaged(stored, {{data + 20, 'x'}}), "E0704 x.npz:w is corrupt: its checksum differs"},
      {damaged(good, {{data, 'x'}}), "E0704 x.npz:w is corrupt: Zlib error: data error"},
      {both(25, 0x7f), "E0703 x.npz is not a readable zip archive: an impossible size of w.npy"},
      {zip("w.npy", "text", false), "E0703 x.npz:w is not a .npy file: it does not start with \\x93NUMPY"},
  };
  for (const Case& c : cases) {
    TemporaryFolder folder;
    std::string path = folder.write("x.npz", c.bytes);
    const std::string error = error_of(folder, [&] { read_npz(path); });
    EXPECT_EQ(error.substr(0, c.error.size()), c.error) << error << " in case " << &c - cases;
  }
}

TEST(NumpyDataset, ImagesAndLabels) {
  TemporaryFolder folder;
  folder.write("x.npy", npy("<f4", "(2, 1, 2)", raw<float>({1, 2, 3, 4})));
  folder.write("y.npy", npy("<i4", "(2,)", raw<int32_t>({1, 0})));
  SerialExecutor executor;
  auto load = [&](const std::string& images, const std::string& labels, LoadOptions options = {}) {
    return load_dataset({DataSourceSpec::Kind::numpy, images, labels, folder.path()}, options, executor);
  };
  auto data = load("x.npy", "y.npy");
  EXPECT_EQ(to_string(data->format()), "f32[1, 1, 2]");
  float pixels[2];
  data->copy_image(1, reinterpret_cast<std::byte*>(pixels));
  EXPECT_EQ(pixels[1], 4);
  EXPECT_EQ(data->labels()[0], 1);
  EXPECT_EQ(
      to_string(load("x.npy", "y.npy", {"train", 3, 0, {{PreprocessSpec::Kind::resize, 4, 4}}})->format()),
      "f32[3, 4, 4]");

  EXPECT_EQ(error_of(folder, [&] { load("x.npy", ""); }),
            "E0701 numpy(\"x.npy\") names no labels | fix: numpy(\"x.npy\", \"labels.npy\"), or an .npz with "
            "`images` and `labels`");
  EXPECT_EQ(error_of(folder, [&] { load("y.npy", "y.npy"); }),
            "E0708 y.npy is i32[2]; images are u8 or f32 [N, C, H, W] or [N, H, W]");
  EXPECT_EQ(error_of(folder, [&] { load("x.npy", "x.npy"); }),
            "E0708 x.npy is f32[2, 1, 2]; labels are integers [N]");
  EXPECT_EQ(error_of(folder,
                     [&] {
                       load("x.npy", "y.npy", {"train", 0, 1, {}});
                     }),
            "E0707 y.npy: label 1 of sample 0 is out of range: there are 1 classes");
  EXPECT_EQ(error_of(folder,
                     [&] {
                       load("x.npy", "y.npy", {"train", 2, 0, {}});
                     }),
            "E0710 x.npy has 1 channels, the network takes 2");
  folder.write("z.npz", zip("images.npy", read_text(folder / "x.npy"), true));
  EXPECT_EQ(error_of(folder, [&] { load("z.npz", ""); }),
            "E0706 z.npz has no array \"labels\"; it has: images");
}

}  // namespace
}  // namespace netc
