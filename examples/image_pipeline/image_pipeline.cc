// image_pipeline DIR OUT [--radius R] [--on auto|cpu|gpu]: blurs images and traces their edges.
//
// This file is the graph: which task takes what.  An image's tasks are submitted at once, as soon
// as a look at the file has told its size; a few dozen images are on their way at a time, so that a
// directory of any size fits.  See tasks.h for what the tasks do.

#include "contact_sheet.h"
#include "filters.h"
#include "progress.h"
#include "tasks.h"

#include <alnilam/alnilam.h>

#include <CLI/CLI.hpp>

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <deque>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace image_pipeline {

ALNILAM_TASK(look);
ALNILAM_TASK(decode);
ALNILAM_TASK(encode);
ALNILAM_TASK(makeStrip);
ALNILAM_TASK(makeSheet);
ALNILAM_TASK(blurOnCpu);
ALNILAM_TASK(blurOnGpu);
ALNILAM_TASK(traceOnCpu);
ALNILAM_TASK(traceOnGpu);
ALNILAM_TASK(touchGpu);

namespace {

namespace fs = std::filesystem;
using alnilam::Options;
using alnilam::Ref;

constexpr std::size_t kInFlight = 32;  // images

struct Settings {
  fs::path directory, out;
  unsigned radius = 4;
  std::string on = "auto";
};

// What the user asked for cannot be done; the exit code is 2.
class UsageError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

bool isNamedAsImage(const fs::path& path) {
  std::string ending = path.extension().string();
  std::transform(ending.begin(), ending.end(), ending.begin(),
                 [](unsigned char c) { return std::tolower(c); });
  return ending == ".png" || ending == ".jpg" || ending == ".jpeg";
}

// Names relative to the directory, ascending.
std::vector<std::string> imagesUnder(const fs::path& directory) {
  if (!fs::exists(directory)) throw UsageError("no directory '" + directory.string() + "'");
  if (!fs::is_directory(directory)) {
    throw UsageError("'" + directory.string() + "' is not a directory");
  }
  std::vector<std::string> names;
  auto options = fs::directory_options::skip_permission_denied;
  for (const auto& entry : fs::recursive_directory_iterator(directory, options)) {
    if (entry.is_regular_file() && isNamedAsImage(entry.path())) {
      names.push_back(entry.path().lexically_relative(directory).string());
    }
  }
  if (names.empty()) {
    throw UsageError("no files named *.png, *.jpg or *.jpeg in '" + directory.string() + "'");
  }
  std::sort(names.begin(), names.end());
  return names;
}

void prepareOut(const Settings& settings) {
  std::error_code error;
  fs::create_directories(settings.out, error);
  if (error || !fs::is_directory(settings.out)) {
    throw UsageError("'" + settings.out.string() + "' cannot be made a directory" +
                     (error ? ": " + error.message() : ""));
  }
  // The next run would take this one's results for images.
  fs::path inside = fs::canonical(settings.out).lexically_relative(
      fs::canonical(settings.directory));
  if (!inside.empty() && *inside.begin() != "..") {
    throw UsageError("'" + settings.out.string() + "' is inside of '" +
                     settings.directory.string() + "'; name a directory elsewhere");
  }
}

void writeFile(const fs::path& path, std::span<const std::uint8_t> bytes) {
  fs::create_directories(path.parent_path());
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out.write(reinterpret_cast<const char*>(bytes.data()),
            static_cast<std::streamsize>(bytes.size()));
  out.close();
  if (!out) throw std::runtime_error("'" + path.string() + "' cannot be written");
}

class Pipeline {
 public:
  Pipeline(alnilam::Cluster& cluster, const Settings& settings, std::vector<std::string> names,
           Progress& progress)
      : cluster_(cluster),
        settings_(settings),
        names_(std::move(names)),
        progress_(progress),
        weights_(gaussianWeights(settings.radius)) {}

  void run() {
    std::vector<Ref<Look>> looks;
    for (const std::string& name : names_) {
      looks.push_back(cluster_.submit(look, (settings_.directory / name).string()));
    }
    for (std::size_t next = 0; next < names_.size() || !inFlight_.empty();) {
      while (next < names_.size() && inFlight_.size() < kInFlight) {
        begin(names_[next], std::exchange(looks[next], {}));
        ++next;
      }
      if (!inFlight_.empty()) finish();
      progress_.show(done_ + leftOut_, names_.size());
    }
    if (!strips_.empty()) writeSheet();
  }

  std::size_t done() const { return done_; }
  std::size_t leftOut() const { return leftOut_; }
  std::size_t sheets() const { return sheets_; }

 private:
  // An image on its way.
  struct Image {
    std::string name;
    Ref<Samples> softFile, edgesFile, strip;
  };

  // Calls `work`, and leaves the image out if that is because of the image.
  template <typename Work>
  void forImage(const std::string& name, Work&& work) {
    try {
      work();
    } catch (const alnilam::TaskError& error) {
      // What decode says is for people as it is; anything else needs to be told where it was.
      const alnilam::Failure& failure = error.failure();
      bool bad = failure.kind == alnilam::FailureKind::exception;
      leaveOut(name, bad ? failure.message : error.what());
    }
  }

  void leaveOut(const std::string& name, const std::string& why) {
    progress_.leaveOut(name, why);
    ++leftOut_;
  }

  void begin(const std::string& name, const Ref<Look>& looked) {
    forImage(name, [&] {
      Look seen = cluster_.get(looked);
      if (!seen.wrong.empty()) return leaveOut(name, seen.wrong);
      const Size& size = seen.size;
      Options onCpu{.memory = 8 * size.pixels() + (16 << 20)};
      auto rgb = cluster_.submit(onCpu, decode, (settings_.directory / name).string(), size);
      auto soft = filter(blurOnCpu, blurOnGpu, rgb, size, weights_);
      auto edges = filter(traceOnCpu, traceOnGpu, soft, size);
      inFlight_.push_back({name, cluster_.submit(onCpu, encode, soft, size, 3u),
                           cluster_.submit(onCpu, encode, edges, size, 1u),
                           cluster_.submit(onCpu, makeStrip, rgb, soft, edges, size)});
    });
  }

  template <typename OnCpu, typename OnGpu, typename... More>
  Ref<Samples> filter(OnCpu onCpu, OnGpu onGpu, const Ref<Samples>& input, const Size& size,
                      const More&... more) {
    if (settings_.on == "cpu") return cluster_.submit(onCpu, input, size, more...);
    Options options{.gpus = 0.25, .gpuMemory = deviceBytes(size)};
    auto result = cluster_.submit(options, onGpu, input, size, more...);
    return Ref<Samples>(result.handle());  // one array, on a device or not
  }

  void finish() {
    Image image = std::move(inFlight_.front());
    inFlight_.pop_front();
    forImage(image.name, [&] {
      auto soft = cluster_.view(image.softFile), edges = cluster_.view(image.edgesFile);
      writeFile(settings_.out / (image.name + ".blur.png"), soft.span());
      writeFile(settings_.out / (image.name + ".edges.png"), edges.span());
      cluster_.wait(std::vector{image.strip}, 1);
      strips_.push_back(image.strip);
      ++done_;
      if (strips_.size() == kStripsASheet) writeSheet();
    });
  }

  void writeSheet() {
    auto file = cluster_.view(cluster_.submit({.memory = 64 << 20}, makeSheet, strips_));
    std::string number = sheets_ == 0 ? "" : "-" + std::to_string(sheets_ + 1);
    writeFile(settings_.out / ("contact_sheet" + number + ".png"), file.span());
    ++sheets_;
    strips_.clear();
  }

  alnilam::Cluster& cluster_;
  const Settings& settings_;
  const std::vector<std::string> names_;
  Progress& progress_;
  const Weights weights_;
  std::deque<Image> inFlight_;
  std::vector<Ref<Samples>> strips_;
  std::size_t done_ = 0, leftOut_ = 0, sheets_ = 0;
};

bool hasGpu(alnilam::Cluster& cluster) {
  try {
    cluster.get(cluster.submit({.gpus = 0.25}, touchGpu));
    return true;
  } catch (const alnilam::InfeasibleError&) {
    return false;
  }
}

// 0: every image was done; 3: some were left out.
int run(alnilam::Cluster& cluster, Settings settings) {
  std::vector<std::string> names = imagesUnder(settings.directory);
  prepareOut(settings);
  settings.directory = fs::absolute(settings.directory);
  if (settings.on == "auto") settings.on = hasGpu(cluster) ? "gpu" : "cpu";
  Progress progress(std::cerr, isatty(STDERR_FILENO) == 1);
  Pipeline pipeline(cluster, settings, std::move(names), progress);
  pipeline.run();
  progress.clear();
  std::cout << pipeline.done() << " images are in " << printable(settings.out.string());
  if (pipeline.sheets() > 0) std::cout << ", all on contact_sheet.png";
  if (pipeline.sheets() > 1) std::cout << " and " << pipeline.sheets() - 1 << " more";
  if (pipeline.leftOut() > 0) std::cout << "; " << pipeline.leftOut() << " were left out";
  std::cout << '\n';
  for (const alnilam::UsageRow& row : cluster.usage()) {
    std::printf("  %s %s: %llu tasks, %.3f s\n", row.node.c_str(), row.device.c_str(),
                static_cast<unsigned long long>(row.tasks),
                std::chrono::duration<double>(row.busy).count());
  }
  return pipeline.leftOut() > 0 ? 3 : 0;
}

}  // namespace
}  // namespace image_pipeline

