#include "daemons/mover/page_warmer.h"

#include <sched.h>

#include <algorithm>

namespace alnilam::mover {

PageWarmer::PageWarmer(const ArenaMap& arena)
    : thread_([this, &arena] {
        sched_param none{};
        sched_setscheduler(0, SCHED_IDLE, &none);  // where refused, as it is
        for (Bytes at = 0; at < arena.size() && !enough_; at += kStep) {
          if (!arena.faultIn({at, std::min(kStep, arena.size() - at)})) return;
        }
      }) {}

PageWarmer::~PageWarmer() {
  enough_ = true;
  thread_.join();
}

}  // namespace alnilam::mover
