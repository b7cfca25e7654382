#include "compiler/parse/build_ast.h"

#include <algorithm>

#include "compiler/parse/tokens.h"

namespace netc::syntax {
namespace {

// What a body may hold.
enum class BodyKind { statements, branches };

class AstBuilder {
 public:
  AstBuilder(const Docs& docs, Report& report) : docs_(docs), report_(report), expr_(report) {}

  Ast file(P::FileContext& context) {
    Ast ast;
    ast.file = report_.file();
    for (P::TopLineContext* line : context.topLine())
      if (line->exception == nullptr) ast.declarations.push_back(declaration(line->declaration()));
    return ast;
  }

 private:
  // ---- declarations ----
  Decl declaration(P::DeclarationContext* context) {
    Decl result{declared(context), span(context->getStart()), span(context), {}};
    const auto doc = docs_.find(result.span.begin);
    if (doc != docs_.end()) result.doc = doc->second;
    return result;
  }

  Decl::Node declared(P::DeclarationContext* context) {
    if (auto* c = context->importDecl()) return import(c);
    if (auto* c = context->letStmt()) return LetDecl{name(c->name()), expr_.build(c->expr())};
    if (auto* c = context->blockDecl()) return BlockDecl{name(c->name()), params(c->params()), body(c->body())};
    if (auto* c = context->networkDecl()) return NetworkDecl{name(c->name()), params(c->params()), body(c->body())};
    if (auto* c = context->datasetDecl()) return DatasetDecl{name(c->name()), config(c->configBody())};
    if (auto* c = context->recipeDecl()) return RecipeDecl{name(c->name()), config(c->configBody())};
    if (auto* c = context->trainDecl())
      return TrainDecl{name(c->name(0)), expr_.build(c->expr()), name(c->name(1)), config(c->configBody())};
    if (auto* c = context->ensembleDecl()) return EnsembleDecl{name(c->name()), config(c->configBody())};
    return names(context->namesDecl());
  }

  ImportDecl import(P::ImportDeclContext* context) {
    ImportDecl result;
    if (auto* path = context->modulePath()) {
      result.module_span = span(path);
      result.module = report_.text(result.module_span);
    } else {
      result.is_path = true;
      result.module_span = span(context->STRING()->getSymbol());
      result.module = std::get<StringLit>(expr_.string(context->STRING()->getSymbol()).node).value;
    }
    for (P::ImportNameContext* item : context->importName()) {
      const std::vector<P::NameContext*> words = item->name();
      ImportedName& out = result.names.emplace_back();
      out.name = name(words[0]);
      if (words.size() > 1) out.alias = name(words[1]);
    }
    return result;
  }

  std::vector<Parameter> params(P::ParamsContext* context) {
    std::vector<Parameter> result;
    if (context == nullptr) return result;
    for (P::ParameterContext* c : context->parameter()) {
      Parameter& out = result.emplace_back();
      out.name = name(c->name());
      out.type = type(c->type());
      if (c->expr() != nullptr) out.default_value = expr_.build(c->expr());
      out.span = span(c);
    }
    return result;
  }

  TypeExpr type(P::TypeContext* context) {
    TypeExpr result;
    result.span = span(context);
    if (context->ID() != nullptr) {
      result.name = expr_.name(context->ID()->getSymbol());
    } else if (context->type() != nullptr) {
      result.kind = TypeExpr::Kind::list;
      result.element.push_back(type(context->type()));
    } else {
      result.kind = TypeExpr::Kind::block;
      result.block_params = params(context->params());
    }
    return result;
  }

  Entry entry(P::EntryContext* context) {
    return {expr_.name(context->KEY()->getSymbol()), expr_.build(context->expr()), span(context)};
  }

  ConfigBody config(P::ConfigBodyContext* context) {
    ConfigBody result;
    result.span = span(context);
    for (P::EntryLineContext* line : context->entryLine()) {
      if (line->exception != nullptr) continue;
      if (line->entry() != nullptr) {
        result.items.emplace_back(entry(line->entry()));
      } else {
        const Name used = name(line->name());
        result.items.emplace_back(Use{used, join(span(line->getStart()), used.span)});
      }
    }
    return result;
  }

