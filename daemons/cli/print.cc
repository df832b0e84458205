#include "daemons/cli/print.h"

#include <algorithm>
#include <cstdio>

namespace alnilam::cli {
namespace {

constexpr int kSchemaVersion = 1;

void printTable(const Listing& listing, std::size_t columns) {
  std::vector<std::size_t> widths;
  for (const std::string& title : listing.columns) widths.push_back(title.size());
  for (const Listing::Row& row : listing.rows) {
    for (std::size_t i = 0; i < row.cells.size(); ++i) {
      widths[i] = std::max(widths[i], row.cells[i].size());
    }
  }
  auto line = [&](const std::vector<std::string>& cells) {
    std::string text;
    for (std::size_t i = 0; i < columns; ++i) {
      text += cells[i];
      if (i + 1 < columns) text += std::string(widths[i] - cells[i].size() + 2, ' ');
    }
    std::printf("%s\n", text.c_str());
  };
  line(listing.columns);
  for (const Listing::Row& row : listing.rows) line(row.cells);
}

}  // namespace

Format formatNamed(const std::string& name) {
  return name == "wide" ? Format::wide
         : name == "json" ? Format::json
         : name == "jsonl" ? Format::jsonl
         : name == "id" ? Format::id
                        : Format::table;
}

void print(const Listing& listing, Format format) {
  switch (format) {
    case Format::table: return printTable(listing, listing.columns.size() - listing.wide);
    case Format::wide: return printTable(listing, listing.columns.size());
    case Format::id:
      for (auto& row : listing.rows) std::printf("%s\n", row.cells.front().c_str());
      return;
    case Format::jsonl:
      for (auto& row : listing.rows) std::printf("%s\n", row.object.dump().c_str());
      return;
    case Format::json: {
      Json all = {{"schemaVersion", kSchemaVersion}, {listing.name, Json::array()}};
      for (auto& row : listing.rows) all[listing.name].push_back(row.object);
      std::printf("%s\n", all.dump(2).c_str());
    }
  }
}

std::string seconds(double value) {
  char text[32];
  if (value >= 1) {
    std::snprintf(text, sizeof text, "%.2f s", value);
  } else if (value >= 1e-3) {
    std::snprintf(text, sizeof text, "%.2f ms", value * 1e3);
  } else {
    std::snprintf(text, sizeof text, "%.1f us", value * 1e6);
  }
  return text;
}

}  // namespace alnilam::cli
