#include "core/placement/spread.h"

#include <algorithm>
#include <numeric>

namespace alnilam::placement {

void spread(std::uint64_t tasks, std::vector<Room>& rooms, std::vector<Chunk>& out) {
  std::vector<std::uint32_t> heap;  // indices of rooms with room, least loaded on top
  for (std::uint32_t i = 0; i < rooms.size(); ++i) {
    if (rooms[i].tasks > 0) heap.push_back(i);
  }
  auto worse = [&rooms](std::uint32_t a, std::uint32_t b) {
    return lessLoaded(rooms[b], rooms[a]);
  };
  std::make_heap(heap.begin(), heap.end(), worse);
  while (tasks > 0 && !heap.empty()) {
    std::pop_heap(heap.begin(), heap.end(), worse);
    Room& best = rooms[heap.back()];
    std::uint64_t chunk = tasks;
    if (heap.size() > 1) chunk = std::max<std::uint64_t>(1, tasks / (2 * heap.size()));
    chunk = std::min(chunk, best.tasks);
    out.push_back({heap.back(), chunk});
    tasks -= chunk;
    best.tasks -= chunk;
    best.load += chunk * best.cost;
    if (best.tasks == 0) heap.pop_back();
    else std::push_heap(heap.begin(), heap.end(), worse);
  }
}

void fillInOrder(std::uint64_t tasks, const std::vector<std::uint32_t>& order, std::uint64_t bound,
                 std::vector<Room>& rooms, std::vector<Chunk>& out) {
  for (std::uint32_t at : order) {
    if (tasks == 0) return;
    Room& room = rooms[at];
    std::uint64_t below = bound - std::min(bound, room.load);
    std::uint64_t chunk = std::min(tasks, room.tasks);
    if (room.cost > 0) chunk = std::min(chunk, below / room.cost);
    if (chunk == 0) continue;
    out.push_back({at, chunk});
    tasks -= chunk;
    room.tasks -= chunk;
    room.load += chunk * room.cost;
  }
}

void pack(std::uint64_t tasks, std::vector<Room>& rooms, std::vector<Chunk>& out) {
  std::vector<std::uint32_t> order(rooms.size());
  std::iota(order.begin(), order.end(), 0u);
  std::sort(order.begin(), order.end(), [&rooms](std::uint32_t a, std::uint32_t b) {
    return rooms[a].load != rooms[b].load ? rooms[a].load > rooms[b].load
                                          : rooms[a].node < rooms[b].node;
  });
  fillInOrder(tasks, order, ~std::uint64_t{0}, rooms, out);
}

}  // namespace alnilam::placement
