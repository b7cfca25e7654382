// Names that are visible in a body, and the paths that parameters get there.
//
// A Scope holds the parameters, `let`s, named tensors and raw parameters of one body; bodies nested
// in it see them, and may not declare the same name again (rule 12). A PathScope counts the calls of
// one labelled level of the path (rule 13): constructs such as `residual`, which add nothing to a
// path, have a Scope of their own and share the PathScope around them.
#pragma once

#include <map>
#include <string>

#include "compiler/sema/datum.h"

namespace netc {

struct ScopeEntry {
  enum class Kind : uint8_t { parameter, let, tensor, param, loop, shared };
  Datum datum;
  Span span;
  Kind kind = Kind::let;
  bool used = false;
};

class Scope {
 public:
  explicit Scope(Scope* parent = nullptr) : parent_(parent) {}

  // The entry of the nearest scope that has the name; null if none has.
  ScopeEntry* find(const std::string& name) {
    for (Scope* scope = this; scope; scope = scope->parent_)
      if (const auto found = scope->entries_.find(name); found != scope->entries_.end()) return &found->second;
    return nullptr;
  }
  void declare(const std::string& name, ScopeEntry entry) { entries_[name] = std::move(entry); }
  const std::map<std::string, ScopeEntry>& entries() const { return entries_; }
  const Scope* parent() const { return parent_; }

 private:
  Scope* parent_;
  std::map<std::string, ScopeEntry> entries_;
};

struct PathScope {
  std::string prefix;                  // "stage.0"; empty at the network
  std::map<std::string, int> ordinals; // of unlabelled calls, by callee
  std::map<std::string, Span> taken;   // segments in use, and where
  Span unlabelled_loop;                // the one that a scope may have

  std::string join(const std::string& segment) const { return prefix.empty() ? segment : prefix + "." + segment; }
};

}  // namespace netc
