// Lines of C++ text with indentation.
#pragma once

#include <string>
#include <string_view>

namespace netc {

class SourceWriter {
 public:
  explicit SourceWriter(int depth = 0) : depth_(depth) {}
  void line(std::string_view text) {
    if (!text.empty()) text_.append(static_cast<size_t>(2 * depth_), ' ').append(text);
    text_ += '\n';
  }
  // "for (…) {" … "}"
  void open(std::string_view text) {
    line(std::string(text) + " {");
    ++depth_;
  }
  void close(std::string_view after = "") {
    --depth_;
    line("}" + std::string(after));
  }
  void comment(std::string_view text) { line("// " + std::string(text)); }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
  int depth_;
};

}  // namespace netc
