#pragma once
// The programs of open jobs, as bytes: uploaded by clients, read by nodes.
//
// A program is kept under its hash for as long as the head runs, so that the second job of a
// program uploads nothing.  Nodes may ask for it while it is still coming: `read` waits until the
// client has sent that far.  A client that leaves in mid-upload leaves it to the next that has the
// same one.
//
// Threading: one event loop.  Lifetime: `directory` exists as long as this.

#include "core/base/ids.h"
#include "daemons/program/program_file.h"

#include <kj/async.h>

#include <list>
#include <map>
#include <string>

namespace alnilam {

class Programs {
 public:
  explicit Programs(std::string directory) : directory_(std::move(directory)) {}

  // A job needs it.  True if its bytes must be uploaded (by this job: several may upload at once,
  // the first to be whole wins).  Refuses (invalid) a hash that is none and a size past kMaxSize.
  Result<bool> announce(const ProgramIdentity& identity);

  // The next bytes of the upload of one job, from `offset`.
  Result<bool> upload(JobId job, const ProgramIdentity& identity, Bytes offset,
                      std::span<const std::byte> bytes);
  void giveUp(JobId job);  // its upload, if one is under way

  struct Part {
    std::string bytes;  // at most kPart
    Bytes size = 0;     // of the whole
    bool known = false;
  };
  // Waits until the program is whole; answers at once, `known` false, if no job announced it.
  kj::Promise<Part> read(std::string hash, Bytes offset);

  static constexpr Bytes kMaxSize = 4_GiB;
  static constexpr std::size_t kPart = 1 << 20;

 private:
  struct Program {
    Bytes size = 0;
    bool whole = false;
    std::list<kj::Own<kj::PromiseFulfiller<void>>> waiting;
  };
  Part partOf(const std::string& hash, Bytes offset) const;

  std::string directory_;
  std::map<std::string, Program> programs_;
  std::map<JobId, ProgramFile> uploads_;
};

}  // namespace alnilam
