// Arrays out and in by DLPack: shape, strides, type, device and owner of what is given, and what is
// refused of what comes; on the host, and on an emulated device where there is one.

#include "gpu/device/dlpack.h"

#include "core/api/errors.h"
#include "gpu/device/device_fixture_test.h"

#if __has_include(<dlpack/dlpack.h>)
#include <dlpack/dlpack.h>
#endif

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <complex>
#include <functional>
#include <numeric>

namespace alnilam::dlpack {
namespace {

using testing::HasSubstr;

ManagedTensorVersioned& of(const TensorPtr& tensor) {
  return *reinterpret_cast<ManagedTensorVersioned*>(tensor.get());
}
ManagedTensor& of(const LegacyTensorPtr& tensor) {
  return *reinterpret_cast<ManagedTensor*>(tensor.get());
}

std::string refusal(const std::function<void()>& act) {
  try {
    act();
  } catch (const InvalidError& error) {
    return error.what();
  }
  return "taken";
}

// A tensor of somebody else's: 2 x 3 floats, row-major, read and write.
struct Foreign {
  float elements[6] = {0, 1, 2, 3, 4, 5};
  std::int64_t shape[2] = {2, 3};
  std::int64_t strides[2] = {3, 1};
  int deleted = 0;
  ManagedTensorVersioned managed{kMajor, 0, this, [](::DLManagedTensorVersioned* tensor) {
                                   ++ownerOf(tensor).deleted;
                                 }, 0, {elements, {DeviceType::cpu, 0}, 2, {kFloat, 32, 1}, shape,
                                        strides, 0}};

