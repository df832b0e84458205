// wordcount DIR [--top N]: the most frequent words of all files under DIR.
//
// Map: a task a few files counts their words.  Reduce: tasks add eight counts each, level by level,
// until one is left.  A task of the next level starts as soon as its eight are there.

#include <alnilam/alnilam.h>

#include <CLI/CLI.hpp>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace fs = std::filesystem;

using Counts = std::map<std::string, std::uint64_t>;

Counts countWords(const std::vector<std::string>& files) {
  Counts counts;
  for (const std::string& file : files) {
    std::ifstream in(file, std::ios::binary);
    if (!in) throw std::runtime_error("cannot read '" + file + "'");
    in.imbue(std::locale::classic());
    for (std::string word; in >> word;) ++counts[word];
  }
  return counts;
}

Counts addCounts(const std::vector<Counts>& parts) {
  Counts total;
  for (const Counts& part : parts) {
    for (const auto& [word, count] : part) total[word] += count;
  }
  return total;
}

ALNILAM_TASK(countWords);
ALNILAM_TASK(addCounts);

namespace {

constexpr std::size_t kFilesPerTask = 8, kFanIn = 8;

std::vector<std::string> filesUnder(const fs::path& directory) {
  if (!fs::is_directory(directory)) {
    throw std::invalid_argument("'" + directory.string() + "' is not a directory");
  }
  std::vector<std::string> files;
  auto options = fs::directory_options::skip_permission_denied;
  for (const auto& entry : fs::recursive_directory_iterator(fs::absolute(directory), options)) {
    if (entry.is_regular_file() && !entry.is_symlink()) files.push_back(entry.path().string());
  }
  if (files.empty()) throw std::invalid_argument("no files in '" + directory.string() + "'");
  std::sort(files.begin(), files.end());
  return files;
}

void run(alnilam::Cluster& cluster, const fs::path& directory, std::size_t top) {
  std::vector<std::string> files = filesUnder(directory);
  std::vector<alnilam::Ref<Counts>> level;
  for (std::size_t at = 0; at < files.size(); at += kFilesPerTask) {
    auto end = std::min(at + kFilesPerTask, files.size());
    level.push_back(cluster.submit(
        countWords, std::vector<std::string>(files.begin() + static_cast<std::ptrdiff_t>(at),
                                             files.begin() + static_cast<std::ptrdiff_t>(end))));
  }
  while (level.size() > 1) {
    std::vector<alnilam::Ref<Counts>> next;
    for (std::size_t at = 0; at < level.size(); at += kFanIn) {
      auto end = std::min(at + kFanIn, level.size());
      next.push_back(cluster.submit(
          addCounts,
          std::vector<alnilam::Ref<Counts>>(level.begin() + static_cast<std::ptrdiff_t>(at),
                                            level.begin() + static_cast<std::ptrdiff_t>(end))));
    }
    level = std::move(next);
  }

  Counts counts = cluster.get(level.front());
  std::vector<std::pair<std::string, std::uint64_t>> words(counts.begin(), counts.end());
  std::stable_sort(words.begin(), words.end(),
                   [](const auto& left, const auto& right) { return left.second > right.second; });
  std::uint64_t total = 0;
  for (const auto& [word, count] : words) total += count;
  std::cout << total << " words, " << words.size() << " different, in " << files.size()
            << (files.size() == 1 ? " file\n" : " files\n");
  words.resize(std::min(words.size(), top));
  for (const auto& [word, count] : words) std::cout << count << ' ' << word << '\n';
}

}  // namespace

int main(int argc, char** argv) try {
  CLI::App app{"The most frequent words of all files under a directory"};
  std::string directory;
  std::size_t top = 10;
  app.add_option("DIR", directory, "where to look")->required();
  app.add_option("--top", top, "how many words to print")->capture_default_str();
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& wanted) {
    return app.exit(wanted);
  } catch (const CLI::ParseError& error) {
    std::cerr << "wordcount: " << error.what() << '\n';
    return 2;
  }
  alnilam::Cluster cluster = alnilam::connect(argc, argv);
  run(cluster, directory, top);
  return 0;
} catch (const std::invalid_argument& error) {
  std::cerr << "wordcount: " << error.what() << '\n';
  return 2;
} catch (const std::exception& error) {
  std::cerr << "wordcount: " << error.what() << '\n';
  return 1;
}
