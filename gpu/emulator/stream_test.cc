// Streams, events and host functions of the emulated driver.

#include "gpu/emulator/emulator_fixture_test.h"

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

namespace alnilam::gpu {
namespace {

// A gate that a host function waits at until the test opens it.
struct Gate {
  std::mutex mutex;
  std::condition_variable opened;
  bool open = false;

  static void wait(void* gate) {
    auto* the = static_cast<Gate*>(gate);
    std::unique_lock lock(the->mutex);
    the->opened.wait(lock, [the] { return the->open; });
  }
  void release() {
    std::lock_guard lock(mutex);
    open = true;
    opened.notify_all();
  }
};

TEST(EmulatedStream, WorkIsDoneInOrderAndCompletionIsSeen) {
  Emulated gpu;
  const Driver& driver = gpu.driver();
  auto stream = createStream(driver);
  CUstream raw = stream.value().get();
  std::vector<int> order;
  struct Note {
    std::vector<int>* order;
    int number;
  };
  std::vector<Note> notes;
  for (int i = 0; i < 100; ++i) notes.push_back({&order, i});
  EXPECT_EQ(driver.streamQuery(raw), CUDA_SUCCESS) << "nothing to do yet";
  Gate gate;
  ASSERT_EQ(driver.launchHostFunc(raw, Gate::wait, &gate), CUDA_SUCCESS);
  for (Note& note : notes) {
    ASSERT_EQ(driver.launchHostFunc(
                  raw,
                  [](void* data) {
                    auto* the = static_cast<Note*>(data);
                    the->order->push_back(the->number);
                  },
                  &note),
              CUDA_SUCCESS);
  }
  EXPECT_EQ(driver.streamQuery(raw), CUDA_ERROR_NOT_READY);
  gate.release();
  ASSERT_EQ(driver.streamSynchronize(raw), CUDA_SUCCESS);
  ASSERT_EQ(order.size(), 100u);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(order[static_cast<std::size_t>(i)], i);
}

TEST(EmulatedStream, AStreamWaitsForAnEventOfAnother) {
  Emulated gpu;
  const Driver& driver = gpu.driver();
  auto first = createStream(driver), second = createStream(driver);
  auto event = createEvent(driver);
  CUdeviceptr at = gpu.upload(std::vector<unsigned>(256));
  Gate gate;
  ASSERT_EQ(driver.launchHostFunc(first.value().get(), Gate::wait, &gate), CUDA_SUCCESS);
  ASSERT_EQ(driver.memsetD32Async(at, 7, 256, first.value().get()), CUDA_SUCCESS);
  ASSERT_EQ(driver.eventRecord(event.value().get(), first.value().get()), CUDA_SUCCESS);
  ASSERT_EQ(driver.streamWaitEvent(second.value().get(), event.value().get(), 0), CUDA_SUCCESS);
  auto pinned = allocateHost(driver, 1024);
  auto* host = static_cast<unsigned*>(pinned.value().get());
  ASSERT_EQ(driver.memcpyDtoHAsync(host, at, 1024, second.value().get()), CUDA_SUCCESS);
  EXPECT_EQ(driver.eventQuery(event.value().get()), CUDA_ERROR_NOT_READY);
  EXPECT_EQ(driver.streamQuery(second.value().get()), CUDA_ERROR_NOT_READY);
  gate.release();
  ASSERT_EQ(driver.streamSynchronize(second.value().get()), CUDA_SUCCESS);
  EXPECT_EQ(driver.eventQuery(event.value().get()), CUDA_SUCCESS);
  EXPECT_EQ(host[255], 7u);
}

TEST(EmulatedStream, WhatAnEventOrdersIsNeverSeenHalfDone) {
  Emulated gpu;
  const Driver& driver = gpu.driver();
  auto writer = createStream(driver), reader = createStream(driver);
  auto written = createEvent(driver), read = createEvent(driver);
  constexpr std::size_t kWords = 1u << 20;
  CUdeviceptr at = gpu.upload(std::vector<unsigned>(kWords));
  auto pinned = allocateHost(driver, 4);
  auto* last = static_cast<unsigned*>(pinned.value().get());
  for (unsigned round = 1; round <= 50; ++round) {
    ASSERT_EQ(driver.memsetD32Async(at, round, kWords, writer.value().get()), CUDA_SUCCESS);
    ASSERT_EQ(driver.eventRecord(written.value().get(), writer.value().get()), CUDA_SUCCESS);
    ASSERT_EQ(driver.streamWaitEvent(reader.value().get(), written.value().get(), 0), CUDA_SUCCESS);
    ASSERT_EQ(driver.memcpyDtoHAsync(last, at + (kWords - 1) * 4, 4, reader.value().get()),
              CUDA_SUCCESS);
    ASSERT_EQ(driver.eventRecord(read.value().get(), reader.value().get()), CUDA_SUCCESS);
    ASSERT_EQ(driver.eventSynchronize(read.value().get()), CUDA_SUCCESS);
    ASSERT_EQ(*last, round);
  }
}

TEST(EmulatedStream, TheDefaultStreamWaitsForBlockingStreamsOnly) {
  Emulated gpu;
  const Driver& driver = gpu.driver();
  CUstream blocking = nullptr;
  ASSERT_EQ(driver.streamCreate(&blocking, CU_STREAM_DEFAULT), CUDA_SUCCESS);
  auto free = createStream(driver, CU_STREAM_NON_BLOCKING);
  Gate gate;
  std::atomic<int> seen{0};
  auto note = [](void* data) { ++*static_cast<std::atomic<int>*>(data); };
  ASSERT_EQ(driver.launchHostFunc(blocking, Gate::wait, &gate), CUDA_SUCCESS);
  ASSERT_EQ(driver.launchHostFunc(nullptr, note, &seen), CUDA_SUCCESS);
  ASSERT_EQ(driver.launchHostFunc(free.value().get(), note, &seen), CUDA_SUCCESS);
  ASSERT_EQ(driver.streamSynchronize(free.value().get()), CUDA_SUCCESS);
  EXPECT_EQ(seen.load(), 1) << "the default stream still waits";
  gate.release();
  ASSERT_EQ(driver.ctxSynchronize(), CUDA_SUCCESS);
  EXPECT_EQ(seen.load(), 2);
}

TEST(EmulatedStream, EventsMeasureModelledTime) {
  Emulated gpu;
  const Driver& driver = gpu.driver();
  auto stream = createStream(driver);
  auto start = createEvent(driver, CU_EVENT_DEFAULT), end = createEvent(driver, CU_EVENT_DEFAULT);
  auto pinned = allocateHost(driver, 25'000'000);
  CUdeviceptr at = gpu.upload(std::vector<char>(25'000'000));
  driver.eventRecord(start.value().get(), stream.value().get());
  driver.memcpyHtoDAsync(at, pinned.value().get(), 25'000'000, stream.value().get());
  driver.eventRecord(end.value().get(), stream.value().get());
  ASSERT_EQ(driver.eventSynchronize(end.value().get()), CUDA_SUCCESS);
  float milliseconds = 0;
  ASSERT_EQ(driver.eventElapsedTime(&milliseconds, start.value().get(), end.value().get()),
            CUDA_SUCCESS);
  EXPECT_NEAR(milliseconds, 1.001, 0.001) << "25 MB at 25 GB/s";
}

TEST(EmulatedStream, AThousandStreamsCostLittleUntilTheyAreUsed) {
  Emulated gpu;
  std::vector<Stream> streams;
  for (int i = 0; i < 1000; ++i) streams.push_back(createStream(gpu.driver()).value());
  EXPECT_EQ(gpu.driver().ctxSynchronize(), CUDA_SUCCESS);
}

TEST(EmulatedStream, ManyThreadsLaunchAtOnce) {
  Emulated gpu;
  const Driver& driver = gpu.driver();
  Module module = gpu.loadFile("linear.ptx");
  CUfunction histogram = gpu.find(module, "histogram");
  CUdeviceptr in = gpu.upload(std::vector<unsigned char>(4096, 9));
  CUdeviceptr bins = gpu.upload(std::vector<unsigned>(256));
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      driver.ctxSetCurrent(gpu.context());
      auto stream = createStream(driver);
      for (int i = 0; i < 25; ++i) {
        EXPECT_EQ(enqueue(driver, histogram, {4, 1, 64}, stream.value().get(), in, bins, 4096),
                  CUDA_SUCCESS);
      }
      EXPECT_EQ(driver.streamSynchronize(stream.value().get()), CUDA_SUCCESS);
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(gpu.download<unsigned>(bins, 256)[9], 4u * 25 * 4096);
}

TEST(EmulatedStream, OccupancyAndAttributesOfFunctions) {
  Emulated gpu;
  const Driver& driver = gpu.driver();
  Module module = gpu.loadFile("planar.ptx");
  CUfunction gemm = gpu.find(module, "gemm");
  int value = 0, blocks = 0, block = 0;
  ASSERT_EQ(driver.funcGetAttribute(&value, CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES, gemm),
            CUDA_SUCCESS);
  EXPECT_EQ(value, 2048);
  ASSERT_EQ(driver.occupancyMaxActiveBlocksPerMultiprocessor(&blocks, gemm, 256, 0), CUDA_SUCCESS);
  EXPECT_EQ(blocks, 8);
  ASSERT_EQ(driver.occupancyMaxPotentialBlockSize(&blocks, &block, gemm, nullptr, 0, 0),
            CUDA_SUCCESS);
  EXPECT_GT(block, 0);
  EXPECT_EQ(block % 32, 0);
  ASSERT_NE(driver.funcGetParamInfo, nullptr);
  std::size_t offset = 0, size = 0;
  ASSERT_EQ(driver.funcGetParamInfo(gemm, 3, &offset, &size), CUDA_SUCCESS);
  EXPECT_EQ(offset, 24u);
  EXPECT_EQ(size, 4u);
  EXPECT_EQ(driver.funcGetParamInfo(gemm, 6, &offset, &size), CUDA_ERROR_INVALID_VALUE);
}

}  // namespace
}  // namespace alnilam::gpu