  static Foreign& ownerOf(::DLManagedTensorVersioned* tensor) {
    return *static_cast<Foreign*>(reinterpret_cast<ManagedTensorVersioned*>(tensor)->owner);
  }
  TensorPtr give() { return TensorPtr(reinterpret_cast<::DLManagedTensorVersioned*>(&managed)); }
};

TEST(DlpackOut, AVectorIsGivenWithItsShapeAndOwnedByTheTensor) {
  std::vector<float> values(12);
  const float* data = values.data();
  TensorPtr tensor = toTensor(std::move(values), {3, 4});
  const ManagedTensorVersioned& managed = of(tensor);
  EXPECT_EQ(managed.major, 1u);
  EXPECT_EQ(managed.flags, 0u);
  EXPECT_EQ(managed.tensor.data, data) << "nothing is copied";
  EXPECT_EQ(managed.tensor.device.type, DeviceType::cpu);
  EXPECT_EQ(managed.tensor.type, (DataType{kFloat, 32, 1}));
  ASSERT_EQ(managed.tensor.dimensions, 2);
  EXPECT_EQ(Shape(managed.tensor.shape, managed.tensor.shape + 2), (Shape{3, 4}));
  EXPECT_EQ(Shape(managed.tensor.strides, managed.tensor.strides + 2), (Shape{4, 1}));
  EXPECT_EQ(managed.tensor.byteOffset, 0u);
}

TEST(DlpackOut, TheOldStructureHasTheSame) {
  LegacyTensorPtr tensor = toLegacyTensor(std::vector<std::int16_t>{1, 2, 3});
  EXPECT_EQ(of(tensor).tensor.type, (DataType{kInt, 16, 1}));
  EXPECT_EQ(of(tensor).tensor.dimensions, 1);
  EXPECT_EQ(of(tensor).tensor.shape[0], 3);
  EXPECT_EQ(static_cast<std::int16_t*>(of(tensor).tensor.data)[2], 3);
}

TEST(DlpackOut, AViewIsReadOnlyAndKeepsWhatItKeeps) {
  std::vector<double> values{1, 2};
  Blob blob = Blob::fill(encodedSize(values), [&](auto room) { encode(values, room); });
  View<const double> view = View<const double>::over(blob);
  blob = {};
  const double* data = view.data();
  TensorPtr tensor = toTensor(view);
  view = {};
  EXPECT_EQ(of(tensor).flags, kReadOnly);
  EXPECT_EQ(of(tensor).tensor.data, data);
  EXPECT_EQ(static_cast<const double*>(of(tensor).tensor.data)[1], 2);
}

TEST(DlpackOut, AShapeOfAnotherSizeIsRefused) {
  for (const Shape& shape : {Shape{2, 2}, Shape{-1, -3}, Shape{INT64_MAX, 4}}) {
    EXPECT_THAT(refusal([&] { toTensor(std::vector<int>(3), shape); }),
                HasSubstr("is not one of 3 elements"));
  }
  EXPECT_EQ(of(toTensor(std::vector<int>(), {0, 5})).tensor.dimensions, 2);
}

TEST(DlpackOut, TypesHaveTheirNames) {
  EXPECT_EQ(dataType<std::uint8_t>, (DataType{kUInt, 8, 1}));
  EXPECT_EQ(dataType<std::int64_t>, (DataType{kInt, 64, 1}));
  EXPECT_EQ(dataType<double>, (DataType{kFloat, 64, 1}));
  EXPECT_EQ(dataType<std::complex<float>>, (DataType{kComplex, 64, 1}));
  EXPECT_EQ(dataType<std::byte>, (DataType{kUInt, 8, 1}));
}

TEST(DlpackIn, AHostTensorIsReadWhereItLiesAndDeletedWithItsLastCopy) {
  Foreign foreign;
  {
    HostTensor<float> taken = fromHost<float>(foreign.give());
    HostTensor<float> copy = taken;
    EXPECT_EQ(taken.elements().data(), foreign.elements);
    EXPECT_EQ(copy.copy(), (std::vector<float>{0, 1, 2, 3, 4, 5}));
    EXPECT_EQ(copy.shape(), (Shape{2, 3}));
    EXPECT_EQ(foreign.deleted, 0);
  }
  EXPECT_EQ(foreign.deleted, 1);
}

TEST(DlpackIn, WhatDoesNotFitIsRefusedByNameAndDeleted) {
  struct Case {
    const char* why;
    std::function<void(ManagedTensorVersioned&)> change;
  };
  static std::int64_t transposed[] = {1, 2}, huge[] = {INT64_MAX, INT64_MAX}, negative[] = {2, -3};
  const Case cases[] = {
      {"elements of int32 and is taken as one of float32", [](auto& m) { m.tensor.type.code = 0; }},
      {"elements of float32 in 4 lanes", [](auto& m) { m.tensor.type.lanes = 4; }},
      {"elements of bool32", [](auto& m) { m.tensor.type.code = kBool; }},
      {"has strides [1, 2]; only contiguous row-major ones are taken, whose strides are [3, 1]",
       [](auto& m) { m.tensor.strides = transposed; }},
      {"lies on CUDA device 1 and is taken as one of the host",
       [](auto& m) { m.tensor.device = {DeviceType::cuda, 1}; }},
      {"has -1 dimensions", [](auto& m) { m.tensor.dimensions = -1; }},
      {"has 65 dimensions", [](auto& m) { m.tensor.dimensions = 65; }},
      {"has no shape", [](auto& m) { m.tensor.shape = nullptr; }},
      {"negative size -3", [](auto& m) { m.tensor.shape = negative; }},
      {"more elements than fit into memory", [](auto& m) { m.tensor.shape = huge; }},
      {"of 6 elements has no data", [](auto& m) { m.tensor.data = nullptr; }},
      {"not a multiple of 4", [](auto& m) { m.tensor.byteOffset = 2; }},
      {"beyond any memory", [](auto& m) { m.tensor.byteOffset = UINT64_MAX; }},
      {"is of version 2.0; 1 is taken", [](auto& m) { m.major = 2; }},
      {"is read-only", [](auto& m) { m.flags = kReadOnly; }},
  };
  for (const Case& one : cases) {
    Foreign foreign;
    one.change(foreign.managed);
    EXPECT_THAT(refusal([&] { fromHost<float>(foreign.give()); }), HasSubstr(one.why));
    EXPECT_EQ(foreign.deleted, 1) << one.why;
  }
  EXPECT_THAT(refusal([] { fromHost<float>(TensorPtr()); }), HasSubstr("there is none"));
}

TEST(DlpackIn, WhatIsUnusualAndFitsIsTaken) {
  static std::int64_t any[] = {77, 1}, row[] = {1, 3}, none[] = {0, 3};
  Foreign readOnly, compact, single, empty, offset;
  readOnly.managed.flags = kReadOnly;
  EXPECT_EQ(fromHost<const float>(readOnly.give()).elements().size(), 6u);
  compact.managed.tensor.strides = nullptr;
  EXPECT_EQ(fromHost<float>(compact.give()).elements()[5], 5);
  single.managed.tensor.shape = row;
  single.managed.tensor.strides = any;  // along a dimension of one element nobody steps
  EXPECT_EQ(fromHost<float>(single.give()).elements().size(), 3u);
  empty.managed.tensor.shape = none;
  empty.managed.tensor.data = nullptr;
  EXPECT_TRUE(fromHost<float>(empty.give()).elements().empty());
  offset.managed.tensor.shape = row;
  offset.managed.tensor.byteOffset = 8;
  EXPECT_EQ(fromHost<float>(offset.give()).elements()[0], 2);
}

TEST(DlpackIn, WhatWasGivenComesBack) {
  std::vector<int> values(24);
  std::iota(values.begin(), values.end(), 0);
  auto back = fromHost<int>(toTensor(values, {2, 3, 4}));
  EXPECT_EQ(back.shape(), (Shape{2, 3, 4}));
  EXPECT_EQ(back.copy(), values);
  EXPECT_EQ(fromHost<int>(toLegacyTensor(values)).copy(), values);
}

// ---- On a device.

class DlpackEmulated : public testing::Test {
 protected:
  void SetUp() override {
    gpu::OpenOptions options;
    options.emulate = "2x64MiB";
    auto opened = gpu::openGpus(options);
    if (!opened) GTEST_SKIP() << "there is no emulator: " << opened.error().why;
    host_ = std::move(opened).value();
    slot_ = std::make_unique<gpu::TestSlot>(gpu::openSlot(*host_, {1}));
  }

