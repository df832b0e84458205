#include "gpu/emulator/access_log.h"

#include <algorithm>
#include <bit>

namespace alnilam::gpu::emulator {

Bytes common(const Runs& one, const Runs& other) {
  auto a = one.begin(), b = other.begin();
  while (a != one.end() && b != other.end()) {
    std::uint64_t from = std::max(a->from, b->from), to = std::min(a->to, b->to);
    if (from < to) return {from, to};
    if (a->to < b->to) ++a;
    else ++b;
  }
  return {};
}

bool covers(const Runs& outer, const Runs& more, const Runs& inner) {
  auto a = outer.begin(), b = more.begin();
  for (Bytes left : inner) {
    while (left.from < left.to) {
      while (a != outer.end() && a->to <= left.from) ++a;
      while (b != more.end() && b->to <= left.from) ++b;
      if (a != outer.end() && a->from <= left.from) left.from = a->to;
      else if (b != more.end() && b->from <= left.from) left.from = b->to;
      else return false;
    }
  }
  return true;
}

AccessLog::Page& AccessLog::page(std::uint64_t number) {
  if (number == lastNumber_) return *last_;
  auto& there = pages_[number];
  if (!there) there = std::make_unique<Page>();
  lastNumber_ = number;
  last_ = there.get();
  return *last_;
}

void AccessLog::set(std::uint64_t address, std::uint32_t bytes, std::size_t access) {
  while (bytes > 0) {
    auto& bits = page(address / kPage).bits[access];
    std::uint64_t offset = address % kPage, bit = offset % 64;
    auto here = static_cast<std::uint32_t>(std::min<std::uint64_t>(bytes, 64 - bit));
    bits[offset / 64] |= (here == 64 ? ~0ull : (1ull << here) - 1) << bit;
    address += here;
    bytes -= here;
  }
}

void AccessLog::note(const std::uint64_t* addresses, std::uint32_t mask, std::uint32_t bytes,
                     Access access) {
  // Neighbours are taken together: usually that's all of them.
  for (std::uint32_t m = mask; m;) {
    std::uint64_t from = addresses[std::countr_zero(m)];
    std::uint32_t length = 0;
    do {
      m &= m - 1;
      length += bytes;
    } while (m && addresses[std::countr_zero(m)] == from + length);
    set(from, length, static_cast<std::size_t>(access));
  }
}

void noteAccess(AccessLog& log, const std::uint64_t* addresses, std::uint32_t mask,
                std::uint32_t bytes, Access access) {
  log.note(addresses, mask, bytes, access);
}

void AccessLog::take(AccessLog&& other) {
  for (auto& [number, theirs] : other.pages_) {
    auto& ours = pages_[number];
    if (!ours) {
      ours = std::move(theirs);
      continue;
    }
    for (std::size_t access = 0; access < kAccesses; ++access) {
      for (std::size_t i = 0; i < ours->bits[access].size(); ++i) {
        ours->bits[access][i] |= theirs->bits[access][i];
      }
    }
  }
  other = AccessLog();
  lastNumber_ = ~0ull;
}

Accesses AccessLog::finish(std::size_t most) const {
  std::vector<std::uint64_t> numbers;
  for (auto& [number, page] : pages_) numbers.push_back(number);
  std::sort(numbers.begin(), numbers.end());
  Accesses all;
  for (std::size_t access = 0; access < kAccesses; ++access) {
    Runs& runs = all.runs[access];
    for (std::uint64_t number : numbers) {
      const auto& bits = pages_.at(number)->bits[access];
      for (std::size_t i = 0; i < bits.size(); ++i) {
        std::uint64_t base = number * kPage + i * 64;
        for (std::uint64_t word = bits[i]; word;) {
          int first = std::countr_zero(word);
          int length = std::countr_one(word >> first);
          std::uint64_t from = base + static_cast<unsigned>(first);
          std::uint64_t to = from + static_cast<unsigned>(length);
          if (!runs.empty() && runs.back().to == from) runs.back().to = to;
          else if (runs.size() < most) runs.push_back({from, to});
          if (first + length == 64) break;
          word &= ~0ull << (first + length);
        }
      }
    }
  }
  return all;
}

}  // namespace alnilam::gpu::emulator
