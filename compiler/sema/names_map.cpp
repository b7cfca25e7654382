#include "compiler/sema/names_map.h"

#include <algorithm>
#include <cctype>
#include <map>

#include "compiler/sema/config_reader.h"
#include "compiler/sema/recipes.h"
#include "compiler/sema/sema.h"

namespace netc {
namespace {

// A pattern's parts in order: text, `*` (within one segment), `**` (over segments), `{v}` with a shift.
struct Part {
  enum class Kind : uint8_t { text, star, double_star, variable } kind;
  std::string text;   // or the variable's name
  int64_t shift = 0;  // {s+1}: 1
};

std::optional<std::vector<Part>> parse_pattern(const std::string& pattern) {
  std::vector<Part> parts;
  const auto add_text = [&](char c) {
    if (parts.empty() || parts.back().kind != Part::Kind::text) parts.push_back({Part::Kind::text, "", 0});
    parts.back().text += c;
  };
  for (size_t i = 0; i < pattern.size();) {
    if (pattern.compare(i, 2, "**") == 0) {
      parts.push_back({Part::Kind::double_star, "", 0});
      i += 2;
    } else if (pattern[i] == '*') {
      parts.push_back({Part::Kind::star, "", 0});
      ++i;
    } else if (pattern[i] == '{') {
      const size_t end = pattern.find('}', i);
      if (end == std::string::npos) return std::nullopt;
      const std::string inside = pattern.substr(i + 1, end - i - 1);
      size_t at = 0;
      while (at < inside.size() && (std::isalpha(static_cast<unsigned char>(inside[at])) || inside[at] == '_')) ++at;
      Part part{Part::Kind::variable, inside.substr(0, at), 0};
      if (at == 0) return std::nullopt;
      if (at < inside.size()) {
        const std::string digits = inside.substr(at + 1);
        const bool number = !digits.empty() && digits.size() < 6 &&
                            std::all_of(digits.begin(), digits.end(), [](unsigned char c) { return std::isdigit(c); });
        if ((inside[at] != '+' && inside[at] != '-') || !number) return std::nullopt;
        part.shift = std::stoll(digits) * (inside[at] == '-' ? -1 : 1);
      }
      parts.push_back(std::move(part));
      i = end + 1;
    } else if (pattern[i] == '}') {
      return std::nullopt;
    } else {
      add_text(pattern[i++]);
    }
  }
  return parts;
}

struct Match {
  std::map<std::string, int64_t> variables;
  std::vector<std::string> stars;
};

bool match(const std::vector<Part>& parts, size_t part, const std::string& text, size_t at, Match& m) {
  if (part == parts.size()) return at == text.size();
  const Part& p = parts[part];
  switch (p.kind) {
    case Part::Kind::text:
      return text.compare(at, p.text.size(), p.text) == 0 && match(parts, part + 1, text, at + p.text.size(), m);
    case Part::Kind::variable: {
      size_t end = at;
      while (end < text.size() && end - at < 9 && std::isdigit(static_cast<unsigned char>(text[end]))) ++end;
      if (end == at) return false;
      const int64_t value = std::stoll(text.substr(at, end - at)) - p.shift;
      const auto [known, fresh] = m.variables.emplace(p.text, value);
      if (!fresh && known->second != value) return false;
      if (match(parts, part + 1, text, end, m)) return true;
      if (fresh) m.variables.erase(p.text);
      return false;
    }
    case Part::Kind::star:
    case Part::Kind::double_star: {
      size_t most = text.size();
      if (p.kind == Part::Kind::star) most = std::min(text.find('.', at), text.size());
      for (size_t end = most + 1; end-- > at;) {
        m.stars.push_back(text.substr(at, end - at));
        if (match(parts, part + 1, text, end, m)) return true;
        m.stars.pop_back();
      }
      return false;
    }
  }
  return false;
}

std::vector<Part::Kind> star_kinds(const std::vector<Part>& parts) {
  std::vector<Part::Kind> kinds;
  for (const Part& p : parts)
    if (p.kind == Part::Kind::star || p.kind == Part::Kind::double_star) kinds.push_back(p.kind);
  return kinds;
}

}  // namespace

bool glob_matches(const std::string& glob, const std::string& path) {
  const std::optional<std::vector<Part>> parts = parse_pattern(glob);
  if (!parts) return false;
  Match m;
  if (match(*parts, 0, path, 0, m)) return true;
  // `**` also stands for no segments at all: `fc.**` covers `fc`, `**.bias` covers `bias`.
  if (glob.ends_with(".**") && glob_matches(glob.substr(0, glob.size() - 3), path)) return true;
  return glob.starts_with("**.") && glob_matches(glob.substr(3), path);
}

std::string names_rule_error(const NamesMap::Rule& rule) {
  const auto from = parse_pattern(rule.from), to = parse_pattern(rule.to);
  if (!from || !to) return "`" + std::string(from ? rule.to : rule.from) + "` is not a pattern: write {s}, {s+1}, * or **";
  if (star_kinds(*from) != star_kinds(*to)) return "both sides have the same `*` and `**`, in the same order";
  for (const Part& p : *to) {
    if (p.kind != Part::Kind::variable) continue;
    const bool known = std::any_of(from->begin(), from->end(), [&](const Part& q) { return q.kind == Part::Kind::variable && q.text == p.text; });
    if (!known) return "`{" + p.text + "}` is not on the left side";
  }
  return "";
}

std::optional<std::string> map_name(const NamesMap& map, const std::string& path) {
  for (const NamesMap::Rule& rule : map.rules) {
    const auto from = parse_pattern(rule.from), to = parse_pattern(rule.to);
    Match m;
    if (!from || !to || !match(*from, 0, path, 0, m)) continue;
    std::string name;
    size_t star = 0;
    for (const Part& p : *to) {
      switch (p.kind) {
        case Part::Kind::text: name += p.text; break;
        case Part::Kind::variable: name += std::to_string(m.variables[p.text] + p.shift); break;
        case Part::Kind::star:
        case Part::Kind::double_star:
          if (star < m.stars.size()) name += m.stars[star];
          ++star;
          break;
      }
    }
    return name;
  }
  return std::nullopt;
}

std::optional<NamesMap> build_names_map(Project& project, const Module& module, const NamesDecl& names, DiagnosticSink& sink) {
  const int errors = sink.error_count();
  const ElaborateConfig config;
  Elaborator elaborator(project, config, sink);
  ConfigReader reader(project, module, elaborator);
  NamesMap map;
  map.name = names.name.text;
  std::map<std::string, Span> seen;
  for (const NamesRule& rule : names.rules) {
    try {
      map.rules.push_back({reader.text(rule.from, "a path"), reader.text(rule.to, "a name")});
      if (const std::string why = names_rule_error(map.rules.back()); !why.empty())
        reader.fail(reader.error("E0511", rule.span, why));
      if (const auto [previous, fresh] = seen.emplace(map.rules.back().from, rule.from.span); !fresh) {
        Diagnostic d = reader.error("E0511", rule.from.span, "this path is mapped twice");
        d.secondary.push_back({previous->second, "first here"});
        reader.fail(std::move(d));
      }
    } catch (const Failed&) {
      // Reported; the other rules are worth checking too.
    }
  }
  for (const Entry& entry : names.entries) {
    try {
      if (entry.key.text != "ignore") {
        Diagnostic d = reader.error("E0502", entry.key.span, "a name map has no key `" + entry.key.text + "`");
        d.fixes.push_back({"ignore", "", {{entry.key.span, "ignore"}}});
        reader.fail(std::move(d));
      }
      map.ignore = reader.texts(entry.value, "`ignore`");
    } catch (const Failed&) {
      // Reported.
    }
  }
  return sink.error_count() > errors ? std::nullopt : std::optional(std::move(map));
}

std::optional<NamesMap> resolve_names_map(Project& project, const std::string& reference, DiagnosticSink& sink) {
  const Reference parts = parse_reference(reference);
  const Module* module = project.load(parts.module, sink);
  if (!module) return std::nullopt;
  std::vector<std::string> all;
  for (const Decl& declaration : module->ast.declarations) {
    const NamesDecl* names = declaration.as<NamesDecl>();
    if (!names) continue;
    if (names->name.text == parts.name) return build_names_map(project, *module, *names, sink);
    all.push_back(names->name.text);
  }
  Diagnostic d;
  d.code = "E0118";
  d.message = parts.module + " has no name map" + (parts.name.empty() ? "" : " `" + parts.name + "`");
  if (const std::optional<std::string> close = nearest(parts.name, all)) d.fixes.push_back({parts.module + ":" + *close, "", {}});
  sink.add(std::move(d));
  return std::nullopt;
}

}  // namespace netc
