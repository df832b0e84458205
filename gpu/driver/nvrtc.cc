#include "gpu/driver/nvrtc.h"

#include <dlfcn.h>

#include <type_traits>

namespace alnilam::gpu {

std::vector<std::string> nvrtcLibraries() {
  // The linker's own places first, then where the toolkit's packages put it.
  std::vector<std::string> names;
  for (const char* folder : {"", "/usr/local/cuda/lib64/"}) {
    for (const char* version : {".so.13", ".so.12", ".so"}) {
      names.push_back(std::string(folder) + "libnvrtc" + version);
    }
  }
  return names;
}

Result<Nvrtc> loadNvrtc(std::span<const std::string> libraries) {
  std::string lookedFor, broken;
  for (const std::string& name : libraries) {
    lookedFor += (lookedFor.empty() ? "" : ", ") + name;
    void* library = dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (!library) {
      std::string said = dlerror();
      if (said.find("No such file") == std::string::npos) broken += "; " + said;
      continue;
    }
    Nvrtc nvrtc;
    const char* missing = nullptr;
    auto find = [&](auto& member, const char* symbol) {
      member = reinterpret_cast<std::remove_reference_t<decltype(member)>>(dlsym(library, symbol));
      if (!member && !missing) missing = symbol;
    };
#define ALNILAM_NVRTC_FIND(member, symbol, parameters) find(nvrtc.member, #symbol);
    ALNILAM_NVRTC_FUNCTIONS(ALNILAM_NVRTC_FIND)
#undef ALNILAM_NVRTC_FIND
    find(nvrtc.getErrorString, "nvrtcGetErrorString");
    if (!missing) return nvrtc;
    broken += "; " + name + " has no " + missing;
    dlclose(library);
  }
  return Refusal{RefusalCode::unavailable, "looked for " + lookedFor + broken};
}

}  // namespace alnilam::gpu
