// Reads .npz archives: zip files whose members are .npy files, stored or deflated.
// Format: PKWARE APPNOTE 6.3; sizes come from the central directory, zip64 sizes included.
#include <zlib.h>

#include <cstring>
#include <optional>

#include "compiler/base/error.h"
#include "runtime/data/byte_source.h"
#include "runtime/data/npy.h"

namespace netc {
namespace {

// Little-endian integers at checked positions of the archive.
class Archive {
 public:
  Archive(std::span<const std::byte> bytes, const std::string& path) : bytes_(bytes), path_(path) {}

  uint64_t size() const { return bytes_.size(); }

  std::span<const std::byte> slice(uint64_t offset, uint64_t count) const {
    if (offset > bytes_.size() || count > bytes_.size() - offset)
      throw RuntimeError("E0704", path_ + " is a truncated archive: " + std::to_string(count) +
                                      " bytes at offset " + std::to_string(offset) +
                                      " lie beyond its end at " + std::to_string(bytes_.size()));
    return bytes_.subspan(offset, count);
  }

  uint64_t integer(uint64_t offset, int count) const {
    uint64_t value = 0;
    std::span<const std::byte> at = slice(offset, static_cast<uint64_t>(count));
    for (int i = 0; i < count; ++i) value |= static_cast<uint64_t>(at[static_cast<size_t>(i)]) << (8 * i);
    return value;
  }

  [[noreturn]] void broken(uint64_t offset, const std::string& why) const {
    throw RuntimeError(
        "E0703", path_ + " is not a readable .npz archive: " + why + " at offset " + std::to_string(offset));
  }

 private:
  std::span<const std::byte> bytes_;
  const std::string& path_;
};

struct Member {
  std::string name;
  uint64_t method, crc, packed_bytes, plain_bytes, header_offset;
};

// The end record is 22 bytes and a comment of at most 64 KiB from the end.
uint64_t find_end_record(const Archive& archive) {
  for (uint64_t back = 22; back <= std::min<uint64_t>(archive.size(), 22 + 65535); ++back)
    if (archive.integer(archive.size() - back, 4) == 0x06054b50) return archive.size() - back;
  archive.broken(0, "no end of central directory");
}

// Replaces the 32-bit sizes of 0xffffffff by those of the zip64 field of the extra data.
void apply_zip64(const Archive& archive, uint64_t extra, uint64_t extra_bytes, Member& member) {
  for (uint64_t at = extra; at + 4 <= extra + extra_bytes;) {
    uint64_t id = archive.integer(at, 2), bytes = archive.integer(at + 2, 2), field = at + 4;
    if (id == 1)
      for (uint64_t* value : {&member.plain_bytes, &member.packed_bytes, &member.header_offset})
        if (*value == 0xffffffff) {
          *value = archive.integer(field, 8);
          field += 8;
        }
    at += 4 + bytes;
  }
}

std::vector<Member> central_directory(const Archive& archive) {
  uint64_t end = find_end_record(archive);
  uint64_t count = archive.integer(end + 10, 2), at = archive.integer(end + 16, 4);
  std::vector<Member> members;
  for (uint64_t i = 0; i < count; ++i) {
    if (archive.integer(at, 4) != 0x02014b50) archive.broken(at, "no entry of the central directory");
    uint64_t name_bytes = archive.integer(at + 28, 2), extra_bytes = archive.integer(at + 30, 2);
    std::span<const std::byte> name = archive.slice(at + 46, name_bytes);
    Member member{{reinterpret_cast<const char*>(name.data()), name.size()},
                  archive.integer(at + 10, 2),
                  archive.integer(at + 16, 4),
                  archive.integer(at + 20, 4),
                  archive.integer(at + 24, 4),
                  archive.integer(at + 42, 4)};
    if (archive.integer(at + 8, 2) & 1) archive.broken(at, "the encrypted member " + member.name);
    apply_zip64(archive, at + 46 + name_bytes, extra_bytes, member);
    members.push_back(std::move(member));
    at += 46 + name_bytes + extra_bytes + archive.integer(at + 32, 2);
  }
  return members;
}

std::vector<std::byte> unpack(const Archive& archive, const Member& member, const std::string& label) {
  uint64_t at = member.header_offset;
  if (archive.integer(at, 4) != 0x04034b50) archive.broken(at, "no local header of " + member.name);
  at += 30 + archive.integer(at + 26, 2) + archive.integer(at + 28, 2);
  std::span<const std::byte> packed = archive.slice(at, member.packed_bytes);
  std::vector<std::byte> plain;
  if (member.method == 0) {
    if (member.packed_bytes != member.plain_bytes)
      archive.broken(at, "two sizes of the stored member " + member.name);
    plain.assign(packed.begin(), packed.end());
  } else if (member.method == 8) {
    // Deflate expands at most 1032 times: a larger claim is a lie, and no memory is spent on it.
    if (member.plain_bytes / 1032 > member.packed_bytes + 1)
      archive.broken(at, "an impossible size of " + member.name);
    require_memory(static_cast<int64_t>(member.plain_bytes), label);
    plain.resize(member.plain_bytes);
    if (member.plain_bytes >= UINT32_MAX || member.packed_bytes >= UINT32_MAX)
      throw RuntimeError("E0708", label + " is deflated and larger than 4 GiB, which is not supported",
                         "numpy.savez instead of numpy.savez_compressed");
    z_stream stream{};
    NETC_CHECK(inflateInit2(&stream, -15) == Z_OK, "zlib");
    std::byte spare;  // zlib wants a place to write, also for an empty member
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(packed.data()));
    stream.avail_in = static_cast<uInt>(packed.size());
    stream.next_out = reinterpret_cast<Bytef*>(plain.empty() ? &spare : plain.data());
    stream.avail_out = static_cast<uInt>(plain.size());
    int status = inflate(&stream, Z_FINISH);
    bool whole = status == Z_STREAM_END && stream.total_out == member.plain_bytes;
    inflateEnd(&stream);
    if (!whole) throw RuntimeError("E0704", label + ": the deflated data are corrupt");
  } else {
    throw RuntimeError("E0708", label + " is packed by method " + std::to_string(member.method) +
                                    "; stored and deflated members are read");
  }
  if (crc32_z(0, reinterpret_cast<const Bytef*>(plain.data()), plain.size()) != member.crc)
    throw RuntimeError("E0704", label + " is corrupt: its checksum differs");
  return plain;
}

}  // namespace

std::map<std::string, Array> read_npz(const std::string& path) {
  std::vector<std::byte> bytes = read_file(path, physical_memory());
  Archive archive(bytes, path);
  std::map<std::string, Array> arrays;
  for (const Member& member : central_directory(archive)) {
    std::string name =
        member.name.ends_with(".npy") ? member.name.substr(0, member.name.size() - 4) : member.name;
    std::string label = path + ":" + name;
    if (!arrays.emplace(name, parse_npy(unpack(archive, member, label), label)).second)
      throw RuntimeError("E0703", label + " is in the archive twice");
  }
  return arrays;
}

}  // namespace netc
