// Task functions with device arrays, called as a worker calls them: by their thunks, from bytes to
// bytes, with the wait between the function's return and the use of its result.

#include "gpu/device/task_codecs.h"

#include "gpu/device/device_fixture_test.h"
#include "gpu/device/fake_driver.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <optional>
#include <stdexcept>

namespace alnilam::gpu {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const Kernel<void(const float*, float*, std::size_t, float)> kScale{"fake", "scale"};

Array<float> scale(Context& gpu, View<const float> in, float factor) {
  auto out = gpu.allocate<float>(in.size());
  gpu.launch(kScale, {blocksFor(in.size(), 64)}, {64}, 0, in, out, in.size(), factor);
  return out;
}

std::vector<float> scaleToHost(Context& gpu, View<const float> in, float factor) {
  auto out = scale(gpu, in, factor);
  std::vector<float> host(out.size());
  gpu.copyToHost(out, host);
  gpu.synchronize();
  return host;
}

// Several inputs become one array, on the second of the task's devices.
Array<float> join(Context& gpu, std::vector<View<const float>> parts) {
  std::vector<float> all;
  for (auto part : parts) {
    std::vector<float> host(part.size());
    gpu.copyToHost(part, host);
    gpu.synchronize();
    all.insert(all.end(), host.begin(), host.end());
  }
  return gpu.on(gpu.deviceCount() - 1).copyToDevice(all);
}

float sumOf(alnilam::View<const float> in) {
  float sum = 0;
  for (float x : in) sum += x;
  return sum;
}

Array<float> failLate(Context& gpu, View<const float> in) {
  auto out = scale(gpu, in, 2);
  float local[1];
  gpu.copyToHost(out.view().part(0, 1), local);
  throw std::runtime_error("changed my mind");
}

ALNILAM_TASK(scale);
ALNILAM_TASK(scaleToHost);
ALNILAM_TASK(join);
ALNILAM_TASK(sumOf);
ALNILAM_TASK(failLate);

class HeapSink final : public ResultSink {
 public:
  std::span<std::byte> room(Bytes size) override {
    bytes.assign(size / sizeof(std::max_align_t) + 1, {});
    result = {reinterpret_cast<std::byte*>(bytes.data()), static_cast<std::size_t>(size)};
    return result;
  }
  std::vector<std::max_align_t> bytes;
  std::span<std::byte> result;
};

using Object = std::vector<std::byte>;

template <typename T>
Object objectOf(const T& value) {
  Object object(encodedSize(value));
  encode(value, object);
  return object;
}

// Arguments: the first is input 0 (or a run of `many` inputs), the second, if any, a float.
Object argumentsOf(std::uint32_t many, std::optional<float> second) {
  Object bytes;
  auto add = [&](const auto& value) {
    const auto* from = reinterpret_cast<const std::byte*>(&value);
    bytes.insert(bytes.end(), from, from + sizeof value);
  };
  add(std::uint8_t{many > 0 ? std::uint8_t{2} : std::uint8_t{1}});
  if (many > 0) add(many);
  add(std::uint32_t{0});
  if (second) {
    add(std::uint8_t{0});
    add(std::uint32_t{sizeof(float)});
    while (bytes.size() % 8 != 0) bytes.push_back(std::byte{0});
    add(*second);
  }
  return bytes;
}

class TaskCodecsTest : public testing::Test {
 protected:
  TaskCodecsTest() {
    fake::World world;
    world.devices = 2;
    world.kernels["scale"] = [](void** parameters) {
      auto* in = *static_cast<const float**>(parameters[0]);
      auto* out = *static_cast<float**>(parameters[1]);
      auto count = *static_cast<std::size_t*>(parameters[2]);
      auto factor = *static_cast<float*>(parameters[3]);
      return [in, out, count, factor] {
        for (std::size_t i = 0; i < count; ++i) out[i] = in[i] * factor;
        return CUDA_SUCCESS;
      };
    };
    fake::reset(std::move(world));
    auto loaded = std::make_unique<Loaded>();
    loaded->driver = fake::driver();
    std::vector<OfferedGpu> offered(2);
    offered[1].ordinal = 1;
    host_ = std::make_unique<GpuHost>(std::move(loaded), std::move(offered), "");
  }
  ~TaskCodecsTest() override {
    host_.reset();
    EXPECT_EQ(fake::world().used, 0u);
  }

