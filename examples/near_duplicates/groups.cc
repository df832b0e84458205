#include "groups.h"

#include <algorithm>
#include <numeric>

namespace near_duplicates {

Groups::Groups(std::size_t size) : parent_(size) {
  std::iota(parent_.begin(), parent_.end(), 0u);
}

std::uint32_t Groups::find(std::uint32_t member) {
  while (parent_[member] != member) member = parent_[member] = parent_[parent_[member]];
  return member;
}

bool Groups::join(std::uint32_t left, std::uint32_t right) {
  left = find(left);
  right = find(right);
  if (left == right) return false;
  parent_[std::max(left, right)] = std::min(left, right);
  return true;
}

std::vector<Link> forestOf(std::span<const Link> links) {
  // Numbered densely, so that a few links between millions of files stay a small thing.
  std::vector<std::uint32_t> files;
  for (const Link& link : links) files.insert(files.end(), {link.left, link.right});
  std::sort(files.begin(), files.end());
  files.erase(std::unique(files.begin(), files.end()), files.end());
  auto dense = [&](std::uint32_t file) {
    auto at = std::lower_bound(files.begin(), files.end(), file);
    return static_cast<std::uint32_t>(at - files.begin());
  };
  Groups groups(files.size());
  std::vector<Link> forest;
  for (const Link& link : links) {
    if (groups.join(dense(link.left), dense(link.right))) forest.push_back(link);
  }
  return forest;
}

std::vector<std::vector<std::uint32_t>> groupsOf(std::size_t files, std::span<const Link> links) {
  Groups groups(files);
  for (const Link& link : links) groups.join(link.left, link.right);
  std::vector<std::vector<std::uint32_t>> byFirst(files);
  for (std::uint32_t file = 0; file < files; ++file) byFirst[groups.find(file)].push_back(file);
  std::erase_if(byFirst, [](const auto& group) { return group.size() < 2; });
  return byFirst;
}

}  // namespace near_duplicates
