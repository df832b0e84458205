#pragma once
// Whether the tables agree with one another, counted anew from what they hold; for tests.

#include "core/head/tables.h"

#include <string>

namespace alnilam::head {

// The first contradiction in words, or nothing.  O(everything).  Only between steps.
std::string audit(const Tables& tables);

}  // namespace alnilam::head
