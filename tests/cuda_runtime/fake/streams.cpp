#include "tests/cuda_runtime/fake/streams.h"

#include <algorithm>
#include <utility>

namespace netc {
namespace {

// Of CUresult: a capture's stream was not joined; a capture waits for something outside of it.
constexpr CuResult kInvalidValue = 1, kUnjoined = 904, kIsolation = 905;

// The nodes that come before `after`, themselves included.
std::set<size_t> ancestors(const CUgraph_st& graph, const std::set<size_t>& after) {
  std::set<size_t> found;
  std::vector<size_t> open(after.begin(), after.end());
  while (!open.empty()) {
    const size_t node = open.back();
    open.pop_back();
    if (found.insert(node).second)
      open.insert(open.end(), graph.nodes[node].after.begin(), graph.nodes[node].after.end());
  }
  return found;
}

}  // namespace

void FakeStreams::reset(FakeCudaOrder order) {
  order_ = order;
  streams_.clear();
  random_ = 1;
}

CuResult FakeStreams::remove(CuStream stream) {
  streams_.erase(std::find(streams_.begin(), streams_.end(), stream));
  return stream->items.empty() ? 0 : kInvalidValue;
}

CuResult FakeStreams::enqueue(CuStream stream, FakeWork work) {
  if (!stream->capture) return add_item(stream, {std::move(work), nullptr, nullptr});
  std::vector<CUgraph_st::Node>& nodes = stream->capture->graph->nodes;
  nodes.push_back({std::move(work), stream->after});
  stream->after = {nodes.size() - 1};
  return 0;
}

CuResult FakeStreams::record(CuEvent event, CuStream stream) {
  event->record = nullptr;
  event->capture = stream->capture;
  event->after = stream->after;
  if (stream->capture) return 0;
  event->record = std::make_shared<FakeRecord>(FakeRecord{stream, false});
  return add_item(stream, {nullptr, event->record, nullptr});
}

CuResult FakeStreams::wait(CuStream stream, CuEvent event) {
  if (event->capture) {
    if (stream->capture && stream->capture != event->capture) return kIsolation;
    if (!stream->capture) stream->after.clear();
    stream->capture = event->capture;
    stream->capture->streams.insert(stream);
    stream->after.insert(event->after.begin(), event->after.end());
    return 0;
  }
  if (stream->capture) return kIsolation;
  return event->record ? add_item(stream, {nullptr, nullptr, event->record}) : 0;
}

CuResult FakeStreams::launch(const CUgraphExec_st& graph, CuStream stream) {
  return enqueue(stream, [this, &graph] { return run_graph(graph); });
}

CuResult FakeStreams::begin_capture(CuStream stream) {
  if (stream->capture) return kInvalidValue;
  stream->capture = std::make_shared<FakeCapture>();
  stream->capture->origin = stream;
  stream->after.clear();
  return 0;
}

CuResult FakeStreams::end_capture(CuStream stream, std::unique_ptr<CUgraph_st>& graph) {
  const std::shared_ptr<FakeCapture> capture = stream->capture;
  if (!capture || capture->origin != stream) return kInvalidValue;
  const std::set<size_t> joined = ancestors(*capture->graph, stream->after);
  bool all = true;
  for (CuStream other : capture->streams) {
    all = all && std::includes(joined.begin(), joined.end(), other->after.begin(), other->after.end());
    other->capture = nullptr;
  }
  stream->capture = nullptr;
  graph = std::move(capture->graph);
  return all ? 0 : kUnjoined;
}

CuResult FakeStreams::add_item(CuStream stream, CUstream_st::Item item) {
  stream->items.push_back(std::move(item));
  switch (order_) {
    case FakeCudaOrder::as_called:
      run_head(stream);  // all that it waits for has run
      break;
    case FakeCudaOrder::late:
      break;
    case FakeCudaOrder::newest_first:
      run_newest_while_possible(streams_.front());
      break;
  }
  return 0;
}

void FakeStreams::run_head(CuStream stream) {
  const CUstream_st::Item item = std::move(stream->items.front());
  stream->items.pop_front();
  if (item.reaches) item.reaches->reached = true;
  if (item.work && stream->failed == 0) stream->failed = item.work();
}

// All streams but one, as far as they come.
void FakeStreams::run_newest_while_possible(CuStream last) {
  for (size_t i = streams_.size(); i-- > 0;) {
    CuStream stream = streams_[i];
    if (stream == last || stream->items.empty() || !stream->items.front().may_run()) continue;
    run_head(stream);
    i = streams_.size();  // others may go on now
  }
}

void FakeStreams::finish(CuStream stream) {
  while (!stream->items.empty()) {
    if (order_ == FakeCudaOrder::newest_first) run_newest_while_possible(stream);
    if (const std::shared_ptr<FakeRecord> waits = stream->items.front().waits) finish(*waits);
    run_head(stream);
  }
}

// Nothing that is not needed for it.
void FakeStreams::finish(const FakeRecord& record) {
  while (!record.reached) {
    if (const std::shared_ptr<FakeRecord> waits = record.stream->items.front().waits) finish(*waits);
    run_head(record.stream);
  }
}

CuResult FakeStreams::run_graph(const CUgraphExec_st& graph) {
  std::vector<size_t> missing;
  std::set<size_t> ready;
  for (const CUgraph_st::Node& node : graph.nodes) {
    if (node.after.empty()) ready.insert(missing.size());
    missing.push_back(node.after.size());
  }
  while (!ready.empty()) {
    const size_t chosen = choose(ready);
    ready.erase(chosen);
    if (const CuResult result = graph.nodes[chosen].work(); result != 0) return result;
    for (size_t i = chosen + 1; i < missing.size(); ++i)
      if (graph.nodes[i].after.count(chosen) && --missing[i] == 0) ready.insert(i);
  }
  return 0;
}

size_t FakeStreams::choose(const std::set<size_t>& ready) {
  switch (order_) {
    case FakeCudaOrder::as_called:
      return *ready.begin();
    case FakeCudaOrder::late:
      return *ready.rbegin();
    case FakeCudaOrder::newest_first:
      random_ = random_ * 6364136223846793005u + 1442695040888963407u;
      return *std::next(ready.begin(), static_cast<std::ptrdiff_t>((random_ >> 33) % ready.size()));
  }
  return *ready.begin();
}

}  // namespace netc
