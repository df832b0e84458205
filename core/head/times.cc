// Delays and deadlines, counted from a task's submission.
//
// A task whose delay is not over is `delayed` when its inputs are there, and ready when it is over.
// One that is not with a node when its deadline passes fails at once; one that is, is asked back,
// and fails if it comes: it had not begun.  An attempt that had begun, and any after it, has no
// deadline any more.  For each class the next of these times stands in `alarms`, and Tick rings.

#include "core/head/tables.h"

#include <algorithm>

namespace alnilam::head {

void Tables::noteSubmitted(Class& cls, std::uint32_t index) {
  cls.times->submitted.emplace(index, now);
  if (cls.definition.deadline > Duration{}) {
    cls.times->deadlines.emplace(now + cls.definition.deadline, index);
    setAlarm(cls);
  }
}

void Tables::noteEnded(Class& cls, std::uint32_t index) {
  auto at = cls.times->submitted.find(index);
  if (at == cls.times->submitted.end()) return;  // it is made again
  cls.times->delayed.erase({at->second + cls.definition.delay, index});
  cls.times->deadlines.erase({at->second + cls.definition.deadline, index});
  cls.times->submitted.erase(at);
  setAlarm(cls);
}

bool Tables::mustDelay(Class& cls, std::uint32_t index) {
  auto at = cls.times->submitted.find(index);
  if (at == cls.times->submitted.end()) return false;
  Instant start = at->second + cls.definition.delay;
  if (start <= now) return false;
  setStage(*cls.owner, cls.owner->items.at(index), Stage::delayed);
  cls.times->delayed.emplace(start, index);
  setAlarm(cls);
  return true;
}

Instant Tables::deadlineOf(const Class& cls, std::uint32_t index) const {
  if (cls.definition.deadline == Duration{}) return Instant::max();
  auto at = cls.times->submitted.find(index);
  if (at == cls.times->submitted.end()) return Instant::max();
  return at->second + cls.definition.deadline;
}

bool Tables::isOverdue(const Class& cls, std::uint32_t index) const {
  return deadlineOf(cls, index) <= now;
}

void Tables::failOverdue(Class& cls, std::uint32_t index) {
  Job& job = *cls.owner;
  auto milliseconds = cls.definition.deadline / std::chrono::milliseconds(1);
  fail(job, index, failureOf(FailureKind::deadlinePassed, job, index, job.items.at(index),
                             "it had not started " + std::to_string(milliseconds) +
                                 " ms after its submission"));
}

void Tables::setAlarm(Class& cls) {
  Times& times = *cls.times;
  Instant next = Instant::max();
  if (!times.delayed.empty()) next = times.delayed.begin()->first;
  if (!times.deadlines.empty()) next = std::min(next, times.deadlines.begin()->first);
  if (next == times.alarm) return;
  alarms.erase({times.alarm, cls.job, cls.index});
  times.alarm = next;
  if (next != Instant::max()) alarms.emplace(next, cls.job, cls.index);
}

void Tables::ring() {
  while (!alarms.empty() && std::get<Instant>(*alarms.begin()) <= now) {
    auto [when, job, index] = *alarms.begin();
    ring(find(job)->classes[index]);
  }
}

void Tables::ring(Class& cls) {
  Job& job = *cls.owner;
  Times& times = *cls.times;
  while (!times.deadlines.empty() && times.deadlines.begin()->first <= now) {
    std::uint32_t index = times.deadlines.begin()->second;
    times.deadlines.erase(times.deadlines.begin());
    Item& item = job.items.at(index);
    if (item.stage == Stage::assigned) {
      askBack(nodes[item.node - 1], job.id, index, item);
    } else if (isUnfinished(item.stage)) {
      failOverdue(cls, index);
    }
  }
  while (!times.delayed.empty() && times.delayed.begin()->first <= now) {
    std::uint32_t index = times.delayed.begin()->second;
    times.delayed.erase(times.delayed.begin());
    Item& item = job.items.at(index);
    if (item.stage == Stage::delayed && checkInputs(job, index, item)) enqueue(job, index, false);
  }
  setAlarm(cls);
  settle(job);
}

}  // namespace alnilam::head
