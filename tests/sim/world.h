#pragma once
// One head brain, three node brains and their clients in virtual time, and a checker.
//
// A seed decides everything: topologies, programs, delays, who crashes and when, whose link stalls
// until it is declared lost, which devices are lost and whether they come back.  Links keep their
// order, as TCP does; what a dead node had under way may or may not arrive, and its loss is heard
// of after that, or never but by silence.
//
// The checker accepts a world if every client heard of each object that it wanted, at least once
// and at most once for each Want, never two different things, with the value that direct evaluation
// gives or a failure that its program explains; if no node ever granted what it has not; and if at
// the end nothing is left: no commitments, no slots, no objects.

#include "core/head/head_brain.h"
#include "tests/sim/sim_node.h"

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace alnilam::sim {

class World final : private Surroundings {
 public:
  explicit World(std::uint64_t seed, bool printTrace = false);
  ~World() override;

  // Plays until all is done and swept, or something is wrong.
  void run();

  const std::vector<std::string>& violations() const { return violations_; }
  std::uint64_t traceHash() const { return traceHash_; }
  std::size_t events() const { return time_.events(); }
  std::uint64_t tasksTold() const { return told_; }
  // Tasks that executors started without a word from their node.
  std::uint64_t released() const;
  std::uint64_t withdrawals() const;  // of devices

 private:
  struct Host {
    std::unique_ptr<SimNode> node;
    Incarnation incarnation;
    NodeId id;                       // none before its first acceptance
    std::optional<Incarnation> accepted;  // the life that the head speaks to
    bool stays = true;               // it comes back after each crash
    Link toHead, fromHead;
    std::vector<bool> lost;          // by life: what was under way at its end did not arrive
  };
  struct Client {
    Program program;
    JobId job;
    std::uint32_t submitted = 0;
    std::map<std::uint32_t, std::uint32_t> wants;  // by index: Wants not answered
    std::map<std::uint32_t, std::string> told;     // by index: what was said, as text
    std::vector<bool> released;
    bool leaves = false;  // closes its job in the middle
    bool closed = false;
    Link toHead, fromHead;
  };

  // Surroundings, for the nodes.
  Timeline& time() override { return time_; }
  Luck& luck() override { return luck_; }
  const Program* programOf(JobId job) override;
  Duration runTime(const SimTask& task, const SlotGrant& slot, const Topology& node) override;
  bool holds(NodeId node, ObjectId object) override;
  bool crashesNow(TaskId task) override;
  void toHead(const std::string& node, NodeReport report) override;
  void pullFailed(ObjectId object) override;
  void violation(const std::string& what) override;
  void trace(const std::string& line) override;

  // world.cc: head, hosts and their troubles
  Topology topologyOf(std::size_t host);
  void boot(Host& host);
  void crash(Host& host);
  void beat(Host& host, std::uint32_t life);
  void planTroubles();
  void planLosses();
  void feedHead(head::Input input);
  void placeSoon();
  void perform(std::vector<head::Output>& outputs);
  void performOne(head::Output& output);
  Host* hostOf(NodeId id);
  Duration delay();

  // clients.cc
  void openClient(Client& client);
  void submitSome(Client& client);
  void put(Client& client, const SimTask& task);
  void ask(Client& client, std::uint32_t index);
  void hear(Client& client, const head::Told& told);
  void judge(const Client& client, std::uint32_t index, const Value& value);
  void release(Client& client, std::uint32_t index);
  void close(Client& client);
  bool hasAll(const Client& client) const;
  void fromClient(Client& client, head::Input input);
  void sweep();
  void checkLeftovers(bool jobsClosed);

  Luck luck_;
  Timeline time_;
  bool printTrace_;
  head::HeadBrain head_;
  bool placing_ = false;
  std::optional<Instant> headWakesAt_;
  std::vector<std::unique_ptr<Host>> hosts_;
  std::vector<std::unique_ptr<Client>> clients_;
  std::map<TaskId, std::uint32_t> crashes_;  // so far
  bool troubled_ = false;                    // some node crashed or some link stalled
  bool swept_ = false;
  bool calm_ = false;  // no more troubles begin
  std::uint64_t told_ = 0;
  std::vector<std::string> violations_;
  std::uint64_t traceHash_ = 0xcbf29ce484222325u;
};

}  // namespace alnilam::sim
