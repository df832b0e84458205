// Work on different streams that touches the same bytes: what is a race, and what isn't one.

#include "gpu/emulator/emulator_fixture_test.h"

#include <gmock/gmock.h>

#include <dlfcn.h>

#include <atomic>
#include <functional>
#include <thread>

namespace alnilam::gpu {
namespace {

using testing::HasSubstr;

std::uint64_t racesCounted() {
  auto count = reinterpret_cast<std::uint64_t (*)()>(
      dlsym(dlopen(ALNILAM_EMULATOR, RTLD_NOW), "alnilamEmulatedRaces"));
  return count();
}

// Two streams and an array of 1024 floats on a device that fails at races.
struct Bench {
  explicit Bench(const std::string& config = "1x64MiB;race=on")
      : gpu(config),
        driver(gpu.driver()),
        module(gpu.loadFile("linear.ptx")),
        control(gpu.loadFile("control.ptx")),
        first(createStream(driver).value()),
        second(createStream(driver).value()),
        event(createEvent(driver).value()),
        array(gpu.upload(std::vector<float>(1024))) {}

  // On a stream: writes the array, or reads it (and writes `to`).
  void write(CUstream on, std::size_t from = 0, std::size_t count = 1024) {
    EXPECT_EQ(driver.memsetD32Async(array + from * 4, 1, count, on), CUDA_SUCCESS);
  }
  void read(CUstream on, CUdeviceptr to = 0) {
    if (to == 0) to = gpu.upload(std::vector<float>(1024));
    EXPECT_EQ(enqueue(driver, gpu.find(module, "saxpy"), {8, 1, 128}, on, 2.0f, array, to, 1024),
              CUDA_SUCCESS);
  }
  void order(CUstream before, CUstream after) {
    EXPECT_EQ(driver.eventRecord(event.get(), before), CUDA_SUCCESS);
    EXPECT_EQ(driver.streamWaitEvent(after, event.get(), 0), CUDA_SUCCESS);
  }
  CUresult end() { return driver.ctxSynchronize(); }

