// JSON as the commands print it.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace netc {

// Indented, with a newline. Bytes that are no UTF-8, as paths and names of files may hold, become U+FFFD: JSON has no other
// way, and an exception would come after the work is done.
inline std::string json_text(const nlohmann::ordered_json& json) {
  return json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace netc
