// The training loop over a model of plain C++ kernels: it learns, and interruptions of every kind leave no
// trace in the bits of the result.
#include "runtime/train/trainer.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <algorithm>
#include <csignal>
#include <limits>
#include <map>

#include "runtime/initialize.h"
#include "runtime/thread_pool.h"
#include "tests/data/files.h"
#include "tests/runtime/late_executable.h"
#include "tests/train/linear_model.h"

namespace netc {
namespace {

Recipe make_recipe() {
  Recipe r;
  r.network = "linear()";
  r.optimizer.momentum = 0.9;
  r.schedule.kind = ScheduleSpec::Kind::cosine;
  r.schedule.peak = 0.5;
  r.schedule.warmup = {3, false};
  r.augment = {{AugmentSpec::Kind::flip_horizontal, 0, 0, 0, 0}, {AugmentSpec::Kind::crop, 4, 4, 1, 0}};
  r.batch = 8;
  r.epochs = 4;
  r.seed = 5;
  return r;
}

// One process's part of a training: 43 samples are 5 steps an epoch, 20 in all.
template <class Device>
struct SessionOn {
  Device executable{LinearModel::executable(8, 7)};
  Context context{executable};
  Recipe recipe = make_recipe();
  std::unique_ptr<Dataset> train_data = LinearModel::data(43, 1), test_data = LinearModel::data(30, 2);
  TrainOptions options;

