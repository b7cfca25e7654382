// Name maps (rule 15): from a network's parameter paths to the names in a file, one to one.
//
//   names m { "stage.{s}.{i}.**" = "layer{s+1}.{i}.**"; ignore = ["**.num_batches_tracked"] }
//   map_name(m, "stage.0.2.conv.weight")  ->  "layer1.2.conv.weight"
//
// `{s}` is a variable that matches digits, `{s+1}` and `{s-1}` shift it; `*` stands for one segment and
// `**` for any number of segments (also none), in the same order on both sides. The first rule that
// matches wins.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace netc {

struct NamesMap {
  struct Rule {
    std::string from;  // the network's path
    std::string to;    // the file's name
  };
  std::string name;
  std::vector<Rule> rules;
  std::vector<std::string> ignore;  // globs over the file's names that the network does not have
};

// The file's name of a network's path; nullopt if no rule matches.
std::optional<std::string> map_name(const NamesMap& map, const std::string& path);

// Whether `path` matches `glob`: `*` is one segment (or a part of one), `**` any number of segments.
bool glob_matches(const std::string& glob, const std::string& path);

// Why a rule is not usable ("`{k}` is not on the left side"); empty if it is.
std::string names_rule_error(const NamesMap::Rule& rule);

}  // namespace netc
