// ANTLR's parse tree to the syntax tree. Lines with an error are left out.
//
// What the grammar does not see is checked here: extents of zero, numbers that do not fit, escapes,
// chained comparisons, positional arguments after named ones, and where `branch` may stand.
#pragma once

#include "NetParser.h"
#include "compiler/ast/ast.h"
#include "compiler/parse/repair.h"

namespace netc::syntax {

using P = netc_grammar::NetParser;

Ast build_ast(P::FileContext& file, const Docs& docs, Report& report);

// Expressions; used by the part that builds declarations and statements.
class ExprBuilder {
 public:
  explicit ExprBuilder(Report& report) : report_(report) {}

  Expression build(P::ExprContext* context);
  Expression list(P::ListContext* context);
  std::vector<Arg> args(P::CallArgsContext* context);  // null: none
  Expression apply(Expression value, const std::vector<P::TrailerContext*>& trailers);
  Expression string(antlr4::Token* token);

  Name name(antlr4::Token* token) const;
  Span span(antlr4::Token* token) const;
  Span span(antlr4::ParserRuleContext* context) const;  // invalid for null

 private:
  Expression build(P::DisjunctionContext* context);
  Expression build(P::ConjunctionContext* context);
  Expression build(P::InversionContext* context);
  Expression build(P::ComparisonContext* context);
  Expression build(P::RangeContext* context);
  Expression build(P::SumContext* context);
  Expression build(P::ProductContext* context);
  Expression build(P::UnaryContext* context);
  Expression build(P::PowerContext* context);
  Expression build(P::PostfixContext* context);
  Expression build(P::AtomContext* context);
  template <class Operand>
  Expression left_to_right(antlr4::ParserRuleContext* context);

  Expression integer(Span span);
  Expression real(Span span);
  Expression size(Span span);
  Expression quantity(Span span);
  int64_t parse_int(std::string_view digits, Span span);
  double parse_double(std::string_view digits, Span span);

  Report& report_;
};

}  // namespace netc::syntax
