#pragma once
// Divides tasks that are all alike among nodes: so that relative load becomes even, or so that few
// nodes have it all.
//
// The node with the least load gets the next chunk; ties go to the lower id.  A chunk is half an
// even share of what is left, and at least one, so that the first chunks are large and the last
// ones even out what the first ones did not know: O(nodes * log(tasks / nodes)) chunks, whatever
// the number of tasks.
//
// Load is a node's dominant share in units of 1 / kFullLoad: a task that fits n times into the
// empty node adds kFullLoad / n.

#include <cstdint>
#include <vector>

namespace alnilam::placement {

inline constexpr std::uint64_t kFullLoad = std::uint64_t{1} << 32;

struct Room {
  std::uint32_t node = 0;
  std::uint64_t tasks = 0;  // how many more it may get
  std::uint64_t load = 0;
  std::uint64_t cost = 0;  // load that one more task adds
};

struct Chunk {
  std::uint32_t room = 0;  // index into the rooms
  std::uint64_t tasks = 0;
};

// Whether `a` is the better place of two that hold equally many of a task's input bytes.
constexpr bool lessLoaded(const Room& a, const Room& b) {
  return a.load != b.load ? a.load < b.load : a.node < b.node;
}

// Hands out `tasks` or as many as there is room for, in the order of the chunks appended to `out`;
// takes them off `rooms` and adds their cost to the loads.
void spread(std::uint64_t tasks, std::vector<Room>& rooms, std::vector<Chunk>& out);

// Likewise, but each node is filled before the next: first the one with the most load, ties to the
// lower id.  O(nodes log nodes).
void pack(std::uint64_t tasks, std::vector<Room>& rooms, std::vector<Chunk>& out);

// Likewise, in the order given, indices of rooms: each is filled until another task would bring its
// load above `bound`.
void fillInOrder(std::uint64_t tasks, const std::vector<std::uint32_t>& order, std::uint64_t bound,
                 std::vector<Room>& rooms, std::vector<Chunk>& out);

}  // namespace alnilam::placement
