// Names for temporary files.
#pragma once

#include <string>

namespace netc {

// 16 hexadecimal digits from the system's entropy. A process id would not do: in a container every run may have the same one,
// and on a shared disk processes of several machines meet.
std::string unique_suffix();

}  // namespace netc
