#include "runtime/train/event_file.h"

#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <vector>

namespace netc {
namespace {

constexpr std::array<uint32_t, 256> crc_table() {
  constexpr uint32_t kCastagnoli = 0x82F63B78;  // the polynomial, bits reversed
  std::array<uint32_t, 256> table{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t crc = i;
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? kCastagnoli : 0);
    table[i] = crc;
  }
  return table;
}

// As the record format stores it, so that a CRC within checked bytes does no harm.
uint32_t masked(uint32_t crc) { return (crc >> 15 | crc << 17) + 0xA282EAD8; }

template <class T>
std::string little_endian(T value) {
  std::string text(sizeof value, '\0');
  std::memcpy(text.data(), &value, sizeof value);
  return text;
}

// The wire format of protocol buffers: a field is a key, its number and kind, and a value.
enum Wire : uint32_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

std::string varint(uint64_t value) {
  std::string text;
  for (; value >= 0x80; value >>= 7) text += static_cast<char>(value | 0x80);
  return text + static_cast<char>(value);
}
std::string key(uint32_t field, Wire wire) { return varint(field << 3 | wire); }
std::string integer(uint32_t field, int64_t value) { return key(field, kVarint) + varint(static_cast<uint64_t>(value)); }
std::string real(uint32_t field, double value) { return key(field, kFixed64) + little_endian(value); }
std::string single(uint32_t field, float value) { return key(field, kFixed32) + little_endian(value); }
std::string bytes(uint32_t field, const std::string& value) { return key(field, kBytes) + varint(value.size()) + value; }

// message Event { double wall_time = 1; int64 step = 2; oneof { string file_version = 3; Summary summary = 5; SessionLog session_log = 7; } }
namespace event {
constexpr uint32_t kWallTime = 1, kStep = 2, kFileVersion = 3, kSummary = 5, kSessionLog = 7;
}
// message SessionLog { SessionStatus status = 1; }, of which START is 1
constexpr uint32_t kStatus = 1, kStart = 1;
// message Summary { repeated Value value = 1; }  message Value { string tag = 1; oneof { float simple_value = 2; Image image = 4; } }
constexpr uint32_t kValue = 1, kTag = 1, kSimpleValue = 2, kImage = 4;
// message Image { int32 height = 1; int32 width = 2; int32 colorspace = 3; bytes encoded_image_string = 4; }
constexpr uint32_t kHeight = 1, kWidth = 2, kColorspace = 3, kEncoded = 4;

std::string summary(const std::string& tag, const std::string& value) {
  return bytes(event::kSummary, bytes(kValue, bytes(kTag, tag) + value));
}

std::string host_name() {
  char name[256] = "localhost";
  gethostname(name, sizeof name - 1);
  return name;
}

}  // namespace

uint32_t crc32c(std::string_view text) {
  static constexpr std::array<uint32_t, 256> kTable = crc_table();
  uint32_t crc = ~0u;
  for (char c : text) crc = crc >> 8 ^ kTable[(crc ^ static_cast<uint8_t>(c)) & 0xFF];
  return ~crc;
}

EventFile::EventFile(const std::string& folder, int64_t resumed) {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(now).count();
  // TensorBoard reads a run's files in the order of their names, so that the later one comes later within a second too.
  const auto nanoseconds = std::chrono::duration_cast<std::chrono::nanoseconds>(now).count() % 1'000'000'000;
  char order[96];
  std::snprintf(order, sizeof order, "%010lld.%09lld", static_cast<long long>(seconds), static_cast<long long>(nanoseconds));
  const std::string name = std::string("events.out.tfevents.") + order + "." + host_name();
  file_ = AppendFile((std::filesystem::path(folder) / name).string(), 0);
  write(0, bytes(event::kFileVersion, "brain.Event:2"));
  write(resumed + 1, bytes(event::kSessionLog, integer(kStatus, kStart)));
}

void EventFile::write(int64_t step, const std::string& fields) {
  const double now = std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
  const std::string record = real(event::kWallTime, now) + integer(event::kStep, step) + fields;
  const std::string length = little_endian(uint64_t{record.size()});
  file_.write(length + little_endian(masked(crc32c(length))) + record + little_endian(masked(crc32c(record))));
}

void EventFile::scalar(const std::string& tag, int64_t step, double value) {
  if (file_) write(step, summary(tag, single(kSimpleValue, static_cast<float>(value))));
}

void EventFile::image(const std::string& tag, int64_t step, const Image& image) {
  if (!file_) return;
  const std::vector<uint8_t> png = encode_png(image);
  write(step, summary(tag, bytes(kImage, integer(kHeight, image.height) + integer(kWidth, image.width) +
                                             integer(kColorspace, image.channels) + bytes(kEncoded, {png.begin(), png.end()}))));
}

}  // namespace netc
