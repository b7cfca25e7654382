#include "runtime/data/append_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "compiler/base/error.h"

namespace netc {
namespace {

[[noreturn]] void cannot_write(const std::string& path) {
  throw RuntimeError("E0604", "cannot write " + path + ": " + std::strerror(errno));
}

}  // namespace

AppendFile::AppendFile(const std::string& path, int64_t kept) : path_(path) {
  descriptor_ = open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (descriptor_ < 0) cannot_write(path);
  struct stat info {};
  const bool regular = fstat(descriptor_, &info) == 0 && S_ISREG(info.st_mode);  // a pipe has nothing to cut
  if (!regular || ftruncate(descriptor_, kept) == 0) return;
  const int error = errno;
  close(std::exchange(descriptor_, -1));
  errno = error;
  cannot_write(path);
}

AppendFile::~AppendFile() {
  if (descriptor_ >= 0) close(descriptor_);
}

AppendFile::AppendFile(AppendFile&& other) noexcept
    : path_(std::move(other.path_)), descriptor_(std::exchange(other.descriptor_, -1)) {}

AppendFile& AppendFile::operator=(AppendFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(descriptor_, other.descriptor_);
  return *this;
}

void AppendFile::write(std::string_view bytes) {
  if (descriptor_ < 0) return;
  while (!bytes.empty()) {
    const ssize_t count = ::write(descriptor_, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) cannot_write(path_);
    bytes.remove_prefix(static_cast<size_t>(count));
  }
}

}  // namespace netc
