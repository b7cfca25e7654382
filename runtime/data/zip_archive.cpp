#include "runtime/data/zip_archive.h"

#include <sys/stat.h>
#include <zip.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <set>

#include "compiler/base/error.h"
#include "runtime/data/atomic_file.h"
#include "runtime/data/byte_source.h"

namespace netc {
namespace {

constexpr uint64_t kMostExpansion = 1032;  // of deflate: a larger claim is a lie
constexpr uint16_t kFirstDay = 0x21;       // 1980-01-01, so that equal members make equal files

[[noreturn]] void not_a_zip(const std::string& path, const std::string& why) {
  throw RuntimeError("E0703", path + " is not a readable zip archive: " + why);
}

std::string text_of(int code) {
  zip_error_t error;
  zip_error_init_with_code(&error, code);
  std::string text = zip_error_strerror(&error);
  zip_error_fini(&error);
  return text;
}

// libzip reads past a fragment without bytes, so that it gets none.
zip_source_t* source_of(zip_t* archive, const MemberToWrite& member) {
  std::vector<zip_buffer_fragment_t> parts;
  const auto add = [&](const std::byte* data, size_t bytes) {
    if (bytes > 0) parts.push_back({reinterpret_cast<zip_uint8_t*>(const_cast<std::byte*>(data)), bytes});
  };
  add(member.head.data(), member.head.size());
  add(member.data, member.bytes);
  return parts.empty() ? zip_source_buffer(archive, "", 0, 0) : zip_source_buffer_fragment(archive, parts.data(), parts.size(), 0);
}

struct CloseFile {
  void operator()(zip_file_t* file) const { zip_fclose(file); }
};

}  // namespace

ZipArchive::ZipArchive(const std::string& path) : path_(path) {
  struct stat info {};
  if (stat(path.c_str(), &info) != 0) throw RuntimeError("E0702", "cannot read " + path + ": " + std::strerror(errno));
  if (!S_ISREG(info.st_mode)) throw RuntimeError("E0702", "cannot read " + path + ": it is not a regular file");
  file_bytes_ = info.st_size;
  int code = 0;
  zip_ = zip_open(path.c_str(), ZIP_RDONLY | ZIP_CHECKCONS, &code);
  if (!zip_ && (code == ZIP_ER_OPEN || code == ZIP_ER_READ || code == ZIP_ER_SEEK))
    throw RuntimeError("E0702", "cannot read " + path + ": " + text_of(code));
  if (!zip_) not_a_zip(path, text_of(code));
  try {
    list_members();
  } catch (...) {
    zip_discard(zip_);
    throw;
  }
}

ZipArchive::~ZipArchive() { zip_discard(zip_); }

void ZipArchive::list_members() {
  const zip_int64_t count = zip_get_num_entries(zip_, 0);
  std::set<std::string> names;
  uint64_t packed = 0;
  for (zip_uint64_t i = 0; i < static_cast<zip_uint64_t>(std::max<zip_int64_t>(count, 0)); ++i) {
    zip_stat_t stat;
    constexpr zip_uint64_t kNeeded = ZIP_STAT_NAME | ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE | ZIP_STAT_COMP_METHOD | ZIP_STAT_ENCRYPTION_METHOD;
    if (zip_stat_index(zip_, i, ZIP_FL_ENC_RAW, &stat) != 0 || (stat.valid & kNeeded) != kNeeded)
      not_a_zip(path_, "member " + std::to_string(i) + " has no name or size");
    const std::string name = stat.name;
    if (!names.insert(name).second) not_a_zip(path_, name + " is in the archive twice");
    packed += std::min<uint64_t>(stat.comp_size, UINT64_MAX - packed);
    if (packed > static_cast<uint64_t>(file_bytes_)) not_a_zip(path_, "its members overlap, or lie beyond its end");
    const bool stored = stat.comp_method == ZIP_CM_STORE;
    if (stored ? stat.size != stat.comp_size : stat.size / kMostExpansion > stat.comp_size + 1)
      not_a_zip(path_, "an impossible size of " + name);
    members_.push_back({name, i, stat.size, stat.comp_method, stat.encryption_method != ZIP_EM_NONE});
  }
}

const ZipArchive::Member* ZipArchive::find(const std::string& name) const {
  const auto it = std::find_if(members_.begin(), members_.end(), [&](const Member& m) { return m.name == name; });
  return it == members_.end() ? nullptr : &*it;
}

std::vector<std::byte> ZipArchive::read(const Member& member, const std::string& label) const {
  if (member.encrypted) throw RuntimeError("E0708", label + " is encrypted");
  if (member.method != ZIP_CM_STORE && member.method != ZIP_CM_DEFLATE)
    throw RuntimeError("E0708", label + " is packed by method " + std::to_string(member.method) + "; stored and deflated members are read");
  if (member.bytes > static_cast<uint64_t>(INT64_MAX)) throw RuntimeError("E0709", label + " is too large");
  require_memory(static_cast<int64_t>(member.bytes), label);
  const std::unique_ptr<zip_file_t, CloseFile> file(zip_fopen_index(zip_, member.number, 0));
  if (!file) throw RuntimeError("E0704", label + " cannot be read: " + std::string(zip_strerror(zip_)));
  std::vector<std::byte> bytes(member.bytes);
  uint64_t done = 0;
  const auto read_some = [&](void* to, uint64_t count) {
    const zip_int64_t got = zip_fread(file.get(), to, count);
    if (got >= 0) return static_cast<uint64_t>(got);
    const int code = zip_error_code_zip(zip_file_get_error(file.get()));
    throw RuntimeError("E0704", label + (code == ZIP_ER_CRC ? " is corrupt: its checksum differs"
                                                            : " is corrupt: " + std::string(zip_file_strerror(file.get()))));
  };
  while (done < bytes.size()) {
    const uint64_t got = read_some(bytes.data() + done, bytes.size() - done);
    if (got == 0) throw RuntimeError("E0704", label + " is truncated: " + std::to_string(member.bytes) + " bytes are announced, " +
                                                  std::to_string(done) + " are there");
    done += got;
  }
  std::byte extra;  // the end is where libzip compares the checksum
  if (read_some(&extra, 1) != 0) throw RuntimeError("E0705", label + " has trailing bytes");
  return bytes;
}

void write_zip(const std::string& path, const std::vector<MemberToWrite>& members) {
  zip_error_t error;
  zip_error_init(&error);
  zip_source_t* packed = zip_source_buffer_create(nullptr, 0, 0, &error);
  zip_t* archive = packed ? zip_open_from_source(packed, ZIP_TRUNCATE, &error) : nullptr;
  NETC_CHECK(archive, "libzip cannot write to memory");
  zip_source_keep(packed);
  bool whole = true;
  for (const MemberToWrite& member : members) {
    zip_source_t* source = source_of(archive, member);
    const zip_int64_t number = source ? zip_file_add(archive, member.name.c_str(), source, ZIP_FL_ENC_UTF_8) : -1;
    if (source && number < 0) zip_source_free(source);
    whole = whole && number >= 0 && zip_set_file_compression(archive, static_cast<zip_uint64_t>(number), ZIP_CM_STORE, 0) == 0 &&
            zip_file_set_dostime(archive, static_cast<zip_uint64_t>(number), 0, kFirstDay, 0) == 0;
  }
  if (!whole || zip_close(archive) != 0) {
    const std::string why = zip_strerror(archive);
    zip_discard(archive);
    zip_source_free(packed);
    throw RuntimeError("E0604", "cannot write " + path + ": " + why);
  }
  AtomicFile file(path);
  NETC_CHECK(zip_source_open(packed) == 0, "libzip cannot read its memory");
  std::vector<std::byte> chunk(size_t{1} << 20);
  for (zip_int64_t got; (got = zip_source_read(packed, chunk.data(), chunk.size())) > 0;)
    file.write(chunk.data(), static_cast<size_t>(got));
  zip_source_close(packed);
  zip_source_free(packed);
  file.commit();
}

}  // namespace netc
