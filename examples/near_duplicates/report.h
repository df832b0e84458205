#pragma once
// What a person or a program gets to see: tables, JSON, a bar.

#include <cstdint>
#include <ostream>
#include <span>
#include <string>
#include <vector>

namespace near_duplicates {

using NamedGroups = std::vector<std::vector<std::string>>;

// One line of "what ran where": what a device did, and what came to its node from others.
struct UsageLine {
  std::string node, device;
  std::uint64_t tasks = 0;
  double busySeconds = 0;
  std::uint64_t bytesMoved = 0;
  std::string lanes;  // how they came; empty if none did
};

// {"groups": [["path", ...], ...]} and a newline.  Bytes of a path that are not UTF-8 are shown as
// U+FFFD, since JSON has no other way.
void writeJson(std::ostream& out, const NamedGroups& groups);

void writeGroups(std::ostream& out, const NamedGroups& groups, std::size_t files);
void writeUsage(std::ostream& out, std::span<const UsageLine> lines);

// "1.5 MiB"; "0 B".
std::string bytesForPeople(std::uint64_t bytes);

// A bar that redraws itself on one line of a terminal; draws nothing elsewhere.
class ProgressBar {
 public:
  ProgressBar(std::ostream& out, bool isTerminal) : out_(out), isTerminal_(isTerminal) {}
  ~ProgressBar() { clear(); }

  void show(const std::string& stage, std::size_t done, std::size_t of);
  // Removes the bar, so that other lines can be printed.
  void clear();

 private:
  std::ostream& out_;
  bool isTerminal_;
  std::string shown_;
};

}  // namespace near_duplicates
