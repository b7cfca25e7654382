#include "runtime/data/byte_source.h"

#include <fcntl.h>
#include <lzma.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "compiler/base/error.h"

namespace netc {
namespace {

constexpr size_t kChunk = size_t{1} << 18;
constexpr int64_t kGrowth = int64_t{16} << 20;  // take() asks for no more memory at a time
constexpr uint64_t kXzMemory = uint64_t{1} << 30;

[[noreturn]] void cannot_read(const std::string& path, const std::string& why) {
  throw RuntimeError("E0702", "cannot read " + path + ": " + why);
}

}  // namespace

// Turns compressed bytes from `source` into plain ones.
struct ByteSource::Decoder {
  explicit Decoder(ByteSource& s) : source(s), input(kChunk) {}
  virtual ~Decoder() = default;
  virtual size_t read(std::byte* to, size_t count) = 0;  // fewer than `count` only at the end

  [[noreturn]] void corrupt(const char* format, const std::string& why, size_t produced) const {
    throw RuntimeError("E0704", source.path_ + ": " + why + " in the " + format + " data, after " +
                                    std::to_string(source.offset_ + static_cast<int64_t>(produced)) +
                                    " bytes of decompressed data");
  }

  ByteSource& source;
  std::vector<std::byte> input;
  bool input_ended = false;
};

struct ByteSource::GzipDecoder final : Decoder {
  explicit GzipDecoder(ByteSource& s) : Decoder(s) {
    NETC_CHECK(inflateInit2(&stream, 15 + 16) == Z_OK, "zlib");
  }
  ~GzipDecoder() override { inflateEnd(&stream); }

  bool refill() {
    if (stream.avail_in == 0 && !input_ended) {
      size_t got = source.read_raw(input.data(), input.size());
      input_ended = got < input.size();
      stream.next_in = reinterpret_cast<Bytef*>(input.data());
      stream.avail_in = static_cast<uInt>(got);
    }
    return stream.avail_in != 0;
  }

  size_t read(std::byte* to, size_t count) override {
    stream.next_out = reinterpret_cast<Bytef*>(to);
    stream.avail_out = static_cast<uInt>(count);
    while (stream.avail_out != 0) {
      bool more = refill();
      if (between_members) {
        if (!more) break;
        inflateReset(&stream);
        between_members = false;
      }
      if (!more) corrupt("gzip", "unexpected end of file", count - stream.avail_out);
      int status = inflate(&stream, Z_NO_FLUSH);
      if (status == Z_STREAM_END) {
        between_members = true;
      } else if (status != Z_OK && status != Z_BUF_ERROR) {
        corrupt("gzip", stream.msg ? stream.msg : "an error", count - stream.avail_out);
      }
    }
    return count - stream.avail_out;
  }

  z_stream stream{};
  bool between_members = false;
};

struct ByteSource::XzDecoder final : Decoder {
  explicit XzDecoder(ByteSource& s) : Decoder(s) {
    NETC_CHECK(lzma_stream_decoder(&stream, kXzMemory, LZMA_CONCATENATED) == LZMA_OK, "liblzma");
  }
  ~XzDecoder() override { lzma_end(&stream); }

  size_t read(std::byte* to, size_t count) override {
    stream.next_out = reinterpret_cast<uint8_t*>(to);
    stream.avail_out = count;
    while (stream.avail_out != 0 && !ended) {
      if (stream.avail_in == 0 && !input_ended) {
        stream.avail_in = source.read_raw(input.data(), input.size());
        stream.next_in = reinterpret_cast<const uint8_t*>(input.data());
        input_ended = stream.avail_in < input.size();
      }
      switch (lzma_code(&stream, input_ended ? LZMA_FINISH : LZMA_RUN)) {
        case LZMA_OK:
          break;
        case LZMA_STREAM_END:
          ended = true;
          break;
        case LZMA_BUF_ERROR:
          corrupt("xz", "unexpected end of file", count - stream.avail_out);
        case LZMA_MEMLIMIT_ERROR:
          corrupt("xz", "a dictionary of more than 1 GiB", count - stream.avail_out);
        default:
          corrupt("xz", "an error", count - stream.avail_out);  // an open set of liblzma's
      }
    }
    return count - stream.avail_out;
  }