  explicit SessionOn(const std::string& folder, const std::string& resume = "") {
    options.checkpoint_folder = folder;
    options.log_path = folder + "/run.jsonl";
    options.log_every = 2;
    options.resume = resume;
    std::filesystem::create_directories(folder);
  }
  TrainResult go(int threads = 1) {
    ThreadPool pool(threads);
    if (options.resume.empty()) initialize(context.state(), recipe.seed, pool);
    return train(context, {recipe, *train_data, test_data.get(), {"linear()", {"a", "b", "c"}, {}, {}, {}, {}}},
                 options, pool);
  }
};

using Session = SessionOn<FakeExecutable>;
using LateSession = SessionOn<LateExecutable>;  // inputs reach the device while it computes

// A log without what depends on the clock.
std::string untimed(const std::string& path) {
  std::string text = read_text(path);
  for (const std::string key : {",\"images_per_second\":", ",\"seconds\":"})
    for (size_t at; (at = text.find(key)) != std::string::npos;) text.erase(at, text.find_first_of(",}", at + 1) - at);
  return text;
}

TEST(Trainer, LearnsAndReports) {
  TemporaryFolder folder;
  Session run(folder / "a");
  run.recipe.epochs = 20;
  run.recipe.augment.resize(1);  // a crop would move the row that tells the class
  int64_t steps = 0;
  std::vector<EpochReport> epochs;
  run.options.on_step = [&](const StepReport& r) {
    EXPECT_EQ(r.step, ++steps);
    EXPECT_EQ(r.epoch_step, (steps - 1) % 5 + 1);
    EXPECT_EQ(r.steps, 100);
  };
  run.options.on_epoch = [&](const EpochReport& r) { epochs.push_back(r); };
  TrainResult result = run.go();
  EXPECT_EQ(result.step, 100);
  EXPECT_EQ(result.epochs, 20);
  EXPECT_FALSE(result.stopped);
  ASSERT_EQ(epochs.size(), 20u);
  EXPECT_GT(epochs.back().test->top1, 0.9);
  EXPECT_LT(epochs.back().train_loss, epochs.front().train_loss / 2);
  EXPECT_EQ(*result.best, std::max_element(epochs.begin(), epochs.end(), [](const auto& a, const auto& b) {
                            return a.test->top1 < b.test->top1;
                          })->test->top1);
  EXPECT_TRUE(
      read_text(folder / "a/run.jsonl").starts_with("{\"kind\":\"step\",\"epoch\":1,\"step\":2,\"loss\":"));
  SafetensorsFile best(folder / "a/best.safetensors");
  EXPECT_EQ(read_model_info(best).class_names, (std::vector<std::string>{"a", "b", "c"}));
}

TEST(Trainer, EnoughStepsThatEndAnEpochEndWithItsEvaluation) {
  TemporaryFolder folder;
  Session run(folder / "a");
  run.options.max_steps = 5;
  const TrainResult result = run.go();
  EXPECT_TRUE(result.stopped);
  EXPECT_EQ(result.step, 5);
  ASSERT_TRUE(result.test);
  EXPECT_TRUE(result.progress.epoch_closed);
  EXPECT_TRUE(std::filesystem::exists(folder / "a/best.safetensors"));
  Session middle(folder / "b");
  middle.options.max_steps = 6;
  EXPECT_FALSE(middle.go().progress.epoch_closed);
}

TEST(Trainer, EvaluationDoesNotDependOnTheBatch) {
  std::unique_ptr<Dataset> data = LinearModel::data(30, 2);
  ThreadPool pool(1);
  for (int64_t batch : {1, 7, 30, 128}) {
    FakeExecutable executable = LinearModel::executable(8, batch);
    Context context(executable);
    initialize(context.state(), 3, pool);
    EvalResult result = evaluate(context, *data, pool);
    EXPECT_EQ(result.samples, 30);
    EXPECT_NEAR(result.loss, 1.1, 0.2);
    static const EvalResult first = result;
    EXPECT_NEAR(result.loss, first.loss, 1e-6);
    EXPECT_EQ(result.top1, first.top1);
    EXPECT_EQ(result.top5, 1);
  }
}

TEST(Trainer, SameBitsAtAnyNumberOfThreads) {
  TemporaryFolder folder;
  Session(folder / "1").go(1);
  for (int threads : {2, 3}) {
    Session(folder / "n").go(threads);
    EXPECT_EQ(read_text(folder / "n/last.safetensors"), read_text(folder / "1/last.safetensors"));
  }
}

TEST(Trainer, StoppedAnywhereAndResumedItEndsInTheSameBytes) {
  TemporaryFolder folder;
  Session(folder / "whole").go();
  const std::string last = read_text(folder / "whole/last.safetensors");
  const std::string best = read_text(folder / "whole/best.safetensors");
  const std::string log = untimed(folder / "whole/run.jsonl");
  EXPECT_EQ(std::count(log.begin(), log.end(), '\n'), 10 + 4);
  for (int64_t stop = 1; stop < 20; ++stop) {
    const std::string part = folder / "part" + std::to_string(stop);
    Session first(part);
    first.options.max_steps = stop;
    TrainResult stopped = first.go();
    EXPECT_TRUE(stopped.stopped);
    EXPECT_EQ(stopped.step, stop);
    Session second(part, part + "/last.safetensors");
    TrainResult result = second.go();
    EXPECT_EQ(result.step, 20);
    EXPECT_EQ(read_text(part + "/last.safetensors"), last) << stop;
    EXPECT_EQ(read_text(part + "/best.safetensors"), best) << stop;
    EXPECT_EQ(untimed(part + "/run.jsonl"), log) << stop;
  }
}

// A device that takes the next batch while it computes: the same files, wherever the training was interrupted.
TEST(Trainer, InputsThatAreStagedChangeNothing) {
  TemporaryFolder folder;
  Session(folder / "whole").go();
  const std::string last = read_text(folder / "whole/last.safetensors"), best = read_text(folder / "whole/best.safetensors");
  const std::string log = untimed(folder / "whole/run.jsonl");
  LateContext::staged_runs = LateContext::staged_meanwhile = 0;
  for (int64_t stop = 1; stop < 20; ++stop) {
    const std::string part = folder / "part" + std::to_string(stop);
    LateSession first(part);
    first.options.max_steps = stop;
    TrainingProgress reached;
    first.options.reached = &reached;
    EXPECT_EQ(first.go().step, stop);
    EXPECT_EQ(reached.step, stop);
    LateSession second(part, part + "/last.safetensors");
    second.go();
    EXPECT_EQ(read_text(part + "/last.safetensors"), last) << stop;
    EXPECT_EQ(read_text(part + "/best.safetensors"), best) << stop;
    EXPECT_EQ(untimed(part + "/run.jsonl"), log) << stop;
  }
  // 20 steps, and an evaluation of 5 batches after each of 4 epochs; a stop at an epoch's end evaluates in the first part or in the second.
  EXPECT_EQ(LateContext::staged_runs, 19 * (20 + 4 * 5));
  // All but the first batch of an epoch, of an evaluation and of what is resumed; what a stop leaves behind was staged, too.
  EXPECT_GE(LateContext::staged_meanwhile, 19 * (4 * 4 + 4 * 4));
}

// The batch that a stop has left with the device is not the next one's input.
TEST(Trainer, AContextThatIsUsedAgainDropsWhatWasStaged) {
  TemporaryFolder folder;
  Session(folder / "whole").go();
  LateSession part(folder / "part");
  part.options.max_steps = 7;
  const TrainResult stopped = part.go();
  ThreadPool pool(1);
  part.options.start = stopped.progress;
  part.options.max_steps = 0;
  const TrainResult result = train(part.context, {part.recipe, *part.train_data, part.test_data.get(), {"linear()", {"a", "b", "c"}, {}, {}, {}, {}}},
                                   part.options, pool);
  EXPECT_EQ(result.step, 20);
  EXPECT_EQ(read_text(folder / "part/last.safetensors"), read_text(folder / "whole/last.safetensors"));
}

TEST(Trainer, AStopThatIsThereAlreadyTrainsNothing) {
  TemporaryFolder folder;
  Session first(folder / "a");
  first.options.max_steps = 7;
  first.go();
  const std::string before = read_text(folder / "a/last.safetensors");
  Session second(folder / "a", folder / "a/last.safetensors");
  second.options.max_steps = 7;
  const TrainResult result = second.go();
  EXPECT_EQ(result.step, 7);
  EXPECT_TRUE(result.stopped);
  EXPECT_EQ(read_text(folder / "a/last.safetensors"), before);
  const std::atomic<bool> stop{true};
  Session third(folder / "b");
  third.options.stop = &stop;
  EXPECT_EQ(third.go().step, 0);
}

// A caller that goes on after an error must know where the weights stand.
TEST(Trainer, SaysWhereAnErrorLeftIt) {
  TemporaryFolder folder;
  Session whole(folder / "whole"), broken(folder / "broken");
  whole.go();
  TrainingProgress reached;
  broken.options.reached = &reached;
  broken.options.on_step = [](const StepReport& report) {
    if (report.step == 7) throw std::runtime_error("the caller's");
  };
  EXPECT_THROW(broken.go(), std::runtime_error);
  EXPECT_EQ(reached.step, 7);
  EXPECT_FALSE(reached.epoch_closed);
  ThreadPool pool(1);
  broken.options.start = reached;
  broken.options.on_step = {};
  const TrainResult rest = train(broken.context, {broken.recipe, *broken.train_data, broken.test_data.get(), {"linear()", {"a", "b", "c"}, {}, {}, {}, {}}},
                                 broken.options, pool);
  EXPECT_EQ(rest.step, 20);
  EXPECT_EQ(reached.step, 20);
  EXPECT_EQ(read_text(folder / "broken/last.safetensors"), read_text(folder / "whole/last.safetensors"));
}

TEST(Trainer, StopsDuringAnEvaluation) {
  TemporaryFolder folder;
  Session(folder / "whole").go();
  Session first(folder / "part");
  std::atomic<bool> stop{false};
  first.options.stop = &stop;
  first.options.on_evaluate = [&](int64_t, int64_t) { stop = true; };
  TrainResult stopped = first.go();
  EXPECT_TRUE(stopped.stopped);
  EXPECT_EQ(stopped.step, 5);
  Session(folder / "part", folder / "part/last.safetensors").go();
  EXPECT_EQ(read_text(folder / "part/last.safetensors"), read_text(folder / "whole/last.safetensors"));
  EXPECT_EQ(untimed(folder / "part/run.jsonl"), untimed(folder / "whole/run.jsonl"));
}

std::vector<std::string> names_in(const std::string& folder) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

TEST(Trainer, KeepsTheNewestCheckpoints) {
  TemporaryFolder folder;
  Session whole(folder / "whole");
  whole.go();
  const std::string part = folder / "part";
  Session run(part);
  run.options.checkpoint_every = 3;
  run.options.keep = 3;
  run.go();
  EXPECT_EQ(names_in(part), (std::vector<std::string>{"best.safetensors", "last.safetensors", "run.jsonl", "step-00000015.safetensors",
                                                       "step-00000018.safetensors", "step-00000020.safetensors"}));
  EXPECT_EQ(read_text(part + "/last.safetensors"), read_text(part + "/step-00000020.safetensors"));
  // From an older one: what it goes on from outlives what lies ahead of it.
  Session again(part, part + "/step-00000015.safetensors");
  again.options.checkpoint_every = 3;
  again.options.keep = 3;
  again.options.max_steps = 16;
  again.go();
  EXPECT_EQ(names_in(part), (std::vector<std::string>{"best.safetensors", "last.safetensors", "run.jsonl", "step-00000015.safetensors",
                                                       "step-00000016.safetensors", "step-00000020.safetensors"}));
  Session end(part, part + "/last.safetensors");
  end.options.keep = 2;
  end.go();
  // A process that was killed before it removed what is too old: the next one does, even with nothing else to do.
  std::filesystem::copy_file(part + "/step-00000016.safetensors", part + "/step-00000003.safetensors");
  Session nothing(part, part + "/last.safetensors");
  nothing.options.keep = 2;
  nothing.go();
  EXPECT_EQ(names_in(part), (std::vector<std::string>{"best.safetensors", "last.safetensors", "run.jsonl", "step-00000016.safetensors",
                                                       "step-00000020.safetensors"}));
  EXPECT_EQ(read_text(part + "/last.safetensors"), read_text(folder / "whole/last.safetensors"));
  EXPECT_EQ(read_text(part + "/best.safetensors"), read_text(folder / "whole/best.safetensors"));
  // Another training in the same folder: the old ones go when there are new ones.
  Session other(part);
  other.options.keep = 2;
  other.options.max_steps = 1;
  other.go();
  EXPECT_EQ(names_in(part), (std::vector<std::string>{"best.safetensors", "last.safetensors", "run.jsonl", "step-00000001.safetensors",
                                                       "step-00000020.safetensors"}));
}

TEST(Trainer, ACheckpointThatCannotBeWrittenEndsTheTrainingAndLosesNoOlderOne) {
  TemporaryFolder folder;
  const std::string part = folder / "part", checkpoint = part + "/last.safetensors";
  Session first(part);
  first.options.max_steps = 7;
  first.go();
  const std::string before = read_text(checkpoint), best = read_text(part + "/best.safetensors");
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{before.size() / 2, before.size() / 2};
    setrlimit(RLIMIT_FSIZE, &limit);
    Session run(part, checkpoint);
    run.options.log_path.clear();
    const std::string error = error_of(folder, [&] { run.go(); });
    _exit(error.starts_with("E0604 cannot write part/") && error.ends_with("cannot write: File too large") ? 0 : 1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  EXPECT_EQ(read_text(checkpoint), before);
  EXPECT_EQ(read_text(part + "/best.safetensors"), best);
  EXPECT_EQ(names_in(part), (std::vector<std::string>{"best.safetensors", "last.safetensors", "run.jsonl"}));
}

TEST(Trainer, AFlippedBitAnywhereIsAnError) {
  TemporaryFolder folder;
  Session run(folder / "a");
  run.options.max_steps = 7;
  run.go();
  const std::string whole = read_text(folder / "a/last.safetensors");
  State& state = run.context.state();
  const std::vector<std::byte> before(state.data(), state.data() + state.size());
  const TrainingId id = training_id(run.context, {run.recipe, *run.train_data, nullptr, {}});
  restore_training(state, SafetensorsFile(folder / "a/last.safetensors"), id);
  std::map<std::string, int> codes;
  for (size_t at = 0; at < whole.size(); ++at) {
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ (1 << at % 8));
    const std::string path = folder.write("damaged", damaged);
    const std::string error = error_of(folder, [&] { restore_training(state, SafetensorsFile(path), id); });
    ASSERT_TRUE(error.starts_with("E06")) << "byte " << at << ": " << error;
    ++codes[error.substr(0, 5)];
  }
  EXPECT_GT(codes["E0609"], 300);
  EXPECT_TRUE(std::equal(before.begin(), before.end(), state.data()));
}

// A child process trains with checkpoints every three steps and is killed at some moment; another one
// resumes from the last checkpoint, and so on. The end is that of an uninterrupted run.
TEST(Trainer, SigkillLeavesNoTrace) {
  TemporaryFolder folder;
  Session(folder / "whole").go();
  const std::string part = folder / "part", checkpoint = part + "/last.safetensors";
  bool ended = false;
  int kills = 0;
  for (int round = 0; !ended && round < 200; ++round) {
    pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      Session run(part, std::filesystem::exists(checkpoint) ? checkpoint : "");
      run.options.checkpoint_every = 3;
      run.options.on_step = [](const StepReport&) { usleep(1500); };
      run.go();
      _exit(0);
    }
    usleep(static_cast<useconds_t>(6000 + round % 13 * 900));
    kill(child, SIGKILL);
    int status = 0;
    waitpid(child, &status, 0);
    ended = WIFEXITED(status);
    kills += !ended;
    ASSERT_TRUE(!ended || WEXITSTATUS(status) == 0);
    if (std::filesystem::exists(checkpoint)) SafetensorsFile{checkpoint};  // always whole
  }
  if (!ended) Session(part, checkpoint).go();
  EXPECT_GE(kills, 1);
  EXPECT_EQ(read_text(checkpoint), read_text(folder / "whole/last.safetensors"));
  EXPECT_EQ(read_text(part + "/best.safetensors"), read_text(folder / "whole/best.safetensors"));
  EXPECT_EQ(untimed(part + "/run.jsonl"), untimed(folder / "whole/run.jsonl"));
}

TEST(Trainer, PlateauAndEarlyStopSurviveInterruptions) {
  TemporaryFolder folder;
  auto prepare = [](Session& run) {
    run.recipe.schedule = {};
    run.recipe.schedule.kind = ScheduleSpec::Kind::plateau;
    run.recipe.schedule.peak = 2;  // too much: the loss does not keep falling
    run.recipe.schedule.gamma = 0.5;
    run.recipe.epochs = 40;
    run.recipe.early_stop = 6;
  };
  Session whole(folder / "whole");
  prepare(whole);
  TrainResult result = whole.go();
  EXPECT_TRUE(result.gave_up);
  EXPECT_LT(result.epochs, 40);
  EXPECT_EQ(result.progress.since_best, 6);
  EXPECT_LT(result.progress.plateau.factor, 1);
  const std::string last = read_text(folder / "whole/last.safetensors");
  for (int64_t stop : {7, 15, 23}) {
    Session first(folder / "part");
    prepare(first);
    first.options.max_steps = stop;
    first.go();
    Session second(folder / "part", folder / "part/last.safetensors");
    prepare(second);
    EXPECT_TRUE(second.go().gave_up);
    EXPECT_EQ(read_text(folder / "part/last.safetensors"), last) << stop;
  }
  // The best epoch's checkpoint knows what the plateau made of that epoch, too.
  Session from_best(folder / "from_best", folder / "whole/best.safetensors");
  prepare(from_best);
  EXPECT_TRUE(from_best.go().gave_up);
  EXPECT_EQ(read_text(folder / "from_best/last.safetensors"), last);
  Session again(folder / "part", folder / "part/last.safetensors");  // has nothing left to do
  prepare(again);
  EXPECT_EQ(again.go().step, result.step);
}

TEST(Trainer, LossThatIsNotFinite) {
  TemporaryFolder folder;
  Session run(folder / "a");
  run.recipe.schedule = {};
  run.recipe.schedule.peak = 1e30;
  EXPECT_EQ(error_of(folder, [&] { run.go(); }).substr(0, 52), "E0914 the loss is nan at step 2, learning rate 1e+30");
  EXPECT_FALSE(std::filesystem::exists(folder / "a/last.safetensors"));
}

TEST(Trainer, NoCheckpointHoldsAValueThatIsNotFinite) {
  TemporaryFolder folder;
  Session first(folder / "a");
  first.options.max_steps = 7;
  first.go();
  const std::string before = read_text(folder / "a/last.safetensors");
  for (const char* path : {"fc.weight", "momentum/fc.weight", "input.running_mean"}) {
    Session run(folder / "a", folder / "a/last.safetensors");
    run.options.max_steps = 8;
    run.options.on_step = [&](const StepReport&) {
      run.context.state().floats(*run.context.state().find(path)).back() = -std::numeric_limits<float>::infinity();
    };
    EXPECT_EQ(error_of(folder, [&] { run.go(); }).substr(0, 36 + std::string(path).size()),
              std::string("E0914 the training has diverged: `") + path + "` ") << path;
    EXPECT_EQ(read_text(folder / "a/last.safetensors"), before);
  }
}

TEST(Trainer, TheCauseOfADivergenceIsSaid) {
  TemporaryFolder folder;
  const std::vector<BadLayer> found = {{"fc", "linear(3)", "t.net:4", DType::f16, 2, 1, 24}, {"softmax", "", "", DType::f32, 0, 24, 24}};
  Session run(folder / "a");
  run.recipe.schedule = {};
  run.recipe.schedule.peak = 1e30;
  std::vector<BadLayer> told;
  run.options.finite.find_bad_layers = [&](const State&, const Batch& batch, const RuntimeScalars& scalars) {
    EXPECT_EQ(batch.labels.size(), 8u);
    return scalars.step == 1 ? found : std::vector<BadLayer>{};
  };
  run.options.finite.on_bad_layers = [&](const std::vector<BadLayer>& layers) { told = layers; };
  const std::string where = "; the first layer that is not finite is `fc`, linear(3) at t.net:4: of 24 values 2 overflow f16, 1 is nan | fix: ";
  EXPECT_TRUE(error_of(folder, [&] { run.go(); }).starts_with("E0914 the loss is nan at step 2, learning rate 1e+30" + where));
  EXPECT_EQ(told.size(), 2u);
  Session checked(folder / "b");
  checked.recipe = run.recipe;
  checked.options.finite = run.options.finite;
  checked.options.finite.every_value = true;
  EXPECT_TRUE(error_of(folder, [&] { checked.go(); }).starts_with("E0915 a layer is not finite at step 2, learning rate 1e+30" + where));
}

// A dynamic scale is halved until it scales nothing; a fixed one ends with the first overflow.
TEST(Trainer, AnOverflowAtTheLeastLossScaleIsADivergence) {
  TemporaryFolder folder;
  const FakeExecutable executable = LinearModel::executable(8, 7);
  const Context context(executable);
  const auto outcome = [&](const LossScale& scale, const LossScaleSpec& spec) {
    RuntimeScalars scalars;
    scalars.step = 11;
    scalars.learning_rate = 0.5f;
    return error_of(folder, [&] { require_usable(scale, spec, context.state(), scalars); });
  };
  EXPECT_EQ(outcome({32768, true, 1}, {}), "");
  EXPECT_EQ(outcome({1, true, 16}, {}), "");
  EXPECT_EQ(outcome({0.5, false, 16}, {}), "");
  EXPECT_TRUE(outcome({0.5, true, 17}, {}).starts_with("E0916 gradients overflow at the least loss scale, 1, at step 12, learning rate 0.5"));
  EXPECT_EQ(outcome({128, false, 0}, {.dynamic = false, .initial = 128}), "");
  EXPECT_EQ(outcome({128, true, 1}, {.dynamic = false, .initial = 128}),
            "E0916 gradients overflow at a fixed loss scale, 128, at step 12, learning rate 0.5 | fix: loss_scale = dynamic, or a smaller one");
}

TEST(Trainer, RefusesWhatCannotWork) {
  TemporaryFolder folder;
  Session few(folder / "few");
  few.train_data = LinearModel::data(5, 1);
  EXPECT_EQ(error_of(folder, [&] { few.go(); }),
            "E0706 the training data are 5 samples, less than one batch of 8 | fix: batch = 5");
  Session other(folder / "other");
  other.train_data =
      make_dataset({DType::u8, 1, 2, 2}, std::vector<std::byte>(40), std::vector<int64_t>(10), {});
  EXPECT_EQ(error_of(folder, [&] { other.go(); }),
            "E0710 the data are images u8[1, 2, 2], the network takes u8[1, 4, 4] | fix: preprocess = "
            "[resize(...), "
            "center_crop(...)], or another `input`");
  Session test(folder / "test");  // before an epoch is trained in vain
  test.test_data = make_dataset({DType::u8, 1, 2, 2}, std::vector<std::byte>(40), std::vector<int64_t>(10), {});
  int64_t steps = 0;
  test.options.on_step = [&](const StepReport&) { ++steps; };
  EXPECT_EQ(error_of(folder, [&] { test.go(); }).substr(0, 73), "E0710 the test data are images u8[1, 2, 2], the network takes u8[1, 4, 4]");
  EXPECT_EQ(steps, 0);
  Session crop(folder / "crop");
  crop.recipe.augment = {{AugmentSpec::Kind::crop, 7, 4, 1, 0}};
  EXPECT_EQ(error_of(folder, [&] { crop.go(); }), "E0710 crop(7x4, pad = 1) exceeds its padded image of 6x6");
}

TEST(Trainer, RefusesToResumeAnotherTraining) {
  TemporaryFolder folder;
  Session first(folder / "a");
  first.options.max_steps = 7;
  first.go();
  const std::string checkpoint = folder / "a/last.safetensors";
  auto error = [&](auto change) {
    Session run(folder / "b", checkpoint);
    change(run);
    return error_of(folder, [&] { run.go(); });
  };
  EXPECT_EQ(error([](Session& r) { r.recipe.seed = 6; }),
            "E0606 a/last.safetensors cannot be resumed: its seed is 5, this run's is 6 | fix: the same "
            "recipe, data, "
            "seed and machine type; or start afresh from its weights");
  EXPECT_TRUE(error([](Session& r) {
                r.recipe.optimizer.weight_decay = 1;
                r.recipe.epochs = 5;  // cosine: it depends on the end
              }).starts_with("E0606 a/last.safetensors cannot be resumed: its epochs is 4, this run's is 5; its optimizer is "
                             "sgd(momentum = 0.9), this run's is sgd(momentum = 0.9, weight_decay = 1) | fix: "));
  EXPECT_TRUE(error([](Session& r) { r.train_data = LinearModel::data(44, 1); }).starts_with("E0606"));
  EXPECT_TRUE(error([](Session& r) { r.recipe.winograd = false; }).starts_with(
      "E0606 a/last.safetensors cannot be resumed: its winograd is on, this run's is off | fix: the same recipe"));
  EXPECT_EQ(error([&](Session& r) { r.options.resume = folder.write("w", "junk"); }),
            "E0603 w is not a valid safetensors file: it has 4 bytes, the size of the header alone takes 8");
}

TEST(Trainer, RefusesToCutAFileThatIsNoLog) {
  TemporaryFolder folder;
  Session first(folder / "a");
  first.options.max_steps = 7;
  first.go();
  Session second(folder / "a", folder / "a/last.safetensors");
  second.options.log_path = folder.write("notes.txt", "buy milk\n");
  EXPECT_EQ(error_of(folder, [&] { second.go(); }), "E0605 notes.txt is no log of a training: see offset 0");
  EXPECT_EQ(read_text(folder / "notes.txt"), "buy milk\n");
}

}  // namespace
}  // namespace netc
