// The members of a zip file, by libzip: how NumPy's .npz and PyTorch's files are packed.
//
//   ZipArchive zip("weights.npz");
//   for (const ZipArchive::Member& m : zip.members()) use(m.name, zip.read(m));
//
// A reader of hostile files: sizes that deflate cannot reach, members that overlap, and names that stand twice are refused
// before any memory is spent on them; checksums are compared.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

struct zip;

namespace netc {

class ZipArchive {
 public:
  struct Member {
    std::string name;
    uint64_t number = 0, bytes = 0;
    uint16_t method = 0;
    bool encrypted = false;
  };

  // THROWS RuntimeError E0702 if `path` is no readable regular file, E0703 if it is no zip file.
  explicit ZipArchive(const std::string& path);
  ~ZipArchive();
  ZipArchive(const ZipArchive&) = delete;
  ZipArchive& operator=(const ZipArchive&) = delete;

  const std::string& path() const { return path_; }
  const std::vector<Member>& members() const { return members_; }  // in the order of the archive
  const Member* find(const std::string& name) const;                // null where there is none

  // A whole member. `label` names it in messages. THROWS RuntimeError E0704 if it is corrupt or cut off, E0708 if it is
  // packed otherwise than stored or deflated, E0709 if it is larger than this machine's memory.
  std::vector<std::byte> read(const Member& member, const std::string& label) const;

 private:
  void list_members();

  std::string path_;
  int64_t file_bytes_ = 0;
  zip* zip_ = nullptr;
  std::vector<Member> members_;
};

struct MemberToWrite {
  std::string name;
  std::vector<std::byte> head;  // before the data
  const std::byte* data = nullptr;
  size_t bytes = 0;
};

// A zip file of stored members; replaces `path` at once. The same input gives the same bytes. THROWS RuntimeError E0604.
void write_zip(const std::string& path, const std::vector<MemberToWrite>& members);

}  // namespace netc