  Emulated gpu;
  const Driver& driver;
  Module module, control;
  Stream first, second;
  Event event;
  CUdeviceptr array;
};

struct Row {
  const char* name;
  bool races;
  std::function<void(Bench&)> work;
};

const Row kRows[] = {
    {"a write and a read of two streams", true,
     [](Bench& b) {
       CUdeviceptr to = b.gpu.upload(std::vector<float>(1024));
       b.write(b.first.get());
       b.read(b.second.get(), to);
     }},
    {"a read and a later write of two streams", true,
     [](Bench& b) {
       b.read(b.first.get());
       b.write(b.second.get());
     }},
    {"two writes", true,
     [](Bench& b) {
       b.write(b.first.get());
       b.write(b.second.get());
     }},
    {"writes that have one element in common", true,
     [](Bench& b) {
       b.write(b.first.get(), 0, 513);
       b.write(b.second.get(), 512, 512);
     }},
    {"an event that is recorded too early", true,
     [](Bench& b) {
       b.order(b.first.get(), b.second.get());
       b.write(b.first.get());
       b.write(b.second.get());
     }},
    {"an order of the wrong direction", true,
     [](Bench& b) {
       b.write(b.first.get());
       b.order(b.second.get(), b.first.get());
       b.write(b.second.get());
     }},
    {"a copy to the host without a wait", true,
     [](Bench& b) {
       auto pinned = allocateHost(b.driver, 4096).value();
       b.write(b.first.get());
       b.driver.memcpyDtoHAsync(pinned.get(), b.array, 4096, b.second.get());
       b.end();
     }},
    {"two copies into the same pinned memory", true,
     [](Bench& b) {
       auto pinned = allocateHost(b.driver, 4096).value();
       b.driver.memcpyDtoHAsync(pinned.get(), b.array, 4096, b.first.get());
       b.driver.memcpyDtoHAsync(pinned.get(), b.array, 4096, b.second.get());
       b.end();
     }},
    {"a copy from pageable memory, which returns before it has arrived", true,
     [](Bench& b) {
       std::vector<float> host(1024);
       CUdeviceptr to = b.gpu.upload(host);
       b.driver.memcpyHtoDAsync(b.array, host.data(), 4096, b.first.get());
       b.read(b.second.get(), to);
     }},
    {"atomic changes beside a plain write", true,
     [](Bench& b) {
       CUdeviceptr bins = b.gpu.upload(std::vector<unsigned>(256));
       b.driver.memsetD32Async(bins, 0, 256, b.second.get());
       enqueue(b.driver, b.gpu.find(b.module, "histogram"), {2, 1, 128}, b.first.get(), b.array,
               bins, 4096);
     }},
    {"the default stream and one that doesn't wait for it", true,
     [](Bench& b) {
       b.write(nullptr);
       b.write(b.first.get());
     }},
    {"an allocation in one stream, used in another", true,
     [](Bench& b) {
       CUdeviceptr fresh = 0;
       EXPECT_EQ(b.driver.memAllocAsync(&fresh, 4096, b.first.get()), CUDA_SUCCESS);
       b.driver.memsetD8Async(fresh, 0, 4096, b.second.get());
     }},

    {"the same stream", false,
     [](Bench& b) {
       b.write(b.first.get());
       b.read(b.first.get());
       b.write(b.first.get());
     }},
    {"an event between them", false,
     [](Bench& b) {
       b.write(b.first.get());
       b.order(b.first.get(), b.second.get());
       b.read(b.second.get());
     }},
    {"events over a third stream", false,
     [](Bench& b) {
       auto third = createStream(b.driver).value();
       b.write(b.first.get());
       b.order(b.first.get(), third.get());
       b.order(third.get(), b.second.get());
       b.write(b.second.get());
     }},
    {"a wait of the host for the stream", false,
     [](Bench& b) {
       b.write(b.first.get());
       b.driver.streamSynchronize(b.first.get());
       b.read(b.second.get());
     }},
    {"a wait of the host for the context", false,
     [](Bench& b) {
       b.write(b.first.get());
       b.driver.ctxSynchronize();
       b.write(b.second.get());
     }},
    {"a wait of another thread for an event", false,
     [](Bench& b) {
       b.write(b.first.get());
       b.driver.eventRecord(b.event.get(), b.first.get());
       std::thread([&] { EXPECT_EQ(b.driver.eventSynchronize(b.event.get()), CUDA_SUCCESS); })
           .join();
       b.write(b.second.get());
     }},
    {"a query that finds the event past", false,
     [](Bench& b) {
       b.write(b.first.get());
       b.driver.eventRecord(b.event.get(), b.first.get());
       while (b.driver.eventQuery(b.event.get()) == CUDA_ERROR_NOT_READY) std::this_thread::yield();
       b.write(b.second.get());
     }},
    {"a query that finds the stream idle", false,
     [](Bench& b) {
       b.write(b.first.get());
       while (b.driver.streamQuery(b.first.get()) == CUDA_ERROR_NOT_READY) {
         std::this_thread::yield();
       }
       b.write(b.second.get());
     }},
    {"a host function that tells", false,
     [](Bench& b) {
       std::atomic<bool> told{false};
       b.write(b.first.get());
       b.driver.launchHostFunc(
           b.first.get(), [](void* flag) { *static_cast<std::atomic<bool>*>(flag) = true; }, &told);
       while (!told) std::this_thread::yield();
       b.write(b.second.get());
     }},
    {"two reads", false,
     [](Bench& b) {
       CUdeviceptr to = b.gpu.upload(std::vector<float>(1024));
       b.read(b.first.get());
       b.read(b.second.get(), to);
     }},
    {"writes of neighbours", false,
     [](Bench& b) {
       for (long long i = 0; i < 64; ++i) {
         enqueue(b.driver, b.gpu.find(b.control, "outOfBounds"), {1, 1, 1},
                 i % 2 ? b.first.get() : b.second.get(), b.array, i);
       }
     }},
    {"atomic changes by both", false,
     [](Bench& b) {
       CUdeviceptr bins = b.gpu.upload(std::vector<unsigned>(256));
       for (CUstream stream : {b.first.get(), b.second.get()}) {
         enqueue(b.driver, b.gpu.find(b.module, "histogram"), {2, 1, 128}, stream, b.array, bins,
                 4096);
       }
     }},
    {"the default stream and one that waits for it", false,
     [](Bench& b) {
       CUstream blocking = nullptr;
       b.driver.streamCreate(&blocking, CU_STREAM_DEFAULT);
       b.write(nullptr);
       b.write(blocking);
       b.write(nullptr);
     }},
    {"a copy that returns when it's done", false,
     [](Bench& b) {
       std::vector<float> host(1024);
       b.driver.memcpyHtoD(b.array, host.data(), 4096);
       b.read(b.first.get());
       b.driver.streamSynchronize(b.first.get());
       b.driver.memcpyDtoH(host.data(), b.array, 4096);
     }},
    {"an allocation used in another stream behind it, given back behind that", false,
     [](Bench& b) {
       CUdeviceptr fresh = 0;
       EXPECT_EQ(b.driver.memAllocAsync(&fresh, 4096, b.first.get()), CUDA_SUCCESS);
       b.order(b.first.get(), b.second.get());
       b.driver.memsetD8Async(fresh, 0, 4096, b.second.get());
       b.order(b.second.get(), b.first.get());
       b.driver.memFreeAsync(fresh, b.first.get());
     }},
    {"memory of a pool that goes from stream to stream", false,
     [](Bench& b) {
       for (int i = 0; i < 100; ++i) {
         CUstream stream = i % 2 ? b.first.get() : b.second.get();
         CUdeviceptr fresh = 0;
         EXPECT_EQ(b.driver.memAllocAsync(&fresh, 1 << 20, stream), CUDA_SUCCESS);
         b.driver.memsetD8Async(fresh, 0, 1 << 20, stream);
         b.driver.memFreeAsync(fresh, stream);
       }
     }},
    {"memory that was freed and is another's now", false,
     [](Bench& b) {
       CUdeviceptr fresh = 0, again = 0;
       b.driver.memAlloc(&fresh, 4096);
       b.driver.memsetD8Async(fresh, 0, 4096, b.first.get());
       b.driver.memFree(fresh);
       b.driver.memAlloc(&again, 4096);
       EXPECT_EQ(again, fresh);
       b.driver.memsetD8Async(again, 0, 4096, b.second.get());
     }},
};

TEST(EmulatedRace, WhatNothingOrdersIsFoundAndNothingElse) {
  for (const Row& row : kRows) {
    SCOPED_TRACE(row.name);
    Bench bench;
    std::uint64_t before = racesCounted();
    row.work(bench);
    EXPECT_EQ(bench.end(), row.races ? CUDA_ERROR_LAUNCH_FAILED : CUDA_SUCCESS);
    EXPECT_EQ(racesCounted() > before, row.races);
  }
}

// Whichever comes first: the memory is gone already, or it goes while somebody uses it.
TEST(EmulatedRace, MemoryGivenBackInOneStreamWhileAnotherUsesItIsFoundEitherWay) {
  for (bool useFirst : {true, false}) {
    Bench b;
    CUdeviceptr fresh = 0;
    ASSERT_EQ(b.driver.memAllocAsync(&fresh, 4096, b.first.get()), CUDA_SUCCESS);
    b.order(b.first.get(), b.second.get());
    auto use = [&] { b.driver.memsetD8Async(fresh, 0, 4096, b.second.get()); };
    if (useFirst) use();
    b.driver.memFreeAsync(fresh, b.first.get());
    if (!useFirst) use();
    // If the host saw that it was freed before it enqueued the use, the call was refused.
    EXPECT_THAT(b.end(), testing::AnyOf(CUDA_ERROR_ILLEGAL_ADDRESS, CUDA_ERROR_LAUNCH_FAILED,
                                        useFirst ? CUDA_ERROR_LAUNCH_FAILED : CUDA_SUCCESS));
    // Both may be found in the end, in either order; the last is what was said.
    EXPECT_THAT(b.gpu.said(), testing::AnyOf(HasSubstr("which was freed"),
                                             HasSubstr("the end of an allocation on stream")));
  }
}

TEST(EmulatedRace, IsToldWithBothStreamsTheBytesAndTheAllocation) {
  Bench bench;
  unsigned long long first = 0, second = 0;
  bench.driver.streamGetId(bench.first.get(), &first);
  bench.driver.streamGetId(bench.second.get(), &second);
  CUdeviceptr to = bench.gpu.upload(std::vector<float>(1024));
  bench.write(bench.first.get(), 100, 8);
  bench.read(bench.second.get(), to);
  EXPECT_EQ(bench.end(), CUDA_ERROR_LAUNCH_FAILED);
  std::string said = bench.gpu.said();
  EXPECT_THAT(said, HasSubstr("a memset on stream " + std::to_string(first) + " writes"));
  EXPECT_THAT(said, HasSubstr("kernel saxpy on stream " + std::to_string(second) + " reads"));
  char place[96];
  std::snprintf(place, sizeof place,
                "the 32 bytes at 0x%llx, in the allocation of device 0 at 0x%llx",
                bench.array + 400, bench.array);
  EXPECT_THAT(said, HasSubstr(place));
  EXPECT_THAT(said, HasSubstr("of 4096 bytes, and nothing orders them"));
}

TEST(EmulatedRace, MayBeCountedOnlyAndIsNotLookedForWhereNobodyAsks) {
  {
    Bench counted("1x64MiB;race=count");
    for (int i = 0; i < 3; ++i) {
      counted.write(counted.first.get());
      counted.write(counted.second.get());
      EXPECT_EQ(counted.end(), CUDA_SUCCESS);
    }
    EXPECT_EQ(racesCounted(), 3u);
  }
  Bench unasked("1x64MiB");
  unasked.write(unasked.first.get());
  unasked.write(unasked.second.get());
  EXPECT_EQ(unasked.end(), CUDA_SUCCESS);
  EXPECT_EQ(racesCounted(), 0u);
}

TEST(EmulatedRace, TheEnvironmentMayAskForIt) {
  setenv("ALNILAM_EMULATED_RACE", "sometimes", 1);
  auto refused = loadEmulator(ALNILAM_EMULATOR, "1x32MiB");
  setenv("ALNILAM_EMULATED_RACE", "on", 1);
  Bench bench("1x48MiB");
  unsetenv("ALNILAM_EMULATED_RACE");
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().why, HasSubstr("not 'sometimes'"));
  bench.write(bench.first.get());
  bench.write(bench.second.get());
  EXPECT_EQ(bench.end(), CUDA_ERROR_LAUNCH_FAILED);
}

}  // namespace
}  // namespace alnilam::gpu
