// Diagnostics for tools: one object a line.
//
//   {"code":"E0004","severity":"error","message":"...","file":"a.net","line":3,"column":5,
//    "end_line":3,"end_column":14,"label":"...","labels":[...],"calls":[...],"notes":[...],
//    "fixes":[{"text":"batch = 128","effect":"","edits":[{"file":...,"text":" = "}]}]}
//
// Lines and columns count from 1; columns are UTF-16 units; ends are exclusive. A position that does
// not exist is absent. "labels" holds the secondary ones.
#include <nlohmann/json.hpp>

#include "compiler/support/diagnostic.h"
#include "compiler/support/unicode.h"

namespace netc {
namespace {

using Json = nlohmann::ordered_json;

void put_position(Json& out, const SourceMap& sources, int32_t file, uint32_t offset, const char* line_key,
                  const char* column_key) {
  const LineColumn at = sources.position(file, offset);
  const Span before{file, offset - static_cast<uint32_t>(at.column - 1), offset};
  out[line_key] = at.line;
  out[column_key] = utf16_length(sources.text(before)) + 1;
}

void put_span(Json& out, const SourceMap& sources, Span span) {
  if (!span.valid()) return;
  out["file"] = sources.file(span.file).path;
  put_position(out, sources, span.file, span.begin, "line", "column");
  put_position(out, sources, span.file, span.end, "end_line", "end_column");
}

}  // namespace

std::string render_json(const Diagnostic& diagnostic, const SourceMap& sources) {
  Json out;
  out["code"] = diagnostic.code;
  switch (diagnostic.severity) {
    case Severity::error: out["severity"] = "error"; break;
    case Severity::advice: out["severity"] = "advice"; break;
  }
  out["message"] = diagnostic.message;
  put_span(out, sources, diagnostic.primary.span);
  out["label"] = diagnostic.primary.text;
  out["labels"] = Json::array();
  for (const Label& label : diagnostic.secondary) {
    Json entry;
    put_span(entry, sources, label.span);
    entry["text"] = label.text;
    out["labels"].push_back(std::move(entry));
  }
  out["calls"] = Json::array();
  for (const CallSite& site : diagnostic.chain) {
    Json entry;
    entry["callee"] = site.callee;
    put_span(entry, sources, site.span);
    out["calls"].push_back(std::move(entry));
  }
  out["notes"] = diagnostic.notes;
  out["fixes"] = Json::array();
  for (const Fix& fix : diagnostic.fixes) {
    Json entry{{"text", fix.text}, {"effect", fix.effect}, {"edits", Json::array()}};
    for (const TextEdit& edit : fix.edits) {
      Json change;
      put_span(change, sources, edit.span);
      change["text"] = edit.text;
      entry["edits"].push_back(std::move(change));
    }
    out["fixes"].push_back(std::move(entry));
  }
  return out.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace netc
