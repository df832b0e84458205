#pragma once
// The cluster's secret: 32 random bytes, in a file that only its owner can read.
//
// The head makes it at its first start; the same user's nodes and programs find it at the same
// path, and it is carried to other hosts by hand.  The file holds 64 hex digits and a newline.  It
// appears whole or not at all: it is written under another name and linked into place, so two heads
// that start at once end with one secret.
//
// Errors: Refusals whose sentence names the path and says what to do.

#include "core/base/error.h"

#include <array>
#include <cstddef>
#include <string>
#include <string_view>

namespace alnilam::rpc {

struct Secret {
  std::array<unsigned char, 32> bytes{};

  bool operator==(const Secret&) const = default;
};

// Refuses (invalid) anything but 64 hex digits, white space around them aside.  The sentence never
// shows what was there.
Result<Secret> parseSecret(std::string_view text);

// Refuses (unavailable) a file that is not there, (notAllowed) one that others than its owner can
// read or that somebody else owns, (invalid) one without a secret in it.
Result<Secret> readSecret(const std::string& path);

// As readSecret, but makes the file (mode 0600) and its last folder (0700) if they are not there.
Result<Secret> readOrMakeSecret(const std::string& path);

// Where the secret lies unless told otherwise, from the environment's XDG_RUNTIME_DIR and HOME
// (empty: not set): "$XDG_RUNTIME_DIR/alnilam/secret", else "$HOME/.alnilam/secret".  Refuses
// (unavailable) if neither is set.
Result<std::string> defaultSecretPath(std::string_view runtimeDirectory, std::string_view home);

}  // namespace alnilam::rpc
