#pragma once
// `metrics`: what a head knows, as Prometheus reads it (text format 0.0.4), for a textfile
// collector or a script.  Names follow Prometheus' rules: base units, `_total` for counters, ratios
// 0 to 1; no label takes values without bound.

#include "daemons/cli/inspect.h"

namespace alnilam::cli {

int metrics(const HeadOptions& options);

}  // namespace alnilam::cli
