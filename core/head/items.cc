#include "core/head/item.h"

#include "core/graph/task.h"

#include <algorithm>

namespace alnilam::head {

bool Items::isForgotten(std::uint32_t index) const {
  std::size_t page = index / kItems;
  if (page >= slots_.size()) return false;
  if (slots_[page].retired) return true;
  return slots_[page].page && at(index).stage == Stage::forgotten;
}

Item* Items::create(std::uint32_t index, PagePool& pool) {
  if (index == 0 || index > kMaxTasks || index > std::uint64_t{highest_} + kGap) return nullptr;
  std::size_t number = index / kItems;
  if (number >= slots_.size()) slots_.resize(number + 1);
  Slot& slot = slots_[number];
  if (slot.retired) return nullptr;
  if (!slot.page) {
    slot.page = pool.take();
    if (number == 0) slot.page->seen = 1;  // index 0 is nobody's
  }
  Item& item = slot.page->items[index % kItems];
  if (item.stage != Stage::absent) return nullptr;
  ++slot.page->seen;
  ++slot.page->alive;
  highest_ = std::max(highest_, index);
  return &item;
}

void Items::forget(std::uint32_t index, PagePool& pool) {
  Slot& slot = slots_[index / kItems];
  Item& item = slot.page->items[index % kItems];
  item.blob = {};
  item.inputs = {};
  item.stage = Stage::forgotten;
  --slot.page->alive;
  if (slot.page->alive == 0 && slot.page->seen == kItems) {
    slot.retired = true;
    pool.give(std::move(slot.page));
  }
}

}  // namespace alnilam::head
