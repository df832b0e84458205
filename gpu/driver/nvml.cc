#include "gpu/driver/nvml.h"

#include <dlfcn.h>

namespace alnilam::gpu::nvml {
namespace {

struct Entry {
  const char* symbol;
  bool required;
  void (*store)(Nvml& nvml, void* function);
};

#define ALNILAM_NVML_ENTRY(isRequired, member, symbol)                \
  {#symbol, isRequired, [](Nvml& nvml, void* function) {              \
     nvml.member = reinterpret_cast<decltype(nvml.member)>(function); \
   }},
#define ALNILAM_NVML_REQUIRED_ENTRY(member, symbol, parameters) \
  ALNILAM_NVML_ENTRY(true, member, symbol)
#define ALNILAM_NVML_OPTIONAL_ENTRY(member, symbol, parameters) \
  ALNILAM_NVML_ENTRY(false, member, symbol)

const Entry kEntries[] = {ALNILAM_NVML_REQUIRED(ALNILAM_NVML_REQUIRED_ENTRY)
                              ALNILAM_NVML_OPTIONAL(ALNILAM_NVML_OPTIONAL_ENTRY)};

Refusal whyInitFailed(const std::string& library, Return code) {
  switch (code) {
    case kDriverNotLoaded:
      return {RefusalCode::unavailable, library + " finds no NVIDIA driver in the kernel"};
    case kVersionMismatch:
      return {RefusalCode::invalid,
              library + " and the kernel's driver are of different versions; restart the machine "
                        "or reinstall the driver"};
    default:
      return {RefusalCode::invalid,
              library + " failed: nvmlInit_v2 answered " + std::to_string(int{code})};
  }
}

}  // namespace

Nvml::~Nvml() {
  if (!version.empty()) static_cast<void>(shutdown());
}

Result<std::unique_ptr<Nvml>> load(const std::string& library) {
  void* opened = dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (!opened) {
    const char* why = dlerror();
    return Refusal{RefusalCode::unavailable, "no NVML: " + std::string(why ? why : library)};
  }
  auto nvml = std::make_unique<Nvml>();
  for (const Entry& entry : kEntries) {
    if (void* function = dlsym(opened, entry.symbol)) {
      entry.store(*nvml, function);
    } else if (entry.required) {
      return Refusal{RefusalCode::invalid, library + " has no " + entry.symbol};
    }
  }
  if (Return code = nvml->init(); code != kSuccess) return whyInitFailed(library, code);
  char text[96] = "";
  Return code = nvml->driverVersion(text, sizeof text - 1);
  nvml->version = code == kSuccess && text[0] != '\0' ? text : "of unknown version";
  return nvml;
}

}  // namespace alnilam::gpu::nvml
