#include "gpu/device/runtime_compiler.h"

#include "gpu/driver/nvrtc.h"

#include <algorithm>
#include <map>
#include <memory>
#include <mutex>
#include <optional>

namespace alnilam::gpu {
namespace {

constexpr int kTarget = 75;  // what alnilam_add_kernels has nvcc compile for

// One compilation.
class Program {
 public:
  Program(const Nvrtc& nvrtc, const KernelImage& image) : nvrtc_(nvrtc) {
    std::vector<const char*> texts, names;
    for (const KernelHeader& header : image.headers) {
      texts.push_back(header.text);
      names.push_back(header.name);
    }
    created_ = nvrtc.createProgram(&program_, image.source.data(), image.name,
                                   static_cast<int>(texts.size()), texts.data(), names.data());
  }
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;
  ~Program() {
    if (created_ == kNvrtcSuccess) static_cast<void>(nvrtc_.destroyProgram(&program_));
  }

  // Why not; nullopt if it compiled.
  std::optional<std::string> compile(const std::vector<const char*>& options) {
    if (created_ != kNvrtcSuccess) return say(created_, "nvrtcCreateProgram");
    NvrtcResult code =
        nvrtc_.compileProgram(program_, static_cast<int>(options.size()), options.data());
    if (code == kNvrtcSuccess) return std::nullopt;
    std::string log = text(nvrtc_.getProgramLogSize, nvrtc_.getProgramLog);
    return say(code, "nvrtcCompileProgram") + (log.empty() ? "" : ":\n" + log);
  }

  std::string ptx() const { return text(nvrtc_.getPtxSize, nvrtc_.getPtx); }

 private:
  std::string say(NvrtcResult code, const char* call) const {
    return std::string(call) + ": " + nvrtc_.getErrorString(code);
  }
  // Both of NVRTC's texts are measured with the zero byte at their end.
  template <typename Size, typename Get>
  std::string text(Size size, Get get) const {
    std::size_t bytes = 0;
    if (size(program_, &bytes) != kNvrtcSuccess || bytes == 0) return {};
    std::string result(bytes, '\0');
    if (get(program_, result.data()) != kNvrtcSuccess) return {};
    result.resize(std::min(result.find('\0'), bytes));
    return result;
  }

  const Nvrtc& nvrtc_;
  NvrtcProgram program_ = nullptr;
  NvrtcResult created_ = kNvrtcSuccess;
};

int targetOf(const Nvrtc& nvrtc) {
  int count = 0;
  if (nvrtc.getNumSupportedArchs(&count) != kNvrtcSuccess || count <= 0) return kTarget;
  std::vector<int> known(static_cast<std::size_t>(count));
  if (nvrtc.getSupportedArchs(known.data()) != kNvrtcSuccess) return kTarget;
  return std::max(kTarget, *std::min_element(known.begin(), known.end()));
}

}  // namespace

Result<std::string> compileSource(const KernelImage& image,
                                  std::span<const std::string> libraries) {
  auto nvrtc = loadNvrtc(libraries);
  if (!nvrtc) {
    return Refusal{RefusalCode::unavailable,
                   std::string(image.name) +
                       " is in this program as source, since there was no nvcc to build it, and "
                       "NVRTC, which would compile it now, is not here; install libnvrtc of the "
                       "CUDA toolkit, build where nvcc is, or keep the file's PTX beside it (" +
                       nvrtc.error().why + ")"};
  }
  std::string target = "--gpu-architecture=compute_" + std::to_string(targetOf(nvrtc.value()));
  std::vector<const char*> options = {target.c_str(), "--std=c++20"};
  options.insert(options.end(), image.options.begin(), image.options.end());
  Program program(nvrtc.value(), image);
  if (auto why = program.compile(options)) {
    return Refusal{RefusalCode::invalid, std::string(image.name) + " does not compile: " + *why};
  }
  return program.ptx();
}

Result<std::string_view> runtimePtx(const KernelImage& image) {
  struct Compiled {
    std::once_flag once;
    std::optional<Result<std::string>> result;
  };
  // What a program compiles is the same for all of its devices, and an image is a constant of the
  // program: so is what comes of it.
  static std::mutex mutex;
  static std::map<const void*, std::unique_ptr<Compiled>> all;
  Compiled* compiled = nullptr;
  {
    std::lock_guard lock(mutex);
    auto& place = all[image.identity()];
    if (!place) place = std::make_unique<Compiled>();
    compiled = place.get();
  }
  std::call_once(compiled->once,
                 [&] { compiled->result = compileSource(image, nvrtcLibraries()); });
  if (!*compiled->result) return compiled->result->error();
  return std::string_view(compiled->result->value());
}

}  // namespace alnilam::gpu
