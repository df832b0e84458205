#pragma once
// One task or put value of a job, and the tables that hold them: flat, dense, without an allocation
// for each entry beyond what the program's message brought along.
//
// A job draws its ids densely, so an item is found by index: pages of kItems, which are recycled
// once every id in them has been forgotten; a job that submits for a month keeps what is alive.
//
//   absent -> waiting -> ready -> assigned -> held | stored | failed -> forgotten
//                ^                               |
//                +---------- evicted <-----------+   (remade when somebody needs it)
//
// A task of a class with a delay is `delayed` before it is ready, until its time has come.
//
// A task may be assigned while inputs of it are still being made where it is sent (`chained`, see
// chains.cc): it then waits there, in the rings of those inputs, and counts as assigned.
//
//   held      the value is here, in `blob`; how it was made is no longer kept
//   stored    the value is on nodes; arguments and inputs are kept to remake it (lineage)
//   evicted   the value is gone, what is needed to remake it is kept
//
// Who keeps an item: the program's ref (`clientRef`), `uses` (inputs of unfinished tasks), and, for
// the way to remake it only, `lineageUses` (inputs of stored and evicted tasks).
//
// Index 0 means "none" in every link, since ids count from 1.

#include "core/base/blob.h"
#include "core/base/ids.h"
#include "core/base/rings.h"
#include "core/base/units.h"

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

namespace alnilam::head {

enum class Stage : std::uint8_t {
  absent, waiting, delayed, ready, assigned, held, stored, evicted, failed, forgotten,
};

constexpr bool isUnfinished(Stage stage) {
  return stage == Stage::waiting || stage == Stage::delayed || stage == Stage::ready ||
         stage == Stage::assigned;
}
constexpr bool isResolved(Stage stage) {
  return stage == Stage::held || stage == Stage::stored || stage == Stage::failed;
}

struct Item {
  Blob blob;                      // arguments; when held, the value
  std::vector<ObjectId> inputs;   // empty when held, failed or put
  std::uint32_t previous = 0;     // in the class's queue when ready, in the lane when assigned
  std::uint32_t next = 0;
  std::uint32_t lastEdge = 0;     // of the ring of tasks that wait for this item
  std::uint32_t missing = 0;      // inputs not there yet, when waiting or chained
  std::uint32_t uses = 0;
  std::uint32_t lineageUses = 0;
  std::uint32_t attempt = 0;      // the last one begun; 0: none
  std::uint32_t node = 0;         // of that attempt
  std::uint32_t slot = 0;         // stored: in Tables::stored; failed: in Tables::failures
  std::uint32_t age = 0;          // number of the submission that brought it
  std::uint16_t taskClass = 0;
  Stage stage = Stage::absent;
  std::uint8_t charged = 0;       // retries used up
  std::uint8_t losses = 0;        // attempts that ended because an input could not be had
  std::uint8_t returns = 0;       // attempts that a node gave back unbegun
  bool clientRef = false;
  bool wanted = false;            // the client is to be told
  bool put = false;
  bool onBoard = false;           // an attempt is live on `node`; outlives a cancelled task
  bool nearData = false;          // when ready: an input is stored, so nodes differ
  bool chained = false;           // the attempt on board waits for inputs that are made there
  bool inherited = false;         // a chained task is to have the place of the attempt on board
  bool askedBack = false;         // its node was told to return the attempt unless it has begun
  // Of a task with variants:
  std::uint8_t variant = 0;       // that its last attempt counts on, or ran as
  std::uint8_t sizeClass = 0;     // of its inputs and arguments, once they are there
  bool trial = false;             // that attempt is, or was, a trial
  bool lostDevice = false;        // an attempt was lost with its device; the next is charged
  bool onDevice = false;          // held, and a device of `node` may keep it as well
};

inline constexpr std::uint32_t kItems = 512;

struct Page {
  std::array<Item, kItems> items;
  std::uint32_t alive = 0;  // neither absent nor forgotten
  std::uint32_t seen = 0;   // not absent
};

// Pages of all jobs that are empty again, a few of which are kept for the next.
class PagePool {
 public:
  std::unique_ptr<Page> take() {
    if (spare_.empty()) return std::make_unique<Page>();
    auto page = std::move(spare_.back());
    spare_.pop_back();
    return page;
  }
  void give(std::unique_ptr<Page> page) {
    if (spare_.size() >= kSpare) return;
    for (Item& item : page->items) item = Item{};
    page->alive = page->seen = 0;
    spare_.push_back(std::move(page));
  }

 private:
  static constexpr std::size_t kSpare = 64;
  std::vector<std::unique_ptr<Page>> spare_;
};

// The items of one job.  Pointers stay valid until the item is forgotten.
class Items {
 public:
  // The item, or null for what was never there or is forgotten.
  Item* find(std::uint32_t index) const {
    std::size_t page = index / kItems;
    if (page >= slots_.size() || !slots_[page].page) return nullptr;
    Item& item = slots_[page].page->items[index % kItems];
    bool there = item.stage != Stage::absent && item.stage != Stage::forgotten;
    return there ? &item : nullptr;
  }
  // For an index that came from our own tables.
  Item& at(std::uint32_t index) const {
    return slots_[index / kItems].page->items[index % kItems];
  }

  // Whether `index` was once used and is no more.
  bool isForgotten(std::uint32_t index) const;

  // A fresh item, or null if `index` was used before, is 0, or is more than kGap past the highest.
  Item* create(std::uint32_t index, PagePool& pool);

  // The item becomes `forgotten`.
  void forget(std::uint32_t index, PagePool& pool);

  std::uint32_t highest() const { return highest_; }

  // A program draws ids densely but its messages may overtake one another by this much.
  static constexpr std::uint32_t kGap = 1 << 20;

 private:
  struct Slot {
    std::unique_ptr<Page> page;
    bool retired = false;  // every id in it was used and is forgotten
  };
  std::vector<Slot> slots_;
  std::uint32_t highest_ = 0;
};

// "When this resolves, look at that task": as it was when it began to wait, so that one which has
// been tried since is not counted down by what it waited for before.
struct Edge {
  std::uint32_t task = 0;
  std::uint32_t attempt = 0;  // the last one begun by then
};
using Edges = Rings<Edge>;

}  // namespace alnilam::head
