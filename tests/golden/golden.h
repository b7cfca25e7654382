// Golden tests: one text file holds the command, the sources and the whole expected output.
//
//   What the case shows, in words (optional).
//   $ netc check main.net
//   --- main.net
//   network n() { ... }
//   --- output
//   E0004 expected `=` ...
//
// `FOLDER_test --update` writes the output that it gets into the files; the reviewer reads the
// diff. Every file is a test of its own, so `--gtest_filter=*NAME*` runs one.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

namespace netc::golden {

struct Case {
  std::string path;
  std::string head;     // all that stands before the first `---`, as written
  std::string command;  // after `$ `
  std::vector<std::pair<std::string, std::string>> files;  // name and text, in order
  std::string expected;

  bool has_option(const std::string& option) const {
    return (" " + command + " ").find(" " + option + " ") != std::string::npos;
  }
};

// What the command prints for the case.
using Command = std::function<std::string(const Case&)>;

inline std::string read_text(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

inline Case read_case(const std::string& path) {
  Case result;
  result.path = path;
  std::string* section = &result.head;
  std::istringstream in(read_text(path));
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("--- ")) {
      const std::string name = line.substr(4);
      if (name == "output") {
        section = &result.expected;
      } else {
        result.files.emplace_back(name, "");
        section = &result.files.back().second;
      }
      continue;
    }
    if (section == &result.head && line.starts_with("$ ")) result.command = line.substr(2);
    *section += line + "\n";
  }
  return result;
}

inline std::string written(const Case& c, const std::string& output) {
  std::string text = c.head;
  for (const auto& [name, source] : c.files) text += "--- " + name + "\n" + source;
  return text + "--- output\n" + output;
}

class CaseTest : public testing::Test {
 public:
  CaseTest(std::string path, Command run, bool update) : path_(std::move(path)), run_(std::move(run)), update_(update) {}

  void TestBody() override {
    const Case c = read_case(path_);
    ASSERT_FALSE(c.command.empty()) << path_ << ": no line `$ command`";
    ASSERT_FALSE(c.files.empty()) << path_ << ": no source";
    const std::string output = run_(c);
    if (update_ && output != c.expected) {
      std::ofstream(path_, std::ios::binary) << written(c, output);
    } else {
      EXPECT_EQ(output, c.expected) << path_ << "\nnew output is accepted with --update";
    }
  }

 private:
  std::string path_;
  Command run_;
  bool update_;
};

// Makes every .txt file of `directory` a test and runs all tests of the program.
inline int run_all(int argc, char** argv, const std::string& suite, const std::string& directory, const Command& run) {
  testing::InitGoogleTest(&argc, argv);
  const bool update = std::any_of(argv + 1, argv + argc, [](const std::string& arg) { return arg == "--update"; });
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::directory_iterator(directory))
    if (entry.path().extension() == ".txt") paths.push_back(entry.path());
  std::sort(paths.begin(), paths.end());
  for (const std::filesystem::path& path : paths)
    testing::RegisterTest(suite.c_str(), path.stem().c_str(), nullptr, nullptr, __FILE__, __LINE__,
                          [=]() -> testing::Test* { return new CaseTest(path.string(), run, update); });
  return RUN_ALL_TESTS();
}

}  // namespace netc::golden
