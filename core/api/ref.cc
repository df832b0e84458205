#include "core/api/ref.h"

#include "core/api/backend.h"

namespace alnilam {

void Handle::drop(State* state) {
  state->backend->release(state->object);
  delete state;
}

}  // namespace alnilam
