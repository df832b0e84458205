// says: objects never change: write View<const T>
#include "core/api/view.h"

alnilam::View<float> view;
