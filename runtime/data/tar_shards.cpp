// Tar files in the layout of WebDataset (https://github.com/webdataset/webdataset): the members of a sample follow each other
// and have one name up to its first dot, "0007.jpg" and "0007.cls", the class as a number. What follows that dot says what a
// member is, in any case: "0007.seg.png" is something else than the sample's picture, and is passed over, as hidden files are
// (macOS's "._0007.jpg"). Shards may be compressed (gzip, xz, zstd). They are read by libarchive one after the other; the pictures are decoded in parallel.
#include <archive.h>
#include <archive_entry.h>

#include <cctype>
#include <cerrno>
#include <charconv>
#include <filesystem>
#include <memory>
#include <optional>
#include <utility>

#include "compiler/base/error.h"
#include "runtime/data/byte_source.h"
#include "runtime/data/find_files.h"
#include "runtime/data/image_list.h"

namespace netc {
namespace {

constexpr int64_t kMaxMember = int64_t{1} << 28;  // bytes of a compressed picture

struct CloseArchive {
  void operator()(archive* a) const { archive_read_free(a); }
};

// A sample while its members come in.
struct Sample {
  std::string key, picture;  // picture: its name, for messages
  std::vector<std::byte> bytes;
  std::optional<int64_t> label;
  std::string fault;         // why it is no sample
};

struct Shards {
  std::vector<std::string> names;
  std::vector<std::vector<std::byte>> pictures;
  std::vector<int64_t> labels;
  std::vector<SkippedRecord> skipped;
  int64_t bytes = 0;
};

// What a member's name says: "train/0007" and "seg.png" of "train/0007.seg.png", split at the first dot of the last part.
struct MemberName {
  explicit MemberName(const std::string& path) {
    const size_t slash = path.rfind('/'), start = slash == std::string::npos ? 0 : slash + 1, dot = path.find('.', start);
    hidden = dot == start;
    key = path.substr(0, dot);
    if (dot == std::string::npos) return;
    for (const char c : path.substr(dot + 1)) extension += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  bool is_picture() const { return extension == "png" || extension == "jpg" || extension == "jpeg"; }
  bool is_label() const { return extension == "cls"; }

  std::string key, extension;
  bool hidden = false;
};

// A text of a file, to show in a message.
std::string shown(const std::string& text) {
  std::string result;
  for (const char c : text.substr(0, 20)) result += c >= ' ' && c < 127 ? c : '?';
  return result;
}

class ShardReader {
 public:
  ShardReader(const std::string& path, const LoadOptions& options, Shards& shards) : path_(path), options_(options), shards_(shards) {}

  void read() {
    std::error_code ignored;
    if (!std::filesystem::is_regular_file(path_, ignored)) throw RuntimeError("E0702", "cannot read " + path_ + ": it is not a regular file");
    archive_.reset(archive_read_new());
    archive_read_support_format_tar(archive_.get());
    archive_read_support_filter_gzip(archive_.get());
    archive_read_support_filter_xz(archive_.get());
    archive_read_support_filter_zstd(archive_.get());
    try {
      if (archive_read_open_filename(archive_.get(), path_.c_str(), size_t{1} << 16) != ARCHIVE_OK) refuse_beginning();
      read_members();
    } catch (const RuntimeError& error) {
      // The rest of a damaged shard cannot be found; what came before it stands.
      if (!options_.skip_corrupt || error.code() != "E0704") throw;
      shards_.skipped.push_back({path_, error.what()});
      const bool whole = !sample_.picture.empty() && sample_.label && sample_.fault.empty();
      if (!whole) sample_ = {};
    }
    finish_sample();
  }

 private:
  std::string why() const {
    const char* text = archive_error_string(archive_.get());
    return text ? text : "an error";
  }
  // A compressed file whose beginning cannot be unpacked is damaged (libarchive has no filters then); anything else at the beginning is another format.
  [[noreturn]] void refuse_beginning() const {
    constexpr int kUnknownFormat = EILSEQ;  // libarchive's number for it, on Linux
    const bool packed = archive_filter_count(archive_.get()) != 1 && archive_errno(archive_.get()) != kUnknownFormat;
    throw RuntimeError(packed ? "E0704" : "E0703", path_ + (packed ? " is corrupt at its beginning: " : " is not a tar file: ") + why());
  }
  std::string place(const std::string& member) const { return path_ + ": " + member + " at offset " + std::to_string(offset_); }