int main(int argc, char** argv) try {
  CLI::App app{"Blurs the PNG and JPEG images of a directory and traces their edges"};
  image_pipeline::Settings settings;
  std::string directory, out;
  app.add_option("DIR", directory, "where the images are, at any depth; on every node")->required();
  app.add_option("OUT", out, "where NAME.blur.png, NAME.edges.png and contact_sheet.png go")
      ->required();
  app.add_option("--radius", settings.radius, "of the blur, in pixels")
      ->check(CLI::Range(1u, image_pipeline::kMostRadius))
      ->capture_default_str();
  app.add_option("--on", settings.on, "what filters: auto (GPUs where there are any), cpu or gpu")
      ->check(CLI::IsMember({"auto", "cpu", "gpu"}))
      ->capture_default_str();
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& wanted) {
    return app.exit(wanted);
  } catch (const CLI::ParseError& error) {
    std::cerr << "image_pipeline: " << error.what() << '\n';
    return 2;
  }
  settings.directory = directory;
  settings.out = out;
  alnilam::Cluster cluster = alnilam::connect(argc, argv);
  return image_pipeline::run(cluster, settings);
} catch (const image_pipeline::UsageError& error) {
  std::cerr << "image_pipeline: " << error.what() << '\n';
  return 2;
} catch (const std::exception& error) {
  std::cerr << "image_pipeline: " << error.what() << '\n';
  return 1;
}
