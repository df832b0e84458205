// Node-to-node pulls of 256 MiB between two mover processes, in bytes per second, beside what
// ucx_perftest moves with messages of the same size over the same lane.
//
// The arenas are warm: the same places are pulled from and to, as in a store in use.  Pulls and
// ucx_perftest take turns, so that whatever else the machine does disturbs both; each figure is the
// median of its rounds.  The wall-clock time of a pull is taken at the node, so that both RPC calls
// to the movers are in it.

#include "daemons/node/mover_link.h"

#include <kj/async-unix.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <sstream>
#include <string>
#include <vector>

using namespace alnilam;

namespace {

constexpr Bytes kSize = 256_MiB;
constexpr ObjectId kObject{(1ull << 32) | 1};
constexpr int kRounds = 5, kPulls = 4;

struct Node final : private MoverLink::Listener {
  Node(kj::AsyncIoContext& io, NodeId nodeId, MoverLink::Config config)
      : id(nodeId), link(io, arena, std::move(config), *this) {}
  void moverUp(const std::string& where, const std::string&) override { address = where; }

  NodeId id;
  std::string address;
  Arena arena = Arena::create(kSize).value();
  Extent place = arena.allocate(kSize).value();
  MoverLink link;
};

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values.empty() ? 0 : values[values.size() / 2];
}

std::string freePort() {
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in any{};
  any.sin_family = AF_INET;
  any.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(any);
  bool bound = bind(fd, reinterpret_cast<sockaddr*>(&any), size) == 0 &&
               getsockname(fd, reinterpret_cast<sockaddr*>(&any), &size) == 0;
  close(fd);
  return bound ? std::to_string(ntohs(any.sin_port)) : "13337";
}

// MB/s (2^20) as ucx_perftest prints it, the sixth figure of its last line; 0 if there is none.
double perftest(const char* test, const std::string& lanes) {
  std::string port = freePort();
  std::string environment = "UCX_TLS=" + lanes + " UCX_POSIX_ERROR_HANDLING=y UCX_NET_DEVICES=lo ";
  // The client is tried until the server listens.
  std::string command =
      "(env " + environment + "ucx_perftest -p " + port + " >/dev/null 2>&1 & server=$!; " +
      "for try in 1 2 3 4 5 6 7 8 9; do timeout 60 env " + environment +
      "ucx_perftest 127.0.0.1 -p " + port + " -f -e -t " + test + " -s " + std::to_string(kSize) +
      " -n 8 -w 2 2>/dev/null && break; done; kill $server; wait) 2>/dev/null";
  FILE* pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) return 0;
  std::array<char, 4096> line;
  double found = 0;
  while (std::fgets(line.data(), line.size(), pipe) != nullptr) {
    std::istringstream words(line.data());
    std::vector<double> figures;
    for (double figure; words >> figure;) figures.push_back(figure);
    if (figures.size() >= 6) found = figures[5];
  }
  pclose(pipe);
  return found * (1 << 20);
}

struct Lane {
  const char* name;                // of the figure
  const char* perfTls;             // for ucx_perftest
  std::vector<const char*> tests;  // its tests that move bytes as the lane does; the best counts
  const char* limitName;
  MoverLink::Config config;
};

void measure(kj::AsyncIoContext& io, const Lane& lane) {
  Node holder(io, NodeId{1}, lane.config), reader(io, NodeId{2}, lane.config);
  auto turn = [&io] {
    io.provider->getTimer().afterDelay(1 * kj::MILLISECONDS).wait(io.waitScope);
  };
  while (holder.address.empty() || reader.address.empty()) turn();
  std::memset(holder.arena.at(holder.place).data(), 1, kSize);
  std::memset(reader.arena.at(reader.place).data(), 2, kSize);
  holder.link.publish(kObject, holder.place);

  std::vector<double> pulls, limits;
  std::string used;
  auto once = [&] {
    auto start = std::chrono::steady_clock::now();
    auto report = reader.link.pull(kObject, kSize, reader.place.offset,
                                   {{holder.id, holder.address}}).wait(io.waitScope);
    std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    if (!report) {
      std::fprintf(stderr, "bench_pull: %s\n", report.error().why.c_str());
      std::exit(1);
    }
    used = report.value().lane;
    return static_cast<double>(kSize) / took.count();
  };
  once();
  for (int round = 0; round < kRounds; ++round) {
    for (int i = 0; i < kPulls; ++i) pulls.push_back(once());
    double limit = 0;
    for (const char* test : lane.tests) limit = std::max(limit, perftest(test, lane.perfTls));
    if (limit > 0) limits.push_back(limit);
  }
  bool whole = std::memcmp(holder.arena.at(holder.place).data(),
                           reader.arena.at(reader.place).data(), kSize) == 0;
  double value = median(pulls), limit = median(limits);
  std::printf("{\"name\":\"%s\",\"value\":%.0f,\"unit\":\"bytes/s\",\"limit\":%.0f,"
              "\"limitName\":\"%s\",\"ratio\":%.3f,\"emulated\":false,\"lane\":\"%s\","
              "\"whole\":%s}\n",
              lane.name, value, limit,
              limits.empty() ? "ucx_perftest is not installed" : lane.limitName,
              limit > 0 ? value / limit : 0.0, used.c_str(), whole ? "true" : "false");
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  kj::UnixEventPort::captureChildExit();
  auto io = kj::setupAsyncIo();
  std::vector<std::string> arguments(argv + 1, argv + argc);  // for the movers
  MoverLink::Config config{.program = ALNILAM_MOVER, .arguments = arguments, .interfaces = {}};
  // What movers on one host do: the reader copies from the holder's memory, as ucp_get does here.
  measure(io, {"pull", "posix,self", {"ucp_get", "ucp_am_bw", "tag_bw"},
               "ucx_perftest over posix, best of ucp_get, ucp_am_bw, tag_bw", config});
  std::vector<const char*> messages = {"ucp_am_bw", "tag_bw"};
  config.arguments.push_back("--no-map");
  measure(io, {"pull_sent", "posix,self", messages,
               "ucx_perftest over posix, best of ucp_am_bw, tag_bw", config});
  config.interfaces = {"lo"};
  config.arguments.push_back("--on-host=none");
  measure(io, {"pull_tcp", "tcp", messages, "ucx_perftest over tcp, best of ucp_am_bw, tag_bw",
               config});
}
