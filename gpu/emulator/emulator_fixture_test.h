#pragma once
// What the emulator's tests share: a loaded driver table, a current context, and short ways to move
// vectors to a device, launch a kernel of testdata/, and look at what it left.
//
// The tests go through the table, as the rest of gpu/ does, so what passes here is what users get.

#include "gpu/driver/handle.h"
#include "gpu/driver/loader.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

namespace alnilam::gpu {

// The tests of kernels run again with what nvcc makes of their sources for newer architectures, on
// a device that takes it: CMakeLists.txt sets these two.
inline std::string fromEnvironment(const char* name, const char* otherwise) {
  const char* given = std::getenv(name);
  return given ? given : otherwise;
}
inline std::string readTestdata(const std::string& name) {
  std::ifstream file(fromEnvironment("ALNILAM_TEST_PTX", ALNILAM_TESTDATA) + "/" + name);
  EXPECT_TRUE(file) << name;
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

// The emulator with `config`, and device 0's primary context current on this thread.
class Emulated {
 public:
  Emulated() : Emulated(fromEnvironment("ALNILAM_TEST_DEVICES", "2x1GiB")) {}
  explicit Emulated(const std::string& config) : loaded_(load(config)) {
    auto retained = PrimaryContext::retain(driver(), 0);
    EXPECT_TRUE(retained);
    context_.emplace(std::move(retained).value());
    EXPECT_EQ(driver().ctxSetCurrent(context_->get()), CUDA_SUCCESS);
  }
  ~Emulated() { driver().ctxSetCurrent(nullptr); }

  const Driver& driver() const { return loaded_->driver; }
  CUcontext context() const { return context_->get(); }

  static std::unique_ptr<Loaded> load(const std::string& config) {
    auto loaded = loadEmulator(ALNILAM_EMULATOR, config);
    EXPECT_TRUE(loaded) << loaded.error().why;
    return std::make_unique<Loaded>(std::move(loaded).value());
  }

  // What the emulator said last.
  std::string said() const { return loaded_->lastMessage(); }

  template <typename T>
  CUdeviceptr upload(const std::vector<T>& values) const {
    CUdeviceptr at = 0;
    EXPECT_EQ(driver().memAlloc(&at, std::max<std::size_t>(1, values.size() * sizeof(T))),
              CUDA_SUCCESS);
    EXPECT_EQ(driver().memcpyHtoD(at, values.data(), values.size() * sizeof(T)), CUDA_SUCCESS);
    return at;
  }
  template <typename T>
  std::vector<T> download(CUdeviceptr at, std::size_t count) const {
    std::vector<T> values(count);
    EXPECT_EQ(driver().memcpyDtoH(values.data(), at, count * sizeof(T)), CUDA_SUCCESS);
    return values;
  }

  Module load(const Driver& with, const std::string& ptx) const {
    std::string log;
    auto module = loadModule(with, ptx.c_str(), log);
    EXPECT_TRUE(module) << log;
    return std::move(module).value();
  }
  Module loadFile(const std::string& name) const { return load(driver(), readTestdata(name)); }

  CUfunction find(const Module& module, const char* name) const {
    auto function = findFunction(driver(), module, name);
    EXPECT_TRUE(function) << name;
    return function ? function.value() : nullptr;
  }

 private:
  std::unique_ptr<Loaded> loaded_;
  std::optional<PrimaryContext> context_;
};

struct Shape {
  unsigned gridX = 1, gridY = 1, blockX = 32, blockY = 1, shared = 0;
};

// Enqueues `function` on `stream`; the arguments' types are the kernel's own.
template <typename... Arguments>
CUresult enqueue(const Driver& driver, CUfunction function, Shape shape, CUstream stream,
                 Arguments... arguments) {
  void* pointers[] = {static_cast<void*>(&arguments)..., nullptr};
  return driver.launchKernel(function, shape.gridX, shape.gridY, 1, shape.blockX, shape.blockY, 1,
                             shape.shared, stream, pointers, nullptr);
}

// The same on the default stream, and waits.
template <typename... Arguments>
CUresult run(const Driver& driver, CUfunction function, Shape shape, Arguments... arguments) {
  CUresult code = enqueue(driver, function, shape, nullptr, arguments...);
  return code == CUDA_SUCCESS ? driver.streamSynchronize(nullptr) : code;
}

}  // namespace alnilam::gpu
