#include <charconv>
#include <cmath>

#include "compiler/parse/build_ast.h"
#include "compiler/parse/syntax_error.h"
#include "compiler/parse/tokens.h"

namespace netc::syntax {
namespace {

Expression make(Expression::Node node, Span span) { return {std::move(node), span}; }

BinaryOp binary_op(size_t type) {
  switch (type) {
    case T::PLUS: return BinaryOp::add;
    case T::MINUS: return BinaryOp::sub;
    case T::STAR: return BinaryOp::mul;
    case T::SLASH: return BinaryOp::div;
    case T::POW: return BinaryOp::pow;
    case T::EQEQ: return BinaryOp::eq;
    case T::NE: return BinaryOp::ne;
    case T::LT: return BinaryOp::lt;
    case T::LE: return BinaryOp::le;
    case T::GT: return BinaryOp::gt;
    case T::GE: return BinaryOp::ge;
    case T::AND: return BinaryOp::logical_and;
    default: return BinaryOp::logical_or;  // T::OR: token types are integers, not an enumeration
  }
}

std::string without_underscores(std::string_view digits) {
  std::string out;
  for (char c : digits)
    if (c != '_') out += c;
  return out;
}

struct UnitRow {
  std::string_view spelling;
  Unit unit;
  double factor;
};

constexpr double kKiB = 1024;
constexpr UnitRow kUnits[] = {{"%", Unit::percent, 1},
                              {"deg", Unit::degrees, 1},
                              {"epoch", Unit::epochs, 1},
                              {"epochs", Unit::epochs, 1},
                              {"step", Unit::steps, 1},
                              {"steps", Unit::steps, 1},
                              {"B", Unit::bytes, 1},
                              {"KiB", Unit::bytes, kKiB},
                              {"MiB", Unit::bytes, kKiB * kKiB},
                              {"GiB", Unit::bytes, kKiB * kKiB * kKiB},
                              {"TiB", Unit::bytes, kKiB * kKiB * kKiB * kKiB},
                              {"ms", Unit::seconds, 1e-3},
                              {"s", Unit::seconds, 1},
                              {"min", Unit::seconds, 60},
                              {"h", Unit::seconds, 3600}};

}  // namespace

Span ExprBuilder::span(antlr4::Token* token) const { return span_of(*token, report_.file()); }

Span ExprBuilder::span(antlr4::ParserRuleContext* context) const {
  if (context == nullptr) return {};
  return join(span(context->getStart()), span(context->getStop()));
}

Name ExprBuilder::name(antlr4::Token* token) const {
  const Span where = span(token);
  return {std::string(report_.text(where)), where};
}

Expression ExprBuilder::build(P::ExprContext* context) {
  if (context->disjunction() != nullptr) return build(context->disjunction());
  const std::vector<P::ExprContext*> parts = context->expr();
  return make(IfExpr{build(parts[0]), build(parts[1]), build(parts[2])}, span(context));
}

// Operands at even places, operators between them: ((a + b) - c).
template <class Operand>
Expression ExprBuilder::left_to_right(antlr4::ParserRuleContext* context) {
  const auto operand = [&](size_t i) { return build(static_cast<Operand*>(context->children[i])); };
  Expression result = operand(0);
  for (size_t i = 2; i < context->children.size(); i += 2) {
    antlr4::Token* op = static_cast<antlr4::tree::TerminalNode*>(context->children[i - 1])->getSymbol();
    Expression right = operand(i);
    const Span whole = join(result.span, right.span);
    result = make(Binary{binary_op(op->getType()), span(op), std::move(result), std::move(right)}, whole);
  }
  return result;
}

Expression ExprBuilder::build(P::DisjunctionContext* context) { return left_to_right<P::ConjunctionContext>(context); }
Expression ExprBuilder::build(P::ConjunctionContext* context) { return left_to_right<P::InversionContext>(context); }
Expression ExprBuilder::build(P::SumContext* context) { return left_to_right<P::ProductContext>(context); }
Expression ExprBuilder::build(P::ProductContext* context) { return left_to_right<P::UnaryContext>(context); }

Expression ExprBuilder::build(P::InversionContext* context) {
  if (context->comparison() != nullptr) return build(context->comparison());
  return make(Unary{UnaryOp::logical_not, span(context->getStart()), build(context->inversion())}, span(context));
}

Expression ExprBuilder::build(P::ComparisonContext* context) {
  if (context->children.size() > 3) {
    auto* second = static_cast<antlr4::tree::TerminalNode*>(context->children[3])->getSymbol();
    Diagnostic d = error("E0021", "comparisons do not chain", span(second));
    d.notes.emplace_back("`a < b < c` is written `a < b and b < c`");
    report_.add(std::move(d));
  }
  return left_to_right<P::RangeContext>(context);
}

Expression ExprBuilder::build(P::RangeContext* context) {
  const std::vector<P::SumContext*> ends = context->sum();
  if (ends.size() == 1) return build(ends[0]);
  return make(Range{build(ends[0]), build(ends[1])}, span(context));
}

Expression ExprBuilder::build(P::UnaryContext* context) {
  if (context->power() != nullptr) return build(context->power());
  return make(Unary{UnaryOp::negate, span(context->getStart()), build(context->unary())}, span(context));
}

Expression ExprBuilder::build(P::PowerContext* context) {
  Expression base = build(context->postfix());
  if (context->unary() == nullptr) return base;
  antlr4::Token* op = context->POW()->getSymbol();
  return make(Binary{BinaryOp::pow, span(op), std::move(base), build(context->unary())}, span(context));
}

Expression ExprBuilder::build(P::PostfixContext* context) { return apply(build(context->atom()), context->trailer()); }

Expression ExprBuilder::apply(Expression value, const std::vector<P::TrailerContext*>& trailers) {
  for (P::TrailerContext* trailer : trailers) {
    const Span whole = join(value.span, span(trailer));
    if (trailer->ID() != nullptr) {
      value = make(Member{std::move(value), name(trailer->ID()->getSymbol())}, whole);
    } else if (trailer->expr() != nullptr) {
      value = make(Index{std::move(value), build(trailer->expr())}, whole);
    } else {
      P::CallArgsContext* given = trailer->callArgs();
      if (trailer->WITH() != nullptr) {
        value = make(With{std::move(value), args(given), span(given)}, whole);
      } else {
        value = make(Call{std::move(value), args(given), span(given)}, whole);
      }
    }
  }
  return value;
}

Expression ExprBuilder::build(P::AtomContext* context) {
  if (context->expr() != nullptr) return build(context->expr());
  if (context->list() != nullptr) return list(context->list());
  antlr4::Token* token = context->getStart();
  const Span where = span(token);
  switch (token->getType()) {
    case T::INT: return integer(where);
    case T::FLOAT: return real(where);
    case T::QUANTITY: return quantity(where);
    case T::SIZE: return size(where);
    case T::STRING: return string(token);
    case T::TRUE: return make(BoolLit{true}, where);
    case T::FALSE: return make(BoolLit{false}, where);
    default: return make(NameRef{std::string(report_.text(where))}, where);
  }
}

Expression ExprBuilder::list(P::ListContext* context) {
  ListExpr result;
  for (P::ExprContext* item : context->expr()) result.items.push_back(build(item));
  return make(std::move(result), span(context));
}

std::vector<Arg> ExprBuilder::args(P::CallArgsContext* context) {
  std::vector<Arg> result;
  if (context == nullptr) return result;
  for (P::ArgContext* arg : context->arg()) {
    Arg& out = result.emplace_back();
    if (arg->ARG_NAME() != nullptr) out.name = name(arg->ARG_NAME()->getSymbol());
    out.value = build(arg->expr());
    out.span = span(arg);
    if (out.name || result.size() < 2 || !result[result.size() - 2].name) continue;
    Diagnostic d = error("E0026", "a positional argument after a named one", out.value->span);
    d.secondary.push_back({result[result.size() - 2].span, ""});
    d.notes.emplace_back("positional arguments come first; give this one its name too");
    report_.add(std::move(d));
  }
  return result;
}

// ---- literals ----

int64_t ExprBuilder::parse_int(std::string_view digits, Span where) {
  const std::string text = without_underscores(digits);
  int64_t value = 0;
  if (std::from_chars(text.data(), text.data() + text.size(), value).ec == std::errc()) return value;
  report_.add(error("E0010", "this number does not fit in 64 bits", where));
  return 1;
}

double ExprBuilder::parse_double(std::string_view digits, Span where) {
  const std::string text = without_underscores(digits);
  double value = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failure == std::errc()) return value;
  report_.add(error("E0010", "this number does not fit in a 64-bit float", where));
  return 1;
}

