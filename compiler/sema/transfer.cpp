// What a recipe says of a network's parameters by their paths: which are frozen, which form groups, which keep their
// values when weights are loaded (rules 14 and 26).
#include <algorithm>

#include "compiler/sema/elaborator.h"
#include "compiler/sema/recipes.h"

namespace netc {

// Where entry `index` of a recipe's key is written, for carets; without a `train` in sight, the network.
Span Elaborator::setting_place(const std::string& key, size_t index) const {
  return train_ ? setting_span(project_, *train_module_, *train_, key, index) : reference_span_;
}

bool Elaborator::is_frozen(const std::string& path, bool buffer) {
  if (within_teacher_) return true;
  if (!recipe_) return false;
  const std::vector<std::string>& globs = recipe_->freeze;
  if (std::none_of(globs.begin(), globs.end(), [&](const std::string& glob) { return glob_matches(glob, path); })) return false;
  if (!buffer) frozen_.insert(path);
  return true;
}

// Whether a block has frozen parameters of its own: its batch statistics are then fixed too.
bool Elaborator::has_frozen(const std::string& prefix) const {
  const auto first = frozen_.lower_bound(prefix + ".");
  return first != frozen_.end() && first->compare(0, prefix.size() + 1, prefix + ".") == 0;
}

// The same for the data set.
Span Elaborator::dataset_place(const std::string& key, size_t index) const {
  return train_ ? dataset_span(project_, *train_module_, *train_, key, index) : reference_span_;
}

// A glob that names nothing is a mistake in it.
void Elaborator::check_globs() {
  if (!recipe_ || config_.purpose != Purpose::train) return;
  const std::vector<StateVariable>& states = builder_.graph().states;
  const auto check = [&](const std::string& glob, const std::string& key, size_t index) {
    if (glob.empty() || std::any_of(states.begin(), states.end(), [&](const StateVariable& s) { return glob_matches(glob, s.path); }))
      return;
    Diagnostic d = error("E0514", setting_place(key, index), "no parameter's path matches \"" + glob + "\"");
    const std::string below = glob + ".**";
    if (std::any_of(states.begin(), states.end(), [&](const StateVariable& s) { return glob_matches(below, s.path); })) {
      d.notes.push_back("`" + glob + "` is a layer, whose parameters have paths below its own");
      d.fixes.push_back({"\"" + below + "\"", "", {}});
      return report(std::move(d));
    }
    std::vector<std::string> heads;
    for (const StateVariable& state : states)
      if (const std::string head = state.path.substr(0, state.path.find('.')); std::find(heads.begin(), heads.end(), head) == heads.end())
        heads.push_back(head);
    std::string all;
    for (size_t i = 0; i < heads.size() && i < 12; ++i) all += (i > 0 ? ", " : "") + heads[i];
    d.notes.push_back("paths begin with " + all + (heads.size() > 12 ? ", ..." : ""));
    report(std::move(d));
  };
  for (size_t i = 0; i < recipe_->freeze.size(); ++i) check(recipe_->freeze[i], "freeze", i);
  for (size_t i = 0; i < recipe_->groups.size(); ++i) check(recipe_->groups[i].glob, "groups", i);
  if (recipe_->weights)
    for (const std::string& glob : recipe_->weights->except) check(glob, "weights", 0);
  const bool trains = std::any_of(states.begin(), states.end(), [](const StateVariable& s) { return s.kind == StateKind::parameter; });
  if (!trains && !recipe_->freeze.empty()) report(error("E0514", setting_place("freeze", 0), "everything is frozen, nothing is left to train"));
  else if (!trains) report(error("E0517", reference_span_, "this network has no parameters, there is nothing to train"));
}

}  // namespace netc
