// netc, the compiler for neural networks, as a library.
//
// A `.net` file becomes a Network (compiled, immutable, shared by threads) from which each thread
// makes a Session to run it, or a Trainer that follows a recipe. Needs C++17 and nothing else.
//
//   auto network = netc::Network::from_file("mnist.net", {});
//   if (!network) return fail(network.error().text());
//   network->load("best.safetensors");
//   auto session = network->session();
//   netc::Tensor image = netc::Tensor::of(pixels, {1, 1, 28, 28}), logits = netc::Tensor::of(scores, {1, 10});
//   session->run(&image, &logits, 1);
//
// GUARANTEES: nothing is thrown across this interface; no signal handler is installed; nothing is
// written to stdout or stderr; the only threads are the pool of Options::threads, which
// Options::executor replaces. A steady Session::run or Trainer::step allocates no tensor memory.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#if defined(NETC_BUILDING)
#define NETC_EXPORT __attribute__((visibility("default")))
#define NETC_INLINE_NAMESPACE
#else
#define NETC_EXPORT
#define NETC_INLINE_NAMESPACE inline
#endif

namespace netc {
NETC_INLINE_NAMESPACE namespace v1 {

enum class DType : uint8_t { f32, f16, bf16, u8, i32, i64 };

// The caller's memory; never owned, never kept after the call. `shape` includes the batch first;
// `strides` are in elements, empty for dense row-major.
struct Tensor {
  void* data = nullptr;
  DType dtype = DType::f32;
  std::vector<int64_t> shape, strides;

  static Tensor of(float* data, std::vector<int64_t> shape) { return {data, DType::f32, std::move(shape), {}}; }
  static Tensor of(uint8_t* data, std::vector<int64_t> shape) { return {data, DType::u8, std::move(shape), {}}; }
  static Tensor of(int64_t* data, std::vector<int64_t> shape) { return {data, DType::i64, std::move(shape), {}}; }
};

// One message of the compiler or the runtime. `text` is what the command line would print.
struct Diagnostic {
  std::string code;  // "E0201"; `netc explain E0201` prints its page
  std::string message;
  std::string file;  // empty where no source text is at fault
  int line = 0, column = 0;
  std::string fix;   // empty where there is none
  std::string text;
};

enum class ErrorKind : uint8_t {
  program,   // the `.net` program is wrong
  argument,  // the call is: an option, a tensor's shape or type, an unknown name
  data,      // a data file, weights or a checkpoint
  runtime,   // the system: memory, threads, a device
  internal,  // a bug of netc
};

struct Error {
  ErrorKind kind = ErrorKind::internal;
  std::vector<Diagnostic> diagnostics;  // at least one
  std::string text() const {
    std::string all;
    for (const Diagnostic& d : diagnostics) all += d.text;
    return all;
  }
};

// A value or an Error. REQUIRES of `*` and `->`: it holds a value; of error(): it does not.
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : value_(std::move(value)) {}         // NOLINT: a value is a result
  Result(Error error) : error_(std::move(error)) {}     // NOLINT: so is an error
  explicit operator bool() const { return value_.has_value(); }
  T& operator*() { return *value_; }
  const T& operator*() const { return *value_; }
  T* operator->() { return &*value_; }
  const T* operator->() const { return &*value_; }
  const Error& error() const { return error_; }

 private:
  std::optional<T> value_;
  Error error_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)) {}  // NOLINT: see above
  explicit operator bool() const { return error_.diagnostics.empty(); }
  const Error& error() const { return error_; }

 private:
  Error error_;
};

// The host's own thread pool. parallel_for calls f(context, 0) .. f(context, n - 1), in any order and
// on any threads, and returns when all are done. Results have the same bits with every executor.
struct Executor {
  virtual ~Executor() = default;
  virtual int concurrency() const = 0;  // how many calls are worth making at a time; constant
  virtual void parallel_for(int n, void (*f)(void* context, int index), void* context) = 0;
};

struct Options {
  std::string device = "cpu";
  std::string precision;           // "f32", "tf32", "bf16" or "f16"; empty: the recipe's, f32 without one
  std::string cpu = "host";        // code for this machine, "x86-64", "x86-64-v3", "x86-64-v4" or a name of LLVM's
  bool winograd = true;            // 3x3 convolutions with fewer products and somewhat larger rounding errors
  int threads = 0;                 // 0: one per processor; ignored with an executor
  int max_batch = 1;               // the largest batch of a Session; a Trainer's is the recipe's
  uint64_t max_bytes = 0;          // refuse a plan that needs more memory; 0: no bound
  Executor* executor = nullptr;    // must outlive what was made with it
  std::map<std::string, std::string> set;   // compile-time parameters: {"classes", "10"}
  int64_t steps_per_epoch = 0;              // of Trainer::step, for the schedule; 0: the recipe's data set says it
  std::map<std::string, std::string> data;  // a Trainer's data paths: {"train", "/data/train"}
  // Where compiled kernels are kept from one process to the next, so that compiling takes milliseconds. Empty:
  // NETC_CACHE_DIR, else XDG_CACHE_HOME/netc, else ~/.cache/netc; "none": nowhere. A folder that cannot be used costs
  // time and is no error.
  std::string cache_dir;
};

