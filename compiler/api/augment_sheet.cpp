#include "compiler/api/augment_sheet.h"

#include <algorithm>

#include "compiler/api/model.h"
#include "compiler/api/training.h"
#include "compiler/base/error.h"
#include "runtime/context.h"
#include "runtime/data/image_sheet.h"
#include "runtime/train/augment_inputs.h"

namespace netc {

Image augment_sheet(Project& project, const AugmentSheetRequest& request, Executor& executor) {
  Recipe recipe = find_recipe(project, request.network.reference);
  if (request.seed) recipe.seed = *request.seed;
  if (recipe.augment.empty())
    throw RuntimeError("E0928", "the recipe `" + recipe.name + "` draws nothing at random", "augment = [flip(horizontal)]");
  if (request.data.count("train")) recipe.dataset.train = find_source(recipe.dataset, "train", request.data);
  Model model = load_model(plan_augmentation(project, request.network, recipe, request.samples, request.settings), executor.workers());
  prepare(model, executor);  // the normalisation's constants
  const ElaboratedNetwork& network = model.compilation.network;
  const std::unique_ptr<Dataset> data = load_augmented(recipe, "train", request.data, network, executor);

  Context context(*model.executable, model.state);
  EntryIo io(model.executable->program(), "augment");
  io.require_images(*data);
  const Shape& seen = io.output("seen").type.shape;
  const int64_t channels = seen[1], height = seen[2], width = seen[3];
  if (channels != 1 && channels != 3)
    throw RuntimeError("E0928", "a picture has 1 or 3 channels, the input has " + std::to_string(channels));
  const int64_t rows = std::min(request.samples, data->count());
  const ImageFormat& format = data->format();
  const InputInfo& input = network.inputs.at(0);
  const double unit = format.dtype == DType::u8 || input.normalized ? 255 : 1;
  auto pixel = [&](int64_t c, double value) {  // the normalisation, undone
    const auto channel = static_cast<size_t>(c);
    const double deviation = input.std.empty() ? 1 : input.std[channel % input.std.size()];
    const double mean = input.mean.empty() ? 0 : input.mean[channel % input.mean.size()];
    return (input.normalized ? (value * deviation + mean) : value) * unit;
  };

  ImageSheet sheet({channels, height, width}, rows, 1 + request.views);
  AugmentInputs records(io);
  std::vector<std::byte> images(static_cast<size_t>(request.samples * format.bytes()));
  std::vector<float> result(static_cast<size_t>(request.samples * channels * height * width));
  io.set_output("seen", result.data());
  for (int64_t view = 0; view < request.views; ++view) {
    for (int64_t row = 0; row < request.samples; ++row) {
      const SampleView sample{recipe, recipe.seed, view, row % data->count()};
      std::byte* image = images.data() + row * format.bytes();
      copy_view(*data, sample, image);
      records.draw(row, sample, image);
    }
    io.set_input("image", images.data());
    records.bind(io);
    RuntimeScalars scalars;
    scalars.seed = static_cast<int64_t>(recipe.seed);
    scalars.valid_count = request.samples;
    io.run(context, scalars, executor);
    for (int64_t row = 0; row < rows; ++row)
      sheet.put(row, 1 + view, [&](int64_t c, int64_t y, int64_t x) {
        return pixel(c, result[static_cast<size_t>(((row * channels + c) * height + y) * width + x)]);
      });
  }
  for (int64_t row = 0; row < rows; ++row) {  // the sample itself, its middle where it is larger
    data->copy_image(row, images.data());
    const int64_t top = (format.height - height) / 2, left = (format.width - width) / 2;
    sheet.put(row, 0, [&](int64_t c, int64_t y, int64_t x) {
      const int64_t iy = y + top, ix = x + left;
      if (iy < 0 || ix < 0 || iy >= format.height || ix >= format.width) return 0.0;
      const int64_t at = (c * format.height + iy) * format.width + ix;
      if (format.dtype == DType::u8) return static_cast<double>(images[static_cast<size_t>(at)]);
      return 255.0 * static_cast<double>(reinterpret_cast<const float*>(images.data())[at]);
    });
  }
  return sheet.take();
}

}  // namespace netc
