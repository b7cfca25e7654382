#include "runtime/data/atomic_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <utility>
#include <vector>

#include "compiler/base/error.h"
#include "compiler/base/unique_suffix.h"

namespace netc {
namespace {

// A temporary file is NAME.tmp-<unique_suffix()>, and its writer holds a lock on it. So whether it is abandoned does not
// depend on process ids, which other containers and machines have too: it is when the lock can be had.
constexpr const char* kSuffix = ".tmp-";

bool is_unique_suffix(const std::string& text) {
  return text.size() == 16 && text.find_first_not_of("0123456789abcdef") == std::string::npos;
}

bool lock(int descriptor, int operation) {
  int status;
  do status = flock(descriptor, operation);
  while (status != 0 && errno == EINTR);
  return status == 0;
}

// Removes what processes that were killed while writing have left, of the files whose name is wanted.
template <class Wanted>
void remove_abandoned(const std::filesystem::path& folder, Wanted wanted) {
  std::error_code ignored;
  for (std::filesystem::directory_iterator it(folder, ignored), end; !ignored && it != end; it.increment(ignored)) {
    const std::string name = it->path().filename().string();
    const size_t at = name.rfind(kSuffix);
    if (at == std::string::npos || !is_unique_suffix(name.substr(at + std::strlen(kSuffix))) || !wanted(name.substr(0, at))) continue;
    const int descriptor = open(it->path().c_str(), O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (descriptor < 0) continue;
    if (lock(descriptor, LOCK_EX | LOCK_NB)) unlink(it->path().c_str());
    close(descriptor);
  }
}

// Where the file is that a chain of links names, whether it exists or not.
std::string behind_links(std::filesystem::path path) {
  constexpr int kMostLinks = 40;  // as Linux
  std::error_code error;
  for (int i = 0; i < kMostLinks && std::filesystem::is_symlink(path, error); ++i) {
    const std::filesystem::path target = std::filesystem::read_symlink(path, error);
    if (error) break;
    path = path.parent_path() / target;
  }
  return path.string();
}

// The descriptor of the process's own output that is this file, or -1.
int own_output(const struct stat& file) {
  for (const int descriptor : {STDOUT_FILENO, STDERR_FILENO}) {
    struct stat info {};
    if (fstat(descriptor, &info) == 0 && info.st_dev == file.st_dev && info.st_ino == file.st_ino &&
        (fcntl(descriptor, F_GETFL) & O_ACCMODE) != O_RDONLY)
      return descriptor;
  }
  return -1;
}

}  // namespace

AtomicFile::AtomicFile(std::string path) : path_(std::move(path)) {
  struct stat info {};
  if (stat(path_.c_str(), &info) == 0) {
    const int own = own_output(info);
    if (own >= 0 || !S_ISREG(info.st_mode)) {
      descriptor_ = own >= 0 ? fcntl(own, F_DUPFD_CLOEXEC, 3) : open(path_.c_str(), O_WRONLY | O_CLOEXEC);
      if (descriptor_ < 0) fail("open it");
      return;
    }
  }
  path_ = behind_links(path_);  // so that the folder of the temporary file is the file's own
  const std::filesystem::path own(path_);
  remove_abandoned(own.has_parent_path() ? own.parent_path() : ".", [&](const std::string& name) { return name == own.filename(); });
  open_temporary();
}

void AtomicFile::open_temporary() {
  for (;;) {
    temporary_ = path_ + kSuffix + unique_suffix();
    descriptor_ = open(temporary_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (descriptor_ < 0 && errno == EEXIST) continue;
    if (descriptor_ < 0) {
      temporary_.clear();
      fail("create a file beside it");
    }
    // Another process may have taken it for abandoned before the lock. Where there are no locks nobody removes anything.
    struct stat info {};
    if (!lock(descriptor_, LOCK_EX) || fstat(descriptor_, &info) != 0 || info.st_nlink > 0) return;
    close(std::exchange(descriptor_, -1));
  }
}

AtomicFile::~AtomicFile() {
  if (!temporary_.empty()) unlink(temporary_.c_str());
  if (descriptor_ >= 0) close(descriptor_);
}

void AtomicFile::fail(const char* action) const {
  throw RuntimeError("E0604", "cannot write " + path_ + ": cannot " + action + ": " + std::strerror(errno));
}

void AtomicFile::write(const void* data, size_t count) {
  auto* bytes = static_cast<const char*>(data);
  while (count > 0) {
    ssize_t done = ::write(descriptor_, bytes, count);
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) fail("write");
    bytes += done;
    count -= static_cast<size_t>(done);
  }
}

void AtomicFile::commit() {
  if (!temporary_.empty()) {
    if (fsync(descriptor_) != 0) fail("flush it to the disk");
    put_in_place();  // before the lock ends with the descriptor
  }
  if (close(std::exchange(descriptor_, -1)) != 0) fail("close it");
}

void AtomicFile::put_in_place() {
  if (std::rename(temporary_.c_str(), path_.c_str()) != 0) fail("put it in place");
  temporary_.clear();
  flush_folder();
}

void AtomicFile::flush_folder() const {
  std::string folder = std::filesystem::path(path_).parent_path().string();
  int handle = open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (handle >= 0) {  // a folder that may be written but not read cannot be flushed
    int status = fsync(handle);
    int error = errno;
    close(handle);
    errno = error;
    if (status != 0 && error != EINVAL) fail("flush its folder to the disk");
  }
}

void AtomicFile::copy_from(int source) {
  std::vector<char> buffer(size_t{1} << 16);
  for (;;) {
    const ssize_t count = read(source, buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) fail("copy it");
    if (count == 0) return commit();
    write(buffer.data(), static_cast<size_t>(count));
  }
}

void AtomicFile::become_link_to(const std::string& path) {
  struct Source {
    int descriptor;
    ~Source() {
      if (descriptor >= 0) close(descriptor);
    }
  } const source{open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (source.descriptor < 0) fail("copy it");
  if (temporary_.empty()) return copy_from(source.descriptor);

  lock(source.descriptor, LOCK_SH);  // nobody shall take its second name for abandoned
  const std::string link_name = path_ + kSuffix + unique_suffix();
  if (link(path.c_str(), link_name.c_str()) != 0) return copy_from(source.descriptor);
  unlink(std::exchange(temporary_, link_name).c_str());
  close(std::exchange(descriptor_, -1));
  put_in_place();
  unlink(link_name.c_str());  // renaming onto another link of the same file leaves both
}

void remove_abandoned_files(const std::string& folder, const std::string& extension) {
  remove_abandoned(folder, [&](const std::string& name) { return name.ends_with(extension); });
}

void write_file(const std::string& path, const std::string& content) {
  AtomicFile file(path);
  file.write(content.data(), content.size());
  file.commit();
}

void link_file(const std::string& path, const std::string& name) { AtomicFile(name).become_link_to(path); }

}  // namespace netc
