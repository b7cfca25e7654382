// The sink, and the search for what a misspelled word may have meant.
#include "compiler/support/diagnostic.h"

#include <algorithm>
#include <cctype>

namespace netc {
namespace {

// Insertions, deletions, replacements and swaps of neighbours that turn a into b (optimal string
// alignment). Words are short: a user's word longer than kMaxWord is not worth a suggestion.
constexpr size_t kMaxWord = 64;

int edit_distance(const std::string& a, const std::string& b) {
  std::vector<int> before_last(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = static_cast<int>(j);
  for (size_t i = 1; i <= a.size(); ++i) {
    before_last.swap(last);
    last.swap(row);
    row[0] = static_cast<int>(i);
    for (size_t j = 1; j <= b.size(); ++j) {
      const int replace = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({replace, last[j] + 1, row[j - 1] + 1});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        row[j] = std::min(row[j], before_last[j - 2] + 1);
    }
  }
  return row[b.size()];
}

std::string lower(std::string word) {
  for (char& c : word) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return word;
}

std::vector<std::string> parts(const std::string& word) {
  std::vector<std::string> result(1);
  for (char c : word) {
    if (c == '_') {
      result.emplace_back();
    } else {
      result.back() += c;
    }
  }
  return result;
}

// "bn" for batch_norm, "gap" for global_avg_pool.
bool is_initials(const std::string& word, const std::string& candidate) {
  std::string initials;
  for (const std::string& part : parts(candidate)) initials += part.substr(0, 1);
  return word.size() > 1 && word == initials;
}

// "norm_batch" for batch_norm.
bool is_reordered(const std::string& word, const std::string& candidate) {
  std::vector<std::string> a = parts(word), b = parts(candidate);
  std::sort(a.begin(), a.end());
  std::sort(b.begin(), b.end());
  return a.size() > 1 && a == b;
}

// "padding" for pad, "avg" for avg_pool.
bool is_prefix_pair(const std::string& word, const std::string& candidate) {
  const size_t common = std::min(word.size(), candidate.size());
  return common >= 3 && word.compare(0, common, candidate, 0, common) == 0;
}

}  // namespace

void DiagnosticSink::add(Diagnostic diagnostic) {
  if (diagnostic.severity == Severity::error) ++errors_;
  const auto same = [&](const Diagnostic& other) {
    return other.code == diagnostic.code && other.primary.span == diagnostic.primary.span &&
           other.message == diagnostic.message;
  };
  if (std::any_of(diagnostics_.begin(), diagnostics_.end(), same)) return;
  diagnostics_.push_back(std::move(diagnostic));
}

std::optional<std::string> nearest(const std::string& word, const std::vector<std::string>& candidates) {
  if (word.size() > kMaxWord) return std::nullopt;
  const std::string wanted = lower(word);
  const int allowed = std::max<int>(1, static_cast<int>(wanted.size()) / 3);
  std::optional<std::string> best;
  int best_cost = 1000;
  for (const std::string& candidate : candidates) {
    if (candidate.empty() || candidate.size() > kMaxWord || candidate == word) continue;
    const std::string name = lower(candidate);
    int cost = edit_distance(wanted, name);
    // A single letter resembles every other one; below three letters only the case may differ.
    if (cost > allowed || (cost > 0 && wanted.size() < 3)) {
      if (is_reordered(wanted, name)) {
        cost = 100;
      } else if (is_prefix_pair(wanted, name)) {
        cost = 200 + cost;
      } else if (is_initials(wanted, name)) {
        cost = 300;
      } else {
        continue;
      }
    }
    if (cost < best_cost) {
      best_cost = cost;
      best = candidate;
    }
  }
  return best;
}

}  // namespace netc
