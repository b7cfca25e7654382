// The embedded text of stdlib/*.net. The list ends with a null name.
#pragma once
namespace netc {
struct StdlibSource {
  const char* name;  // "resnet" for stdlib/resnet.net, imported as std.resnet
  const char* text;
};
const StdlibSource* stdlib_sources();
}  // namespace netc
