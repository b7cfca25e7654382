// Safetensors: round trip, deterministic bytes, malformed headers with their messages, and that a writer
// which is killed at any moment leaves a whole file.
#include "runtime/data/safetensors.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <csignal>
#include <cstring>

#include "runtime/data/atomic_file.h"
#include "tests/data/files.h"

namespace netc {
namespace {

std::string with_header(const std::string& header, const std::string& data) {
  return little_endian(header.size(), 8) + header + data;
}

TEST(Safetensors, RoundTrip) {
  TemporaryFolder folder;
  std::vector<std::byte> data(24, std::byte{7});
  std::vector<TensorToWrite> tensors = {{"a \"quoted\" name", {DType::u8, {3}}, data.data()},
                                        {"fc.weight", {DType::f32, {2, 3}}, data.data()},
                                        {"scalar", {DType::i64, {}}, data.data()},
                                        {"nothing", {DType::f32, {0, 4}}, data.data()}};
  Metadata metadata = {{"netc.step", "12"}, {"names", "[\"é\", \"b\"]"}};
  write_safetensors(folder / "w.safetensors", tensors, metadata);
  SafetensorsFile file(folder / "w.safetensors");
  EXPECT_EQ(file.metadata(), metadata);
  ASSERT_EQ(file.entries().size(), 4u);
  for (const TensorToWrite& tensor : tensors) {
    const TensorEntry* entry = file.find(tensor.name);
    ASSERT_TRUE(entry) << tensor.name;
    EXPECT_EQ(entry->type, tensor.type);
    EXPECT_EQ(entry->begin % size_of(entry->type.dtype), 0);
    std::vector<std::byte> read(static_cast<size_t>(tensor.type.bytes()));
    file.read(*entry, read);
    EXPECT_EQ(read, std::vector<std::byte>(read.size(), std::byte{7}));
  }
  EXPECT_EQ(file.find("fc"), nullptr);
  std::string first = read_text(folder / "w.safetensors");
  write_safetensors(folder / "w.safetensors", tensors, metadata);
  EXPECT_EQ(read_text(folder / "w.safetensors"), first);
}

TEST(Safetensors, FilesOfAnotherKind) {
  TemporaryFolder folder;
  folder.write("w", std::string("\x89PNG\r\n\x1a\n\0\0\0\rIHDR", 16));
  EXPECT_EQ(error_of(folder, [&] { SafetensorsFile{folder / "w"}; }), "E0603 w is no file of weights: .safetensors, .npz and .pt are read");
}

TEST(Safetensors, MalformedFiles) {
  const std::string prefix = "E0603 w is not a valid safetensors file: ";
  const std::string tensor = R"("dtype":"F32","shape":[1],"data_offsets":[0,4])";
  struct Case {
    std::string bytes, error;
  };
  const Case cases[] = {
      {"", "it has 0 bytes, the size of the header alone takes 8"},
      {"short", "it has 5 bytes, the size of the header alone takes 8"},
      {little_endian(~uint64_t{0}, 8) + "{}",
       "its header should be 18446744073709551615 bytes at offset 8, and the file has 10"},
      {little_endian(3, 8) + "{}", "its header should be 3 bytes at offset 8, and the file has 10"},
      {with_header("[]", ""), "its header, at offset 8, does not start with {"},
      {with_header(std::string("{} \0", 4), ""), "its header, at offset 8, holds a byte 0"},
      {with_header("{\"a\"", ""), "not JSON at byte 5 of the header"},
      {with_header("{} x", ""), "not JSON at byte 4 of the header"},
      {with_header("{\"\xff\": 1}", ""), "not JSON at byte 3 of the header"},
      {with_header("{\"a\":{" + tensor + "},\"a\":{" + tensor + "}}", "abcd"),
       "the name \"a\" appears twice"},
      {with_header("{\"a\":{\"dtype\":\"F32\"," + tensor + "}}", "abcd"), "\"a\" has its dtype twice"},
      {with_header(R"({"__metadata__":{"k":"1","k":"2"}})", ""), "the metadata key \"k\" appears twice"},
      {with_header(R"({"__metadata__":{"k":1}})", ""), "unexpected a number in \"__metadata__\""},
      {with_header(R"({"__metadata__":"x"})", ""), "unexpected a string in \"__metadata__\""},
      {with_header(R"({"a":[1]})", ""), "unexpected a list in \"a\""},
      {with_header(R"({"a":{"dtype":"F32","shape":[[1]],"data_offsets":[0,4]}})", "abcd"),
       "unexpected a list in \"a\""},
      {with_header(R"({"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}})", "abcd"),
       "unexpected a negative number in \"a\""},
      {with_header(R"({"a":{"dtype":"F32","shape":[1.5],"data_offsets":[0,4]}})", "abcd"),
       "unexpected a fraction in \"a\""},
      {with_header(R"({"a":{"dtype":"F32","shape":null,"data_offsets":[0,4]}})", "abcd"),
       "unexpected null in \"a\""},
      {with_header(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"b":{}}})", "abcd"),
       "\"a\" has a field \"b\""},
      {with_header(R"({"a":{"dtype":{}}})", ""), "unexpected an object in \"a\""},
      {with_header(R"({"a":{"shape":[1],"data_offsets":[0,4]}})", "abcd"),
       "\"a\" needs a dtype, a shape and two data_offsets"},
      {with_header(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[4]}})", "abcd"),
       "\"a\" needs a dtype, a shape and two data_offsets"},
      {with_header(R"({"a":{"dtype":"F8","shape":[1],"data_offsets":[0,1]}})", "a"),
       "\"a\" has elements of type F8, which is not supported"},
      {with_header(R"({"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,4]}})", "abcd"),
       "the shape of \"a\" overflows"},
      {with_header(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}})", "abcd"),
       "\"a\" is f32[2], 8 bytes, but its offsets are 0 to 4"},
      {with_header(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}})", "abcd"),
       "\"a\" is f32[1], 4 bytes, but its offsets are 4 to 0"},
      {with_header("{\"a\":{" + tensor + "},\"b\":{" + tensor + "}}", "abcd"),
       "\"b\" starts at byte 0 of the data, expected 4 (tensors overlap)"},
      {with_header(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})", "abcdabcd"),
       "\"a\" starts at byte 4 of the data, expected 0 (there is a gap)"},
      {with_header("{\"a\":{" + tensor + "}}", "abc"),
       "its tensors are 4 bytes at offset 62, but 3 bytes are there (truncated)"},
      {with_header("{\"a\":{" + tensor + "}}", "abcde"),
       "its tensors are 4 bytes at offset 62, but 5 bytes are there"},
  };
  for (const Case& c : cases) {
    TemporaryFolder folder;
    std::string path = folder.write("w", c.bytes);
    EXPECT_EQ(error_of(folder, [&] { SafetensorsFile{path}; }), prefix + c.error);
  }
}

