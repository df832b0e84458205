#pragma once
// A device's multiprocessors, cut up for slots that have a share of it.
//
// The driver cuts a device into cells of a few multiprocessors (8 on an H100), and makes a green
// context of any of them: kernels of its streams run there and nowhere else, with the memory and
// the modules of the primary context.  A slot gets as many cells as its share has of the device,
// rounded down, and one at least: those that fewest others have.  So shares that fit beside each
// other are apart, and where more small ones are open than there are cells, they share cells with
// each other and not with everybody.
//
// What is cut is what one process has.  Kernels of different processes do not run at the same time
// on a device (without MPS, which Alnilam does not start), so there is nothing to agree on with
// others.
//
// Making a green context takes milliseconds, so a part that is given back is kept for the next slot
// of its size.
//
// Threading: none of its own; the Device's mutex guards it.
// Lifetime: of the primary context, which outlives it; parts are given back before.
// Errors: a driver that cannot cut (too old, a MIG instance too small) makes no parts, and slots
//   work on the whole device; `sharesInForce` (gpu/discovery) tells people.
// Source: cuda.h of CUDA 13.0, "Green contexts".

#include "core/cluster/resources.h"
#include "gpu/driver/handle.h"

#include <memory>
#include <vector>

namespace alnilam::gpu {

using GreenContext = Handle<CUgreenCtx, &Driver::greenCtxDestroy>;

// Which of the cells a share gets, given how many slots have each of them: the least used, those of
// low numbers first; in ascending order.  `share` is below a whole device.  O(cells log cells).
std::vector<unsigned> chooseCells(const std::vector<unsigned>& users, unsigned perCell,
                                  unsigned multiprocessors, Amount share);

class SmParts {
 public:
  // Multiprocessors of a slot, and what has to be made there: streams, and events of their work.
  class Part {
   public:
    CUcontext context() const { return context_; }
    unsigned multiprocessors() const { return multiprocessors_; }
    // One of an earlier slot, if there is one.
    DriverResult<Stream> stream(const Driver& driver, int priority);
    void keep(Stream stream, int priority);
    // Idle ones, whose context this part's is.
    std::vector<Event>& events() { return events_; }

   private:
    friend class SmParts;
    GreenContext green_;
    CUcontext context_ = nullptr;
    unsigned multiprocessors_ = 0;
    std::vector<unsigned> cells_;
    std::vector<std::pair<int, Stream>> streams_;  // idle, by priority; before green_ in dying
    std::vector<Event> events_;                    // idle
  };

  // Asks the driver for cells; none where it has none to give.  The primary context is current.
  SmParts(const Driver& driver, CUdevice device);

  // How many cells there are; 0: it cannot be cut.
  std::size_t cells() const { return cells_.size(); }

  // For a slot with that share; null for a whole device and where it cannot be cut.  The primary
  // context is current.
  Part* take(Amount share);
  void giveBack(Part* part);

  // Destroys all parts; the primary context is current, and none is in use.
  void clear();

 private:
  std::unique_ptr<Part> make(std::vector<unsigned> cells);
  void destroy(std::unique_ptr<Part> part);

  static constexpr std::size_t kMostIdle = 8;

  const Driver& driver_;
  const CUdevice device_;
  unsigned multiprocessors_ = 0;
  std::vector<CUdevResource> cells_;
  std::vector<unsigned> users_;  // of each cell
  std::vector<std::unique_ptr<Part>> inUse_, idle_;
};

}  // namespace alnilam::gpu
