#include "report.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <string_view>

namespace near_duplicates {

namespace {

// The length of the well-formed UTF-8 sequence that `text` begins with; 0 if there is none.
std::size_t sequenceLength(std::string_view text) {
  auto byte = [&](std::size_t at) { return static_cast<unsigned char>(text[at]); };
  unsigned first = byte(0);
  std::size_t length = first < 0x80 ? 1 : first >= 0xc2 && first < 0xe0 ? 2
                     : first >= 0xe0 && first < 0xf0 ? 3 : first >= 0xf0 && first < 0xf5 ? 4 : 0;
  if (length == 0 || text.size() < length) return 0;
  for (std::size_t at = 1; at < length; ++at) {
    if ((byte(at) & 0xc0) != 0x80) return 0;
  }
  // Overlong forms, surrogates, and what lies beyond Unicode.
  bool refused = (first == 0xe0 && byte(1) < 0xa0) || (first == 0xed && byte(1) >= 0xa0) ||
                 (first == 0xf0 && byte(1) < 0x90) || (first == 0xf4 && byte(1) >= 0x90);
  return refused ? 0 : length;
}

std::string quoted(std::string_view text) {
  std::string json = "\"";
  while (!text.empty()) {
    std::size_t length = sequenceLength(text);
    char c = text[0];
    if (length == 0) {
      json += "\\ufffd";
    } else if (c == '"' || c == '\\') {
      json += {'\\', c};
    } else if (static_cast<unsigned char>(c) < 0x20) {
      std::array<char, 8> escape{};
      std::snprintf(escape.data(), escape.size(), "\\u%04x", static_cast<unsigned>(c));
      json += escape.data();
    } else {
      json += text.substr(0, length);
    }
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
  return json + "\"";
}

// What a terminal may get of a path: no control characters.
std::string printable(std::string text) {
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  }
  return text;
}

using Row = std::vector<std::string>;

// Columns as wide as their widest cell, two spaces apart.
void writeTable(std::ostream& out, const std::vector<Row>& rows) {
  std::vector<std::size_t> widths(rows.front().size());
  for (const Row& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  for (const Row& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      line += row[i] + std::string(widths[i] - row[i].size() + 2, ' ');
    }
    out << line.substr(0, line.find_last_not_of(' ') + 1) << '\n';
  }
}

std::string seconds(double value) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.3f s", value);
  return text.data();
}

}  // namespace

std::string bytesForPeople(std::uint64_t bytes) {
  constexpr std::array kUnits = {"B", "KiB", "MiB", "GiB", "TiB"};
  if (bytes < 1024) return std::to_string(bytes) + " B";
  auto value = static_cast<double>(bytes);
  std::size_t unit = 0;
  for (; value >= 1024 && unit + 1 < kUnits.size(); ++unit) value /= 1024;
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.1f %s", value, kUnits[unit]);
  return text.data();
}

void writeJson(std::ostream& out, const NamedGroups& groups) {
  out << "{\"groups\": [";
  const char* betweenGroups = "";
  for (const auto& group : groups) {
    out << betweenGroups << '[';
    const char* betweenPaths = "";
    for (const std::string& path : group) {
      out << betweenPaths << quoted(path);
      betweenPaths = ", ";
    }
    out << ']';
    betweenGroups = ", ";
  }
  out << "]}\n";
}

void writeGroups(std::ostream& out, const NamedGroups& groups, std::size_t files) {
  std::vector<Row> rows = {{"GROUP", "FILES", "PATH"}};
  std::size_t grouped = 0;
  for (std::size_t number = 0; number < groups.size(); ++number) {
    bool first = true;
    for (const std::string& path : groups[number]) {
      std::string name = first ? std::to_string(number + 1) : "";
      std::string count = first ? std::to_string(groups[number].size()) : "";
      rows.push_back({name, count, printable(path)});
      first = false;
    }
    grouped += groups[number].size();
  }
  if (!groups.empty()) writeTable(out, rows);
  out << grouped << " of " << files << " files are in " << groups.size()
      << (groups.size() == 1 ? " group" : " groups") << " of near duplicates\n";
}

void writeUsage(std::ostream& out, std::span<const UsageLine> lines) {
  std::vector<Row> rows = {{"NODE", "DEVICE", "TASKS", "BUSY", "MOVED", "LANE"}};
  for (const UsageLine& line : lines) {
    rows.push_back({line.node, line.device, std::to_string(line.tasks), seconds(line.busySeconds),
                    line.bytesMoved == 0 ? "-" : bytesForPeople(line.bytesMoved),
                    line.lanes.empty() ? "-" : line.lanes});
  }
  writeTable(out, rows);
}

void ProgressBar::show(const std::string& stage, std::size_t done, std::size_t of) {
  if (!isTerminal_) return;
  constexpr std::size_t kWidth = 30;
  std::size_t filled = of == 0 ? kWidth : std::min(kWidth, done * kWidth / of);
  std::string line = "[" + std::string(filled, '#') + std::string(kWidth - filled, '.') + "] " +
                     stage + " " + std::to_string(done) + "/" + std::to_string(of);
  if (line == shown_) return;
  out_ << '\r' << line << "\x1b[K" << std::flush;
  shown_ = line;
}

void ProgressBar::clear() {
  if (shown_.empty()) return;
  out_ << "\r\x1b[K" << std::flush;
  shown_.clear();
}

}  // namespace near_duplicates