TEST(Safetensors, UnreadableFiles) {
  TemporaryFolder folder;
  EXPECT_EQ(error_of(folder, [&] { SafetensorsFile(folder / "w"); }),
            "E0602 cannot read w: No such file or directory");
  std::filesystem::create_directory(folder / "d");
  EXPECT_EQ(error_of(folder, [&] { SafetensorsFile(folder / "d"); }),
            "E0602 cannot read d: it is not a regular file");
}

// Damaged headers are refused or read; they never crash. (Bytes of the data are anything.)
TEST(Safetensors, EveryDamagedHeaderByteIsSafe) {
  const std::string good = with_header(
      R"({"__metadata__":{"k":"v"},"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})", "abcd");
  TemporaryFolder folder;
  for (size_t i = 0; i < good.size() - 4; ++i)
    for (int flip = 1; flip < 256; flip *= 2) {
      std::string bytes = good;
      bytes[i] = static_cast<char>(bytes[i] ^ flip);
      std::string path = folder.write("w", bytes);
      error_of(folder, [&] { SafetensorsFile{path}; });
    }
}

TEST(AtomicFile, LeavesTheOldFileUntilCommit) {
  TemporaryFolder folder;
  folder.write("w", "old");
  {
    AtomicFile file(folder / "w");
    file.write("new", 3);
    EXPECT_EQ(read_text(folder / "w"), "old");
  }
  EXPECT_EQ(read_text(folder / "w"), "old");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder.path()), {}),
            1);  // nothing is left behind
  AtomicFile file(folder / "w");
  file.write("new", 3);
  file.commit();
  EXPECT_EQ(read_text(folder / "w"), "new");
}

TEST(AtomicFile, ReplacesWhatALinkPointsTo) {
  TemporaryFolder folder;
  folder.write("real/w", "old");
  std::filesystem::create_symlink("real/w", folder / "link");
  AtomicFile file(folder / "link");
  file.write("new", 3);
  file.commit();
  EXPECT_TRUE(std::filesystem::is_symlink(folder / "link"));
  EXPECT_EQ(read_text(folder / "real/w"), "new");
}

TEST(AtomicFile, WritesWhereAChainOfLinksWillPoint) {
  TemporaryFolder folder;
  folder.write("real/other", "");
  std::filesystem::create_symlink("second", folder / "first");
  std::filesystem::create_symlink("real/w", folder / "second");
  write_file(folder / "first", "new");
  EXPECT_TRUE(std::filesystem::is_symlink(folder / "first"));
  EXPECT_TRUE(std::filesystem::is_symlink(folder / "second"));
  EXPECT_EQ(read_text(folder / "real/w"), "new");
}

