// The trace of driver calls and device work, read back as a reader would.

#include "gpu/emulator/emulator_fixture_test.h"

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>

namespace alnilam::gpu {
namespace {

using nlohmann::json;

struct TraceFile {
  explicit TraceFile(const char* name)
      : path(testing::TempDir() + name + std::to_string(getpid()) + ".json") {
    std::filesystem::remove(path);
  }
  ~TraceFile() { std::filesystem::remove(path); }

  std::vector<json> read(const std::string& category) const {
    std::ifstream file(path);
    std::string line;
    EXPECT_TRUE(std::getline(file, line));
    EXPECT_EQ(line, "[");
    std::vector<json> events;
    while (std::getline(file, line)) {
      EXPECT_EQ(line.back(), ',');
      line.pop_back();
      json event = json::parse(line);
      if (event.value("cat", "") == category) events.push_back(event);
    }
    return events;
  }

  const std::string path;
};

// A copy in, a kernel and a copy out on a stream of its own, of 16 MiB each way.
struct Chain {
  static constexpr int kCount = 4 << 20;
  Chain(const Emulated& gpu, CUfunction kernel)
      : host(allocateHost(gpu.driver(), kCount * 4).value()),
        stream(createStream(gpu.driver()).value()),
        function(kernel) {
    EXPECT_EQ(gpu.driver().memAlloc(&at, kCount * 4), CUDA_SUCCESS);
  }
  void enqueueAll(const Driver& driver) const {
    CUstream raw = stream.get();
    EXPECT_EQ(driver.memcpyHtoDAsync(at, host.get(), kCount * 4, raw), CUDA_SUCCESS);
    EXPECT_EQ(enqueue(driver, function, {kCount / 256, 1, 256}, raw, 1.0f, at, at, kCount),
              CUDA_SUCCESS);
    EXPECT_EQ(driver.memcpyDtoHAsync(host.get(), at, kCount * 4, raw), CUDA_SUCCESS);
  }

