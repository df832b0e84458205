// says: a task function cannot take a non-const reference
#include "core/api/task.h"

void sort(std::vector<int>& values);
ALNILAM_TASK(sort);