  NamesDecl names(P::NamesDeclContext* context) {
    NamesDecl result;
    result.name = name(context->name());
    result.body_span = span(context->namesBody());
    for (P::NamesLineContext* line : context->namesBody()->namesLine()) {
      if (line->exception != nullptr) continue;
      if (line->entry() != nullptr) {
        result.entries.push_back(entry(line->entry()));
      } else {
        Expression from = expr_.string(line->STRING(0)->getSymbol()), to = expr_.string(line->STRING(1)->getSymbol());
        const Span whole = join(from.span, to.span);
        result.rules.push_back({std::move(from), std::move(to), whole});
      }
    }
    return result;
  }

  // ---- statements ----
  Body body(P::BodyContext* context, BodyKind kind = BodyKind::statements) {
    const BodyKind outer = kind_;
    kind_ = kind;
    Body result;
    result.span = span(context);
    for (P::LineContext* line : context->line())
      if (line->exception == nullptr) result.statements.push_back(statement(line->statement()));
    kind_ = outer;
    return result;
  }

  Stmt statement(P::StatementContext* context) {
    check_kind(context);
    return {stated(context), span(context)};
  }

  // `branch` stands in an inception only, and nothing else does but `for`, `repeat`, `if` and `let`.
  void check_kind(P::StatementContext* context) {
    const bool is_branch = context->branch() != nullptr;
    if (is_branch && kind_ == BodyKind::statements) {
      report_.add(error("E0020", "`branch` outside an `inception`", span(context->getStart())));
      return;
    }
    if (is_branch || kind_ == BodyKind::statements) return;
    auto* labelled = context->labelled();
    const bool is_loop = context->forStmt() != nullptr || context->repeatStmt() != nullptr ||
                         (labelled != nullptr && labelled->chain() == nullptr);
    if (is_loop || context->ifStmt() != nullptr || context->letStmt() != nullptr) return;
    Diagnostic d = error("E0020", "an `inception` holds only branches", first_line(span(context)));
    d.fixes.push_back(Fix{"branch { " + std::string(report_.text(d.primary.span)) + " }", "", {}});
    if (d.primary.span == span(context))
      d.fixes.back().edits.push_back({d.primary.span, d.fixes.back().text});
    else
      d.fixes.clear();
    report_.add(std::move(d));
  }

  Span first_line(Span whole) const {
    const size_t end = report_.text(whole).find('\n');
    if (end != std::string_view::npos) whole.end = whole.begin + static_cast<uint32_t>(end);
    return whole;
  }

  Stmt::Node stated(P::StatementContext* context) {
    if (auto* c = context->letStmt()) return LetStmt{name(c->name()), expr_.build(c->expr())};
    if (auto* c = context->paramStmt()) {
      ParamStmt result{name(c->name()), expr_.list(c->list()), std::nullopt};
      if (c->expr() != nullptr) result.init = expr_.build(c->expr());
      return result;
    }
    if (auto* c = context->inputStmt()) {
      InputStmt result{span(c->getStart()), name(c->name()), std::nullopt, expr_.list(c->list())};
      if (c->ID() != nullptr) result.dtype = expr_.name(c->ID()->getSymbol());
      return result;
    }
    if (auto* c = context->outputStmt()) {
      OutputStmt result{span(c->getStart()), name(c->name()), std::nullopt};
      if (c->chain() != nullptr) result.value = chain(c->chain());
      return result;
    }
    if (auto* c = context->requireStmt()) {
      RequireStmt result{span(c->getStart()), expr_.build(c->expr()), std::nullopt};
      if (c->STRING() != nullptr) result.text = expr_.string(c->STRING()->getSymbol());
      return result;
    }
    if (auto* c = context->shareStmt())
      return ShareStmt{span(c->getStart()), name(c->name()), call(c->callLink()), span(c->callLink())};
    if (auto* c = context->ifStmt()) return if_statement(c);
    if (auto* c = context->auxHead())
      return AuxHeadStmt{span(c->getStart()), name(c->name()), expr_.args(c->callArgs()), span(c->callArgs()),
                         body(c->body())};
    if (auto* c = context->branch())
      return BranchStmt{span(c->getStart()), label(c->LABEL()), body(c->body())};
    if (auto* c = context->forStmt()) return for_statement(c, std::nullopt);
    if (auto* c = context->repeatStmt()) return repeat_statement(c, std::nullopt);
    if (auto* c = context->chain()) return ChainStmt{chain(c)};
    return labelled(context->labelled());
  }

  Stmt::Node labelled(P::LabelledContext* context) {
    std::optional<Name> word = label(context->LABEL());
    if (auto* c = context->forStmt()) return for_statement(c, std::move(word));
    if (auto* c = context->repeatStmt()) return repeat_statement(c, std::move(word));
    Chain result = chain(context->chain());
    Link& first = result.links.front();
    first.span = join(word->span, first.span);
    result.span = join(word->span, result.span);
    first.label = std::move(word);
    return ChainStmt{std::move(result)};
  }