  HostMemory host;
  Stream stream;
  CUfunction function;
  CUdeviceptr at = 0;
};

std::int64_t begins(const json& event) { return event["args"]["beginNs"]; }
std::int64_t ends(const json& event) { return event["args"]["endNs"]; }

TEST(EmulatedTrace, EveryCallAndAllDeviceWorkIsALineAndTheyName) {
  TraceFile file("calls");
  {
    Emulated gpu("1x1GiB;trace=" + file.path);
    Module module = gpu.loadFile("linear.ptx");
    Chain chain(gpu, gpu.find(module, "saxpy"));
    chain.enqueueAll(gpu.driver());
    auto note = [](void*) {};
    ASSERT_EQ(gpu.driver().launchHostFunc(chain.stream.get(), note, nullptr), CUDA_SUCCESS);
    ASSERT_EQ(gpu.driver().streamSynchronize(chain.stream.get()), CUDA_SUCCESS);
    unsigned long long id = 0;
    ASSERT_EQ(gpu.driver().streamGetId(chain.stream.get(), &id), CUDA_SUCCESS);
    EXPECT_EQ(gpu.driver().memFree(12345), CUDA_ERROR_INVALID_VALUE);

    auto calls = file.read("call"), work = file.read("device");
    std::map<std::uint64_t, json> byNumber;
    std::vector<std::string> names;
    for (const json& call : calls) {
      EXPECT_TRUE(byNumber.emplace(call["args"]["call"], call).second) << "numbers are unique";
      names.push_back(call["name"]);
      EXPECT_EQ(call["pid"], getpid());
    }
    EXPECT_THAT(names, testing::IsSupersetOf({"cuMemAlloc_v2", "cuStreamCreateWithPriority",
                                              "cuModuleLoadDataEx", "cuStreamGetId"}));
    EXPECT_EQ(calls.back()["name"], "cuMemFree_v2");
    EXPECT_EQ(calls.back()["args"]["result"], "CUDA_ERROR_INVALID_VALUE");

    struct Row {
      const char *kind, *name, *engine, *call;
      int bytes;
    };
    const Row kRows[] = {{"copyHtoD", "copyHtoD", "copyHtoD", "cuMemcpyHtoDAsync_v2", 16 << 20},
                         {"kernel", "saxpy", "compute", "cuLaunchKernel", 0},
                         {"copyDtoH", "copyDtoH", "copyDtoH", "cuMemcpyDtoHAsync_v2", 16 << 20},
                         {"hostFunction", "hostFunction", "host", "cuLaunchHostFunc", 0}};
    ASSERT_EQ(work.size(), 4u);
    std::int64_t now = 0;
    for (std::size_t i = 0; i < work.size(); ++i) {
      const json& args = work[i]["args"];
      SCOPED_TRACE(args.dump());
      EXPECT_EQ(args["kind"], kRows[i].kind);
      EXPECT_EQ(work[i]["name"], kRows[i].name);
      EXPECT_EQ(args["engine"], kRows[i].engine);
      EXPECT_EQ(args["bytes"], kRows[i].bytes);
      EXPECT_EQ(args["stream"], id);
      EXPECT_EQ(args["device"], 0);
      EXPECT_EQ(byNumber[args["call"]]["name"], kRows[i].call);
      EXPECT_EQ(byNumber[args["call"]]["args"]["stream"], id);
      EXPECT_GE(begins(work[i]), now) << "a stream's work follows itself";
      now = ends(work[i]);
    }
    EXPECT_EQ(ends(work[0]) - begins(work[0]), 1'000 + (16 << 20) / 25);
  }
}

TEST(EmulatedTrace, TwoChainsOverlapAndOneEngineDoesOneCopyAtATime) {
  TraceFile file("chains");
  Emulated gpu("1xT4:1GiB;trace=" + file.path);
  Module module = gpu.loadFile("linear.ptx");
  Chain chains[] = {{gpu, gpu.find(module, "saxpy")}, {gpu, gpu.find(module, "saxpy")}};
  for (Chain& chain : chains) chain.enqueueAll(gpu.driver());
  ASSERT_EQ(gpu.driver().ctxSynchronize(), CUDA_SUCCESS);
  auto work = file.read("device");
  ASSERT_EQ(work.size(), 6u);
  std::int64_t overlapping = 0, last = 0, busy = 0;
  for (const json& one : work) {
    last = std::max(last, ends(one));
    busy += ends(one) - begins(one);
    for (const json& other : work) {
      if (one["args"]["stream"] >= other["args"]["stream"]) continue;
      std::int64_t both = std::min(ends(one), ends(other)) - std::max(begins(one), begins(other));
      if (both <= 0) continue;
      overlapping += both;
      EXPECT_NE(one["args"]["engine"], other["args"]["engine"]);
    }
  }
  EXPECT_GT(overlapping, 0);
  EXPECT_EQ(last, busy - overlapping) << "nothing else makes it shorter, and nothing idles";
}

TEST(EmulatedTrace, WhatTheHostWaitedForComesBeforeWhatItEnqueuesThen) {
  TraceFile file("host");
  Emulated gpu("1x1GiB;trace=" + file.path);
  const Driver& driver = gpu.driver();
  auto first = createStream(driver), second = createStream(driver);
  CUdeviceptr at = 0;
  ASSERT_EQ(driver.memAlloc(&at, 1 << 20), CUDA_SUCCESS);
  driver.memsetD8Async(at, 1, 1 << 20, first.value().get());
  ASSERT_EQ(driver.streamSynchronize(first.value().get()), CUDA_SUCCESS);
  driver.memsetD8Async(at, 2, 1 << 20, second.value().get());
  ASSERT_EQ(driver.streamSynchronize(second.value().get()), CUDA_SUCCESS);
  auto work = file.read("device");
  ASSERT_EQ(work.size(), 2u);
  EXPECT_GE(begins(work[1]), ends(work[0]));
}

TEST(EmulatedTrace, WhatAStreamWaitedForComesBeforeThoughItWasOverByThen) {
  TraceFile file("past");
  Emulated gpu("1x1GiB;trace=" + file.path);
  const Driver& driver = gpu.driver();
  auto first = createStream(driver), second = createStream(driver);
  auto event = createEvent(driver);
  CUdeviceptr at = 0, other = 0;
  ASSERT_EQ(driver.memAlloc(&at, 1 << 20), CUDA_SUCCESS);
  ASSERT_EQ(driver.memAlloc(&other, 1 << 10), CUDA_SUCCESS);
  constexpr std::size_t kRounds = 100;  // in some of them the thread is done before the host waits
  for (std::size_t i = 0; i < kRounds; ++i) {
    driver.memsetD8Async(at, 1, 1 << 20, first.value().get());
    driver.eventRecord(event.value().get(), first.value().get());
    for (std::size_t pause = 0; pause < i * 500; ++pause) std::atomic_signal_fence({});
    driver.streamWaitEvent(second.value().get(), event.value().get(), 0);
    driver.memsetD8Async(other, 2, 1 << 10, second.value().get());
  }
  ASSERT_EQ(driver.ctxSynchronize(), CUDA_SUCCESS);
  std::map<std::uint64_t, std::vector<json>> streams;
  for (const json& one : file.read("device")) streams[one["args"]["stream"]].push_back(one);
  ASSERT_EQ(streams.size(), 2u);
  const auto &makers = streams.begin()->second, &takers = streams.rbegin()->second;
  ASSERT_EQ(makers.size(), kRounds);
  ASSERT_EQ(takers.size(), kRounds);
  for (std::size_t i = 0; i < kRounds; ++i) EXPECT_GE(begins(takers[i]), ends(makers[i])) << i;
}

TEST(EmulatedTrace, TheEnvironmentMayAskForOne) {
  TraceFile file("environment");
  setenv("ALNILAM_EMULATED_TRACE", file.path.c_str(), 1);
  {
    Emulated gpu("1x16MiB");
    EXPECT_EQ(gpu.driver().ctxSynchronize(), CUDA_SUCCESS);
  }
  unsetenv("ALNILAM_EMULATED_TRACE");
  auto calls = file.read("call");
  EXPECT_THAT(calls, testing::Contains(testing::Truly(
                         [](const json& call) { return call["name"] == "cuCtxSynchronize"; })));
}

}  // namespace
}  // namespace alnilam::gpu
