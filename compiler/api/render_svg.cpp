// Graphviz as a child process: its text in by a file, its SVG out by a pipe.
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>

#include "compiler/api/draw_graph.h"
#include "compiler/base/error.h"

extern char** environ;

namespace netc {
namespace {

constexpr const char* kFix = "install graphviz, or write FILE.dot instead of FILE.svg";

struct Descriptor {
  int value = -1;
  ~Descriptor() { close_now(); }
  void close_now() {
    if (value >= 0) close(value);
    value = -1;
  }
};

// An unnamed file that holds the text and is read from its start.
void hold(const std::string& text, Descriptor& file) {
  std::string name = "/tmp/netc-dot-XXXXXX";
  file.value = mkostemp(name.data(), O_CLOEXEC);
  if (file.value < 0) throw RuntimeError("E0921", "cannot make a temporary file for graphviz");
  unlink(name.c_str());
  for (size_t done = 0; done < text.size();) {
    const ssize_t count = write(file.value, text.data() + done, text.size() - done);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) throw RuntimeError("E0921", "cannot write a temporary file for graphviz");
    done += static_cast<size_t>(count);
  }
  lseek(file.value, 0, SEEK_SET);
}

std::string read_all(int descriptor) {
  std::string text;
  std::array<char, 65536> buffer;
  for (;;) {
    const ssize_t count = read(descriptor, buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return text;
    text.append(buffer.data(), static_cast<size_t>(count));
  }
}

}  // namespace

std::string render_svg(const std::string& dot) {
  Descriptor input, read_end, write_end;
  hold(dot, input);
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) throw RuntimeError("E0921", "cannot make a pipe to graphviz");
  read_end.value = ends[0];
  write_end.value = ends[1];

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, input.value, STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, write_end.value, STDOUT_FILENO);
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  char program[] = "dot", format[] = "-Tsvg";
  char* arguments[] = {program, format, nullptr};
  pid_t child = 0;
  const int status = posix_spawnp(&child, program, &actions, nullptr, arguments, environ);
  posix_spawn_file_actions_destroy(&actions);
  if (status != 0) throw RuntimeError("E0921", "graphviz's `dot` is not installed, so there is no SVG", kFix);

  write_end.close_now();
  std::string svg = read_all(read_end.value);
  int result = 0;
  while (waitpid(child, &result, 0) < 0 && errno == EINTR) {
  }
  if (!WIFEXITED(result) || WEXITSTATUS(result) != 0 || svg.empty())
    throw RuntimeError("E0921", "graphviz's `dot` failed on the network's drawing", kFix);
  return svg;
}

}  // namespace netc
