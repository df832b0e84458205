#pragma once
// What was computed for a state, kept until there is too much of it.
//
// Policies ask for the same states again and again: nodes of a kind go through the same ones.  A
// key is a fingerprint of 128 bits of what the answer depends on, with the devices in ascending
// order where their memory does not tell them apart, since their numbers do not matter; two states
// that differ have the same fingerprint with a chance that no machine lives to see.
//
// Bounded: when kMost answers are kept, all are dropped.  Threading: none.

#include "core/placement/node_state.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

namespace alnilam::placement {

class StateCache {
 public:
  struct Key {
    std::uint64_t a = 0, b = 0;
    bool operator==(const Key&) const = default;
  };
  enum class Memory { counted, ignored };

  static Key keyOf(const NodeState& state, Memory memory) {
    std::array<std::int32_t, kMaxDevices> free;
    std::copy_n(state.devices.begin(), state.deviceCount, free.begin());
    bool alike = memory == Memory::ignored ||
                 std::all_of(state.deviceMemory.begin(),
                             state.deviceMemory.begin() + state.deviceCount,
                             [&](Bytes bytes) { return bytes == state.deviceMemory[0]; });
    if (alike) std::sort(free.begin(), free.begin() + state.deviceCount);
    Key key{state.kind + 1, ~std::uint64_t{state.kind}};
    add(key, static_cast<std::uint64_t>(state.cpu));
    if (memory == Memory::counted) {
      add(key, state.memory);
      for (std::uint32_t i = 0; i < state.deviceCount; ++i) {
        add(key, state.deviceMemory[i]);
      }
    }
    for (std::uint32_t i = 0; i < state.deviceCount; ++i) {
      add(key, static_cast<std::uint64_t>(free[i]));
    }
    return key;
  }

  const std::int64_t* find(const Key& key) const {
    if (slots_.empty()) return nullptr;
    std::size_t mask = slots_.size() - 1;
    for (std::size_t at = key.a & mask; slots_[at].used; at = (at + 1) & mask) {
      if (slots_[at].key == key) return &slots_[at].value;
    }
    return nullptr;
  }

  // The key must not be there.
  void insert(const Key& key, std::int64_t value) {
    if (count_ >= kMost) clear();
    if ((count_ + 1) * 2 > slots_.size()) grow();
    place({key, value, true});
    ++count_;
  }

  void clear() {
    slots_.clear();
    count_ = 0;
  }

  static constexpr std::size_t kMost = std::size_t{1} << 18;  // 16 MiB

 private:
  struct Slot {
    Key key;
    std::int64_t value = 0;
    bool used = false;
  };

  static void add(Key& key, std::uint64_t value) {
    key.a = (key.a ^ value) * 0xff51afd7ed558ccd;
    key.a ^= key.a >> 32;
    key.b = (key.b + value) * 0x9e3779b97f4a7c15;
    key.b ^= key.b >> 29;
  }
  void place(const Slot& slot) {
    std::size_t mask = slots_.size() - 1;
    std::size_t at = slot.key.a & mask;
    while (slots_[at].used) at = (at + 1) & mask;
    slots_[at] = slot;
  }
  void grow() {
    std::vector<Slot> old(std::max<std::size_t>(64, slots_.size() * 2));
    std::swap(old, slots_);
    for (const Slot& slot : old) {
      if (slot.used) place(slot);
    }
  }

  std::vector<Slot> slots_;
  std::size_t count_ = 0;
};

}  // namespace alnilam::placement
