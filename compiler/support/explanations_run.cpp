// E09xx: what the machine or the command line refuses.
#include "compiler/support/explanations.h"

namespace netc {

std::span<const Explanation> run_explanations() {
  static constexpr Explanation kPages[] = {
      {"A0901", "the cache of compiled kernels does not help",
       "Compiled kernels are kept in a folder, by default ~/.cache/netc, and found again by what they were compiled\n"
       "from. The message says why that does not work: the folder belongs to somebody else or may be written by\n"
       "others, the disk is full, an entry is damaged. Nothing is lost but time: kernels are compiled instead.\n"
       "`netc cache` looks after the folder, `--cache-dir DIR` names another one, `--no-cache` does without.\n",
       "", ""},
      {"E0901", "an unknown processor",
       "Code is generated for this machine (`host`), for a level of x86-64 (`x86-64` with SSE2 only, `x86-64-v2`,\n"
       "`x86-64-v3` with AVX2, `x86-64-v4` with AVX-512), or for a 64-bit processor that LLVM knows by name.\n",
       "netc bench mnist.net --cpu i486\n", "netc bench mnist.net --cpu x86-64-v3\n"},
      {"E0902", "generated code cannot be loaded",
       "The system refused the memory for machine code, or an object does not belong to this machine.\n", "", ""},
      {"E0903", "code for another machine",
       "`netc emit` compiles for any processor; what is to run must fit this one. Results for different processors\n"
       "differ by rounding, because vectors have other lengths; each has the same bits at every run.\n",
       "netc train mnist.net --cpu sapphirerapids\n", "netc train mnist.net --cpu host\n"},
      {"E0911", "out of memory",
       "All memory is planned before a run and asked for once. `netc explain NET --batch B` prints the exact\n"
       "bytes; activations grow with the batch.\n",
       "netc train big.net --batch 512\n", "netc train big.net --batch 64\n"},
      {"E0912", "a call that does not fit the program",
       "A tensor that is handed to a compiled network has another size or element type than it takes, or an entry or a value has another\n"
       "name. `Network::inputs()` and `netc explain` say what it takes.\n",
       "",
       ""},
      {"E0913", "threads cannot be started", "The system allows fewer threads than asked for.\n", "", "netc train mnist.net --threads 2\n"},
      {"E0914", "the loss is not finite",
       "Training has diverged: the loss, or a weight, became infinite or NaN. The message names the first layer with such a\n"
       "value. The weights were not changed by this step, and the checkpoints of earlier steps are kept. A smaller learning\n"
       "rate, or a warm-up, is the usual cure; `--check` finds the step at which it begins.\n",
       "schedule = [constant(10.0)]\n", "schedule = [warmup(1epochs), cosine(peak = 0.1)]\n"},
      {"E0915", "a value is not finite",
       "`netc train --check` looks at every layer of every step, at the gradients and at the updated weights, and ends at the\n"
       "first value that is infinite or NaN, with the layer and its line; of layers in f16 it counts what overflows f16. Without\n"
       "it only the loss is looked at, which may follow steps later.\n",
       "netc train diverging.net --check\n", "clip = norm(1.0)\n"},
      {"E0916", "gradients overflow at the least loss scale",
       "A training with layers in f16 multiplies the loss, so that small gradients stay in f16's range (up to 65504), and skips a\n"
       "step whose gradients leave it. A dynamic scale is then halved. At 1, which scales nothing, gradients still overflow: the\n"
       "training diverges. With a fixed scale the first overflow ends it. The weights are those of the last good step.\n",
       "loss_scale = 65536\n", "loss_scale = dynamic\n"},
      {"E0917", "averaging begins after the training's end",
       "`swa` averages the weights of the steps from `start` on. This training ends before: `--epochs` may have made it shorter.\n",
       "swa = average(start = 15epochs)\nepochs = 10\n", "swa = average(start = 8epochs)\nepochs = 10\n"},
      {"E0921", "no drawing without graphviz",
       "`netc graph` makes SVG files through graphviz's program `dot`. A .dot file needs nothing.\n", "netc graph mnist.net\n",
       "netc graph mnist.net --output mnist.dot\n"},
      {"E0922", "this device is not available",
       "`netc devices` lists what there is, and why others are not. `cuda` is the machine's GPU, `cuda:sm_90` one\n"
       "of that architecture, which need not be there for `netc emit` and `netc explain`; `cuda-emulation` runs the GPU's\n"
       "kernels on the CPU, slowly and with every access checked.\n",
       "netc train mnist.net --device tpu\n", "netc train mnist.net --device cpu\n"},
      {"E0923", "this precision is not available",
       "There are `f32`, `tf32`, `bf16` and `f16`; others are refused, never ignored.\n",
       "netc bench mnist.net --precision fp8\n", "netc bench mnist.net --precision bf16\n"},
      {"E0924", "a command line that asks for what there is not",
       "An operator, a message or a size that does not exist, or an option that another one needs. `netc ops` lists the primitive\n"
       "operators; layers such as `conv` are blocks of the prelude.\n",
       "netc ops conv2d\n", "netc ops convolution\n"},
      {"E0925", "the plan needs too much memory",
       "The host set `Options::max_bytes`, and weights and one session's memory together exceed it.\n", "", ""},
      {"E0926", "no cache of compiled kernels",
       "The folder of compiled kernels must be the user's own and not writable by others, because it holds machine\n"
       "code. `--cache-dir none` and `NETC_CACHE_DIR=none` turn the cache off.\n",
       "netc cache --cache-dir /tmp\n", "netc cache --cache-dir ~/.cache/netc\n"},
      {"E0927", "no number of seconds",
       "`netc bench --on-demand` reads its standard input. Each line says for how many seconds to measure.\n",
       "echo soon | netc bench mnist.net --on-demand\n", "echo 0.5 | netc bench mnist.net --on-demand\n"},
      {"E0928", "no picture of an augmentation",
       "`netc augment` draws samples beside what the recipe's `augment` makes of them, so the recipe must draw something at\n"
       "random, and the network's input must be a picture of 1 or 3 channels.\n",
       "netc augment plain.net\n", "netc augment cifar.net\n"},
      {"E0929", "the budget is too small",
       "`--budget` limits the memory that a network plans: weights, gradients, optimizer, activations and workspace. To stay below\n"
       "it, training computes cheap values again in the backward pass. The message says what the smallest plan needs.\n",
       "netc train mnist.net --budget 1MiB\n", "netc train mnist.net --budget 2GiB\n"},
      {"E0931", "an emulated CUDA kernel broke a rule",
       "The emulation checks what a GPU leaves undefined: accesses outside of an operand or of shared memory, races\n"
       "between threads, barriers that not all threads reach. The message names kernel, block, line and thread; it is a\n"
       "bug of netc.\n", "", ""},
      {"E0932", "the CUDA emulation has no compiler",
       "Emulated kernels are compiled by the system's C++ compiler: `c++`, or what the variable CXX names.\n", "",
       "CXX=clang++ netc bench mnist.net --device cuda-emulation\n"},
      {"E0934", "a malformed cubin", "The compiler for GPUs made a file that is none, or of a kind that netc does not know.\n", "", ""},
      {"E0935", "no GPU to run on",
       "Running on a GPU needs one of compute capability 8.x or 9.x, its driver (libcuda.so.1), and NVRTC, which compiles the\n"
       "kernels (libnvrtc.so, or what CUDA_HOME names). The message says what is missing, and so does `netc devices`.\n",
       "netc train mnist.net --device cuda\n", "netc devices\n"},
      {"E0936", "the GPU failed",
       "A call of the driver failed. The message names the call and the driver's reason; where a kernel failed, also the kernel,\n"
       "its line in the .net file and its place among the launches. The first run of an entry waits after each launch, so that\n"
       "a broken kernel is named there; later runs are one graph. A kernel that fails is a bug of netc.\n", "", ""},
      {"E0937", "nothing to measure on this device",
       "`netc tune` runs a network's matrix products with each tile that they may have, times them by the GPU's own events, and\n"
       "keeps the fastest in the cache for this GPU, its driver and NVRTC. It needs `--device cuda`: an emulated kernel's time\n"
       "says nothing, and a CPU's tiles follow from a cost model.\n",
       "netc tune mnist.net --device cuda-emulation\n", "netc tune mnist.net --device cuda\n"},
      {"E0999", "a bug of netc",
       "An invariant of the compiler does not hold. The program may be right; please report it with the command\n"
       "and the .net file.\n",
       "", ""},
  };
  return kPages;
}

}  // namespace netc
