// says: a pointer cannot be sent
#include "core/api/task.h"

int length(const char* text);
ALNILAM_TASK(length);
