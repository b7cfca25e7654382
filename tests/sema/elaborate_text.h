// Elaborates a text and fails the test with the messages where it is wrong.
#pragma once

#include <string>

#include "compiler/sema/sema.h"

namespace netc {

// A network of the text (its only one, or `name`). THROWS std::runtime_error with the rendered messages.
ElaboratedNetwork elaborate_text(const std::string& text, const ElaborateConfig& config = {}, const std::string& name = {});
// One of the standard library: "std.resnet:resnet18".
ElaboratedNetwork elaborate_reference(const std::string& reference, const ElaborateConfig& config = {});

int64_t parameter_count(const ElaboratedNetwork& net);
// The states' paths in order, blanks between them.
std::string paths(const ElaboratedNetwork& net);

}  // namespace netc
