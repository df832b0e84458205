#include "daemons/sim/trace.h"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <map>
#include <optional>

namespace alnilam::sim {
namespace {

constexpr std::int64_t kMostMilli = 1'000'000'000;       // a million processors
constexpr std::int64_t kMostMib = std::int64_t{1} << 40;
constexpr std::size_t kMostRows = 10'000'000;

// Where in a file something is wrong; lines and columns count from 1.
struct Place {
  std::string path;
  std::size_t line = 0, column = 0;
};

Refusal refuse(const Place& place, const std::string& what) {
  std::string at = place.path;
  if (place.line > 0) at += ":" + std::to_string(place.line);
  if (place.column > 0) at += ":" + std::to_string(place.column);
  return {RefusalCode::invalid, at + ": " + what};
}

std::string quoted(std::string_view text) {
  constexpr std::size_t kShown = 60;
  return "\"" + std::string(text.substr(0, kShown)) + (text.size() > kShown ? "...\"" : "\"");
}

std::optional<std::int64_t> number(std::string_view text) {
  std::int64_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

struct Field {
  std::string_view text;
  std::size_t column = 1;  // of its first character
};

std::vector<Field> fieldsOf(std::string_view line) {
  std::vector<Field> fields;
  std::size_t begin = 0;
  for (std::size_t end = 0; end <= line.size(); ++end) {
    if (end < line.size() && line[end] != ',') continue;
    fields.push_back({line.substr(begin, end - begin), begin + 1});
    begin = end + 1;
  }
  return fields;
}

// One row of a table, with the columns that were asked for in that order.
class Row {
 public:
  Row(Place place, const std::vector<std::string>& names, std::vector<Field> fields)
      : place_(std::move(place)), names_(names), fields_(std::move(fields)) {}

  std::string text(std::size_t i) const { return std::string(fields_[i].text); }

  // Keeps the first thing that is wrong, and goes on with 0.
  std::int64_t amount(std::size_t i, std::int64_t most) {
    std::optional<std::int64_t> value = number(fields_[i].text);
    if (value && *value >= 0 && *value <= most) return *value;
    wrong(i, quoted(fields_[i].text) + " is no whole number from 0 to " + std::to_string(most));
    return 0;
  }
  void wrong(std::size_t i, const std::string& what) {
    if (wrong_) return;
    Place at = place_;
    at.column = fields_[i].column;
    wrong_ = refuse(at, names_[i] + ": " + what);
  }
  const std::optional<Refusal>& refusal() const { return wrong_; }

 private:
  Place place_;
  const std::vector<std::string>& names_;
  std::vector<Field> fields_;
  std::optional<Refusal> wrong_;
};

// Reads a table and hands each row to `each(row)`.
template <typename Each>
std::optional<Refusal> readTable(const std::string& path, const std::vector<std::string>& names,
                                 Each&& each) {
  std::ifstream file(path);
  if (!file) return refuse({path}, "cannot be opened for reading");
  std::string line;
  Place place{path, 1, 0};
  if (!std::getline(file, line)) return refuse(place, "is empty; a line of column names is wanted");
  if (!line.empty() && line.back() == '\r') line.pop_back();
  std::vector<Field> header = fieldsOf(line);
  std::vector<std::size_t> at;
  for (const std::string& name : names) {
    auto found = std::find_if(header.begin(), header.end(),
                              [&](const Field& field) { return field.text == name; });
    if (found == header.end()) return refuse(place, "has no column " + quoted(name));
    at.push_back(static_cast<std::size_t>(found - header.begin()));
  }
  while (std::getline(file, line)) {
    ++place.line;
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (line.empty()) continue;
    if (place.line > kMostRows) return refuse(place, "has too many rows");
    std::vector<Field> fields = fieldsOf(line);
    if (fields.size() != header.size()) {
      Place end = place;
      end.column = fields.size() < header.size() ? line.size() + 1 : fields[header.size()].column;
      return refuse(end, "has " + std::to_string(fields.size()) + " columns, the first line " +
                             std::to_string(header.size()));
    }
    std::vector<Field> wanted;
    for (std::size_t i : at) wanted.push_back(fields[i]);
    Row row(place, names, std::move(wanted));
    each(row);
    if (row.refusal()) return row.refusal();
  }
  return std::nullopt;
}

// Sorts by name; two of one name have no order.
template <typename Item>
std::optional<Refusal> sortByName(const std::string& path, std::vector<Item>& items) {
  std::sort(items.begin(), items.end(),
            [](const Item& a, const Item& b) { return a.name < b.name; });
  auto twin = std::adjacent_find(items.begin(), items.end(),
                                 [](const Item& a, const Item& b) { return a.name == b.name; });
  if (twin != items.end()) return refuse({path}, quoted(twin->name) + " is there twice");
  if (items.empty()) return refuse({path}, "has no rows");
  return std::nullopt;
}

// Whole numbers up to `bar` or the end of the line, each below `limit`.
Result<std::vector<std::uint32_t>> numbers(Place place, std::string_view line, std::size_t from,
                                           std::size_t to, std::size_t limit) {
  std::vector<std::uint32_t> found;
  for (std::size_t at = from; at < to;) {
    if (line[at] == ' ') {
      ++at;
      continue;
    }
    std::size_t end = std::min(line.find(' ', at), to);
    std::string_view text = line.substr(at, end - at);
    std::optional<std::int64_t> value = number(text);
    if (!value || *value < 0 || static_cast<std::uint64_t>(*value) >= limit) {
      place.column = at + 1;
      return refuse(place, quoted(text) + " is no whole number below " + std::to_string(limit));
    }
    found.push_back(static_cast<std::uint32_t>(*value));
    at = end;
  }
  return found;
}

Result<Arrivals> arrivalsOf(Place place, std::string_view line, std::uint64_t seed,
                            std::size_t colon, std::size_t nodes, std::size_t pods) {
  std::size_t bar = line.find('|');
  if (bar == std::string_view::npos) {
    place.column = line.size() + 1;
    return refuse(place, "has no \"|\" between arrivals and ranks");
  }
  auto arrived = numbers(place, line, colon + 1, bar, pods);
  if (!arrived) return arrived.error();
  auto ranks = numbers(place, line, bar + 1, line.size(), nodes);
  if (!ranks) return ranks.error();
  Arrivals arrivals{seed, std::move(arrived).value(), std::move(ranks).value()};
  place.column = bar + 1;
  if (arrivals.ranks.size() != nodes) {
    return refuse(place, "has " + std::to_string(arrivals.ranks.size()) + " ranks for " +
                             std::to_string(nodes) + " nodes");
  }
  std::vector<bool> seen(nodes);
  for (std::uint32_t rank : arrivals.ranks) {
    if (seen[rank]) return refuse(place, "has rank " + std::to_string(rank) + " twice");
    seen[rank] = true;
  }
  return arrivals;
}

}  // namespace

Result<std::vector<TraceNode>> readNodes(const std::string& path) {
  std::vector<TraceNode> nodes;
  auto wrong = readTable(path, {"sn", "cpu_milli", "memory_mib", "gpu", "model"}, [&](Row& row) {
    TraceNode node{row.text(0), row.amount(1, kMostMilli), row.amount(2, kMostMib),
                   static_cast<std::uint32_t>(row.amount(3, placement::kMaxDevices)), row.text(4)};
    if (node.name.empty()) row.wrong(0, "is empty");
    if (node.gpus > 0 && node.model.empty()) row.wrong(4, "is empty on a node with GPUs");
    nodes.push_back(std::move(node));
  });
  if (!wrong) wrong = sortByName(path, nodes);
  if (wrong) return *wrong;
  return nodes;
}

Result<std::vector<TracePod>> readPods(const std::string& path) {
  std::vector<TracePod> pods;
  auto wrong = readTable(
      path, {"name", "cpu_milli", "memory_mib", "num_gpu", "gpu_milli", "gpu_spec"},
      [&](Row& row) {
        TracePod pod{row.text(0), row.amount(1, kMostMilli), row.amount(2, kMostMib),
                     static_cast<std::uint32_t>(row.amount(3, placement::kMaxDevices)),
                     row.amount(4, 1000), row.text(5)};
        if (pod.name.empty()) row.wrong(0, "is empty");
        if (pod.gpus > 1 && pod.gpuMilli != 1000) {
          row.wrong(4, std::to_string(pod.gpuMilli) + " of several GPUs; only 1000 is possible");
        }
        if (pod.gpus > 0 && pod.gpuMilli == 0) row.wrong(4, "is 0 for a pod with GPUs");
        if (pod.gpus == 0) pod.gpuMilli = 0;
        pods.push_back(std::move(pod));
      });
  if (!wrong) wrong = sortByName(path, pods);
  if (wrong) return *wrong;
  return pods;
}

Result<std::vector<Arrivals>> readArrivals(const std::string& path, std::uint64_t first,
                                           std::uint64_t last, std::size_t nodes,
                                           std::size_t pods) {
  std::ifstream file(path);
  if (!file) return refuse({path}, "cannot be opened for reading");
  std::map<std::uint64_t, Arrivals> found;
  std::string line;
  for (Place place{path, 1, 0}; std::getline(file, line); ++place.line) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (line.empty()) continue;
    std::size_t colon = std::min(line.find(':'), line.size());
    std::optional<std::int64_t> seed = number(std::string_view(line).substr(0, colon));
    if (!seed || *seed < 0 || colon == line.size()) {
      place.column = 1;
      return refuse(place, quoted(std::string_view(line).substr(0, colon)) +
                               " is no seed; \"SEED: INDICES | RANKS\" is wanted");
    }
    auto key = static_cast<std::uint64_t>(*seed);
    if (key < first || key > last) continue;
    auto arrivals = arrivalsOf(place, line, key, colon, nodes, pods);
    if (!arrivals) return arrivals.error();
    if (!found.emplace(key, std::move(arrivals).value()).second) {
      return refuse(place, "has seed " + std::to_string(key) + " a second time");
    }
  }
  std::vector<Arrivals> all;
  for (std::uint64_t seed = first; seed <= last; ++seed) {
    auto at = found.find(seed);
    if (at == found.end()) return refuse({path}, "has no seed " + std::to_string(seed));
    all.push_back(std::move(at->second));
  }
  return all;
}

}  // namespace alnilam::sim
