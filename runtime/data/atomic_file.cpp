#include "runtime/data/atomic_file.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <utility>

#include "compiler/base/error.h"

namespace netc {
namespace {

constexpr const char* kSuffix = ".tmp-";  // then the process id

// Removes what processes that were killed while writing have left: files NAME.tmp-<pid>-<serial> whose NAME is wanted.
template <class Wanted>
void remove_abandoned(const std::filesystem::path& folder, Wanted wanted) {
  std::error_code ignored;
  for (std::filesystem::directory_iterator it(folder, ignored), end; !ignored && it != end; it.increment(ignored)) {
    const std::string name = it->path().filename().string();
    const size_t at = name.rfind(kSuffix);
    if (at == std::string::npos || !wanted(name.substr(0, at))) continue;
    const int pid = std::atoi(name.c_str() + at + std::strlen(kSuffix));
    if (pid > 0 && kill(pid, 0) != 0 && errno == ESRCH) unlink(it->path().c_str());
  }
}

}  // namespace

AtomicFile::AtomicFile(std::string path) : path_(std::move(path)) {
  // A link is replaced where it points to, so that the folder of the temporary file is the file's own.
  std::error_code ignored;
  if (std::filesystem::is_symlink(path_, ignored)) {
    std::filesystem::path target = std::filesystem::weakly_canonical(path_, ignored);
    if (!ignored) path_ = target.string();
  }
  const std::filesystem::path own(path_);
  remove_abandoned(own.has_parent_path() ? own.parent_path() : ".", [&](const std::string& name) { return name == own.filename(); });
  static std::atomic<int> serial{0};
  temporary_ = path_ + kSuffix + std::to_string(getpid()) + "-" + std::to_string(serial++);
  descriptor_ = open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (descriptor_ < 0) {
    temporary_.clear();
    fail("create a file beside it");
  }
}

AtomicFile::~AtomicFile() {
  if (descriptor_ >= 0) close(descriptor_);
  if (!temporary_.empty()) unlink(temporary_.c_str());
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
  if (fsync(descriptor_) != 0) fail("flush it to the disk");
  int descriptor = descriptor_;
  descriptor_ = -1;
  if (close(descriptor) != 0) fail("close it");
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

void AtomicFile::become_link_to(const std::string& path) {
  close(std::exchange(descriptor_, -1));
  unlink(temporary_.c_str());  // the name stays ours: it has this process's id
  if (link(path.c_str(), temporary_.c_str()) != 0) {
    std::error_code error;
    std::filesystem::copy_file(path, temporary_, error);
    descriptor_ = open(temporary_.c_str(), O_WRONLY | O_CLOEXEC);
    errno = error ? error.value() : errno;
    if (error || descriptor_ < 0) fail("copy it");
    return commit();
  }
  if (std::rename(temporary_.c_str(), path_.c_str()) != 0) fail("put it in place");
  unlink(temporary_.c_str());  // renaming onto another link of the same file leaves both
  temporary_.clear();
  flush_folder();
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
