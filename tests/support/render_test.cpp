// The layout of diagnostics, against whole expected texts.
#include <gtest/gtest.h>

#include "compiler/support/diagnostic.h"
#include "compiler/support/unicode.h"

namespace netc {
namespace {

class Rendering : public testing::Test {
 protected:
  int32_t add(const std::string& path, const std::string& text) { return sources_.add(path, text); }

  // The nth occurrence of `needle` in the file.
  Span find(const std::string& needle, int nth = 1, int32_t file = 0) {
    size_t at = std::string::npos;
    for (int i = 0; i < nth; ++i) at = sources_.file(file).text.find(needle, at + 1);
    EXPECT_NE(at, std::string::npos) << needle;
    return {file, static_cast<uint32_t>(at), static_cast<uint32_t>(at + needle.size())};
  }

  Diagnostic error(Span span, const std::string& label = "") {
    Diagnostic d;
    d.code = "E0200";
    d.message = "message";
    d.primary = {span, label};
    return d;
  }

  std::string text(const Diagnostic& d) { return "\n" + render_text(d, sources_); }

  SourceMap sources_;
};

TEST_F(Rendering, ResidualWhoseSidesDiffer) {
  std::string source(11, '\n');
  source += "    residual {\n        conv_bn(128, 3x3, stride = 2)\n    }\n" + std::string(15, '\n') + "basic(128)\n";
  add("resnet.net", source);
  Diagnostic d = error(find("residual"), "identity [64, 56, 56], body [128, 28, 28]");
  d.code = "E0201";
  d.message = "residual: the two sides differ";
  d.secondary = {{find("128"), ""}, {find("stride = 2"), "64 -> 128 channels, 56 -> 28"}};
  d.chain = {{"basic(128)", find("basic(128)")}};
  d.fixes = {{"residual(shortcut = project)", "adds 8,448 parameters", {}}};
  EXPECT_EQ(text(d), R"(
E0201 residual: the two sides differ                     resnet.net:12
12 | residual {
   | ^^^^^^^^ identity [64, 56, 56], body [128, 28, 28]
13 |     conv_bn(128, 3x3, stride = 2)
   |             ^^^       ^^^^^^^^^^ 64 -> 128 channels, 56 -> 28
in basic(128), called at line 30
fix: residual(shortcut = project)   adds 8,448 parameters
)");
}

TEST_F(Rendering, BranchesThatDifferStandSideBySide) {
  add("n.net", std::string(8, '\n') + "  branch { cbr(64, 1x1) }\n\n\n  branch { max_pool(3x3, stride = 2) }\n");
  Diagnostic d = error(find("stride = 2"));
  d.code = "E0202";
  d.message = "inception: the branches differ in size";
  d.secondary = {{find("branch { cbr(64, 1x1) }"), "[64, 28, 28]"},
                 {find("branch { max_pool(3x3, stride = 2) }"), "[192, 13, 13]"}};
  d.fixes = {{"stride = 1, pad = 1", "", {}}};
  EXPECT_EQ(text(d), R"(
E0202 inception: the branches differ in size                  n.net:12
9  | branch { cbr(64, 1x1) }              [64, 28, 28]
12 | branch { max_pool(3x3, stride = 2) } [192, 13, 13]
   |                        ^^^^^^^^^^
fix: stride = 1, pad = 1
)");
}

TEST_F(Rendering, LabelsAreSortedByLineAndHangBelowEachOther) {
  add("n.net", "one(a, b, c)\ntwo(a)\n");
  Diagnostic d = error(find("two"), "third");
  d.secondary = {{find("c"), "last"}, {find("a"), "first"}, {find("b"), ""}};
  EXPECT_EQ(text(d), R"(
E0200 message                                                  n.net:2
1 | one(a, b, c)
  |     ^  ^  ^ last
  |     first
2 | two(a)
  | ^^^ third
)");
}

TEST_F(Rendering, OverlappingLabelsGetRowsOfTheirOwn) {
  add("n.net", "conv(64, stride = 2)\n");
  Diagnostic d = error(find("conv(64, stride = 2)"), "the call");
  d.secondary = {{find("stride = 2"), "the argument"}, {find("2)"), ""}};
  d.secondary.push_back({find("stride = 2"), "said twice"});
  EXPECT_EQ(text(d), R"(
E0200 message                                                  n.net:1
1 | conv(64, stride = 2) the call
  |          ^^^^^^^^^^ the argument; said twice
  |                   ^^
)");
}

TEST_F(Rendering, LabelsOverSeveralLinesMarkTheEnds) {
  add("n.net", "  f(a,\n    b,\n    c) g\n");
  Diagnostic d = error({0, 2, 20}, "too long");
  EXPECT_EQ(text(d), R"(
E0200 message                                                  n.net:1
1 | f(a,
  | ^^^^
3 |   c) g
  |   ^^ too long
)");
}

TEST_F(Rendering, OtherFilesFollowTheFirst) {
  const int32_t main = add("main.net", "unit(64)\n");
  const int32_t library = add("std.blocks", "\nblock unit(width: int) {\n    linear(width)\n}\n");
  Diagnostic d = error(find("linear", 1, library), "takes [C]");
  d.secondary = {{find("unit(64)", 1, main), "from here"}};
  d.chain = {{"unit(64)", find("unit(64)", 1, main)}};
  EXPECT_EQ(text(d), R"(
E0200 message                                             std.blocks:3
3 | linear(width)
  | ^^^^^^ takes [C]
at main.net:1
1 | unit(64)
  | ^^^^^^^^ from here
in unit(64), called at main.net:1
)");
}

TEST_F(Rendering, TabsWideCharactersAndControlCharacters) {
  add("n.net", "\tconv(\t64)\nf(\"漢字é\", x)\nbad\x1b[31m(y)\n");
  EXPECT_EQ(text(error(find("64"))), R"(
E0200 message                                                  n.net:1
1 | conv(   64)
  |         ^^
)");
  EXPECT_EQ(text(error(find("x"))), R"(
E0200 message                                                  n.net:2
2 | f("漢字é", x)
  |            ^
)");
  EXPECT_EQ(text(error(find("y"))), "\nE0200 message                                                  n.net:3\n"
                                    "3 | bad\xEF\xBF\xBD[31m(y)\n"
                                    "  |          ^\n");
}

TEST_F(Rendering, LongLinesAreCutAroundTheirLabel) {
  add("n.net", std::string(400, 'a') + " here " + std::string(400, 'b') + "\n");
  const std::string shown = text(error(find("here"), "label"));
  EXPECT_NE(shown.find("1 | ...aaa"), std::string::npos) << shown;
  EXPECT_NE(shown.find("bbb...\n"), std::string::npos) << shown;
  const size_t caret = shown.find("^^^^ label"), row = shown.rfind('\n', caret);
  const size_t word = shown.find("here"), line = shown.rfind('\n', word);
  EXPECT_EQ(caret - row, word - line) << shown;
}

TEST_F(Rendering, InsertionPointsAndPlacesOutsideTheText) {
  add("n.net", "let a\n");
  EXPECT_EQ(text(error({0, 5, 5}, "`=` expected")), R"(
E0200 message                                                  n.net:1
1 | let a
  |      ^ `=` expected
)");
  EXPECT_EQ(text(error({0, 900, 901})), R"(
E0200 message                                                  n.net:2
2 |
  | ^
)");
  EXPECT_EQ(text(error({})), "\nE0200 message\n");
}

TEST_F(Rendering, LongChainsOfCallsLoseTheirMiddle) {
  add("n.net", "f\n");
  Diagnostic d = error(find("f"));
  for (int i = 0; i < 20; ++i) d.chain.push_back({"f" + std::to_string(i), find("f")});
  const std::string shown = text(d);
  EXPECT_NE(shown.find("in f3, called at line 1\n... 12 more calls\nin f16, called at line 1\n"), std::string::npos)
      << shown;
}

TEST_F(Rendering, NotesAdviceAndLongMessages) {
  add("a/long/path/network.net", "f\n");
  Diagnostic d = error(find("f"));
  d.code = "A0101";
  d.severity = Severity::advice;
  d.message = "two 3x3 convolutions see as much as this 5x5 and have 28 % fewer parameters";
  d.notes = {"first line\nsecond line"};
  EXPECT_EQ(text(d), R"(
A0101 advice: two 3x3 convolutions see as much as this 5x5 and have 28 % fewer parameters   a/long/path/network.net:1
1 | f
  | ^
note: first line
      second line
)");
}

TEST_F(Rendering, ColourOnlyAddsEscapes) {
  add("n.net", "conv(64, x)\n");
  Diagnostic d = error(find("conv"), "label");
  d.secondary = {{find("x"), "other"}};
  d.fixes = {{"fixed", "", {}}};
  const std::string plain = render_text(d, sources_), colored = render_text(d, sources_, true);
  std::string stripped;
  for (size_t i = 0; i < colored.size(); ++i) {
    if (colored[i] == '\x1b') {
      i = colored.find('m', i);
    } else {
      stripped += colored[i];
    }
  }
  EXPECT_NE(plain, colored);
  EXPECT_EQ(plain, stripped);
}

TEST_F(Rendering, JsonCountsColumnsInUtf16) {
  add("n.net", "a\n\"😀é\" b\n");
  Diagnostic d = error(find("b"), "here");
  d.secondary = {{find("a"), "there"}};
  d.chain = {{"f(1)", find("a")}};
  d.notes = {"a \"note\""};
  d.fixes = {{"c", "faster", {{find("b"), "c"}}}};
  EXPECT_EQ(
      render_json(d, sources_),
      R"j({"code":"E0200","severity":"error","message":"message","file":"n.net","line":2,"column":7,)j"
      R"j("end_line":2,"end_column":8,"label":"here","labels":[{"file":"n.net","line":1,"column":1,)j"
      R"j("end_line":1,"end_column":2,"text":"there"}],"calls":[{"callee":"f(1)","file":"n.net","line":1,)j"
      R"j("column":1,"end_line":1,"end_column":2}],"notes":["a \"note\""],"fixes":[{"text":"c",)j"
      R"j("effect":"faster","edits":[{"file":"n.net","line":2,"column":7,"end_line":2,"end_column":8,)j"
      R"j("text":"c"}]}]})j");
}

}  // namespace
}  // namespace netc
