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

  Expr build(P::ExprContext* context);
  Expr list(P::ListContext* context);
  std::vector<Arg> args(P::CallArgsContext* context);  // null: none
  Expr apply(Expr value, const std::vector<P::TrailerContext*>& trailers);
  Expr string(antlr4::Token* token);

  Name name(antlr4::Token* token) const;
  Span span(antlr4::Token* token) const;
  Span span(antlr4::ParserRuleContext* context) const;  // invalid for null

 private:
  Expr build(P::DisjunctionContext* context);
  Expr build(P::ConjunctionContext* context);
  Expr build(P::InversionContext* context);
  Expr build(P::ComparisonContext* context);
  Expr build(P::RangeContext* context);
  Expr build(P::SumContext* context);
  Expr build(P::ProductContext* context);
  Expr build(P::UnaryContext* context);
  Expr build(P::PowerContext* context);
  Expr build(P::PostfixContext* context);
  Expr build(P::AtomContext* context);
  template <class Operand>
  Expr left_to_right(antlr4::ParserRuleContext* context);

  Expr integer(Span span);
  Expr real(Span span);
  Expr size(Span span);
  Expr quantity(Span span);
  int64_t parse_int(std::string_view digits, Span span);
  double parse_double(std::string_view digits, Span span);

  Report& report_;
};

}  // namespace netc::syntax
