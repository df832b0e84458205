#pragma once
// A job's program as bytes under their hash: made by the client, kept by the head, run by nodes.
//
// A ProgramFile is being received: bytes come in order, are hashed as they come, and only when the
// last one has come and the hash is the one that was announced does the file get its name, by a
// rename, so that a file under a hash is always whole.  Two that receive the same program at once
// do not disturb each other.  One that is given up removes what it wrote.
//
// Errors: refusals; nothing throws.

#include "core/base/error.h"
#include "core/base/units.h"

#include <cstddef>
#include <memory>
#include <span>
#include <string>

namespace alnilam {

// Lower-case hex SHA-256 of a file's bytes, and its size.
struct ProgramIdentity {
  std::string hash;
  Bytes size = 0;
};
Result<ProgramIdentity> identify(const std::string& path);

// 64 lower-case hex digits.  Whoever makes a path of a hash from outside checks it first.
bool isHash(const std::string& text);

class ProgramFile {
 public:
  // Receives into `directory` (which exists, and is its owner's alone).  `identity.hash` has been
  // checked by isHash.
  static Result<ProgramFile> receive(const std::string& directory, const ProgramIdentity& identity);
  ProgramFile(ProgramFile&&) noexcept;
  ProgramFile& operator=(ProgramFile&&) noexcept;
  ~ProgramFile();

  Bytes received() const;
  bool whole() const;  // and under its name

  // Takes the next bytes.  Refuses (invalid) more than was announced and, with the last byte, a
  // hash that differs; the file is gone then.
  Result<bool> append(std::span<const std::byte> bytes);

  // Where the whole file lies: directory/HASH.
  static std::string pathOf(const std::string& directory, const std::string& hash);

 private:
  struct State;
  explicit ProgramFile(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// At most `most` bytes of the file at `path` from `offset`; empty past its end or if it is gone.
std::string readPart(const std::string& path, Bytes offset, std::size_t most);

}  // namespace alnilam
