// near_duplicates DIR [--threshold T] [-o table|json]: groups of nearly identical text files.
//
// This file is the graph: which task takes what.  The program submits all of it up to the
// comparison at once, and looks at one tile of the matrix of pairs after the other to ask for the
// few verifications that are worth it; see tasks.h for what the tasks do.

#include "report.h"
#include "shingles.h"
#include "tasks.h"

#include <alnilam/alnilam.h>

#include <CLI/CLI.hpp>

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <set>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace near_duplicates {

ALNILAM_TASK(readShingles);
ALNILAM_TASK(signPart);
ALNILAM_TASK(stackParts);
ALNILAM_VARIANTS(compareBlocks, cpu(compareOnCpu),
                 cuda(compareOnGpu, {.gpus = 0.25, .gpuMemory = 16 << 20}));  // a tile: 6 MiB
ALNILAM_TASK(verifyTile);
ALNILAM_TASK(mergeLinks);

namespace {

namespace fs = std::filesystem;
using alnilam::Ref;

constexpr std::size_t kFilesAPart = 16, kBytesAPart = 1 << 20;
constexpr std::size_t kLeastRows = 128, kMostRows = 4096;  // of a block
constexpr std::size_t kBlocks = 32;                        // aimed at, between those two
constexpr std::size_t kFanIn = 16;

struct Settings {
  fs::path directory;
  double threshold = 0.8;
  bool json = false;
};

struct File {
  std::string name;  // relative to the directory
  std::uint64_t size = 0;
};

struct Part {
  std::uint32_t firstFile = 0, files = 0;
  Ref<PartShingles> shingles;
};

struct Block {
  std::uint32_t firstFile = 0, files = 0;
  Ref<std::vector<std::uint32_t>> signatures;
};

// What the user asked for cannot be done; the exit code is 2.
class UsageError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// Ascending by name.  Links are not followed: a file and a link to it are no duplicates.
std::vector<File> filesUnder(const fs::path& directory) {
  if (!fs::exists(directory)) throw UsageError("no directory '" + directory.string() + "'");
  if (!fs::is_directory(directory)) {
    throw UsageError("'" + directory.string() + "' is not a directory");
  }
  std::vector<File> files;
  bool any = false;
  auto options = fs::directory_options::skip_permission_denied;
  for (const auto& entry : fs::recursive_directory_iterator(directory, options)) {
    if (entry.is_symlink() || !entry.is_regular_file()) continue;
    any = true;
    std::string name = entry.path().lexically_relative(directory).string();
    if (std::ifstream(entry.path())) {
      files.push_back({std::move(name), entry.file_size()});
    } else {
      std::cerr << "near_duplicates: left out, since it cannot be read: " << name << '\n';
    }
  }
  if (files.empty()) {
    throw UsageError(std::string(any ? "no readable files" : "no files") + " in '" +
                     directory.string() + "'");
  }
  std::sort(files.begin(), files.end(),
            [](const File& left, const File& right) { return left.name < right.name; });
  return files;
}

class Search {
 public:
  Search(alnilam::Cluster& cluster, const Settings& settings, const std::vector<File>& files,
         ProgressBar& bar)
      : cluster_(cluster),
        settings_(settings),
        files_(files),
        bar_(bar) {}

  NamedGroups run() {
    readAndSign();
    std::vector<Link> links = merge(compareAndVerify());
    NamedGroups groups;
    for (const auto& members : groupsOf(files_.size(), links)) {
      auto& group = groups.emplace_back();
      for (std::uint32_t file : members) group.push_back(files_[file].name);
    }
    return groups;
  }

 private:
  void readAndSign() {
    std::size_t rows = std::clamp(files_.size() / kBlocks, kLeastRows, kMostRows);
    std::vector<Ref<std::vector<std::uint32_t>>> signatures;
    Block block;
    for (std::uint32_t first = 0; first < files_.size();) {
      Part part = submitPart(first);
      signatures.push_back(cluster_.submit(signPart, part.shingles, first));
      block.files += part.files;
      first += part.files;
      parts_.push_back(std::move(part));
      if (block.files >= rows || first == files_.size()) {
        block.signatures = cluster_.submit(stackParts, signatures);
        blocks_.push_back(block);
        block = {first, 0, {}};
        signatures.clear();
      }
    }
  }

  Part submitPart(std::uint32_t first) {
    std::vector<std::string> paths;
    std::uint64_t bytes = 0;
    for (std::size_t file = first; file < files_.size() && paths.size() < kFilesAPart; ++file) {
      if (!paths.empty() && bytes + files_[file].size > kBytesAPart) break;
      bytes += files_[file].size;
      paths.push_back((settings_.directory / files_[file].name).string());
    }
    return {first, static_cast<std::uint32_t>(paths.size()), cluster_.submit(readShingles, paths)};
  }

  std::vector<Ref<std::vector<Link>>> compareAndVerify() {
    struct Comparison {
      Tile tile;
      Ref<std::vector<std::uint32_t>> agree;
    };
    std::uint32_t needed = candidateBound(settings_.threshold);
    std::vector<Comparison> comparisons;
    for (std::size_t right = 0; right < blocks_.size(); ++right) {
      for (std::size_t left = 0; left <= right; ++left) {
        const Block &a = blocks_[left], &b = blocks_[right];
        Tile tile{a.firstFile, a.files, b.firstFile, b.files};
        comparisons.push_back(
            {tile, cluster_.submit(compareBlocks, a.signatures, b.signatures, needed)});
      }
    }
    for (std::size_t i = 0; i < parts_.size(); ++i) {
      bar_.show("reading", i, parts_.size());
      cluster_.wait(std::vector{parts_[i].shingles}, 1);
    }
    std::vector<Ref<std::vector<Link>>> links;
    for (std::size_t i = 0; i < comparisons.size(); ++i) {
      bar_.show("comparing", i, comparisons.size());
      const Tile& tile = comparisons[i].tile;
      auto agree = cluster_.view(comparisons[i].agree);
      std::vector<std::uint32_t> firstFiles;
      std::vector<Ref<PartShingles>> shingles;
      for (std::size_t part : partsWithCandidates(tile, agree.span())) {
        firstFiles.push_back(parts_[part].firstFile);
        shingles.push_back(parts_[part].shingles);
      }
      if (shingles.empty()) continue;
      links.push_back(cluster_.submit(verifyTile, tile, comparisons[i].agree, firstFiles, shingles,
                                      settings_.threshold));
    }
    return links;
  }

  std::set<std::size_t> partsWithCandidates(const Tile& tile,
                                            std::span<const std::uint32_t> agree) {
    std::set<std::size_t> touched;
    auto touch = [&](std::uint32_t file) {
      auto after = std::upper_bound(
          parts_.begin(), parts_.end(), file,
          [](std::uint32_t wanted, const Part& part) { return wanted < part.firstFile; });
      touched.insert(static_cast<std::size_t>(after - parts_.begin()) - 1);
    };
    forEachCandidate(tile, agree, [&](std::uint32_t left, std::uint32_t right) {
      touch(left);
      touch(right);
    });
    return touched;
  }

  std::vector<Link> merge(std::vector<Ref<std::vector<Link>>> level) {
    if (level.empty()) return {};
    std::size_t verified = level.size();
    for (std::size_t i = 0; i < verified; ++i) {
      bar_.show("verifying", i, verified);
      cluster_.wait(std::vector{level[i]}, 1);
    }
    while (level.size() > 1) {
      std::vector<Ref<std::vector<Link>>> next;
      for (auto rest = std::span(level); !rest.empty();) {
        auto some = rest.first(std::min(kFanIn, rest.size()));
        next.push_back(cluster_.submit(
            mergeLinks, std::vector<Ref<std::vector<Link>>>(some.begin(), some.end())));
        rest = rest.subspan(some.size());
      }
      level = std::move(next);
    }
    return cluster_.get(level.front());
  }

  alnilam::Cluster& cluster_;
  const Settings& settings_;
  const std::vector<File>& files_;
  ProgressBar& bar_;
  std::vector<Part> parts_;
  std::vector<Block> blocks_;
};

void search(alnilam::Cluster& cluster, Settings settings) {
  std::vector<File> files = filesUnder(settings.directory);
  settings.directory = fs::absolute(settings.directory);
  ProgressBar bar(std::cerr, isatty(STDERR_FILENO) == 1);
  Search search(cluster, settings, files, bar);
  NamedGroups groups = search.run();
  bar.clear();
  if (settings.json) {
    writeJson(std::cout, groups);
    return;
  }
  writeGroups(std::cout, groups, files.size());
  std::vector<UsageLine> usage;
  for (alnilam::UsageRow& row : cluster.usage()) {
    for (const alnilam::VariantRuns& one : row.variants) {
      std::cout << one.tasks << " of " << one.function << " ran as " << one.variant << " on "
                << row.node << ", " << row.device << '\n';
    }
    std::chrono::duration<double> busy = row.busy;
    usage.push_back({std::move(row.node), std::move(row.device), row.tasks, busy.count(), row.moved,
                     std::move(row.lanes)});
  }
  std::cout << '\n';
  writeUsage(std::cout, usage);
}

}  // namespace
}  // namespace near_duplicates

int main(int argc, char** argv) try {
  CLI::App app{"Finds groups of nearly identical text files in a directory tree"};
  near_duplicates::Settings settings;
  std::string directory, output = "table";
  app.add_option("DIR", directory, "where to look")->required();
  app.add_option("--threshold", settings.threshold, "Jaccard similarity of 5-word shingles, 0 to 1")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  app.add_option("-o,--output", output, "table or json")
      ->check(CLI::IsMember({"table", "json"}))
      ->capture_default_str();
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& wanted) {
    return app.exit(wanted);
  } catch (const CLI::ParseError& error) {
    std::cerr << "near_duplicates: " << error.what() << '\n';
    return 2;
  }
  settings.directory = directory;
  settings.json = output == "json";
  alnilam::Cluster cluster = alnilam::connect(argc, argv);
  near_duplicates::search(cluster, settings);
  return 0;
} catch (const near_duplicates::UsageError& error) {
  std::cerr << "near_duplicates: " << error.what() << '\n';
  return 2;
} catch (const std::exception& error) {
  std::cerr << "near_duplicates: " << error.what() << '\n';
  return 1;
}
