// Wrong programs with the whole text that the user sees, one file a case (tests/golden/golden.h);
// and the pages of `netc explain`: each wrong program there must give its code, each right one none.
#include "compiler/parse/parse.h"
#include "tests/golden/golden.h"

namespace netc {
namespace {

// `$ netc check main.net`, `$ netc check --error-format=json main.net`
std::string check(const golden::Case& c) {
  SourceMap sources;
  DiagnosticSink sink;
  for (const auto& [name, text] : c.files) parse(sources, sources.add(name, text), sink);
  std::string out;
  for (const Diagnostic& diagnostic : sink.all()) {
    if (c.has_option("--error-format=json")) {
      out += render_json(diagnostic, sources) + "\n";
    } else {
      out += (out.empty() ? "" : "\n") + render_text(diagnostic, sources);
    }
  }
  return out;
}

// The program under `Wrong:` or `Right:` on a page; empty if there is none.
std::string program_of(const std::string& page, const std::string& heading) {
  const size_t at = page.find("\n" + heading + ":\n\n");
  if (at == std::string::npos) return {};
  std::istringstream in(page.substr(at + heading.size() + 4));
  std::string program;
  for (std::string line; std::getline(in, line);) {
    if (!line.empty() && !line.starts_with("    ")) break;
    program += (line.empty() ? line : line.substr(4)) + "\n";
  }
  return program;
}

std::vector<std::string> codes_of(const std::string& program) {
  SourceMap sources;
  DiagnosticSink sink;
  parse(sources, sources.add("main.net", program), sink);
  std::vector<std::string> codes;
  for (const Diagnostic& diagnostic : sink.all()) codes.push_back(diagnostic.code);
  return codes;
}

TEST(Explanations, OfSyntaxShowAProgramThatGivesTheCodeAndOneThatGivesNone) {
  for (const std::string& code : all_codes()) {
    if (!code.starts_with("E00")) continue;
    const std::string page = *explanation_of(code);
    const std::string wrong = program_of(page, "Wrong"), right = program_of(page, "Right");
    if (wrong.empty()) continue;
    const std::vector<std::string> codes = codes_of(wrong);
    EXPECT_NE(std::find(codes.begin(), codes.end(), code), codes.end()) << code << " is not given by\n" << wrong;
    EXPECT_EQ(codes_of(right), std::vector<std::string>()) << code << ": this should be right\n" << right;
  }
}

TEST(Explanations, ExistForEveryCodeOfTheCases) {
  const std::string folder = std::string(NETC_TEST_DIR) + "/errors/cases";
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    std::istringstream in(golden::read_case(entry.path().string()).expected);
    for (std::string line; std::getline(in, line);) {
      const bool is_code = line.size() > 6 && (line[0] == 'E' || line[0] == 'A') && line[5] == ' ' &&
                           line.find_first_not_of("0123456789", 1) == 5;
      EXPECT_TRUE(!is_code || explanation_of(line.substr(0, 5))) << line;
    }
  }
}

}  // namespace
}  // namespace netc

int main(int argc, char** argv) {
  return netc::golden::run_all(argc, argv, "Errors", std::string(NETC_TEST_DIR) + "/errors/cases", netc::check);
}