  std::unique_ptr<gpu::GpuHost> host_;
  std::unique_ptr<gpu::TestSlot> slot_;
};

TEST_F(DlpackEmulated, AnArrayGoesOutAndComesBackWhereItLies) {
  gpu::Context& gpu = slot_->begin();
  std::vector<int> values(1000), back(1000);
  std::iota(values.begin(), values.end(), 0);
  auto array = gpu.copyToDevice(values);
  const int* data = array.data();
  Bytes used = gpu.memoryUsed();
  TensorPtr tensor = toTensor(std::move(array), {10, 100});
  EXPECT_EQ(of(tensor).tensor.data, data);
  EXPECT_EQ(of(tensor).tensor.device.type, DeviceType::extension) << "no CUDA memory: emulated";
  EXPECT_EQ(of(tensor).tensor.device.id, 1);
  EXPECT_EQ(gpu.memoryUsed(), used) << "it is the task's memory";

  auto taken = fromDevice<const int>(gpu, std::move(tensor));
  EXPECT_EQ(taken.shape, (Shape{10, 100}));
  EXPECT_EQ(taken.view.data(), data);
  gpu.copyToHost(taken.view, back);
  gpu.synchronize();
  EXPECT_EQ(slot_->end().how, DeviceEnd::How::over);
  EXPECT_EQ(back, values);
}

TEST_F(DlpackEmulated, WhatIsTakenIsDeletedWhenTheTasksWorkHasRun) {
  Foreign foreign;
  gpu::Context& gpu = slot_->begin();
  auto array = gpu.allocate<float>(6);
  foreign.managed.tensor.data = array.data();
  foreign.managed.tensor.device = {DeviceType::extension, 1};
  auto taken = fromDevice<float>(gpu, foreign.give());
  EXPECT_EQ(taken.view.size(), 6u);
  EXPECT_EQ(foreign.deleted, 0);
  EXPECT_EQ(slot_->end().how, DeviceEnd::How::over);
  EXPECT_EQ(foreign.deleted, 1);
}

TEST_F(DlpackEmulated, TensorsOfOtherDevicesAreRefused) {
  gpu::Context& gpu = slot_->begin();
  for (DeviceOf device : {DeviceOf{DeviceType::cpu, 0}, DeviceOf{DeviceType::extension, 0},
                          DeviceOf{DeviceType::cuda, 1}}) {
    Foreign foreign;
    foreign.managed.tensor.device = device;
    EXPECT_THAT(refusal([&] { fromDevice<float>(gpu, foreign.give()); }),
                HasSubstr("is taken as one of extension device 1"));
    EXPECT_EQ(foreign.deleted, 1);
  }
  EXPECT_THAT(refusal([] { toTensor(gpu::Array<int>()); }), HasSubstr("no running task"));
  slot_->finish();
}

TEST_F(DlpackEmulated, ATensorThatOutlivesItsTaskFailsIt) {
  gpu::Context& gpu = slot_->begin();
  TensorPtr kept = toTensor(gpu.allocate<float>(6));
  DeviceEnd end = slot_->end();
  EXPECT_EQ(end.how, DeviceEnd::How::failed);
  EXPECT_THAT(end.why, HasSubstr("DLPack tensor"));
  kept.reset();  // harmless: the memory is gone already
}

// ---- The layouts, as the package's header has them.

#ifdef DLPACK_VERSION
TEST(DlpackLayout, IsThatOfThePackagesHeader) {
  LegacyTensorPtr tensor = toLegacyTensor(std::vector<float>(6), {2, 3});
  const ::DLManagedTensor& theirs = *tensor;
  EXPECT_EQ(sizeof(::DLManagedTensor), sizeof(ManagedTensor));
  EXPECT_EQ(theirs.dl_tensor.data, of(tensor).tensor.data);
  EXPECT_EQ(theirs.dl_tensor.device.device_type, kDLCPU);
  EXPECT_EQ(theirs.dl_tensor.ndim, 2);
  EXPECT_EQ(theirs.dl_tensor.dtype.code, kDLFloat);
  EXPECT_EQ(theirs.dl_tensor.dtype.bits, 32);
  EXPECT_EQ(theirs.dl_tensor.dtype.lanes, 1);
  EXPECT_EQ(theirs.dl_tensor.shape[1], 3);
  EXPECT_EQ(theirs.dl_tensor.strides[0], 3);
  EXPECT_EQ(theirs.dl_tensor.byte_offset, 0u);
  EXPECT_EQ(theirs.deleter, of(tensor).deleter);
  EXPECT_EQ(static_cast<int>(DeviceType::cuda), kDLCUDA);
  EXPECT_EQ(static_cast<int>(DeviceType::cudaHost), kDLCUDAHost);
  EXPECT_EQ(static_cast<int>(DeviceType::cudaManaged), kDLCUDAManaged);
  EXPECT_EQ(static_cast<int>(DeviceType::extension), kDLExtDev);
  EXPECT_EQ(static_cast<int>(kInt), kDLInt);
  EXPECT_EQ(static_cast<int>(kUInt), kDLUInt);
  EXPECT_EQ(static_cast<int>(kBfloat), kDLBfloat);
  EXPECT_EQ(static_cast<int>(kComplex), kDLComplex);
}
#endif

}  // namespace
}  // namespace alnilam::dlpack
