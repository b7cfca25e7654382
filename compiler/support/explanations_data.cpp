// E06xx: weights and checkpoints. E07xx: data sets, images and arrays.
#include "compiler/support/explanations.h"

namespace netc {

std::span<const Explanation> data_explanations() {
  static constexpr Explanation kPages[] = {
      {"E0601", "weights do not fit the network",
       "Every parameter of the network takes its value from the tensor of its path, or of the name that a\n"
       "`names` map gives it. The message counts what fits and lists what is missing, what is left over and\n"
       "what has another shape. Nothing is loaded when anything does not fit.\n",
       "netc eval r.net --weights resnet50_1000_classes.safetensors --set classes=102\n",
       "netc eval r.net --weights resnet50_1000_classes.safetensors --set classes=1000\n"},
      {"E0602", "a weights file cannot be read",
       "The file does not exist, is not a regular file, may not be read by you, or the disk failed. The message says which. A path in a\n"
       "program is relative to its file, one on the command line to the current folder.\n",
       "netc predict mnist.net --weights runs/best.safetensors --input shoe.png\n",
       "netc predict mnist.net --weights runs/mnist/best.safetensors --input shoe.png\n"},
      {"E0603", "not a valid safetensors file",
       "Weights and checkpoints are safetensors files: an 8-byte size, a JSON header, and the tensors. The\n"
       "header is checked before anything is read: sizes, types, and that tensors neither overlap nor leave gaps.\n"
       "`netc inspect FILE` shows what a valid one holds. A file of another kind is not read by its name alone; PyTorch's .pt and NumPy's .npz are\n"
       "recognised and read, and `netc convert` makes one from the other.\n",
       "netc eval mnist.net --weights picture.png\n",
       "netc eval mnist.net --weights runs/mnist/best.safetensors\n"},
      {"E0604", "a file cannot be written",
       "netc writes a temporary file in the same folder and renames it, so that a crash never leaves half a\n"
       "file in place of a good one. The folder must exist and be writable, and the disk must have room for both.\n"
       "Devices and pipes are written directly; results to a full standard output are this error too.\n",
       "", ""},
      {"E0605", "not a checkpoint of a training",
       "A file of weights alone has no optimizer state and no position, so a training cannot go on from it; or\n"
       "the position that it records is damaged. `netc inspect FILE` shows what it holds.\n",
       "netc train mnist.net --resume weights.safetensors\n", "netc train mnist.net --resume runs/mnist/last.safetensors\n"},
      {"E0606", "a checkpoint belongs to another training",
       "`--resume` goes on byte for byte, so network, recipe, data, seed and target must be those that the\n"
       "checkpoint was written with, and `--precision` and `--no-winograd` too. For another training, use another\n"
       "output folder.\n",
       "netc train mnist.net --resume --seed 2\n", "netc train mnist.net --resume\n"},
      {"E0607", "a PyTorch file that is not read",
       "torch.save writes a pickle, which is a program; netc reads one as data and executes nothing. Read are dicts of\n"
       "tensors: what `model.state_dict()` gives, and checkpoints with such dicts in them. The message names the\n"
       "instruction and what it asks for. A whole module, files of PyTorch before 1.6, or anything else that names\n"
       "Python's classes is refused.\n",
       "torch.save(model, \"model.pt\")\n", "torch.save(model.state_dict(), \"model.pt\")\n"},
      {"E0608", "tensors cannot be renamed so",
       "Each `--rename OLD=NEW` of `netc convert` is a rule as in a `names` map: `{s}` matches digits and may be shifted,\n"
       "`*` is a segment, `**` any number of them, the same on both sides. No two tensors may get one name.\n",
       "netc convert w.pt w.npz --rename '**.weight=weight'\n", "netc convert w.pt w.npz --rename 'module.**=**'\n"},
      {"E0609", "a damaged checkpoint",
       "A checkpoint holds a checksum of everything else in it. This one's is another, so a bit has changed since it was\n"
       "written: by the disk, a cable or a program. Nothing was loaded. `--keep K` leaves the K newest checkpoints beside\n"
       "the last one, from each of which a training goes on.\n",
       "netc train mnist.net --resume\n", "netc train mnist.net --resume runs/mnist/step-00000390.safetensors\n"},
      {"E0610", "members do not have what they share",
       "An ensemble's `shared` names parameters that its members have in common and that are computed once. They come from\n"
       "the first member's file, and every other member's must hold the same bytes. Train the members from one file of\n"
       "weights with these paths frozen.\n",
       "ensemble e { a = member(net, weights = \"a.safetensors\"); b = member(net, weights = \"b.safetensors\"); shared = [\"stem.**\"] }\n",
       "train member = net on d { ...; weights = load(\"trunk.safetensors\", except = [\"fc.**\"]); freeze = [\"stem.**\"] }\n"},
      {"E0611", "members of different data",
       "An ensemble adds its members' scores class by class, by number, and prepares a picture once for all of them. So\n"
       "members whose files record other class names, another order of them, or another preprocessing do not fit.\n",
       "ensemble e { a = member(net, weights = \"cats_dogs.safetensors\"); b = member(net, weights = \"dogs_cats.safetensors\") }\n",
       "dataset d { ...; classes = [\"cat\", \"dog\"] }\n"},
      {"E0701", "no file matches",
       "A path of a data set is relative to the .net file that declares it. `--data` says where the data lie\n"
       "on this machine without editing the file.\n",
       "netc train cifar.net\n", "netc train cifar.net --data train=/data/cifar/data_batch_*.bin\n"},
      {"E0702", "a data file cannot be read",
       "The file is not a regular file, may not be read by you, or the disk failed.\n", "", ""},
      {"E0703", "another format",
       "The first bytes of the file are not those of the format that the data set, or the file's name, says.\n"
       "`netc inspect FILE` shows what netc makes of it.\n",
       "dataset d { train = idx(\"labels.gz\", \"images.gz\") }\n", "dataset d { train = idx(\"images.gz\", \"labels.gz\") }\n"},
      {"E0704", "truncated or corrupt",
       "The file ends before the data that its header announces, or its compressed data are damaged. Copy or\n"
       "download it again. Single pictures of a folder or of tar shards may be left out, if the data set says so.\n",
       "dataset d { train = image_folder(\"photos\") }\n",
       "dataset d { train = image_folder(\"photos\"); corrupt = skip }\n"},
      {"E0705", "trailing bytes", "The file goes on after the data that its header announces, so one of the two is wrong.\n", "",
       ""},
      {"E0706", "sizes do not agree",
       "Two files that belong together differ in their number of samples, or images differ in size and no\n"
       "`preprocess` makes them equal.\n",
       "dataset d { train = image_folder(\"photos\") }\n",
       "dataset d { train = image_folder(\"photos\"); preprocess = [resize(256), center_crop(224x224)] }\n"},
      {"E0707", "a label out of range",
       "Labels count from 0 to classes - 1, where classes is the extent of the network's output.\n",
       "netc train cifar.net --set classes=9\n", "netc train cifar.net --set classes=10\n"},
      {"E0708", "an unsupported variant",
       "The format is known, but not with this element type, order or compression. The message names it.\n", "", ""},
      {"E0709", "too large", "The data need more memory than this machine has, or exceed what the format allows.\n", "", ""},
      {"E0710", "images that the network cannot take",
       "Channels, size or type of an image do not fit the network's input, and nothing in `preprocess` changes that.\n",
       "netc predict mnist.net --weights w.safetensors --input photo_1024x768.jpg\n",
       "dataset d { ...; preprocess = [resize(32), center_crop(28x28)] }\n"},
      {"E0711", "class folders of another data set",
       "The folders of an image folder are its classes. Their numbers are those of the training: the order of `classes` where\n"
       "the data set declares it, or of the training data's sorted folders, which checkpoints record. So folders of test\n"
       "data are compared by name, and one that the training does not know is an error, as is a class without a folder in\n"
       "training data. A class without test pictures needs no folder there.\n",
       "dataset d { train = image_folder(\"train\"); test = image_folder(\"other_animals\") }\n",
       "dataset d { train = image_folder(\"train\"); test = image_folder(\"test\"); classes = [\"ant\", \"bee\", \"cat\", \"dog\"] }\n"},
  };
  return kPages;
}

}  // namespace netc
