#pragma once
// Tables for people and JSON for programs: one list of rows, two ways to show it.
//
// A table's columns are as wide as their widest cell; nothing is cut when the output is not a
// terminal.  JSON is one object with schemaVersion, or with jsonl one object a line.

#include <nlohmann/json.hpp>

#include <optional>
#include <string>
#include <vector>

namespace alnilam::cli {

using Json = nlohmann::ordered_json;

enum class Format { table, wide, json, jsonl, id };

// Refuses nothing: CLI11 has checked the name.
Format formatNamed(const std::string& name);

struct Listing {
  std::string name;                  // of the list in JSON: "nodes"
  std::vector<std::string> columns;  // titles
  struct Row {
    std::vector<std::string> cells;  // as many as columns; the first is the id
    Json object;
  };
  std::vector<Row> rows;
  std::size_t wide = 0;  // the last so many columns are shown by `wide` only
};

void print(const Listing& listing, Format format);

std::string seconds(double value);  // "1.25 s", "830 us"

}  // namespace alnilam::cli
