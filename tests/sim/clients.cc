// The programs of a world: what they ask of the head, and what they make of its answers.

#include "tests/sim/world.h"

#include <algorithm>
#include <cstring>

namespace alnilam::sim {
namespace {

using namespace std::chrono_literals;

Blob blobOf(std::uint64_t value) {
  std::byte bytes[sizeof value];
  std::memcpy(bytes, &value, sizeof value);
  return Blob::copyOf(bytes);
}

}  // namespace

const Program* World::programOf(JobId job) {
  for (auto& client : clients_) {
    if (client->job == job) return &client->program;
  }
  return nullptr;
}

// The first variant of a task takes as long as the program says, others a fifth of it.
Duration World::runTime(const SimTask& task, const SlotGrant& slot, const Topology&) {
  return slot.lane >> 24 ? task.runs / 5 : task.runs;
}

bool World::crashesNow(TaskId task) {
  return crashes_[task]++ < programOf(task.job())->at(task.index()).crashes;
}

// Without troubles, and while nobody cancels or leaves, whoever needs an object can have it.
void World::pullFailed(ObjectId object) {
  bool calm = !troubled_;
  for (auto& client : clients_) {
    calm = calm && !client->leaves;
    for (const SimTask& task : client->program.tasks) {
      calm = calm && !task.cancelled && task.mayHaveValue && task.mayEnd.empty();
    }
  }
  if (calm) violation("a pull of " + show(object) + " failed though no node did");
}

void World::fromClient(Client& client, head::Input input) {
  client.toHead.carry(time_, delay(), [this, input] { feedHead(input); });
}

// What no node that was ever seen could run is refused, so clients come when all have been seen.
void World::openClient(Client& client) {
  bool allSeen = std::all_of(hosts_.begin(), hosts_.end(), [](auto& host) {
    return host->id || (!host->stays && !host->node->alive());
  });
  if (!allSeen) {
    time_.after(10ms, [this, &client] { openClient(client); });
    return;
  }
  std::uint64_t session = 0;
  while (clients_[session].get() != &client) ++session;
  JobShare share;
  if (luck_.percent(40)) share.weight = 1 + static_cast<std::uint32_t>(luck_.below(500));
  if (luck_.percent(25)) share.quota.cpus = Amount::whole(2);  // what the largest task asks for
  fromClient(client, head::JobOpened{session, "sim", "program", {}, std::move(share)});
  if (client.leaves) {
    time_.after(luck_.between(1ms, 300ms), [this, &client] {
      if (client.job) close(client);
      else client.leaves = false;
    });
  }
}

void World::submitSome(Client& client) {
  if (client.closed) return;
  const Program& program = client.program;
  auto count = static_cast<std::uint32_t>(program.tasks.size());
  auto end = static_cast<std::uint32_t>(
      std::min<std::uint64_t>(count, client.submitted + 1 + luck_.below(40)));
  head::Submit batch{client.job, {}, {}};
  if (client.submitted == 0) batch.classes = program.classes;
  for (std::uint32_t index = client.submitted + 1; index <= end; ++index) {
    const SimTask& task = program.at(index);
    if (task.put) {
      fromClient(client, batch);
      batch = {client.job, {}, {}};
      put(client, task);
    } else {
      TaskSpec spec;
      spec.id = ObjectId::make(client.job, index);
      spec.taskClass = task.taskClass;
      spec.arguments = blobOf(index);
      for (std::uint32_t input : task.inputs) {
        spec.inputs.push_back(ObjectId::make(client.job, input));
      }
      batch.tasks.push_back(std::move(spec));
    }
    if (task.cancelled) {
      time_.after(luck_.between(0us, 200ms), [this, &client, index] {
        if (client.closed || client.released[index]) return;
        fromClient(client, head::Cancel{client.job, {ObjectId::make(client.job, index)}});
      });
    }
  }
  fromClient(client, batch);
  client.submitted = end;
  for (std::uint32_t index = 1; index <= end; ++index) {
    if (!client.wants.contains(index) && luck_.percent(40)) ask(client, index);
  }
  if (end < count) {
    time_.after(luck_.between(0us, 20ms), [this, &client] { submitSome(client); });
    return;
  }
  for (std::uint32_t index = 1; index <= count; ++index) {  // nobody will name them again
    if (client.wants.contains(index)) continue;
    if (luck_.percent(50)) {
      time_.after(luck_.between(0us, 100ms), [this, &client, index] { release(client, index); });
    } else {
      ask(client, index);
    }
  }
}

void World::put(Client& client, const SimTask& task) {
  ObjectId object = ObjectId::make(client.job, task.index);
  Value value = Value::of(blobOf(task.value));
  Host& host = *hosts_[luck_.below(hosts_.size())];
  if (task.stored && host.node->alive() && host.accepted == host.incarnation) {
    host.node->putLocally(object, task.value);
    value = Value::at(SimNode::kStoredSize, {host.id});
  }
  fromClient(client, head::Put{object, value});
}

void World::ask(Client& client, std::uint32_t index) {
  std::uint32_t times = luck_.percent(10) ? 2 : 1;
  for (std::uint32_t i = 0; i < times; ++i) {
    ++client.wants[index];
    fromClient(client, head::Want{client.job, {ObjectId::make(client.job, index)}});
  }
}

void World::hear(Client& client, const head::Told& told) {
  for (auto& [object, value] : told.objects) {
    std::uint32_t index = object.index();
    auto wants = client.wants.find(index);
    if (wants == client.wants.end()) {
      violation("told of " + show(object) + " without having asked");
      return;
    }
    if (wants->second == 0) {
      violation("told of " + show(object) + " more often than asked");
      return;
    }
    bool isFirst = !client.told.contains(index);
    // Wants that come before the answer may share one.
    --wants->second;
    std::string text = value.state == Value::State::failed
                           ? name(value.failure->kind)
                           : std::to_string(client.program.at(index).value);
    // Only the loss of bytes that nothing can remake comes after a value.
    bool isLoss = value.state == Value::State::failed &&
                  value.failure->kind == FailureKind::objectLost;
    if (isFirst || isLoss) client.told[index] = text;
    else if (client.told[index] != text) violation("told two things of " + show(object));
    ++told_;
    if (!client.closed) judge(client, index, value);
    if (isFirst && client.submitted == client.program.tasks.size() && luck_.percent(50)) {
      time_.after(luck_.between(50ms, 100ms), [this, &client, index] { release(client, index); });
    }
  }
}

void World::judge(const Client& client, std::uint32_t index, const Value& value) {
  const SimTask& task = client.program.at(index);
  ObjectId object = ObjectId::make(client.job, index);
  switch (value.state) {
    case Value::State::pending: return violation("told of " + show(object) + ": pending");
    case Value::State::failed:
      if (!task.mayEnd.contains(value.failure->kind)) {
        violation(show(object) + " failed though nothing explains it: " +
                  name(value.failure->kind) + " of " + show(value.failure->task) + " (" +
                  value.failure->message + ")");
      }
      return;
    case Value::State::held: {
      std::uint64_t got = 0;
      std::memcpy(&got, value.held.bytes().data(), std::min(sizeof got, value.held.size()));
      if (got != task.value) violation(show(object) + " has the wrong value");
      break;
    }
    case Value::State::stored: {
      bool found = std::any_of(value.holders.begin(), value.holders.end(),
                               [&](NodeId holder) { return holds(holder, object); });
      if (value.holders.empty()) violation(show(object) + " is stored nowhere");
      else if (!found && !troubled_) violation(show(object) + " is not where it is said to be");
      break;
    }
  }
  if (!task.mayHaveValue) violation(show(object) + " has a value though it must fail");
}

void World::release(Client& client, std::uint32_t index) {
  if (client.closed || client.released[index]) return;
  // A Want that is under way would be answered with "unknown".
  bool waits = client.wants.contains(index) && !client.told.contains(index);
  bool twice = client.wants.contains(index) && client.wants[index] > 0;
  if (waits) return;
  if (twice && time_.now() < 5s) return;
  client.released[index] = true;
  fromClient(client, head::Release{client.job, {ObjectId::make(client.job, index)}});
}

void World::close(Client& client) {
  if (client.closed) return;
  client.closed = true;
  fromClient(client, head::JobClosed{client.job});
}

bool World::hasAll(const Client& client) const {
  if (client.closed) return true;
  if (!client.job || client.submitted < client.program.tasks.size()) return false;
  return std::all_of(client.wants.begin(), client.wants.end(),
                     [&](const auto& want) { return client.told.contains(want.first); });
}

// Waits until every client has what it wanted, drops all refs, and looks at what is left; then
// closes the jobs and looks again.
void World::sweep() {
  static constexpr Duration kQuiet = 30s;  // longer than any stall, and than slots stay open idle
  time_.after(500ms, [this] {
    bool done = std::all_of(clients_.begin(), clients_.end(),
                            [&](auto& client) { return hasAll(*client); });
    if (!done) return sweep();
    time_.after(kQuiet, [this] {
      for (auto& client : clients_) {
        for (std::uint32_t i = 1; i < client->released.size(); ++i) release(*client, i);
      }
      time_.after(kQuiet, [this] {
        checkLeftovers(false);
        for (auto& client : clients_) close(*client);
        time_.after(kQuiet, [this] {
          checkLeftovers(true);
          swept_ = true;
        });
      });
    });
  });
}

void World::checkLeftovers(bool jobsClosed) {
  for (const head::JobView& job : head_.jobs()) {
    if (job.open && job.waiting + job.ready + job.assigned != 0) {
      violation("the head still has tasks of job " + job.name + ": " +
                std::to_string(job.waiting) + " waiting, " + std::to_string(job.ready) +
                " ready, " + std::to_string(job.assigned) + " assigned");
    }
  }
  for (const head::NodeView& view : head_.nodes()) {
    bool idle = view.committed == ResourceSet{} && view.running == 0;
    if (!idle) {
      violation("the head still has " + show(view.committed) + " committed on " + view.name);
    }
  }
  for (auto& host : hosts_) {
    if (!host->node->alive()) continue;
    std::string left = host->node->leftovers();
    if (!left.empty()) violation(host->node->name() + " still" + left);
    if (jobsClosed && host->node->executors() != 0) {
      violation(host->node->name() + " still runs executors");
    }
  }
}

}  // namespace alnilam::sim
