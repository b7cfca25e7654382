// `augment = [crop(32x32, pad = 4), flip(horizontal)]`: what is drawn anew for every sample of every epoch.
#include <algorithm>

#include "compiler/sema/recipe_values.h"

namespace netc {
namespace {

using Kind = AugmentSpec::Kind;

// One augmentation from its call.
class AugmentReader {
 public:
  AugmentReader(ConfigReader& reader, const Constructor& c) : reader_(reader), c_(c) {}

  AugmentSpec read() {
    const std::string& name = c_.name;
    if (name == "crop") {
      size(Kind::crop);
      if (has("pad")) spec_.pad = reader_.integer(field("pad"), what("pad"), 0, 65536);
    } else if (name == "random_resized_crop") {
      size(Kind::random_resized_crop);
      spec_.amount = share("area", 0.08, 0.001);
    } else if (name == "flip") {
      reader_.require(c_, "direction");
      const std::string direction = reader_.word(field("direction"), what("direction"), {"horizontal", "vertical"});
      spec_.kind = direction == "horizontal" ? Kind::flip_horizontal : Kind::flip_vertical;
    } else if (name == "rotate") {
      angle(Kind::rotate, 180);
    } else if (name == "shear") {
      angle(Kind::shear, 80);
    } else if (name == "shift" || name == "scale") {
      reader_.require(c_, "share");
      spec_.kind = name == "shift" ? Kind::shift : Kind::scale;
      spec_.amount = share("share", 0, 0);
      if (spec_.kind == Kind::scale && spec_.amount >= 1)
        reader_.fail(reader_.error("E0507", field("share").span, "`share` of `scale` is below 100%"));
    } else if (name == "color_jitter") {
      color_jitter();
    } else if (name == "grayscale") {
      spec_.kind = Kind::grayscale;
      spec_.probability = share("probability", 0.1, 0);
    } else if (name == "invert" || name == "autocontrast" || name == "equalize") {
      spec_.kind = name == "invert" ? Kind::invert : name == "equalize" ? Kind::equalize : Kind::autocontrast;
      spec_.probability = share("probability", 0.5, 0);
    } else if (name == "posterize") {
      reader_.require(c_, "bits");
      spec_.kind = Kind::posterize;
      spec_.amount = static_cast<double>(reader_.integer(field("bits"), what("bits"), 1, 8));
      spec_.probability = share("probability", 0.5, 0);
    } else if (name == "solarize") {
      reader_.require(c_, "threshold");
      spec_.kind = Kind::solarize;
      spec_.amount = static_cast<double>(reader_.integer(field("threshold"), what("threshold"), 0, 256));
      spec_.probability = share("probability", 0.5, 0);
    } else if (name == "sharpness") {
      reader_.require(c_, "factor");
      spec_.kind = Kind::sharpness;
      spec_.amount = reader_.real(c_, "factor", 1, {0, 100});
      spec_.probability = share("probability", 0.5, 0);
    } else if (name == "erase") {
      spec_.kind = Kind::erase;
      spec_.probability = share("probability", 0.5, 0);
      spec_.amount = share("area", 0.33, 0.001);
    } else if (name == "cutout") {
      size(Kind::cutout);
    } else if (name == "mixup" || name == "cutmix") {
      spec_.kind = name == "mixup" ? Kind::mixup : Kind::cutmix;
      spec_.amount = reader_.real(c_, "alpha", name == "mixup" ? 0.2 : 1, {0, 1, true});
    } else if (name == "rand_augment") {
      spec_.kind = Kind::rand_augment;
      spec_.count = has("count") ? reader_.integer(field("count"), what("count"), 1, 10) : 2;
      spec_.magnitude = has("magnitude") ? reader_.integer(field("magnitude"), what("magnitude"), 0, 30) : 9;
    } else {
      spec_.kind = Kind::trivial_augment;
    }
    return spec_;
  }

 private:
  bool has(const char* name) const { return reader_.has(c_, name); }
  const Expression& field(const char* name) const { return *c_.fields.at(name); }
  std::string what(const char* name) const { return "`" + std::string(name) + "` of `" + c_.name + "`"; }

