#pragma once
// The same answer the simple way: one thread, sets of strings, every pair of files.
//
// The program is held to this.  It shares no line with it: words are cut by std::istringstream,
// shingles are strings, similarity is counted by set intersection, groups grow by relabelling.
// O(files^2 * shingles), so for tests only.

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <locale>
#include <map>
#include <optional>
#include <set>
#include <sstream>
#include <string>
#include <vector>

namespace near_duplicates::reference {

inline std::set<std::string> shinglesOf(const std::string& text) {
  std::istringstream in(text);
  in.imbue(std::locale::classic());
  std::vector<std::string> words;
  for (std::string word; in >> word;) words.push_back(word);
  std::set<std::string> shingles;
  std::size_t length = std::min<std::size_t>(5, words.size());
  for (std::size_t first = 0; first + length <= words.size(); ++first) {
    std::string shingle;
    for (std::size_t i = 0; i < length; ++i) shingle += words[first + i] + " ";
    shingles.insert(shingle);
    if (length < 5) break;
  }
  return shingles;
}

inline double jaccard(const std::set<std::string>& left, const std::set<std::string>& right) {
  std::size_t both = 0;
  for (const std::string& shingle : left) both += right.count(shingle);
  return static_cast<double>(both) / static_cast<double>(left.size() + right.size() - both);
}

// What a text file holds; none for a file with a NUL byte.
inline std::optional<std::string> textOf(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::string text(std::istreambuf_iterator<char>(in), {});
  if (text.find('\0') != std::string::npos) return std::nullopt;
  return text;
}

inline std::vector<std::vector<std::string>> nearDuplicates(const std::filesystem::path& directory,
                                                            double threshold) {
  std::map<std::string, std::set<std::string>> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory)) {
    if (!entry.is_regular_file() || entry.is_symlink()) continue;
    auto text = textOf(entry.path());
    if (text) files[entry.path().lexically_relative(directory).string()] = shinglesOf(*text);
  }
  std::map<std::string, std::string> label;
  for (const auto& [path, shingles] : files) label[path] = path;
  for (const auto& [left, leftShingles] : files) {
    for (const auto& [right, rightShingles] : files) {
      if (left >= right || jaccard(leftShingles, rightShingles) < threshold) continue;
      std::string from = label[right], to = label[left];
      for (auto& [path, group] : label) {
        if (group == from) group = to;
      }
    }
  }
  std::map<std::string, std::vector<std::string>> members;
  for (const auto& [path, group] : label) members[group].push_back(path);
  std::vector<std::vector<std::string>> groups;
  for (auto& [group, paths] : members) {
    if (paths.size() > 1) groups.push_back(paths);
  }
  std::sort(groups.begin(), groups.end());
  return groups;
}

}  // namespace near_duplicates::reference