  IfStmt if_statement(P::IfStmtContext* context) {
    IfStmt result;
    result.keyword_span = span(context->getStart());
    const std::vector<P::ExprContext*> conditions = context->expr();
    const std::vector<P::BodyContext*> bodies = context->body();
    for (size_t i = 0; i < conditions.size(); ++i)
      result.arms.push_back({expr_.build(conditions[i]), body(bodies[i], kind_)});
    if (bodies.size() > conditions.size()) result.else_body = body(bodies.back(), kind_);
    return result;
  }

  ForStmt for_statement(P::ForStmtContext* context, std::optional<Name> word) {
    const std::vector<P::NameContext*> names = context->name();
    std::optional<Name> index;
    if (names.size() > 1) index = name(names.front());
    return {std::move(word),     span(context->getStart()),    std::move(index),
            name(names.back()), expr_.build(context->expr()), body(context->body(), kind_)};
  }

  RepeatStmt repeat_statement(P::RepeatStmtContext* context, std::optional<Name> word) {
    return {std::move(word), span(context->getStart()), expr_.build(context->expr()), body(context->body(), kind_)};
  }

  // ---- chains ----
  Chain chain(P::ChainContext* context) {
    Chain result;
    result.span = span(context);
    std::optional<Name> word;
    for (antlr4::tree::ParseTree* child : context->children) {
      if (auto* node = dynamic_cast<P::LinkContext*>(child)) {
        Link made = link(node);
        if (word) made.span = join(word->span, made.span);
        made.label = std::move(word);
        word.reset();
        result.links.push_back(std::move(made));
      } else if (auto* terminal = static_cast<antlr4::tree::TerminalNode*>(child);
                 terminal->getSymbol()->getType() == T::LABEL) {
        word = expr_.name(terminal->getSymbol());
      }
    }
    return result;
  }

  Link link(P::LinkContext* context) {
    Link result{std::nullopt, link_node(context), std::nullopt, span(context)};
    if (context->name() != nullptr) result.as_name = name(context->name());
    return result;
  }

  Link::Node link_node(P::LinkContext* context) {
    if (auto* c = context->callLink()) return call(c);
    if (auto* c = context->list()) return ListLink{std::move(std::get<ListExpr>(expr_.list(c).node).items)};
    if (auto* c = context->residual()) {
      const std::vector<P::BodyContext*> bodies = c->body();
      ResidualLink result{span(c->getStart()), expr_.args(c->callArgs()), span(c->callArgs()), body(bodies[0]),
                          std::nullopt};
      if (bodies.size() > 1) result.shortcut = Shortcut{span(c->SHORTCUT()->getSymbol()), body(bodies[1])};
      return result;
    }
    P::InceptionContext* c = context->inception();
    return InceptionLink{span(c->getStart()), expr_.args(c->callArgs()), span(c->callArgs()),
                         body(c->body(), BodyKind::branches)};
  }

  // The last parentheses are the call's own; what comes before them is the callee.
  CallLink call(P::CallLinkContext* context) {
    std::vector<P::TrailerContext*> trailers = context->trailer();
    P::CallArgsContext* own = nullptr;
    if (!trailers.empty() && trailers.back()->callArgs() != nullptr && trailers.back()->WITH() == nullptr) {
      own = trailers.back()->callArgs();
      trailers.pop_back();
    }
    const Name callee = expr_.name(context->ID()->getSymbol());
    return {expr_.apply(Expression{NameRef{callee.text}, callee.span}, trailers), expr_.args(own), own != nullptr,
            span(own)};
  }

  Name name(P::NameContext* context) const { return expr_.name(context->getStart()); }
  std::optional<Name> label(antlr4::tree::TerminalNode* node) const {
    if (node == nullptr) return std::nullopt;
    return expr_.name(node->getSymbol());
  }
  Span span(antlr4::Token* token) const { return expr_.span(token); }
  Span span(antlr4::ParserRuleContext* context) const { return expr_.span(context); }

  const Docs& docs_;
  Report& report_;
  ExprBuilder expr_;
  BodyKind kind_ = BodyKind::statements;
};

}  // namespace

Ast build_ast(P::FileContext& file, const Docs& docs, Report& report) { return AstBuilder(docs, report).file(file); }

}  // namespace netc::syntax
