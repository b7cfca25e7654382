#include "runtime/train/plot_svg.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace netc {
namespace {

constexpr double kWidth = 640, kHeight = 240;                      // of a panel
constexpr double kLeft = 64, kRight = 16, kTop = 28, kBottom = 40;  // margins
constexpr size_t kMostPoints = 1000;                               // of a drawn curve
// Colours that colour-blind people tell apart (Okabe and Ito 2008).
constexpr const char* kColors[] = {"#0072b2", "#d55e00", "#009e73", "#cc79a7"};

// Without trailing zeros: 0.1, 25, 1e-05.
std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.6g", value);
  return text;
}
// A coordinate.
std::string at(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f", value);
  return text;
}

std::string escaped(const std::string& text) {
  std::string result;
  for (char c : text) {
    if (c == '<') result += "&lt;";
    else if (c == '&') result += "&amp;";
    else if (c == '"') result += "&quot;";
    else if (static_cast<unsigned char>(c) >= 0x20) result += c;
  }
  return result;
}

std::string text_at(double x, double y, const std::string& text, const char* anchor, const std::string& more = "") {
  return "<text x=\"" + at(x) + "\" y=\"" + at(y) + "\" text-anchor=\"" + anchor + "\"" + more + ">" + escaped(text) + "</text>\n";
}

std::string opening(double width, double height) {
  return "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"" + at(width) + "\" height=\"" + at(height) + "\" viewBox=\"0 0 " +
         at(width) + " " + at(height) + "\" font-family=\"sans-serif\" font-size=\"11\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n";
}

// An axis from `low` to `high` with ticks at 1, 2 or 5 times a power of ten.
struct Axis {
  double low = 0, high = 1, step = 1;

  Axis(double least, double most) : low(least), high(most) {
    if (!(high > low)) {
      const double room = low == 0 ? 1 : std::abs(low) / 2;
      low -= room;
      high += room;
    }
    const double rough = (high - low) / 5, power = std::pow(10, std::floor(std::log10(rough)));
    step = rough / power < 1.5 ? power : rough / power < 3.5 ? 2 * power : rough / power < 7.5 ? 5 * power : 10 * power;
  }
  double share(double value) const { return (value - low) / (high - low); }
  std::vector<double> ticks() const {
    std::vector<double> list;
    for (double i = std::ceil(low / step - 1e-9); i * step <= high + 1e-9 * step; ++i) list.push_back(i * step);
    return list;
  }
};

// Means of equal parts where there are too many points to see.
std::vector<std::pair<double, double>> thinned(const std::vector<std::pair<double, double>>& points) {
  std::vector<std::pair<double, double>> finite, result;
  for (const auto& p : points)
    if (std::isfinite(p.first) && std::isfinite(p.second)) finite.push_back(p);
  const size_t part = (finite.size() + kMostPoints - 1) / kMostPoints;
  for (size_t i = 0; i < finite.size(); i += part) {
    const size_t end = std::min(finite.size(), i + part);
    double x = 0, y = 0;
    for (size_t k = i; k < end; ++k) {
      x += finite[k].first / static_cast<double>(end - i);
      y += finite[k].second / static_cast<double>(end - i);
    }
    result.emplace_back(x, y);
  }
  return result;
}