  lzma_stream stream = LZMA_STREAM_INIT;
  bool ended = false;
};

ByteSource::ByteSource(const std::string& path) : path_(path) {
  descriptor_ = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);  // a FIFO must not block the open
  if (descriptor_ < 0) cannot_read(path, std::strerror(errno));
  struct stat info {};
  if (fstat(descriptor_, &info) != 0 || !S_ISREG(info.st_mode)) {
    close(descriptor_);
    cannot_read(path, S_ISDIR(info.st_mode) ? "it is a folder" : "it is not a regular file");
  }
  file_bytes_ = info.st_size;
  std::array<unsigned char, 6> head{};
  ssize_t got = pread(descriptor_, head.data(), head.size(), 0);
  constexpr std::array<unsigned char, 6> kXz = {0xfd, '7', 'z', 'X', 'Z', 0};
  if (got >= 2 && head[0] == 0x1f && head[1] == 0x8b) decoder_ = std::make_unique<GzipDecoder>(*this);
  if (got == 6 && head == kXz) decoder_ = std::make_unique<XzDecoder>(*this);
}

ByteSource::~ByteSource() {
  if (descriptor_ >= 0) close(descriptor_);
}

size_t ByteSource::read_raw(std::byte* to, size_t count) {
  size_t done = 0;
  while (done < count) {
    ssize_t got = ::read(descriptor_, to + done, count - done);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) cannot_read(path_, std::strerror(errno));
    if (got == 0) break;
    done += static_cast<size_t>(got);
  }
  return done;
}

size_t ByteSource::read(std::span<std::byte> to) {
  size_t done = 0;
  while (done < to.size()) {  // zlib counts in 32 bits
    size_t count = std::min(to.size() - done, size_t{1} << 30);
    size_t got = decoder_ ? decoder_->read(to.data() + done, count) : read_raw(to.data() + done, count);
    done += got;
    offset_ += static_cast<int64_t>(got);
    if (got < count) break;
  }
  return done;
}

void ByteSource::truncated(const std::string& what, int64_t wanted, int64_t got) const {
  throw RuntimeError("E0704", path_ + " is truncated: " + what + " should be " + std::to_string(wanted) +
                                  " bytes at offset " + std::to_string(offset_ - got) + ", but only " +
                                  std::to_string(got) + " are there");
}

std::vector<std::byte> ByteSource::take(int64_t count, const std::string& what) {
  if (!compressed() && count > file_bytes_ - offset_) {
    int64_t left = std::max<int64_t>(0, file_bytes_ - offset_);
    offset_ += left;
    truncated(what, count, left);
  }
  require_memory(count, path_ + ": " + what);
  std::vector<std::byte> bytes;
  bytes.reserve(static_cast<size_t>(compressed() ? std::min(count, kGrowth) : count));
  while (static_cast<int64_t>(bytes.size()) < count) {
    size_t old = bytes.size();
    bytes.resize(old + static_cast<size_t>(std::min(count - static_cast<int64_t>(old), kGrowth)));
    size_t got = read(std::span(bytes).subspan(old));
    if (old + got < bytes.size()) truncated(what, count, static_cast<int64_t>(old + got));
  }
  return bytes;
}

uint32_t ByteSource::big_endian_32(const std::string& what) {
  std::vector<std::byte> bytes = take(4, what);
  uint32_t value = 0;
  for (std::byte b : bytes) value = value << 8 | static_cast<uint32_t>(b);
  return value;
}

std::vector<std::byte> ByteSource::take_rest(int64_t limit) {
  std::vector<std::byte> bytes;
  for (;;) {
    size_t old = bytes.size();
    bytes.resize(old +
                 static_cast<size_t>(std::min(
                     kGrowth, compressed() ? kGrowth : std::max<int64_t>(file_bytes_ - offset_, 0) + 1)));
    size_t got = read(std::span(bytes).subspan(old));
    bool ended = old + got < bytes.size();
    bytes.resize(old + got);
    if (static_cast<int64_t>(bytes.size()) > limit)
      throw RuntimeError("E0709", path_ + " holds more than " + std::to_string(limit) + " bytes");
    if (ended) return bytes;
  }
}

void ByteSource::expect_end() {
  std::byte extra;
  int64_t end = offset_;
  if (read({&extra, 1}) != 0)
    throw RuntimeError("E0705",
                       path_ + " has trailing bytes: its data end at offset " + std::to_string(end) +
                           (compressed() ? " (decompressed)"
                                         : ", but the file has " + std::to_string(file_bytes_) + " bytes"));
}

std::vector<std::byte> read_file(const std::string& path, int64_t limit) {
  return ByteSource(path).take_rest(limit);
}

int64_t physical_memory() {
  return int64_t{sysconf(_SC_PHYS_PAGES)} * sysconf(_SC_PAGE_SIZE);
}

void require_memory(int64_t bytes, const std::string& what) {
  if (bytes > physical_memory())
    throw RuntimeError("E0709", what + " needs " + std::to_string(bytes) +
                                    " bytes of memory, and this machine has " +
                                    std::to_string(physical_memory()));
}

}  // namespace netc
