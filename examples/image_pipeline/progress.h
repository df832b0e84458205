#pragma once
// What a person sees while the program works: a bar on a terminal, a line for each bad file.
//
// Threading: one thread.

#include <cstddef>
#include <ostream>
#include <string>

namespace image_pipeline {

class Progress {
 public:
  Progress(std::ostream& out, bool isTerminal) : out_(out), isTerminal_(isTerminal) {}
  ~Progress() { clear(); }

  // Redraws the bar in place; on anything but a terminal, nothing.
  void show(std::size_t done, std::size_t of);
  // "image_pipeline: NAME: WHY" on a line of its own.
  void leaveOut(const std::string& name, const std::string& why);
  // Removes the bar, so that other lines can be printed.
  void clear();

 private:
  std::ostream& out_;
  bool isTerminal_;
  std::string shown_;
};

// What a terminal may get of a name: no control characters.
std::string printable(std::string text);

}  // namespace image_pipeline