// Replacing one by a regular file would destroy it for everybody.
TEST(AtomicFile, WritesPipesAndDevicesAsTheyAre) {
  TemporaryFolder folder;
  const std::string pipe = folder / "pipe", link = folder / "link";
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  std::filesystem::create_symlink("pipe", link);
  const int reader = open(pipe.c_str(), O_RDONLY | O_NONBLOCK);
  ASSERT_GE(reader, 0);
  for (const std::string& path : {pipe, link}) {
    write_file(path, "through");
    char bytes[16] = {};
    EXPECT_EQ(read(reader, bytes, sizeof bytes), 7);
    EXPECT_STREQ(bytes, "through");
    EXPECT_TRUE(std::filesystem::is_fifo(pipe));
  }
  folder.write("w", "linked");
  link_file(folder / "w", pipe);
  char bytes[16] = {};
  EXPECT_EQ(read(reader, bytes, sizeof bytes), 6);
  EXPECT_STREQ(bytes, "linked");
  EXPECT_TRUE(std::filesystem::is_fifo(pipe));
  close(reader);

  std::filesystem::create_directory(folder / "folder");
  EXPECT_EQ(error_of(folder, [&] { write_file(folder / "folder", "x"); }), "E0604 cannot write folder: cannot open it: Is a directory");
}

// As /dev/stdout in `netc emit --output /dev/stdout > FILE`: what comes before and after it stays.
TEST(AtomicFile, WritesIntoTheProcesssOwnOutput) {
  TemporaryFolder folder;
  const std::string path = folder / "out";
  const pid_t child = fork();
  if (child == 0) {
    const int file = open(path.c_str(), O_WRONLY | O_CREAT, 0600);
    dup2(file, STDOUT_FILENO);
    std::filesystem::create_symlink("/proc/self/fd/1", folder / "stdout");
    bool written = write(STDOUT_FILENO, "before ", 7) == 7;
    write_file(folder / "stdout", "middle ");
    written = written && write(STDOUT_FILENO, "after", 5) == 5;
    _exit(written ? 0 : 1);
  }
  int status = 1;
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(read_text(path), "before middle after");
}

// Process ids say nothing about other containers and machines: names do not depend on them, and locks tell who still writes.
TEST(AtomicFile, TakesNoNoticeOfProcessIds) {
  TemporaryFolder folder;
  for (int serial = 0; serial < 200; ++serial) folder.write("w.tmp-" + std::to_string(getpid()) + "-" + std::to_string(serial), "");
  write_file(folder / "w", "new");
  EXPECT_EQ(read_text(folder / "w"), "new");
}

TEST(AtomicFile, RemovesWhatNobodyWritesAnyMore) {
  TemporaryFolder folder;
  const std::string abandoned = folder.write("w.tmp-0123456789abcdef", ""), others = folder.write("w.tmp-notes", "");
  AtomicFile first(folder / "w");
  EXPECT_FALSE(std::filesystem::exists(abandoned));
  EXPECT_TRUE(std::filesystem::exists(others));
  first.write("first", 5);
  write_file(folder / "w", "second");  // meanwhile
  EXPECT_EQ(read_text(folder / "w"), "second");
  first.commit();
  EXPECT_EQ(read_text(folder / "w"), "first");
}

TEST(AtomicFile, SaysWhyItCannotWrite) {
  TemporaryFolder folder;
  EXPECT_EQ(error_of(folder, [&] { AtomicFile(folder / "none/w"); }),
            "E0604 cannot write none/w: cannot create a file beside it: No such file or directory");
}

// A process that writes without end is killed at many moments. The file is always one of the two whole
// ones, and the next writer removes what the killed one left.
TEST(AtomicFile, SurvivesSigkill) {
  TemporaryFolder folder;
  const std::string path = folder / "w.safetensors";
  std::vector<std::byte> zeros(1 << 20), ones(1 << 20, std::byte{1});
  auto write = [&](const std::vector<std::byte>& data) {
    write_safetensors(path, {{"x", {DType::u8, {static_cast<int64_t>(data.size())}}, data.data()}}, {});
  };
  write(zeros);
  for (int round = 0; round < 20; ++round) {
    pid_t child = fork();
    if (child == 0) {
      for (;;) {
        write(ones);
        write(zeros);
      }
    }
    usleep(static_cast<useconds_t>(1000 + 700 * round));
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
    SafetensorsFile file(path);
    std::vector<std::byte> data(zeros.size());
    file.read(file.entries().at(0), data);
    EXPECT_TRUE(data == zeros || data == ones);
  }
  write(zeros);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder.path()), {}), 1);
}

}  // namespace
}  // namespace netc
