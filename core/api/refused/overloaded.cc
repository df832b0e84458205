// says: overloaded function
#include "core/api/task.h"

int twice(int x);
double twice(double x);
ALNILAM_TASK(twice);
