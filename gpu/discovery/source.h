#pragma once
// Where a description of a machine comes from.
//
// A node usually describes the machine it runs on.  It can also be started on the description of
// another one, an hwloc XML file or one of hwloc's synthetic descriptions, with emulated GPUs to
// match, so that placement on a DGX can be tried on a laptop.
//
// The roots of /proc and of the cgroup file systems are parameters because tests make their own.

#include <string>
#include <string_view>
#include <utility>

namespace alnilam::gpu {

struct Source {
  enum class Kind { live, file, synthetic };

  Kind kind = Kind::live;
  std::string text;  // the file's path, or the description; empty for a live one
  std::string procRoot = "/proc";
  std::string cgroupRoot = "/sys/fs/cgroup";

  static Source live() { return {}; }
  static Source file(std::string path) { return {Kind::file, std::move(path)}; }
  static Source synthetic(std::string text) { return {Kind::synthetic, std::move(text)}; }

  // As people write it on a command line: "" is this machine, "synthetic:pack:2 core:4" a
  // description, anything else the path of a file.
  static Source named(std::string_view text) {
    constexpr std::string_view kSynthetic = "synthetic:";
    if (text.empty()) return live();
    if (!text.starts_with(kSynthetic)) return file(std::string(text));
    text.remove_prefix(kSynthetic.size());
    while (text.starts_with(' ')) text.remove_prefix(1);
    return synthetic(std::string(text));
  }
};

}  // namespace alnilam::gpu
