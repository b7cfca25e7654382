#include "compiler/ast/print.h"

#include <charconv>
#include <cmath>

namespace netc {
namespace {

std::string real(double value) {
  char buffer[32];
  const auto result = std::to_chars(buffer, buffer + sizeof buffer, value);
  std::string text(buffer, result.ptr);
  if (text.find_first_of(".en") == std::string::npos) text += ".0";
  return text;
}

std::string quantity(const QuantityLit& q) {
  const std::string number =
      q.value == std::floor(q.value) && std::abs(q.value) < 1e15 ? std::to_string(static_cast<int64_t>(q.value))
                                                                 : real(q.value);
  return number + spelling(q.unit);
}

std::string string_literal(const std::string& value) {
  std::string out = "\"";
  for (char c : value) {
    switch (c) {
      case '"': out += "\\\""; break;
      case '\\': out += "\\\\"; break;
      case '\n': out += "\\n"; break;
      case '\t': out += "\\t"; break;
      default: out += c; break;
    }
  }
  return out + '"';
}

template <class Items, class Print>
std::string joined(const Items& items, Print print) {
  std::string out;
  for (const auto& item : items) out += (out.empty() ? "" : ", ") + print(item);
  return out;
}

std::string args_text(const std::vector<Arg>& args) {
  return "(" + joined(args, [](const Arg& arg) {
           return (arg.name ? arg.name->text + " = " : "") + print_expr(*arg.value);
         }) + ")";
}

std::string type_text(const TypeExpr& type);

std::string params_text(const std::vector<Parameter>& params) {
  return "(" + joined(params, [](const Parameter& p) {
           return p.name.text + ": " + type_text(p.type) +
                  (p.default_value ? " = " + print_expr(*p.default_value) : "");
         }) + ")";
}

std::string type_text(const TypeExpr& type) {
  switch (type.kind) {
    case TypeExpr::Kind::named: return type.name.text;
    case TypeExpr::Kind::list: return "[" + type_text(type.element.front()) + "]";
    case TypeExpr::Kind::block: return "block" + params_text(type.block_params);
  }
  return "";
}

// Writes the tree line by line; a scope indents what is below it.
class Printer {
 public:
  std::string run(const Ast& ast) {
    for (const Decl& decl : ast.declarations) print(decl);
    return std::move(out_);
  }

 private:
  void line(const std::string& text) {
    out_.append(static_cast<size_t>(2 * depth_), ' ');
    out_ += text + "\n";
  }

  template <class Print>
  void nested(Print print_children) {
    ++depth_;
    print_children();
    --depth_;
  }

  void print(const Decl& decl) {
    for (size_t begin = 0; !decl.doc.empty() && begin != std::string::npos;) {
      const size_t end = decl.doc.find('\n', begin);
      line("/// " + decl.doc.substr(begin, end - begin));
      begin = end == std::string::npos ? end : end + 1;
    }
    std::visit([this](const auto& d) { print(d); }, decl.node);
  }

  void print(const ImportDecl& d) {
    line("import " + (d.is_path ? string_literal(d.module) : d.module) + " {" +
         joined(d.names, [](const ImportedName& n) { return n.name.text + (n.alias ? " as " + n.alias->text : ""); }) +
         "}");
  }
  void print(const LetDecl& d) { line("let " + d.name.text + " = " + print_expr(d.value)); }
  void print(const BlockDecl& d) {
    line("block " + d.name.text + params_text(d.params));
    print(d.body);
  }
  void print(const NetworkDecl& d) {
    line("network " + d.name.text + params_text(d.params));
    print(d.body);
  }
  void print(const DatasetDecl& d) {
    line("dataset " + d.name.text);
    print(d.body);
  }
  void print(const RecipeDecl& d) {
    line("recipe " + d.name.text);
    print(d.body);
  }
  void print(const TrainDecl& d) {
    line("train " + d.name.text + " = " + print_expr(d.network) + " on " + d.data.text);
    print(d.body);
  }
  void print(const EnsembleDecl& d) {
    line("ensemble " + d.name.text);
    print(d.body);
  }
  void print(const NamesDecl& d) {
    line("names " + d.name.text);
    nested([&] {
      for (const NamesRule& rule : d.rules) line(print_expr(rule.from) + " = " + print_expr(rule.to));
      for (const Entry& entry : d.entries) print(entry);
    });
  }
  void print(const Entry& entry) { line(entry.key.text + " = " + print_expr(entry.value)); }
  void print(const Use& use) { line("use " + use.name.text); }
  void print(const ConfigBody& body) {
    nested([&] {
      for (const auto& item : body.items) std::visit([this](const auto& i) { print(i); }, item);
    });
  }

  void print(const Body& body) {
    nested([&] {
      for (const Stmt& statement : body.statements) std::visit([this](const auto& s) { print(s); }, statement.node);
    });
  }

  static std::string label_text(const std::optional<Name>& label) { return label ? label->text + ": " : ""; }

