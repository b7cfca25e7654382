// The fake driver's streams: queues of work that runs when somebody waits for it, in an order that the rules
// of streams, events and graphs allow. Which one is chosen by FakeCudaOrder; a program whose results depend
// on it lacks an event.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <set>
#include <vector>

#include "runtime/cuda/driver_functions.h"
#include "tests/cuda_runtime/fake/fake_cuda.h"

namespace netc {  // what the handles of driver_functions.h point to

using FakeWork = std::function<CuResult()>;

// A graph: work, each piece after those that it names, which come before it here.
struct CUgraph_st {
  struct Node {
    FakeWork work;
    std::set<size_t> after;
  };
  std::vector<Node> nodes;
};
struct CUgraphExec_st {
  std::vector<CUgraph_st::Node> nodes;
};

// What streams record together, begun on one of them.
struct FakeCapture {
  std::unique_ptr<CUgraph_st> graph = std::make_unique<CUgraph_st>();
  CuStream origin = nullptr;
  std::set<CuStream> streams;
};

// One cuEventRecord, which a stream reaches or does not.
struct FakeRecord {
  CuStream stream = nullptr;
  bool reached = false;
};
struct CUevent_st {
  std::shared_ptr<FakeRecord> record;    // the last one; null: none, which is no reason to wait
  std::shared_ptr<FakeCapture> capture;  // or it was recorded there,
  std::set<size_t> after;                // after these nodes
  double microseconds = 0;               // of the stream when it was recorded
};

struct CUstream_st {
  struct Item {
    FakeWork work;                               // or
    std::shared_ptr<FakeRecord> reaches, waits;  // one of these
    bool may_run() const { return !waits || waits->reached; }
  };
  std::deque<Item> items;
  std::shared_ptr<FakeCapture> capture;
  std::set<size_t> after;  // nodes that what it captures next comes after
  CuResult failed = 0;     // what the next synchronisation says
  double microseconds = 0;  // that its launches have taken
};

// The streams of a machine, in the order in which they were made.
class FakeStreams {
 public:
  void reset(FakeCudaOrder order);
  void add(CuStream stream) { streams_.push_back(stream); }
  CuResult remove(CuStream stream);  // an error where work is left

  CuResult enqueue(CuStream stream, FakeWork work);
  CuResult record(CuEvent event, CuStream stream);
  CuResult wait(CuStream stream, CuEvent event);
  CuResult launch(const CUgraphExec_st& graph, CuStream stream);
  CuResult begin_capture(CuStream stream);
  CuResult end_capture(CuStream stream, std::unique_ptr<CUgraph_st>& graph);

  // The host waits.
  void finish(CuStream stream);
  void finish(const FakeRecord& record);

 private:
  CuResult add_item(CuStream stream, CUstream_st::Item item);
  void run_head(CuStream stream);
  void run_newest_while_possible(CuStream last);
  CuResult run_graph(const CUgraphExec_st& graph);
  size_t choose(const std::set<size_t>& ready);

  FakeCudaOrder order_ = FakeCudaOrder::as_called;
  std::vector<CuStream> streams_;
  uint64_t random_ = 1;
};

}  // namespace netc
