// Positions, suggestions, the sink, Unicode, and the table of explanations.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "compiler/support/diagnostic.h"
#include "compiler/support/unicode.h"

namespace netc {
namespace {

TEST(SourceMap, FindsLinesAndColumns) {
  SourceMap sources;
  const int32_t file = sources.add("n.net", "ab\r\n\ncd");
  EXPECT_EQ(sources.position(file, 0).line, 1);
  EXPECT_EQ(sources.position(file, 3).line, 1);
  EXPECT_EQ(sources.position(file, 4).line, 2);
  EXPECT_EQ(sources.position(file, 6).line, 3);
  EXPECT_EQ(sources.position(file, 6).column, 2);
  EXPECT_EQ(sources.position(file, 1000).line, 3);
  EXPECT_EQ(sources.line_text(file, 1), "ab");
  EXPECT_EQ(sources.line_text(file, 2), "");
  EXPECT_EQ(sources.line_text(file, 3), "cd");
  EXPECT_EQ(sources.line_text(file, 4), "");
  EXPECT_EQ(sources.text({file, 5, 100}), "cd");
  EXPECT_EQ(sources.text({}), "");
}

TEST(SourceMap, EndsLinesAtEveryKindOfLineEnd) {
  SourceMap sources;
  const int32_t file = sources.add("a.net", "one\rtwo\r\nthree\nfour\r");
  EXPECT_EQ(sources.line_text(file, 1), "one");
  EXPECT_EQ(sources.line_text(file, 2), "two");
  EXPECT_EQ(sources.line_text(file, 3), "three");
  EXPECT_EQ(sources.line_text(file, 4), "four");
  EXPECT_EQ(sources.position(file, 4).line, 2);
  EXPECT_EQ(sources.position(file, 9).line, 3);
}

TEST(SourceMap, ReferencesStayValid) {
  SourceMap sources;
  sources.add("first", "text");
  const SourceFile& first = sources.file(0);
  for (int i = 0; i < 100; ++i) sources.add("other", "more");
  EXPECT_EQ(&first, &sources.file(0));
}

TEST(Span, Join) {
  EXPECT_EQ(join({0, 3, 5}, {0, 1, 4}), (Span{0, 1, 5}));
  EXPECT_EQ(join({}, {0, 1, 4}), (Span{0, 1, 4}));
  EXPECT_EQ(join({0, 1, 4}, {}), (Span{0, 1, 4}));
  EXPECT_EQ(join({0, 1, 4}, {1, 2, 3}), (Span{0, 1, 4}));
}

TEST(Nearest, SuggestsWhatWasProbablyMeant) {
  const std::vector<std::string> words{"conv", "conv_bn", "batch_norm", "global_avg_pool", "pad", "stride",
                                       "relu", "max_pool", "linear"};
  const auto suggestion = [&](const std::string& word) { return nearest(word, words).value_or("nothing"); };
  EXPECT_EQ(suggestion("conv2d"), "conv");
  EXPECT_EQ(suggestion("Conv"), "conv");
  EXPECT_EQ(suggestion("padding"), "pad");
  EXPECT_EQ(suggestion("strid"), "stride");
  EXPECT_EQ(suggestion("sride"), "stride");
  EXPECT_EQ(suggestion("rleu"), "relu");
  EXPECT_EQ(suggestion("maxpool"), "max_pool");
  EXPECT_EQ(suggestion("norm_batch"), "batch_norm");
  EXPECT_EQ(suggestion("gap"), "global_avg_pool");
  EXPECT_EQ(suggestion("banana"), "nothing");
  EXPECT_EQ(suggestion("x"), "nothing");
  EXPECT_EQ(suggestion(""), "nothing");
  EXPECT_EQ(suggestion(std::string(100'000, 'c')), "nothing");
}

TEST(DiagnosticSink, DropsRepetitionsAndCountsEveryError) {
  DiagnosticSink sink;
  Diagnostic d;
  d.code = "E0101";
  d.message = "m";
  d.primary.span = {0, 1, 2};
  sink.add(d);
  EXPECT_EQ(sink.error_count(), 1);
  sink.add(d);
  EXPECT_EQ(sink.all().size(), 1u);
  EXPECT_EQ(sink.error_count(), 2);
  d.primary.span = {0, 3, 4};
  d.severity = Severity::advice;
  sink.add(d);
  EXPECT_EQ(sink.all().size(), 2u);
  EXPECT_EQ(sink.error_count(), 2);
}

TEST(Unicode, DecodesOnlyWhatIsValid) {
  EXPECT_EQ(decode_utf8("é", 0).value, U'é');
  EXPECT_EQ(decode_utf8("漢", 0).bytes, 3);
  EXPECT_EQ(decode_utf8("😀", 0).value, U'😀');
  for (const std::string text : {"\x80", "\xC0\x80", "\xC3", "\xE0\x80\x80", "\xED\xA0\x80", "\xF5\x80\x80\x80", "\xF0\x9F"}) {
    EXPECT_FALSE(decode_utf8(text, 0).valid);
    EXPECT_EQ(decode_utf8(text, 0).bytes, 1);
  }
  EXPECT_EQ(display_width("a\tb"), 5);
  EXPECT_EQ(display_width("漢字"), 4);
  EXPECT_EQ(display_width("e\u0301"), 1);
  EXPECT_EQ(utf16_length("a😀é"), 4);
  EXPECT_EQ(printable("a\x01\u202Eb"), "a\uFFFD\uFFFDb");
}

TEST(Explanations, AreSortedUniqueAndWhole) {
  const std::vector<std::string> codes = all_codes();
  EXPECT_EQ(std::set<std::string>(codes.begin(), codes.end()).size(), codes.size());
  EXPECT_TRUE(std::is_sorted(codes.begin(), codes.end()));
  for (const std::string& code : codes) {
    const std::string page = explanation_of(code).value_or("");
    EXPECT_TRUE(page.starts_with(code + "  ")) << page;
    EXPECT_TRUE(page.ends_with("\n")) << page;
  }
  EXPECT_FALSE(explanation_of("E9999"));
  EXPECT_FALSE(explanation_of(""));
}

}  // namespace
}  // namespace netc