  void print(const ChainStmt& s) {
    if (s.chain.links.size() == 1) {
      print(s.chain.links.front());
      return;
    }
    line("chain");
    print(s.chain);
  }
  void print(const Chain& chain) {
    nested([&] {
      for (const Link& link : chain.links) print(link);
    });
  }
  void print(const Link& link) {
    const std::string as_text = link.as_name ? " as " + link.as_name->text : "";
    const std::string label = label_text(link.label);
    std::visit(Overloaded{[&](const CallLink& c) { line(label + "call " + call_text(c) + as_text); },
                          [&](const ListLink& l) {
                            line(label + "list [" + joined(l.values, print_expr) + "]" + as_text);
                          },
                          [&](const ResidualLink& r) {
                            line(label + "residual" + args_text(r.args) + as_text);
                            print(r.body);
                            if (!r.shortcut) return;
                            line("shortcut");
                            print(r.shortcut->body);
                          },
                          [&](const InceptionLink& i) {
                            line(label + "inception" + args_text(i.args) + as_text);
                            print(i.body);
                          }},
               link.node);
  }
  static std::string call_text(const CallLink& call) {
    return print_expr(call.callee) + (call.has_parentheses ? args_text(call.args) : "");
  }
  void print(const LetStmt& s) { line("let " + s.name.text + " = " + print_expr(s.value)); }
  void print(const ParamStmt& s) {
    line("param " + s.name.text + ": " + print_expr(s.shape) + (s.init ? " = " + print_expr(*s.init) : ""));
  }
  void print(const ForStmt& s) {
    line(label_text(s.label) + "for " + (s.index ? s.index->text + ", " : "") + s.variable.text + " in " +
         print_expr(s.range));
    print(s.body);
  }
  void print(const RepeatStmt& s) {
    line(label_text(s.label) + "repeat " + print_expr(s.count));
    print(s.body);
  }
  void print(const IfStmt& s) {
    const char* word = "if ";
    for (const IfArm& arm : s.arms) {
      line(word + print_expr(arm.condition));
      print(arm.body);
      word = "else if ";
    }
    if (!s.else_body) return;
    line("else");
    print(*s.else_body);
  }
  void print(const InputStmt& s) {
    line("input " + s.name.text + ": " + (s.dtype ? s.dtype->text + " " : "") + print_expr(s.shape));
  }
  void print(const OutputStmt& s) {
    line("output " + s.name.text);
    if (s.value) print(*s.value);
  }
  void print(const RequireStmt& s) {
    line("require " + print_expr(s.condition) + (s.text ? ", " + print_expr(*s.text) : ""));
  }
  void print(const ShareStmt& s) { line("share " + s.name.text + " = " + call_text(s.value)); }
  void print(const AuxHeadStmt& s) {
    line("aux_head " + s.name.text + args_text(s.args));
    print(s.body);
  }
  void print(const BranchStmt& s) {
    line("branch" + (s.label ? " " + s.label->text : ""));
    print(s.body);
  }

  std::string out_;
  int depth_ = 0;
};

}  // namespace

std::string print_expr(const Expression& expr) {
  return std::visit(
      Overloaded{
          [](const IntLit& e) { return std::to_string(e.value); },
          [](const FloatLit& e) { return real(e.value); },
          [](const QuantityLit& e) { return quantity(e); },
          [](const StringLit& e) { return string_literal(e.value); },
          [](const SizeLit& e) { return std::to_string(e.height) + "x" + std::to_string(e.width); },
          [](const BoolLit& e) { return std::string(e.value ? "true" : "false"); },
          [](const NameRef& e) { return e.name; },
          [](const Member& e) { return print_expr(*e.object) + "." + e.member.text; },
          [](const Call& e) { return print_expr(*e.callee) + args_text(e.args); },
          [](const With& e) { return "(" + print_expr(*e.callee) + " with " + args_text(e.args) + ")"; },
          [](const ListExpr& e) { return "[" + joined(e.items, print_expr) + "]"; },
          [](const Range& e) { return "(" + print_expr(*e.first) + ".." + print_expr(*e.last) + ")"; },
          [](const Index& e) { return print_expr(*e.object) + "[" + print_expr(*e.index) + "]"; },
          [](const Unary& e) {
            return "(" + std::string(spelling(e.op)) + (e.op == UnaryOp::logical_not ? " " : "") +
                   print_expr(*e.operand) + ")";
          },
          [](const Binary& e) {
            return "(" + print_expr(*e.lhs) + " " + spelling(e.op) + " " + print_expr(*e.rhs) + ")";
          },
          [](const IfExpr& e) {
            return "(if " + print_expr(*e.condition) + " then " + print_expr(*e.then_value) + " else " +
                   print_expr(*e.else_value) + ")";
          }},
      expr.node);
}

std::string print_ast(const Ast& ast) { return Printer().run(ast); }

}  // namespace netc
