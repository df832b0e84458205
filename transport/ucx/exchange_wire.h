#pragma once
// The messages between exchanges, as they lie on the wire.  See exchange.h for who sends which.
//
// Fixed layouts in the byte order of the machines; a peer of another order, or of another version
// of these messages, fails the magic and is not answered.

#include "transport/ucx/peer.h"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace alnilam::ucx::wire {

constexpr std::uint32_t kMagic = 0x324e4c41;  // "ALN2"
enum Message : unsigned { kWant = 1, kChunk, kRefused, kGrant, kCopied, kConfirmed };

constexpr std::size_t kLongestAddress = 64 * 1024;
constexpr std::size_t kLongestWhy = 512;

// Reader to holder; the body is the reader's address.
struct Want {
  std::uint32_t magic;
  std::uint32_t mayCopy;  // 1: the reader has mapped the holder's arena
  std::uint64_t object, size, partOffset, partSize, ticket;
};

// All others.  `ticket` is the reader's, `grant` the holder's; `offset` is in the holder's arena.
struct Ticket {
  std::uint32_t magic;
  std::uint32_t reserved;
  std::uint64_t ticket, partSize, grant, offset;
};
static_assert(sizeof(Want) == 48 && sizeof(Ticket) == 40);

template <typename Header>
bool read(const void* bytes, std::size_t size, Header& header) {
  if (size != sizeof(Header)) return false;
  std::memcpy(&header, bytes, sizeof(Header));
  return header.magic == kMagic;
}

template <typename Header>
kj::ArrayPtr<const kj::byte> bytesOf(const Header& header) {
  return {reinterpret_cast<const kj::byte*>(&header), sizeof(header)};
}

inline kj::ArrayPtr<kj::byte> asKj(std::span<std::byte> bytes) {
  return {reinterpret_cast<kj::byte*>(bytes.data()), bytes.size()};
}

}  // namespace alnilam::ucx::wire
