// Pictures of a run as SVG: curves over epochs or steps, and a confusion matrix.
//
//   std::string svg = plot_curves({{"loss", "epoch", {{"training", {{1, 2.3}, {2, 1.1}}}, {"test", {{1, 2.0}}}}}});
//
// Points that are not finite are left out. The same data give the same bytes.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "runtime/train/classification.h"

namespace netc {

struct Curve {
  std::string name;
  std::vector<std::pair<double, double>> points;  // by ascending x
};

struct Panel {
  std::string title, x_label;
  std::vector<Curve> curves;
};

// One panel below the other.
std::string plot_curves(const std::vector<Panel>& panels);

// Rows are true classes, columns predicted ones; the shade is the share of the row. `names` may be empty.
std::string plot_confusion(const ClassificationReport& report, const std::vector<std::string>& names);

// The name of a class, or its number.
std::string class_name(const std::vector<std::string>& names, int64_t index);

}  // namespace netc
