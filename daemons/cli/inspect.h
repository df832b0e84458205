#pragma once
// What a head tells people: `status`, `node list`, `task list`, `task explain`, `job list`.
//
// Errors: exit code 7 when the head cannot be reached, 8 when it refuses the secret.

#include "daemons/cli/print.h"

#include <cstdint>
#include <string>

namespace alnilam::cli {

struct HeadOptions {
  std::string head;        // "HOST:PORT"
  std::string secretFile;  // empty: where this user's head keeps it
  Format format = Format::table;
};

int status(const HeadOptions& options);
int listNodes(const HeadOptions& options);
int listJobs(const HeadOptions& options);
int listTasks(const HeadOptions& options, const std::string& job, std::uint32_t limit);
int explainTask(const HeadOptions& options, const std::string& task);

inline constexpr int kHeadUnreachable = 7;
inline constexpr int kNotAllowed = 8;

}  // namespace alnilam::cli