Expression ExprBuilder::integer(Span where) {
  const std::string_view text = report_.text(where);
  const bool is_number = text.find_first_not_of("0123456789_") == std::string_view::npos;
  return make(IntLit{is_number ? parse_int(text, where) : 1}, where);  // else a BAD_NUMBER, reported
}

Expression ExprBuilder::real(Span where) { return make(FloatLit{parse_double(report_.text(where), where)}, where); }

Expression ExprBuilder::size(Span where) {
  const std::string_view text = report_.text(where);
  const size_t x = text.find('x');
  const SizeLit value{parse_int(text.substr(0, x), where), parse_int(text.substr(x + 1), where)};
  if (value.height == 0 || value.width == 0) report_.add(error("E0009", "an extent of zero", where));
  return make(value, where);
}

Expression ExprBuilder::quantity(Span where) {
  const std::string_view text = report_.text(where);
  const size_t unit_at = std::min(text.find_first_not_of("0123456789._"), text.size());
  const std::string_view digits = text.substr(0, unit_at), spelled = text.substr(unit_at);
  QuantityLit value;
  value.number_span = {where.file, where.begin, where.begin + static_cast<uint32_t>(unit_at)};
  value.unit_span = {where.file, value.number_span.end, where.end};
  value.is_integer = digits.find('.') == std::string_view::npos;
  for (const UnitRow& row : kUnits) {
    if (row.spelling != spelled) continue;
    value.unit = row.unit;
    value.value = parse_double(digits, where) * row.factor;
  }
  return make(value, where);
}

Expression ExprBuilder::string(antlr4::Token* token) {
  const Span where = span(token);
  std::string_view text = report_.text(where);
  StringLit value;
  if (text.size() < 2 || text.front() != '"') return make(std::move(value), where);  // reported before
  text = text.substr(1, text.size() - 2);
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\' || i + 1 == text.size()) {
      value.value += text[i];
      continue;
    }
    const uint32_t at = where.begin + 1 + static_cast<uint32_t>(i);
    switch (text[++i]) {
      case '"': value.value += '"'; break;
      case '\\': value.value += '\\'; break;
      case 'n': value.value += '\n'; break;
      case 't': value.value += '\t'; break;
      default: {
        Diagnostic d = error("E0005", "no such escape", {where.file, at, at + 2});
        d.notes.emplace_back("escapes are `\\\"`, `\\\\`, `\\n` and `\\t`; a path may be written with `/`");
        report_.add(std::move(d));
        break;
      }
    }
  }
  return make(std::move(value), where);
}

}  // namespace netc::syntax
