#pragma once
// Who is there?  Asked and answered before Cap'n Proto sees a byte.
//
// Both sides prove that they hold the cluster's secret, without showing it, by an HMAC-SHA256 over
// both sides' random challenges, the protocol's version and the caller's role:
//
//   caller                                        listener
//     greeting: magic, version, role, challenge ---->
//     <---- challenge: magic, version, verdict so far, challenge
//     proof: HMAC("caller", ...) ------------------->
//     <---- verdict, HMAC("listener", ...)
//
// The listener proves itself only to who has proved itself, so it answers no stranger's riddles.
// All messages have a fixed size, so nothing from a stranger is ever allocated.  What is and what
// is not protected is told in README.md.
//
// Lifetime: stream, timer and secret must outlive the promise.
// Errors: Refusals, never exceptions: notAllowed (wrong secret, role not served), invalid (not
//   Alnilam's protocol), unavailable (another version, no answer, too many connections).  After
//   one, close the stream.

#include "core/base/error.h"
#include "transport/rpc/secret.h"

#include <kj/async-io.h>
#include <kj/timer.h>

#include <cstdint>
#include <string>

namespace alnilam::rpc {

// What a caller is.  The secret is the same for all: a role says what to serve, not whom to trust.
enum class Role : std::uint8_t { client = 1, node = 2, tool = 3 };

const char* name(Role role);

// Roles that a listener serves.
struct Roles {
  std::uint8_t bits = 0;

  constexpr Roles with(Role role) const {
    return {static_cast<std::uint8_t>(bits | (1u << static_cast<unsigned>(role)))};
  }
  constexpr bool has(Role role) const { return (bits >> static_cast<unsigned>(role)) & 1; }
  static constexpr Roles all() {
    return Roles{}.with(Role::client).with(Role::node).with(Role::tool);
  }
};

inline constexpr std::uint16_t kProtocolVersion = 1;
inline constexpr auto kHandshakeDeadline = 5 * kj::SECONDS;

// The listener's side: answers who has called.
kj::Promise<Result<Role>> admit(kj::AsyncIoStream& stream, kj::Timer& timer, const Secret& secret,
                                Roles served, kj::Duration deadline = kHandshakeDeadline);

// The caller's side; `address` is for the sentences: "nothing at HOST:PORT speaks ...".
kj::Promise<Result<Role>> introduce(kj::AsyncIoStream& stream, kj::Timer& timer,
                                    const Secret& secret, Role role, std::string address,
                                    kj::Duration deadline = kHandshakeDeadline);

// The listener's side, when there is no room: tells the caller so.
kj::Promise<void> turnAway(kj::AsyncIoStream& stream);

}  // namespace alnilam::rpc