// An input or output of a network; `shape` is one sample's, without the batch.
struct Port {
  std::string name;
  DType dtype = DType::f32;
  std::vector<int64_t> shape;
};

// Runs one Network. Made by Network::session; belongs to one thread at a time.
class NETC_EXPORT Session {
 public:
  Session(Session&&) noexcept;
  Session& operator=(Session&&) noexcept;
  ~Session();

  // in: one tensor per Network::inputs(), each [batch, ...port.shape]; out: the same for outputs().
  // 1 <= batch <= Options::max_batch.
  Result<void> run(const Tensor* in, Tensor* out, int batch) noexcept;

 private:
  friend class Network;
  struct Impl;
  explicit Session(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// A compiled network with its weights.
class NETC_EXPORT Network {
 public:
  // `name`: "file.net", "file.net:network" or "std.resnet:resnet50".
  static Result<Network> from_file(std::string name, Options options = {}) noexcept;
  // `text` is `.net` source; if it declares several networks, `which` chooses.
  static Result<Network> from_source(std::string text, Options options = {}, std::string which = {}) noexcept;

  Network(Network&&) noexcept;
  Network& operator=(Network&&) noexcept;
  ~Network();

  const std::vector<Port>& inputs() const noexcept;
  const std::vector<Port>& outputs() const noexcept;
  int64_t parameter_count() const noexcept;
  uint64_t planned_bytes() const noexcept;  // of weights and one Session, exact
  const std::vector<std::string>& class_names() const noexcept;  // from the loaded weights; may be empty

  // Weights from a checkpoint, or a safetensors, .npz or PyTorch file; every tensor must fit. The empty path: an
  // ensemble's members take their own files. Call it before sessions run. Without it (or randomize) the weights are zero.
  Result<void> load(const std::string& path) noexcept;
  // The initialisation that training with this seed starts from.
  Result<void> randomize(uint64_t seed) noexcept;

  Result<Session> session() const noexcept;

 private:
  struct Impl;
  explicit Network(std::shared_ptr<Impl> impl);
  std::shared_ptr<Impl> impl_;
};

// What a Trainer reports after each step of fit().
struct Progress {
  int64_t epoch = 0, epochs = 0;  // epoch counts from 0
  int64_t step = 0, steps = 0;    // of the whole training, done and to do
  double loss = 0, learning_rate = 0, images_per_second = 0, seconds_left = 0;
};

struct Metrics {
  double loss = 0, top1 = 0, top5 = 0;  // means over the samples, top1 and top5 in 0..1
  int64_t samples = 0;
};

// Follows a `train` declaration: either batch by batch with the host's own data, or all of it.
class NETC_EXPORT Trainer {
 public:
  // `name`: "file.net" or "file.net:train_name".
  static Result<Trainer> from_recipe(std::string name, Options options = {}) noexcept;

  Trainer(Trainer&&) noexcept;
  Trainer& operator=(Trainer&&) noexcept;
  ~Trainer();

  int64_t batch_size() const noexcept;
  const std::vector<Port>& inputs() const noexcept;  // of step: the image, then the label
  uint64_t planned_bytes() const noexcept;

  // One optimizer step on `batch`, a tensor per inputs(), of which the first `count` samples are
  // valid; fewer than batch_size() are an error where samples depend on each other, by batch norm, mixup or cutmix. Gives
  // the mean loss before the update. Where the recipe accumulates, every `accumulate`-th call updates the weights; save,
  // resume and fit are errors between. A loss that is not finite is the error E0914, before the weights change; of a step of
  // several batches it ends the training.
  Result<float> step(const Tensor* batch, int count) noexcept;
  // Loss and accuracy on the recipe's test set.
  Result<Metrics> evaluate() noexcept;
  // Trains on the recipe's data set to its last epoch, or until stop(). `report` may be empty. Gives the metrics of the last
  // epoch that ended; of no samples where stop() came before. After an error the trainer stands where its last step left it.
  Result<Metrics> fit(const std::function<void(const Progress&)>& report = {}) noexcept;

  // The whole training state: a later resume goes on byte for byte. Values that are not finite are an error, and not saved.
  Result<void> save(const std::string& path) noexcept;
  Result<void> resume(const std::string& path) noexcept;

  // Makes fit() return after the current step. Safe from any thread and from a signal handler.
  void stop() noexcept;

 private:
  struct Impl;
  explicit Trainer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

NETC_EXPORT const char* version() noexcept;

}  // namespace v1
}  // namespace netc