  void size(Kind kind) {
    reader_.require(c_, "size");
    const SizeDatum size = reader_.size(field("size"), what("size"));
    spec_.kind = kind;
    spec_.height = size.height;
    spec_.width = size.width;
  }
  void angle(Kind kind, double most) {
    reader_.require(c_, "angle");
    spec_.kind = kind;
    spec_.amount = reader_.degrees(field("angle"), what("angle"));
    if (spec_.amount > most)
      reader_.fail(reader_.error("E0507", field("angle").span, what("angle") + " is at most " + std::to_string(static_cast<int>(most)) + "deg"));
  }
  double share(const char* name, double fallback, double least) {
    if (!has(name)) return fallback;
    const double share = reader_.percent(field(name), what(name));
    if (share < least) reader_.fail(reader_.error("E0507", field(name).span, what(name) + " is at least 0.1%"));
    return share;
  }
  void color_jitter() {
    spec_.kind = Kind::color_jitter;
    spec_.brightness = share("brightness", 0, 0);
    spec_.contrast = share("contrast", 0, 0);
    spec_.saturation = share("saturation", 0, 0);
    spec_.hue = share("hue", 0, 0);
    if (spec_.hue > 0.5) reader_.fail(reader_.error("E0507", field("hue").span, "`hue` of `color_jitter` is at most 50%, half a turn"));
    if (c_.fields.empty()) reader_.fail(reader_.error("E0105", c_.span, "`color_jitter` needs one of brightness, contrast, saturation, hue"));
  }

  ConfigReader& reader_;
  const Constructor& c_;
  AugmentSpec spec_;
};

}  // namespace

const std::vector<ConstructorDef>& augmentations() {
  static const std::vector<ConstructorDef> known = {
      {"crop", {"size", "pad"}},
      {"random_resized_crop", {"size", "area"}},
      {"flip", {"direction"}},
      {"rotate", {"angle"}},
      {"shift", {"share"}},
      {"scale", {"share"}},
      {"shear", {"angle"}},
      {"color_jitter", {"brightness", "contrast", "saturation", "hue"}},
      {"grayscale", {"probability"}},
      {"posterize", {"bits", "probability"}},
      {"solarize", {"threshold", "probability"}},
      {"invert", {"probability"}},
      {"autocontrast", {"probability"}},
      {"equalize", {"probability"}},
      {"sharpness", {"factor", "probability"}},
      {"erase", {"probability", "area"}},
      {"cutout", {"size"}},
      {"mixup", {"alpha"}},
      {"cutmix", {"alpha"}},
      {"rand_augment", {"count", "magnitude"}},
      {"trivial_augment", {}},
  };
  return known;
}

const std::vector<ConstructorDef>& preprocess_steps() {
  static const std::vector<ConstructorDef> known = {{"resize", {"size"}}, {"center_crop", {"size"}}};
  return known;
}

PreprocessSpec read_preprocess_step(ConfigReader& reader, const Constructor& c) {
  reader.require(c, "size");
  PreprocessSpec step;
  step.kind = c.name == "resize" ? PreprocessSpec::Kind::resize : PreprocessSpec::Kind::center_crop;
  const Expression& size = *c.fields.at("size");
  if (c.name == "resize" && size.as<IntLit>()) {
    step.height = reader.integer(size, "`size` of `resize`", 1, 65536);  // of the shorter side
  } else {
    const SizeDatum extent = reader.size(size, "`size` of `" + c.name + "`");
    step.height = extent.height;
    step.width = extent.width;
  }
  return step;
}

void read_augment(ConfigReader& reader, const Expression& value, std::vector<PreprocessSpec>& preprocess,
                  std::vector<AugmentSpec>& augment) {
  std::vector<ConstructorDef> known = augmentations();
  known.insert(known.end(), preprocess_steps().begin(), preprocess_steps().end());
  const auto is_step = [](const Constructor& c) {
    const auto& steps = preprocess_steps();
    return std::any_of(steps.begin(), steps.end(), [&](const ConstructorDef& def) { return def.name == c.name; });
  };
  bool failed = false, erases = false;
  preprocess.clear();
  augment.clear();
  for (const Expression* item : reader.items(value)) {
    try {
      const Constructor c = reader.constructor(*item, known, "an augmentation", {"auto_augment", "blur"});
      if (is_step(c)) {
        if (!augment.empty()) reader.fail(reader.error("E0504", c.span, "`" + c.name + "` comes before what is random"));
        preprocess.push_back(read_preprocess_step(reader, c));
        continue;
      }
      augment.push_back(AugmentReader(reader, c).read());
      const bool erasing = augment.back().kind == Kind::erase || augment.back().kind == Kind::cutout;
      if (erasing && erases) reader.fail(reader.error("E0505", c.span, "a list has one of `erase` and `cutout`"));
      erases |= erasing;
    } catch (const Failed&) {
      failed = true;
    }
  }
  if (failed) throw Failed{};
}

}  // namespace netc
