// Placement decisions a second, of a cluster that is nearly full and whose oldest task ends before
// each: choose a node by the policy, take from it, and give back what another held.
//
//   placement_class   one request over and over on 1,000 nodes: a class's queue
//   placement_mixed   requests that are all different on 10,000 nodes
//   placement_curve   both for growing numbers of nodes; the figure's name has the number
//
// Nodes are of four kinds, from 32 cores without a device to 128 cores with eight.  The limit is
// the same taking and giving on nodes that are known beforehand, without any choice.
//
// With arguments, only the figures of these names.

#include "core/placement/placer.h"
#include "tests/bench/figure.h"

#include <algorithm>
#include <deque>
#include <random>
#include <string>
#include <vector>

namespace {

using namespace alnilam;
using namespace alnilam::placement;

using Requests = Request (*)(std::mt19937_64& random);

Request alike(std::mt19937_64&) {
  Request request;
  request.cpu = 4 * kWhole;
  request.memory = 8_GiB;
  request.devices = 1;
  request.share = kWhole / 2;
  return request;
}

// A fifth asks for no device, half for a share, the others for one to eight devices.
Request different(std::mt19937_64& random) {
  Request request;
  request.cpu = kWhole / 4 + static_cast<std::int64_t>(random() % (16 * kWhole));
  request.memory = 64_MiB + random() % 32_GiB;
  std::uint64_t kind = random() % 10;
  if (kind < 2) return request;
  request.devices = kind < 7 ? 1 : std::uint32_t{1} << random() % 4;
  request.share = kind < 7 ? kWhole / 10 + static_cast<std::int32_t>(random() % (kWhole * 9 / 10))
                           : kWhole;
  return request;
}

void addNodes(NodeIndex& index, std::uint32_t count) {
  struct Kind { std::int64_t cores; Bytes memory; std::size_t devices; const char* model; };
  const Kind kinds[] = {{32, 128_GiB, 0, ""}, {64, 256_GiB, 2, "T4"}, {96, 384_GiB, 4, "A10"},
                        {128, 768_GiB, 8, "H100"}};
  for (std::uint32_t i = 0; i < count; ++i) {
    const Kind& kind = kinds[i % 4];
    index.add(index.addKind({kind.cores * kWhole, kind.memory,
                             std::vector<Bytes>(kind.devices, 80_GiB), kind.model, {}}),
              i);
  }
}

// Decisions and, from the same history, bare changes a second.
struct Rates { double decisions, changes; };

Rates measure(const char* policy, std::uint32_t nodes, Requests make, std::uint32_t decisions) {
  struct Held { NodeIndex::Row row; Request request; DeviceSet devices; };
  std::mt19937_64 random(1);
  NodeIndex index;
  addNodes(index, nodes);
  Placer placer(index, *findPolicy(policy), 1);
  std::deque<Held> held;
  auto place = [&](const Request& request) {
    placer.observe(request);
    std::optional<Placement> found = placer.choose(request);
    if (!found) return false;
    held.push_back({found->row, request, index.take(found->row, request, found->choice.device)});
    return true;
  };
  for (int failed = 0; failed < 50;) failed += !place(make(random));

  std::vector<Request> requests(decisions);
  for (Request& request : requests) request = make(random);
  NodeIndex before = index;
  std::deque<Held> again = held;
  double start = bench::now();
  for (const Request& request : requests) {
    Held& oldest = held.front();
    index.give(oldest.row, oldest.request, oldest.devices);
    held.pop_front();
    place(request);
    if (held.empty()) break;
  }
  double decided = bench::now() - start;

  // The same changes without a choice: what ends is taken again where it was.
  start = bench::now();
  for (std::uint32_t i = 0; i < decisions; ++i) {
    Held& oldest = again.front();
    before.give(oldest.row, oldest.request, oldest.devices);
    DeviceSet devices = before.take(oldest.row, oldest.request,
                                    oldest.request.isShare() ? std::countr_zero(oldest.devices)
                                                             : -1);
    again.push_back({oldest.row, oldest.request, devices});
    again.pop_front();
  }
  double changed = bench::now() - start;
  return {decisions / decided, decisions / changed};
}

void print(const std::string& name, const char* policy, std::uint32_t nodes, Requests make,
           std::uint32_t decisions) {
  Rates rates = measure(policy, nodes, make, decisions);
  bench::print(name + "_" + policy, rates.decisions, "decisions/s", rates.changes,
               "taking and giving without a choice");
}

}  // namespace

int main(int argc, char** argv) {
  auto isAsked = [&](const char* name) {
    return argc < 2 || std::find(argv + 1, argv + argc, std::string(name)) != argv + argc;
  };
  for (const char* policy : {"default", "spread", "pack", "bestfit"}) {
    if (isAsked("placement_class")) print("placement_class", policy, 1'000, alike, 200'000);
    if (isAsked("placement_mixed")) print("placement_mixed", policy, 10'000, different, 40'000);
    if (!isAsked("placement_curve")) continue;
    for (std::uint32_t nodes : {100u, 1'000u, 10'000u, 100'000u}) {
      std::string of = "_" + std::to_string(nodes);
      print("placement_curve_class" + of, policy, nodes, alike, 50'000);
      print("placement_curve_mixed" + of, policy, nodes, different, 5'000);
    }
  }
}
