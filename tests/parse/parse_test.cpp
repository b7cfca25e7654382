// The parser: trees as golden files, no ambiguity, and no input that breaks it.
#include "compiler/parse/parse.h"

#include <chrono>
#include <random>

#include "NetParser.h"
#include "compiler/ast/print.h"
#include "compiler/parse/error_strategy.h"
#include "compiler/parse/token_filter.h"
#include "tests/golden/golden.h"

namespace netc {
namespace {

const std::string kCases = std::string(NETC_TEST_DIR) + "/parse/cases";

// Every program of the golden files, and the standard library.
std::vector<std::pair<std::string, std::string>> all_programs() {
  std::vector<std::pair<std::string, std::string>> programs;
  for (const char* folder : {"parse", "errors"})
    for (const auto& entry : std::filesystem::directory_iterator(std::string(NETC_TEST_DIR) + "/" + folder + "/cases"))
      if (entry.path().extension() == ".txt")
        for (auto& file : golden::read_case(entry.path().string()).files) programs.push_back(std::move(file));
  for (const auto& entry : std::filesystem::directory_iterator(std::string(NETC_SOURCE_DIR) + "/stdlib"))
    if (entry.path().extension() == ".net")
      programs.emplace_back(entry.path().filename().string(), golden::read_text(entry.path().string()));
  return programs;
}

std::string emit_ast(const golden::Case& c) {
  SourceMap sources;
  const int32_t file = sources.add(c.files.front().first, c.files.front().second);
  DiagnosticSink sink;
  std::string out = print_ast(parse(sources, file, sink));
  for (const Diagnostic& diagnostic : sink.all()) out += "\n" + render_text(diagnostic, sources);
  return out;
}

DiagnosticSink errors_of(const std::string& text, const ParseLimits& limits = {}) {
  SourceMap sources;
  const int32_t file = sources.add("main.net", text);
  DiagnosticSink sink;
  const Ast ast = parse(sources, file, sink, limits);
  print_ast(ast);
  for (const Diagnostic& diagnostic : sink.all()) {  // every message can be printed
    EXPECT_FALSE(render_text(diagnostic, sources).empty());
    EXPECT_FALSE(render_json(diagnostic, sources).empty());
  }
  return sink;
}

std::string first_code(const std::string& text, const ParseLimits& limits = {}) {
  const DiagnosticSink sink = errors_of(text, limits);
  return sink.all().empty() ? "" : sink.all().front().code;
}

// ---- the grammar ----

class AmbiguityListener : public antlr4::BaseErrorListener {
 public:
  int reports = 0;
  void reportAmbiguity(antlr4::Parser*, const antlr4::dfa::DFA&, size_t, size_t, bool, const antlrcpp::BitSet&,
                       antlr4::atn::ATNConfigSet*) override {
    ++reports;
  }
  void reportAttemptingFullContext(antlr4::Parser*, const antlr4::dfa::DFA&, size_t, size_t, const antlrcpp::BitSet&,
                                   antlr4::atn::ATNConfigSet*) override {
    ++reports;
  }
};

TEST(Grammar, IsNeverAmbiguous) {
  for (const auto& [name, text] : all_programs()) {
    SourceMap sources;
    const int32_t file = sources.add(name, text);
    syntax::Report report(sources, file, 1000);
    const auto filtered = syntax::filter_tokens(syntax::lex(sources.file(file).text, 100'000), 200, report);
    ASSERT_TRUE(filtered) << name;
    antlr4::ListTokenSource source(syntax::to_antlr(filtered->tokens));
    antlr4::CommonTokenStream stream(&source);
    netc_grammar::NetParser parser(&stream);
    AmbiguityListener listener;
    parser.removeErrorListeners();
    parser.addErrorListener(&listener);
    parser.getInterpreter<antlr4::atn::ParserATNSimulator>()->setPredictionMode(
        antlr4::atn::PredictionMode::LL_EXACT_AMBIG_DETECTION);
    parser.setErrorHandler(std::make_shared<syntax::LineRecovery>(report));
    parser.file();
    EXPECT_EQ(listener.reports, 0) << name;
  }
}

TEST(Grammar, SpansCoverWhatWasWritten) {
  SourceMap sources;
  const std::string text = "block f() {\n    stem: conv(64, stride = 2*n) as skip\n}\n";
  const int32_t file = sources.add("main.net", text);
  DiagnosticSink sink;
  const Ast ast = parse(sources, file, sink);
  ASSERT_EQ(ast.declarations.size(), 1u);
  EXPECT_EQ(sources.text(ast.declarations[0].span), text.substr(0, text.size() - 1));
  const Stmt& statement = ast.declarations[0].as<BlockDecl>()->body.statements[0];
  EXPECT_EQ(sources.text(statement.span), "stem: conv(64, stride = 2*n) as skip");
  const Link& link = statement.as<ChainStmt>()->chain.links[0];
  EXPECT_EQ(sources.text(link.label->span), "stem");
  EXPECT_EQ(sources.text(link.as_name->span), "skip");
  const CallLink& call = *link.as<CallLink>();
  EXPECT_EQ(sources.text(call.callee.span), "conv");
  EXPECT_EQ(sources.text(call.args_span), "(64, stride = 2*n)");
  EXPECT_EQ(sources.text(call.args[1].span), "stride = 2*n");
  EXPECT_EQ(sources.text(call.args[1].name->span), "stride");
  EXPECT_EQ(sources.text(call.args[1].value->span), "2*n");
  EXPECT_EQ(sources.text(call.args[1].value->as<Binary>()->op_span), "*");
}

// ---- errors ----

// One planted error a line gives one message a line: a wrong guess about the first one would hide
// or invent others.
TEST(Recovery, EveryPlantedErrorIsReportedOnceOnItsLine) {
  const std::vector<std::string> wrong_lines = {
      "conv(64 3x3)",     "conv(64, 3x)",      "let q 3",           "x = 3",          "relu bn",
      "conv(64, ",        "conv(64]",          "let s = \"abc",     "for x xs { relu }", "reisdual { relu }",
      "input image [3]",  "let let = 3",       "let v = 3 +* 4",    "let b = 15dge",  "conv(64))",
      "a && b",           "let z = if a then 3", "block q() { }",   "shortcut { }",   "require a < b < c",
      "param w: [3",      "output",            "x -> -> y",         "let r = 0x3",    "aux_head (weight = 1) { }"};
  for (size_t count = 1; count <= wrong_lines.size(); ++count) {
    std::string text = "block f() {\n";
    for (size_t i = 0; i < count; ++i) text += "    " + wrong_lines[i] + "\n    relu\n";
    text += "}\nblock g() { gelu }\n";
    SourceMap sources;
    const int32_t file = sources.add("main.net", text);
    DiagnosticSink sink;
    parse(sources, file, sink);
    std::vector<int> lines;
    for (const Diagnostic& d : sink.all()) lines.push_back(sources.position(file, d.primary.span.begin).line);
    std::vector<int> expected;
    for (size_t i = 0; i < count; ++i) expected.push_back(static_cast<int>(2 + 2 * i));
    ASSERT_EQ(lines, expected) << "the last planted line is: " << wrong_lines[count - 1] << "\n"
                               << (sink.all().empty() ? "" : render_text(sink.all().back(), sources));
  }
}

TEST(Limits, AreErrorsOfTheirOwn) {
  EXPECT_EQ(first_code("let a = 1\n", {.max_source_bytes = 5}), "E0030");
  EXPECT_EQ(first_code("let a = 1\n", {.max_tokens = 3}), "E0031");
  EXPECT_EQ(first_code("let a = ((1))\n", {.max_nesting = 1}), "E0032");
  EXPECT_EQ(errors_of("let = 1\nlet = 2\nlet = 3\n", {.max_errors = 2}).all().back().code, "E0033");
  EXPECT_EQ(first_code(std::string("let a = \"\xFF\"\n")), "E0001");
  EXPECT_EQ(first_code(std::string("let a\0 = 3\n", 11)), "E0001");
}

std::string repeated(const std::string& text, int count) {
  std::string out;
  for (int i = 0; i < count; ++i) out += text;
  return out;
}

// Each of these overflows a stack or takes quadratic time in a parser that is not careful.
TEST(Limits, HugeInputsEndInTime) {
  constexpr int kMany = 10'000;
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(first_code("let a = " + repeated("(", kMany)), "E0032");
  EXPECT_EQ(first_code("let a = " + repeated("-", kMany) + "1"), "E0032");
  EXPECT_EQ(first_code("let a = " + repeated("1 + ", kMany) + "1"), "E0032");
  EXPECT_EQ(first_code("let a = " + repeated("2 ** ", kMany) + "1"), "E0032");
  EXPECT_EQ(first_code("let a = " + repeated("not ", kMany) + "b"), "E0032");
  EXPECT_EQ(first_code("let a = b" + repeated(".c", kMany)), "E0032");
  EXPECT_EQ(first_code("let a = b" + repeated("()", kMany)), "E0032");
  EXPECT_EQ(first_code("let a = " + repeated("if b then c else ", kMany) + "d"), "E0032");
  EXPECT_EQ(first_code("block f() " + repeated("{ residual ", kMany) + repeated("}", kMany)), "E0032");
  EXPECT_EQ(first_code("block f(a: " + repeated("[", kMany) + "int" + repeated("]", kMany) + ") { }"), "E0032");
  EXPECT_EQ(first_code("let a = [" + repeated("1, ", kMany) + "1]"), "");
  EXPECT_EQ(first_code("block f() { " + repeated("relu -> ", kMany) + "relu }"), "");
  EXPECT_EQ(first_code("block f() {\n" + repeated("relu\n", kMany) + "}"), "");
  EXPECT_EQ(first_code("block f() { if a { } " + repeated("else if a { } ", kMany) + "}"), "");
  EXPECT_EQ(first_code(repeated("let a = (\n", kMany)), "E0006");
  EXPECT_EQ(first_code(repeated("let a = (1\n", kMany)), "E0006");
  EXPECT_EQ(first_code(repeated("(", kMany) + repeated("]", kMany)), "E0007");
  EXPECT_EQ(first_code(repeated("}", kMany)), "E0007");
  EXPECT_EQ(first_code(repeated("block f() {\n", kMany)), "E0006");
  EXPECT_EQ(first_code(repeated("\"", kMany)), "E0016");
  EXPECT_EQ(first_code("/*" + repeated("/*", kMany)), "E0002");
  const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - start;
  EXPECT_LT(spent.count(), 60) << "seconds";
}

// ---- random input: nothing crashes, hangs, or is refused without a message ----

class Garbage : public testing::Test {
 protected:
  std::mt19937 random_{20260101};
  size_t below(size_t n) { return std::uniform_int_distribution<size_t>(0, n - 1)(random_); }

  void check(const std::string& text) {
    SourceMap sources;
    const int32_t file = sources.add("main.net", text);
    DiagnosticSink sink;
    Ast ast;
    ASSERT_NO_THROW(ast = parse(sources, file, sink)) << text;
    print_ast(ast);
    for (const Diagnostic& d : sink.all()) {
      ASSERT_FALSE(explanation_of(d.code) == std::nullopt) << d.code;
      ASSERT_LE(d.primary.span.begin, d.primary.span.end);
      ASSERT_LE(d.primary.span.end, text.size());
      render_text(d, sources);
      render_json(d, sources);
    }
  }
};

TEST_F(Garbage, RandomBytes) {
  for (int round = 0; round < 300; ++round) {
    std::string text(below(200), ' ');
    const bool ascii = round % 2 == 0;
    for (char& c : text) c = static_cast<char>(ascii ? 9 + below(118) : below(256));
    check(text);
  }
}

TEST_F(Garbage, RandomTokens) {
  const std::vector<std::string> words = {
      "(",  ")",     "[",       "]",        "{",         "}",      ",",     ":",     ";",       "->",    "=",   "==",
      "+",  "-",     "**",      "/",        ".",         "..",     "\n",    "\n",    "\n",      "if",    "then", "else",
      "for", "in",   "repeat",  "residual", "shortcut",  "inception", "branch", "let", "block", "network", "recipe",
      "a",  "b",     "c",       "3",        "3x3",       "0.5",    "10%",   "\"s\"", "as",      "with",  "and", "not",
      "use", "train", "input",  "output",   "import",    "names",  "param", "share", "require", "aux_head", "3x", "'", "#",
      "\nblock f(", "\nrecipe r {\n", "\nnetwork n() {\n", "/// doc\n"};
  for (int round = 0; round < 400; ++round) {
    std::string text;
    for (size_t i = below(120); i > 0; --i) text += words[below(words.size())] + (below(3) == 0 ? "" : " ");
    check(text);
  }
}

TEST_F(Garbage, MutatedPrograms) {
  const auto programs = all_programs();
  for (int round = 0; round < 400; ++round) {
    std::string text = programs[below(programs.size())].second;
    for (size_t edits = 1 + below(4); edits > 0 && !text.empty(); --edits) {
      const size_t at = below(text.size());
      switch (below(4)) {
        case 0: text.erase(at, 1 + below(8)); break;
        case 1: text.insert(at, 1, "(){}[],;:=->\n\"x3."[below(17)]); break;
        case 2: text[at] = static_cast<char>(below(256)); break;
        default: text.insert(at, text.substr(below(text.size()), below(30))); break;
      }
    }
    check(text);
  }
}

TEST_F(Garbage, TruncatedPrograms) {
  for (const auto& [name, text] : all_programs())
    for (int i = 0; i < 10; ++i) check(text.substr(0, below(text.size() + 1)));
}

}  // namespace
}  // namespace netc

int main(int argc, char** argv) {
  return netc::golden::run_all(argc, argv, "Ast", netc::kCases, netc::emit_ast);
}