  // Runs as core/engine does: thunk, finish, and only then the result.
  Object run(const char* function, const Object& arguments, std::vector<Object> objects,
             std::vector<DeviceGrant> devices = {{0, Amount::whole(1), 0}}) {
    std::vector<std::span<const std::byte>> inputs(objects.begin(), objects.end());
    SlotGrant grant;
    grant.devices = std::move(devices);
    TestSlot slot(host_->open(grant), fake::advance);
    HeapSink sink;
    TaskCall call{arguments, inputs, &slot.begin(), &sink};
    try {
      findTask(std::string_view(function))->thunk(call);
    } catch (...) {
      slot.finish();
      throw;
    }
    slot.finish();
    return {sink.result.begin(), sink.result.end()};
  }

  std::unique_ptr<GpuHost> host_;
};

using Floats = std::vector<float>;

TEST_F(TaskCodecsTest, AnArrayResultIsTheVectorThatAHostFunctionWouldReturn) {
  Object onDevice = run("scale", argumentsOf(0, 3.f), {objectOf(Floats{1, 2, 4})});
  Object onHost = run("scaleToHost", argumentsOf(0, 3.f), {objectOf(Floats{1, 2, 4})});
  EXPECT_EQ(decode<Floats>(onDevice), (Floats{3, 6, 12}));
  EXPECT_EQ(onDevice, onHost);
}

TEST_F(TaskCodecsTest, ADeviceResultIsAnInputOfHostAndDeviceFunctionsAlike) {
  Object first = run("scale", argumentsOf(0, 2.f), {objectOf(Floats(1000, 1.5f))});
  Object second = run("scale", argumentsOf(0, 2.f), {first});
  std::vector<std::span<const std::byte>> inputs{second};
  Object arguments = argumentsOf(0, std::nullopt);
  HeapSink sink;
  TaskCall call{arguments, inputs, nullptr, &sink};
  findTask(std::string_view("sumOf"))->thunk(call);
  EXPECT_EQ(decode<float>(sink.result), 6000.f);
}

TEST_F(TaskCodecsTest, EmptyArraysTakeNoDeviceMemory) {
  Object got = run("join", argumentsOf(1, std::nullopt), {objectOf(Floats{})});
  EXPECT_EQ(decode<Floats>(got), Floats{});
}

TEST_F(TaskCodecsTest, ARunOfInputsAndAResultOfAnotherDevice) {
  Object got = run("join", argumentsOf(2, std::nullopt),
                   {objectOf(Floats{1, 2}), objectOf(Floats{3})},
                   {{0, Amount::whole(1), 0}, {1, Amount::whole(1), 0}});
  EXPECT_THAT(decode<Floats>(got), ElementsAre(1, 2, 3));
}

TEST_F(TaskCodecsTest, InputsCountAgainstTheBound) {
  try {
    run("scale", argumentsOf(0, 1.f), {objectOf(Floats(100))}, {{0, Amount::whole(1), 500}});
    FAIL() << "400 bytes of input and 400 of output fit into 500";
  } catch (const OutOfDeviceMemory& error) {
    EXPECT_THAT(error.what(), HasSubstr("the task's bound is 500B, of which 400B is used"));
  }
}

TEST_F(TaskCodecsTest, BytesThatAreNoArrayAreRefused) {
  Object odd = objectOf(Floats{1, 2, 3});
  odd.pop_back();
  EXPECT_THROW(run("scale", argumentsOf(0, 1.f), {odd}), BadArgumentsError);
}

TEST_F(TaskCodecsTest, AFunctionThatThrowsLeavesNoCopyBehindThatWritesToItsFrame) {
  EXPECT_THROW(run("failLate", argumentsOf(0, std::nullopt), {objectOf(Floats{1})}),
               std::runtime_error);
}

TEST_F(TaskCodecsTest, WithoutADeviceTheFunctionIsRefused) {
  Object arguments = argumentsOf(0, 1.f);
  Object object = objectOf(Floats{1});
  std::vector<std::span<const std::byte>> inputs{object};
  HeapSink sink;
  TaskCall call{arguments, inputs, nullptr, &sink};
  EXPECT_THROW(findTask(std::string_view("scale"))->thunk(call), DeviceError);
}

}  // namespace
}  // namespace alnilam::gpu