  void read_members() {
    bool lost = false;  // looking for the next header after a damaged one
    for (bool first = true;; first = false) {
      archive_entry* entry = nullptr;
      if (!first && !lost) archive_read_data_skip(archive_.get());
      const int64_t member_end = archive_filter_bytes(archive_.get(), 0);
      const int status = archive_read_next_header(archive_.get(), &entry);
      if (status == ARCHIVE_EOF) {
        // Two blocks of zeros end a tar file. libarchive takes a file that ends behind a member for whole, too.
        if (archive_filter_bytes(archive_.get(), 0) > member_end) return;
        throw RuntimeError("E0704", path_ + " ends at offset " + std::to_string(member_end) + " without the blocks of zeros that end a tar file");
      }
      const int64_t position = archive_read_header_position(archive_.get());
      const std::string where = position >= 0 ? "at offset " + std::to_string(position) : "after offset " + std::to_string(offset_);
      if (position >= 0) offset_ = position;  // there is none where the file ends within a member
      if (status != ARCHIVE_OK && status != ARCHIVE_WARN) {
        if (first) refuse_beginning();
        const std::string what = path_ + " is corrupt " + where + ": " + why();
        if (status != ARCHIVE_RETRY || !options_.skip_corrupt) throw RuntimeError("E0704", what);
        if (!lost) shards_.skipped.push_back({path_, what});
        lost = true;
        continue;
      }
      lost = false;
      const char* utf8 = archive_entry_pathname_utf8(entry);
      const char* name = utf8 ? utf8 : archive_entry_pathname(entry);
      if (!name) continue;
      const bool link = archive_entry_hardlink(entry) || archive_entry_filetype(entry) == AE_IFLNK;
      if (link || archive_entry_filetype(entry) == AE_IFREG) add_member(name, archive_entry_size(entry), link);
    }
  }

  void add_member(const std::string& name, int64_t size, bool link) {
    const MemberName parts(name);
    if (parts.hidden) return;
    if (parts.key != sample_.key) {
      finish_sample();
      sample_.key = parts.key;
    }
    if (!parts.is_picture() && !parts.is_label()) return;  // texts, other tensors: libarchive passes over them
    if (link) return fault(place(name) + " is a link to another member, which is not followed");
    if (size < 0 || size > kMaxMember) throw RuntimeError("E0709", place(name) + " is " + std::to_string(size) + " bytes");
    std::vector<std::byte> bytes(static_cast<size_t>(size));
    size_t done = 0;
    while (done < bytes.size()) {
      const la_ssize_t got = archive_read_data(archive_.get(), bytes.data() + done, bytes.size() - done);
      if (got <= 0) throw RuntimeError("E0704", place(name) + " is truncated" + (got < 0 ? ": " + why() : ""));
      done += static_cast<size_t>(got);
    }
    if (parts.is_label()) return add_label(name, std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
    if (!sample_.picture.empty()) return fault(place(name) + " is the second picture of its sample");
    sample_.picture = place(name);
    sample_.bytes = std::move(bytes);
  }

  void add_label(const std::string& name, std::string text) {
    while (!text.empty() && (text.back() == '\n' || text.back() == '\r' || text.back() == ' ')) text.pop_back();
    int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size() || text.empty())
      return fault(place(name) + " is `" + shown(text) + "`, not the number of a class");
    if (sample_.label) return fault(place(name) + " is the second class of its sample");
    require_label(value, options_.classes, options_, path_, "of " + name);
    sample_.label = value;
  }

  void fault(const std::string& what) {
    if (sample_.fault.empty()) sample_.fault = what;
  }

  void finish_sample() {
    Sample sample = std::exchange(sample_, {});
    if (sample.picture.empty() && !sample.label && sample.fault.empty()) return;  // nothing of a sample
    if (sample.fault.empty() && sample.picture.empty()) sample.fault = path_ + ": `" + sample.key + "` has a class and no picture";
    if (sample.fault.empty() && !sample.label) sample.fault = sample.picture + " has no class: " + sample.key + ".cls is missing";
    if (!sample.fault.empty()) {
      if (!options_.skip_corrupt) throw RuntimeError("E0703", sample.fault, "corrupt = skip");
      shards_.skipped.push_back({path_ + ": " + sample.key, sample.fault});
      return;
    }
    shards_.bytes += static_cast<int64_t>(sample.bytes.size());
    require_memory(shards_.bytes, path_ + ": its pictures");
    shards_.names.push_back(std::move(sample.picture));
    shards_.pictures.push_back(std::move(sample.bytes));
    shards_.labels.push_back(*sample.label);
  }

  const std::string& path_;
  const LoadOptions& options_;
  Shards& shards_;
  std::unique_ptr<archive, CloseArchive> archive_;
  int64_t offset_ = 0;
  Sample sample_;
};

}  // namespace

ImageList list_shards(const DataSourceSpec& spec, const LoadOptions& options) {
  auto shards = std::make_shared<Shards>();
  for (const std::string& path : find_files(spec.base_dir, spec.images, options.role)) ShardReader(path, options, *shards).read();
  ImageList list;
  list.source = spec.images;
  list.names = std::move(shards->names);
  list.labels = std::move(shards->labels);
  list.skipped = std::move(shards->skipped);
  list.decode = [shards](int64_t i, const std::string& name) { return decode_image(shards->pictures[static_cast<size_t>(i)], name); };
  return list;
}

}  // namespace netc
