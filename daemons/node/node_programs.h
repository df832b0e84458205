#pragma once
// The programs that this node's executors are, kept under their hash.
//
// A program is fetched from the head once, however many jobs ask for it at the same time, checked
// against its hash and kept for as long as the node runs.
//
// Threading: one event loop.  Lifetime: `directory` and the membership outlive it.

#include "daemons/program/program_file.h"
#include "schema/node.capnp.h"

#include <kj/async.h>

#include <map>
#include <string>

namespace alnilam {

class NodePrograms {
 public:
  NodePrograms(std::string directory, schema::Membership::Client head)
      : directory_(std::move(directory)), head_(kj::mv(head)) {}

  // The path of the whole program; refuses with the reason if it cannot be had.
  kj::Promise<Result<std::string>> get(const std::string& hash);

 private:
  kj::Promise<Result<std::string>> fetch(std::string hash);
  kj::Promise<Result<std::string>> fetchRest(std::string hash, kj::Own<ProgramFile> file);

  std::string directory_;
  schema::Membership::Client head_;
  std::map<std::string, kj::ForkedPromise<Result<std::string>>> fetching_;
};

}  // namespace alnilam
