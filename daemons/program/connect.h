#pragma once
// How a program gets its cluster.
//
// The same program is three things.  Started by a person with nothing set, it carries the embedded
// engine.  With ALNILAM_HEAD set it is a client of that head.  Started again by a node, it is an
// executor: connect() then serves tasks and does not return.  So connect() belongs on the first
// line of main, before anything that must not happen once per node.

#include "core/api/cluster.h"

namespace alnilam {

// Throws ConnectionError (nobody listens at ALNILAM_HEAD, a wrong secret, another version),
// InvalidError (a setting of the environment that cannot be read, or an option of the job that
// cannot be meant; the text names the value).  The arguments travel to executors as they are.
// ALNILAM_JOB_WEIGHT and ALNILAM_JOB_QUOTA, where set, go before what `job` says of them.
Cluster connect(int argc, char** argv, const JobOptions& job = {});

}  // namespace alnilam
