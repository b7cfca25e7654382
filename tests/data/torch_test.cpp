// PyTorch's files: what torch.save wrote (scripts/fixtures/make_weight_fixtures.py), round trips, and hostile pickles.
#include "runtime/data/torch_file.h"

#include <gtest/gtest.h>

#include <cstring>

#include "runtime/data/npz.h"
#include "runtime/data/safetensors.h"
#include "tests/data/files.h"

namespace netc {
namespace {

std::string fixture(const std::string& name) { return std::string(NETC_TEST_DIR) + "/data/fixtures/" + name; }

template <class T>
std::vector<T> read_as(const TensorFile& file, const std::string& name) {
  const TensorEntry* entry = file.find(name);
  EXPECT_TRUE(entry) << name;
  if (!entry) return {};
  std::vector<std::byte> bytes(static_cast<size_t>(entry->type.bytes()));
  file.read(*entry, bytes);
  std::vector<T> values(bytes.size() / sizeof(T));
  if (!bytes.empty()) std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

std::string type_of(const TensorFile& file, const std::string& name) {
  const TensorEntry* entry = file.find(name);
  return entry ? to_string(entry->type) : "none";
}

TEST(TorchFile, StateDictOfAModule) {
  const std::unique_ptr<TensorFile> file = open_tensor_file(fixture("module.pt"));
  EXPECT_STREQ(file->format(), "pt");
  ASSERT_EQ(file->entries().size(), 7u);
  EXPECT_EQ(file->entries()[0].name, "0.weight");
  EXPECT_EQ(type_of(*file, "0.weight"), "f32[3, 2, 1, 1]");
  EXPECT_EQ(read_as<float>(*file, "0.weight"), (std::vector<float>{0, 1, 2, 3, 4, 5}));
  EXPECT_EQ(read_as<float>(*file, "1.bias"), (std::vector<float>{3, 4, 5}));
  EXPECT_EQ(type_of(*file, "1.num_batches_tracked"), "i64[]");
}

TEST(TorchFile, TensorsOfEveryKind) {
  const std::unique_ptr<TensorFile> file = open_tensor_file(fixture("checkpoint.pt"));
  const std::string in = "state_dict.";
  std::vector<float> base(24), transposed;
  for (size_t i = 0; i < 24; ++i) base[i] = static_cast<float>(i);
  for (size_t column = 0; column < 6; ++column)
    for (size_t row = 0; row < 4; ++row) transposed.push_back(base[row * 6 + column]);
  EXPECT_EQ(read_as<float>(*file, in + "shared"), base);
  EXPECT_EQ(type_of(*file, in + "transposed"), "f32[6, 4]");
  EXPECT_EQ(read_as<float>(*file, in + "transposed"), transposed);
  EXPECT_EQ(read_as<float>(*file, in + "slice"), (std::vector<float>{8, 9, 10, 14, 15, 16}));
  EXPECT_EQ(read_as<float>(*file, in + "scalar"), (std::vector<float>{2.5}));
  EXPECT_EQ(type_of(*file, in + "empty"), "f32[0, 3]");
  EXPECT_EQ(read_as<float>(*file, in + "empty").size(), 0u);
  EXPECT_EQ(read_as<float>(*file, in + "parameter"), (std::vector<float>{0, 1, 2, 3, 4, 5}));
  EXPECT_EQ(read_as<uint16_t>(*file, in + "half"), (std::vector<uint16_t>{0, 0x3c00, 0x4000}));
  EXPECT_EQ(read_as<uint16_t>(*file, in + "bfloat16"), (std::vector<uint16_t>{0, 0x3f80, 0x4000}));
  EXPECT_EQ(type_of(*file, in + "double"), "f32[3]");
  EXPECT_EQ(read_as<float>(*file, in + "double"), (std::vector<float>{0, 1, 2}));
  EXPECT_EQ(read_as<int64_t>(*file, in + "int64"), (std::vector<int64_t>{1, -2}));
  EXPECT_EQ(read_as<int32_t>(*file, in + "int32"), (std::vector<int32_t>{1, -2}));
  EXPECT_EQ(read_as<int32_t>(*file, in + "int16"), (std::vector<int32_t>{1, -2}));
  EXPECT_EQ(read_as<int32_t>(*file, in + "int8"), (std::vector<int32_t>{1, -2}));
  EXPECT_EQ(read_as<uint8_t>(*file, in + "uint8"), (std::vector<uint8_t>{1, 254}));
  EXPECT_EQ(read_as<uint8_t>(*file, in + "bool"), (std::vector<uint8_t>{1, 0}));
  EXPECT_EQ(read_as<float>(*file, "optimizer.state.0.momentum_buffer"), (std::vector<float>{0, 1}));
  EXPECT_EQ(file->entries().size(), 16u);  // and none of what is no tensor
  EXPECT_EQ(read_as<float>(*open_tensor_file(fixture("protocol4.pt")), "w"), (std::vector<float>{0, 1}));
}

TEST(TorchFile, WhatIsNoStateDictIsRefused) {
  TemporaryFolder folder;
  for (const char* name : {"whole_module.pt", "legacy.pt"}) std::filesystem::copy(fixture(name), folder / name);
  EXPECT_EQ(error_of(folder, [&] { open_tensor_file(folder / "whole_module.pt"); }),
            "E0607 whole_module.pt is not read: GLOBAL at byte 2 of its pickle names torch.nn.modules.container.Sequential, which "
            "is no part of a state dict; nothing of a file is executed");
  EXPECT_EQ(error_of(folder, [&] { open_tensor_file(folder / "legacy.pt"); }),
            "E0607 legacy.pt is a pickle of another kind than PyTorch's zip files | fix: load it with PyTorch, then "
            "torch.save(model.state_dict(), path)");
}

// Every format gives every tensor back, and what netc writes it reads; bytes are the same each time.
TEST(TensorFile, RoundTripsThroughEveryFormat) {
  TemporaryFolder folder;
  std::vector<std::byte> data(48);
  for (size_t i = 0; i < data.size(); ++i) data[i] = static_cast<std::byte>(3 * i + 1);
  const std::vector<TensorToWrite> tensors = {{"a.weight", {DType::f32, {2, 3, 2}}, data.data()}, {"é", {DType::u8, {3}}, data.data() + 1},
                                              {"n", {DType::i64, {}}, data.data()},            {"h", {DType::f16, {2}}, data.data()},
                                              {"i", {DType::i32, {4}}, data.data()},           {"none", {DType::f32, {0, 2}}, data.data()}};
  for (const std::string& name : {std::string("w.pt"), std::string("w.npz"), std::string("w.safetensors")}) {
    const auto write = [&] {
      if (name == "w.pt") write_torch(folder / name, tensors);
      else if (name == "w.npz") write_npz(folder / name, tensors);
      else write_safetensors(folder / name, tensors, {});
      return read_text(folder / name);
    };
    EXPECT_EQ(write(), write()) << name;
    const std::unique_ptr<TensorFile> file = open_tensor_file(folder / name);
    EXPECT_EQ(name, "w." + std::string(file->format()));
    ASSERT_EQ(file->entries().size(), tensors.size());
    for (const TensorToWrite& tensor : tensors) {
      EXPECT_EQ(type_of(*file, tensor.name), to_string(tensor.type));
      const std::vector<std::byte> expected(tensor.data, tensor.data + tensor.type.bytes());
      EXPECT_EQ(read_as<std::byte>(*file, tensor.name), expected) << name << " " << tensor.name;
    }
  }
  EXPECT_EQ(error_of(folder, [&] { write_npz(folder / "b.npz", {{"b", {DType::bf16, {2}}, data.data()}}); }),
            "E0708 b.npz: NumPy has no bf16, the type of b | fix: write .safetensors or .pt");
  EXPECT_EQ(read_as<float>(*open_tensor_file(fixture("arrays.npz")), "fc.weight"), (std::vector<float>{0, 1, 2, 3, 4, 5}));
}

// A pickle in an archive with one storage of 16 bytes.
std::string pickled(const TemporaryFolder& folder, const std::string& pickle) {
  const auto bytes = [](const std::string& text) {
    const auto* begin = reinterpret_cast<const std::byte*>(text.data());
    return std::vector<std::byte>(begin, begin + text.size());
  };
  write_zip(folder / "x.pt", {{"x/data.pkl", bytes(pickle)}, {"x/data/0", bytes(std::string(16, '\0'))}});
  return folder / "x.pt";
}

std::string text(const std::string& value) { return "X" + little_endian(value.size(), 4) + value; }
std::string number(uint8_t value) { return std::string("K") + static_cast<char>(value); }
std::string storage(const std::string& elements) { return "(" + text("storage") + "ctorch\nFloatStorage\n" + text("0") + text("cpu") + elements + "tQ"; }
std::string tensor(const std::string& of, const std::string& offset, const std::string& shape, const std::string& strides) {
  return "ctorch._utils\n_rebuild_tensor_v2\n(" + of + offset + shape + strides + "\x89NtR";
}
std::string dict_of(const std::string& value) { return "\x80\x02}" + text("w") + value + "s."; }

TEST(TorchFile, HostilePickles) {
  const std::string four = storage(number(4)), refused = ", which is no part of a state dict; nothing of a file is executed";
  const std::string huge = std::string("\x8a\x08", 2) + little_endian(uint64_t{1} << 62, 8);
  const auto pickle_error = [](const std::string& what) { return "E0607 x.pt is not read: " + what; };
  const auto tensor_error = [](const std::string& what) { return "E0607 x.pt is not read: `w` " + what; };
  struct Case {
    std::string pickle, error;
  };
  const Case cases[] = {
      {dict_of("cos\nsystem\n(" + text("true") + "tR"), pickle_error("GLOBAL at byte 9 of its pickle names os.system" + refused)},
      {dict_of(text("builtins") + text("eval") + "\x93"), pickle_error("STACK_GLOBAL at byte 31 of its pickle names builtins.eval" + refused)},
      {dict_of("cnumpy.core.multiarray\nscalar\n"), pickle_error("GLOBAL at byte 9 of its pickle names numpy.core.multiarray.scalar" + refused)},
      {dict_of("(ios\nsystem\n"), pickle_error("INST at byte 10 of its pickle is no instruction of a state dict; nothing of a file is executed")},
      {dict_of(")\x81"), pickle_error("NEWOBJ at byte 10 of its pickle is no instruction of a state dict; nothing of a file is executed")},
      {dict_of("\xff"), pickle_error("0xff at byte 9 of its pickle is no instruction of a state dict; nothing of a file is executed")},
      {dict_of("ctorch\nFloatStorage\n)R"), pickle_error("REDUCE at byte 30 of its pickle calls torch.FloatStorage")},
      {dict_of("ccollections\nOrderedDict\n(" + number(1) + "tR"), pickle_error("REDUCE at byte 38 of its pickle makes an OrderedDict of arguments")},
      {dict_of(number(1) + ")R"), pickle_error("REDUCE at byte 12 of its pickle calls an int")},
      {dict_of(number(1) + "}b"), pickle_error("BUILD at byte 12 of its pickle expects an object that is a dict, got an int")},
      {dict_of(std::string("\x8a\x09", 2) + std::string(9, '\1')), pickle_error("LONG1 at byte 9 of its pickle has an int of more than 64 bits")},
      {dict_of(number(1) + "Q"), pickle_error("BINPERSID at byte 11 of its pickle expects a storage's tuple, got an int")},
      {dict_of("(" + text("os") + "tQ"), pickle_error("BINPERSID at byte 18 of its pickle expects ('storage', type, key, place, elements)")},
      {dict_of("h\5"), pickle_error("BINGET at byte 9 of its pickle asks for memo 5, which is not there")},
      {"", "E0607 x.pt is not read: its pickle ends without STOP"},
      {"\x80\x02", "E0607 x.pt is not read: its pickle ends without STOP"},
      {"\x80\x02.", pickle_error("STOP at byte 2 of its pickle finds nothing on the stack")},
      {"\x80\x02}.x", pickle_error("STOP at byte 3 of its pickle is followed by 1 bytes")},
      {"\x80\x01}.", pickle_error("PROTO at byte 0 of its pickle says version 1; 2 to 5 are read")},
      {"\x80\x02X\xff\xff\xff\x7fz", pickle_error("BINUNICODE at byte 2 of its pickle needs 2147483647 bytes, and 1 are left")},
      {"\x80\x02u.", pickle_error("SETITEMS at byte 2 of its pickle finds no mark")},
      {"\x80\x02}(" + text("w") + "u.", pickle_error("SETITEMS at byte 10 of its pickle has a key without a value")},
      {"\x80\x02].", "E0607 x.pt is no state dict: its pickle is not a dict of tensors | fix: torch.save(model.state_dict(), path)"},
      // A dict in itself, and one whose entries double at every level.
      {"\x80\x02}q\1" + text("w") + "h\1s.", "E0607 x.pt is not read: the dict `w` contains itself"},
      {dict_of(tensor(four, number(0), "(t", "(t") + "s" + text("w") + tensor(four, number(0), "(t", "(t")), tensor_error("is there twice")},
      // Storages and tensors that lie about their extents.
      {dict_of(tensor(storage(number(5)), number(0), "(t", "(t")), tensor_error("says that storage 0 is 5 elements, and it has 16 bytes")},
      {dict_of(tensor(storage(huge), number(0), "(t", "(t")), tensor_error("says that storage 0 is 4611686018427387904 elements, and it has 16 bytes")},
      {dict_of(tensor(four, number(4), "(t", "(t")), tensor_error("with shape [], strides [] and offset 4 exceeds its storage of 4 elements")},
      {dict_of(tensor(four, huge, "(t", "(t")), tensor_error("with shape [], strides [] and offset 4611686018427387904 exceeds its storage of 4 elements")},
      {dict_of(tensor(four, number(1), "(" + number(2) + number(2) + "t", "(" + number(2) + number(1) + "t")),
       tensor_error("with shape [2, 2], strides [2, 1] and offset 1 exceeds its storage of 4 elements")},
      {dict_of(tensor(four, number(0), "(" + huge + huge + "t", "(" + number(0) + number(0) + "t")),
       tensor_error("with shape [4611686018427387904, 4611686018427387904], strides [0, 0] and offset 0 exceeds its storage of 4 elements")},
      {dict_of(tensor(four, number(0), "(" + number(200) + "t", "(" + number(0) + "t")),
       tensor_error("with shape [200], strides [0] and offset 0 exceeds its storage of 4 elements")},
      {dict_of(tensor(four, number(3), "(" + number(2) + "t", "(J\xff\xff\xff\xfft")),
       tensor_error("with shape [2], strides [-1] and offset 3 exceeds its storage of 4 elements")},
      {dict_of(tensor(four, number(0), "(" + number(2) + "t", "(t")),
       pickle_error("REDUCE at byte 105 of its pickle has another number of strides than of extents")},
  };
  for (const Case& c : cases) {
    TemporaryFolder folder;
    const std::string path = pickled(folder, c.pickle);
    EXPECT_EQ(error_of(folder, [&] { TorchFile{path}; }), c.error);
  }
}

// Dicts that double at every level are a few hundred bytes; looking at all of their entries would never end.
TEST(TorchFile, NoMoreWorkThanEntries) {
  TemporaryFolder folder;
  std::string pickle = "\x80\x02}q" + std::string(1, '\0');
  for (char level = 1; level < 90; ++level) {
    const std::string below = std::string("h") + static_cast<char>(level - 1);
    pickle += std::string("}(") + text("a") + below + text("b") + below + "uq" + level;
  }
  EXPECT_EQ(error_of(folder, [&] { TorchFile{pickled(folder, pickle + ".")}; }), "E0709 x.pt has more than 1000000 entries");
  std::string deep = "\x80\x02}q" + std::string(1, '\0');
  for (int level = 1; level < 200; ++level)
    deep += std::string("}(") + text("a") + "h" + static_cast<char>(level - 1) + "uq" + static_cast<char>(level);
  EXPECT_EQ(error_of(folder, [&] { TorchFile{pickled(folder, deep + ".")}; }), "E0709 x.pt has dicts within dicts, deeper than 100");
}

// A file that is cut anywhere, or has any bit of its pickle or directory flipped, is refused or read; nothing crashes.
TEST(TorchFile, EveryDamagedByteIsSafe) {
  TemporaryFolder folder;
  const std::string good = read_text(fixture("protocol4.pt"));
  const auto read_all = [&](const std::string& bytes) {
    const std::string path = folder.write("x.pt", bytes);
    return error_of(folder, [&] {
      const std::unique_ptr<TensorFile> file = open_tensor_file(path);
      for (const TensorEntry& entry : file->entries()) {
        std::vector<std::byte> bytes_of(static_cast<size_t>(entry.type.bytes()));
        file->read(entry, bytes_of);
      }
    });
  };
  EXPECT_EQ(read_all(good), "");
  for (size_t length = 0; length < good.size(); length += 13) EXPECT_NE(read_all(good.substr(0, length)), "") << length;
  for (size_t i = 0; i < good.size(); i += 2) {
    std::string bytes = good;
    bytes[i] = static_cast<char>(bytes[i] ^ (1 << (i % 7)));
    read_all(bytes);
  }
}

}  // namespace
}  // namespace netc
