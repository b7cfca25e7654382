# Writes a C++ file that holds every .net file of stdlib/ as text (see stdlib/stdlib_sources.h).
set(body "")
foreach(file ${FILES})
  get_filename_component(name ${file} NAME_WE)
  file(READ ${file} text)
  string(APPEND body "    {\"${name}\", R\"__net__(${text})__net__\"},\n")
endforeach()
file(WRITE ${OUT} "// Generated from stdlib/*.net.
#include \"stdlib/stdlib_sources.h\"
namespace netc {
static const StdlibSource kSources[] = {
${body}    {nullptr, nullptr}};
const StdlibSource* stdlib_sources() { return kSources; }
}  // namespace netc
")