std::string plot(const Panel& panel, double offset) {
  std::vector<std::vector<std::pair<double, double>>> curves;
  double low_x = INFINITY, high_x = -INFINITY, low_y = INFINITY, high_y = -INFINITY;
  for (const Curve& curve : panel.curves) {
    curves.push_back(thinned(curve.points));
    for (const auto& [x, y] : curves.back()) {
      low_x = std::min(low_x, x), high_x = std::max(high_x, x);
      low_y = std::min(low_y, y), high_y = std::max(high_y, y);
    }
  }
  if (low_x > high_x) low_x = low_y = 0, high_x = high_y = 1;
  const Axis across(low_x, high_x), up(low_y, high_y);
  const double right = kWidth - kRight, bottom = offset + kHeight - kBottom, top = offset + kTop;
  auto place_x = [&](double x) { return kLeft + across.share(x) * (right - kLeft); };
  auto place_y = [&](double y) { return bottom - up.share(y) * (bottom - top); };

  std::string svg = text_at(kLeft, offset + 18, panel.title, "start", " font-weight=\"bold\"");
  for (double tick : up.ticks())
    svg += "<path d=\"M" + at(kLeft) + " " + at(place_y(tick)) + "H" + at(right) + "\" stroke=\"#ddd\"/>\n" +
           text_at(kLeft - 6, place_y(tick) + 4, number(tick), "end");
  for (double tick : across.ticks()) svg += text_at(place_x(tick), bottom + 16, number(tick), "middle");
  svg += text_at((kLeft + right) / 2, bottom + 32, panel.x_label, "middle");
  svg += "<path d=\"M" + at(kLeft) + " " + at(top) + "V" + at(bottom) + "H" + at(right) + "\" fill=\"none\" stroke=\"#888\"/>\n";
  double legend = right;
  for (size_t i = panel.curves.size(); i-- > 0;) {
    const char* color = kColors[i % std::size(kColors)];
    std::string path;
    for (const auto& [x, y] : curves[i]) path += (path.empty() ? "M" : "L") + at(place_x(x)) + " " + at(place_y(y));
    if (curves[i].size() == 1) path += "h0.1";  // a dot
    if (!path.empty())
      svg += "<path d=\"" + path + "\" fill=\"none\" stroke=\"" + color + "\" stroke-width=\"1.5\" stroke-linecap=\"round\" stroke-linejoin=\"round\"/>\n";
    svg += text_at(legend, offset + 18, panel.curves[i].name, "end", std::string(" fill=\"") + color + "\"");
    legend -= 7.0 * static_cast<double>(panel.curves[i].name.size()) + 14;
  }
  return svg;
}

}  // namespace

std::string class_name(const std::vector<std::string>& names, int64_t index) {
  const auto i = static_cast<size_t>(index);
  return i < names.size() ? names[i] : std::to_string(index);
}

std::string plot_curves(const std::vector<Panel>& panels) {
  std::string svg = opening(kWidth, kHeight * static_cast<double>(panels.size()));
  for (size_t i = 0; i < panels.size(); ++i) svg += plot(panels[i], kHeight * static_cast<double>(i));
  return svg + "</svg>\n";
}

std::string plot_confusion(const ClassificationReport& report, const std::vector<std::string>& names) {
  const int64_t classes = report.classes();
  constexpr int64_t kMostNumbers = 30;  // classes; of more, the numbers are too small to read
  const double cell = classes <= kMostNumbers ? 36 : std::max(2.0, 1080.0 / static_cast<double>(classes));
  const double labels = classes <= kMostNumbers ? 110 : 24, side = cell * static_cast<double>(classes);
  std::string svg = opening(labels + side + 12, labels + side + 12);
  svg += text_at(labels + side / 2, 14, "predicted class", "middle") +
         text_at(0, 0, "true class", "middle", " transform=\"translate(12 " + at(labels + side / 2) + ") rotate(-90)\"");
  for (int64_t row = 0; row < classes; ++row) {
    const double y = labels + cell * static_cast<double>(row);
    const auto of_class = static_cast<double>(std::max<int64_t>(report.scores(row).samples, 1));
    for (int64_t column = 0; column < classes; ++column) {
      const double x = labels + cell * static_cast<double>(column), share = static_cast<double>(report.count(row, column)) / of_class;
      const long shade = std::lround(255 - 200 * share);
      char color[32];
      std::snprintf(color, sizeof color, row == column ? "rgb(%ld,%ld,255)" : "rgb(255,%ld,%ld)", shade, shade);
      svg += "<rect x=\"" + at(x) + "\" y=\"" + at(y) + "\" width=\"" + at(cell) + "\" height=\"" + at(cell) + "\" fill=\"" + color + "\"/>\n";
      if (classes <= kMostNumbers && report.count(row, column) > 0)
        svg += text_at(x + cell / 2, y + cell / 2 + 4, std::to_string(report.count(row, column)), "middle");
    }
    if (classes > kMostNumbers) continue;
    const std::string name = class_name(names, row);
    svg += text_at(labels - 6, y + cell / 2 + 4, name, "end") +
           text_at(0, 0, name, "start", " transform=\"translate(" + at(labels + cell * (static_cast<double>(row) + 0.5) + 4) + " " + at(labels - 6) + ") rotate(-60)\"");
  }
  return svg + "</svg>\n";
}

}  // namespace netc
