#include "core/placement/node_index.h"

#include "core/base/error.h"

#include <algorithm>

namespace alnilam::placement {
namespace {

constexpr std::size_t kFewestSlots = 64;

std::uint64_t mixed(std::uint64_t hash, std::uint64_t value) {
  hash ^= value + 0x9e3779b97f4a7c15 + (hash << 6) + (hash >> 2);
  hash *= 0xff51afd7ed558ccd;
  return hash ^ (hash >> 32);
}

std::uint64_t hashOf(const NodeState& state) {
  std::uint64_t hash = mixed(state.kind, static_cast<std::uint64_t>(state.cpu));
  hash = mixed(hash, state.memory);
  for (std::uint32_t count : state.shapes) hash = mixed(hash, count);
  for (std::uint32_t i = 0; i < state.deviceCount; ++i) {
    hash = mixed(hash, static_cast<std::uint64_t>(state.devices[i]));
    hash = mixed(hash, state.deviceMemory[i]);
  }
  return hash;
}

}  // namespace

std::uint32_t NodeIndex::addKind(const NodeKind& kind) {
  auto at = std::find(kinds_.begin(), kinds_.end(), kind);
  if (at != kinds_.end()) return static_cast<std::uint32_t>(at - kinds_.begin());
  ALNILAM_ASSERT(kinds_.size() < kMaxKinds);
  auto id = static_cast<std::uint32_t>(kinds_.size());
  kinds_.push_back(kind);
  for (std::size_t i = 0; i < rules_.size(); ++i) {
    bool allows = firstBroken(rules_[i], kind) == nullptr;
    allowed_[i].push_back(allows);
    if (allows) allowedBits_[i] |= std::uint64_t{1} << (id % 64);
  }
  Weights larger = weights_;
  larger.cpu = std::max(larger.cpu, kind.cpu);
  larger.memory = std::max(larger.memory, kind.memory);
  larger.device = std::max(larger.device,
                           static_cast<std::int64_t>(kind.deviceMemory.size()) * kWhole);
  bool changed = larger.cpu != weights_.cpu || larger.memory != weights_.memory ||
                 larger.device != weights_.device;
  weights_ = larger;
  if (changed) reorder();
  return id;
}

std::uint32_t NodeIndex::addConstraint(std::span<const LabelRule> rules) {
  for (std::size_t i = 0; i < rules_.size(); ++i) {
    if (std::equal(rules.begin(), rules.end(), rules_[i].begin(), rules_[i].end())) {
      return static_cast<std::uint32_t>(i);
    }
  }
  rules_.emplace_back(rules.begin(), rules.end());
  allowed_.emplace_back();
  allowedBits_.push_back(0);
  for (std::size_t id = 0; id < kinds_.size(); ++id) {
    bool allows = firstBroken(rules, kinds_[id]) == nullptr;
    allowed_.back().push_back(allows);
    if (allows) allowedBits_.back() |= std::uint64_t{1} << (id % 64);
  }
  return static_cast<std::uint32_t>(rules_.size() - 1);
}

NodeIndex::Row NodeIndex::add(std::uint32_t kind, std::uint32_t rank) {
  Row row;
  if (freeRows_.empty()) {
    row = static_cast<Row>(rows_.size());
    rows_.emplace_back();
  } else {
    row = freeRows_.back();
    freeRows_.pop_back();
  }
  rows_[row] = {0, rank, true};
  ++rowCount_;
  enter(row, NodeState::idle(kind, kinds_[kind]));
  return row;
}

void NodeIndex::remove(Row row) {
  ALNILAM_ASSERT(row < rows_.size() && rows_[row].present);
  leave(row);
  rows_[row].present = false;
  --rowCount_;
  freeRows_.push_back(row);
}

DeviceSet NodeIndex::take(Row row, const Request& request, std::int32_t device) {
  NodeState state = stateOf(row);
  DeviceSet taken = placement::take(state, request, device);
  moveTo(row, state);
  return taken;
}

void NodeIndex::give(Row row, const Request& request, DeviceSet devices) {
  NodeState state = stateOf(row);
  placement::give(state, request, devices);
  const NodeKind& kind = kinds_[state.kind];
  ALNILAM_ASSERT(state.cpu <= kind.cpu && state.memory <= kind.memory);
  moveTo(row, state);
}

void NodeIndex::moveTo(Row row, const NodeState& state) {
  leave(row);
  enter(row, state);
}

void NodeIndex::enter(Row row, const NodeState& state) {
  Group group = groupFor(state);
  Cell& cell = groups_[group];
  if (!cell.rows.empty()) unlink(group);
  auto at = std::partition_point(cell.rows.begin(), cell.rows.end(), [&](Row other) {
    return rows_[other].rank > rows_[row].rank;
  });
  cell.rows.insert(at, row);
  rows_[row].group = group;
  link(group);
  note(group);
}

void NodeIndex::leave(Row row) {
  Group group = rows_[row].group;
  Cell& cell = groups_[group];
  unlink(group);
  auto at = std::partition_point(cell.rows.begin(), cell.rows.end(), [&](Row other) {
    return rows_[other].rank > rows_[row].rank;
  });
  ALNILAM_ASSERT(at != cell.rows.end() && *at == row);
  cell.rows.erase(at);
  if (cell.rows.empty()) forget(group);
  else link(group);
  note(group);
}

NodeIndex::Group NodeIndex::groupFor(const NodeState& state) {
  if ((liveGroups_ + 1) * 2 > slots_.size()) grow();
  std::uint64_t hash = hashOf(state);
  std::size_t mask = slots_.size() - 1;
  std::size_t slot = hash & mask;
  for (; slots_[slot] != 0; slot = (slot + 1) & mask) {
    const Cell& cell = groups_[slots_[slot] - 1];
    if (cell.hash == hash && cell.state == state) return slots_[slot] - 1;
  }
  Group group;
  if (freeGroups_.empty()) {
    group = static_cast<Group>(groups_.size());
    groups_.emplace_back();
  } else {
    group = freeGroups_.back();
    freeGroups_.pop_back();
  }
  groups_[group].state = state;
  groups_[group].hash = hash;
  slots_[slot] = group + 1;
  ++liveGroups_;
  return group;
}

// Takes a group out of the table of states; what was displaced by it moves up.
void NodeIndex::forget(Group group) {
  std::size_t mask = slots_.size() - 1;
  std::size_t slot = groups_[group].hash & mask;
  while (slots_[slot] != group + 1) slot = (slot + 1) & mask;
  for (std::size_t next = (slot + 1) & mask; slots_[next] != 0; next = (next + 1) & mask) {
    std::size_t home = groups_[slots_[next] - 1].hash & mask;
    if (((next - home) & mask) < ((next - slot) & mask)) continue;
    slots_[slot] = slots_[next];
    slot = next;
  }
  slots_[slot] = 0;
  freeGroups_.push_back(group);
  --liveGroups_;
}

void NodeIndex::grow() {
  slots_.assign(std::max(kFewestSlots, slots_.size() * 2), 0);
  std::size_t mask = slots_.size() - 1;
  for (Group group = 0; group < groups_.size(); ++group) {
    if (groups_[group].rows.empty()) continue;
    std::size_t slot = groups_[group].hash & mask;
    while (slots_[slot] != 0) slot = (slot + 1) & mask;
    slots_[slot] = group + 1;
  }
}

void NodeIndex::note(Group group) {
  if (changes_.size() >= 4 * groups_.size() + 1024) {  // older than a scoring of everything
    dropped_ += changes_.size();
    changes_.clear();
  }
  changes_.push_back(group);
}

std::optional<std::span<const NodeIndex::Group>> NodeIndex::changedSince(
    std::uint64_t version) const {
  if (version < dropped_) return std::nullopt;
  return std::span(changes_).subspan(version - dropped_);
}

std::int64_t NodeIndex::freeness(const NodeState& state) const {
  return shareOf(static_cast<std::uint64_t>(state.cpu), static_cast<std::uint64_t>(weights_.cpu)) +
         shareOf(static_cast<std::uint64_t>(state.freeDeviceParts()),
                 static_cast<std::uint64_t>(weights_.device)) +
         shareOf(state.memory, weights_.memory);
}

void NodeIndex::link(Group group) {
  const NodeState& state = groups_[group].state;
  std::int64_t rank = rows_[best(group)].rank;
  Most has = Most::of(state);
  byFreeness_.insert(group, {freeness(state), rank}, has);
  byLoad_.insert(group, {dominantLoad(kinds_[state.kind], state), rank}, has);
}

void NodeIndex::unlink(Group group) {
  byFreeness_.erase(group);
  byLoad_.erase(group);
}

void NodeIndex::reorder() {
  for (Group group = 0; group < groups_.size(); ++group) {
    if (groups_[group].rows.empty()) continue;
    unlink(group);
    link(group);
  }
}

bool NodeIndex::consistent() const {
  std::size_t rows = 0, live = 0;
  for (Group group = 0; group < groups_.size(); ++group) {
    const Cell& cell = groups_[group];
    bool isLive = !cell.rows.empty();
    if (byFreeness_.holds(group) != isLive || byLoad_.holds(group) != isLive) return false;
    if (!isLive) continue;
    ++live;
    rows += cell.rows.size();
    for (std::size_t i = 0; i < cell.rows.size(); ++i) {
      const RowCell& row = rows_[cell.rows[i]];
      if (!row.present || row.group != group) return false;
      if (i > 0 && rows_[cell.rows[i - 1]].rank <= row.rank) return false;
    }
    for (Group other = 0; other < group; ++other) {
      bool twin = !groups_[other].rows.empty() && groups_[other].hash == cell.hash &&
                  groups_[other].state == cell.state;
      if (twin) return false;
    }
  }
  return rows == rowCount_ && live == liveGroups_;
}

}  // namespace alnilam::placement
