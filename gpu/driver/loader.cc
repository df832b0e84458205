#include "gpu/driver/loader.h"

#include "gpu/driver/error.h"

#include <dlfcn.h>
#include <link.h>

#include <filesystem>
#include <optional>
#include <system_error>

namespace alnilam::gpu {
namespace {

using GetProcAddress = decltype(Driver::getProcAddress);

struct Entry {
  const char* symbol;
  int version;
  bool required;
  void (*store)(Driver& driver, void* function);
};

#define ALNILAM_DRIVER_ENTRY(isRequired, member, symbol, version)         \
  {#symbol, version, isRequired, [](Driver& driver, void* function) {     \
     driver.member = reinterpret_cast<decltype(driver.member)>(function); \
   }},
#define ALNILAM_REQUIRED_ENTRY(member, symbol, version, parameters) \
  ALNILAM_DRIVER_ENTRY(true, member, symbol, version)
#define ALNILAM_OPTIONAL_ENTRY(member, symbol, version, parameters) \
  ALNILAM_DRIVER_ENTRY(false, member, symbol, version)

const Entry kEntries[] = {ALNILAM_DRIVER_REQUIRED(ALNILAM_REQUIRED_ENTRY)
                              ALNILAM_DRIVER_OPTIONAL(ALNILAM_OPTIONAL_ENTRY)};

Refusal unavailable(std::string why) { return {RefusalCode::unavailable, std::move(why)}; }
Refusal broken(std::string why) { return {RefusalCode::invalid, std::move(why)}; }

Refusal whyInitFailed(const Loaded& loaded, CUresult code) {
  switch (code) {
    case CUDA_ERROR_STUB_LIBRARY:
      return unavailable(loaded.library + " is the toolkit's stub and not a driver");
    case CUDA_ERROR_NO_DEVICE:
      return unavailable(loaded.library + " finds no CUDA device");
    case CUDA_ERROR_SYSTEM_DRIVER_MISMATCH:
      return broken(loaded.library +
                    " and the kernel's driver are of different versions; restart the machine or "
                    "reinstall the driver");
    default:
      return broken(loaded.library + " failed: " + describe(loaded.driver, {code, "cuInit"}));
  }
}

// Asks `ask` for every function, initialises, and reads the version.
Result<Loaded> fill(GetProcAddress ask, Loaded loaded) {
  for (const Entry& entry : kEntries) {
    void* function = nullptr;
    CUdriverProcAddressQueryResult found = CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND;
    // Symbol names of versioned functions are asked for without their suffix.
    std::string base = entry.symbol;
    if (auto at = base.rfind("_v"); at != std::string::npos) base.resize(at);
    CUresult code = ask(base.c_str(), &function, entry.version, 0, &found);
    if (code == CUDA_ERROR_STUB_LIBRARY) return whyInitFailed(loaded, code);
    bool there = code == CUDA_SUCCESS && function && found == CU_GET_PROC_ADDRESS_SUCCESS;
    if (there) {
      entry.store(loaded.driver, function);
    } else if (entry.required) {
      return broken(loaded.library + " has no " + entry.symbol + "; Alnilam needs a CUDA driver " +
                    "of version 12.0 or newer");
    }
  }
  if (CUresult code = loaded.driver.init(0); code != CUDA_SUCCESS) {
    return whyInitFailed(loaded, code);
  }
  if (auto error = check(loaded.driver.driverGetVersion(&loaded.version), "cuDriverGetVersion")) {
    return broken(loaded.library + " failed: " + describe(loaded.driver, *error));
  }
  return loaded;
}

}  // namespace

std::string Loaded::title() const {
  return std::string(emulated ? "emulated CUDA driver " : "CUDA driver ") +
         std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

std::string Loaded::lastMessage() const {
  char text[1024] = "";
  if (readLastMessage) readLastMessage(text, sizeof text);
  return text;
}

Result<Loaded> loadDriver(const std::string& library) {
  void* opened = dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (!opened) {
    const char* why = dlerror();
    return unavailable("no CUDA driver on this machine: " + std::string(why ? why : library));
  }
  auto ask = reinterpret_cast<GetProcAddress>(dlsym(opened, "cuGetProcAddress_v2"));
  if (!ask) {
    // A stub has the symbol too; a driver without it is older than 12.0, unless it is no driver.
    bool isDriver = dlsym(opened, "cuInit") != nullptr;
    dlclose(opened);
    return isDriver ? broken(library + " is a CUDA driver older than 12.0, which Alnilam needs")
                    : broken(library + " is not a CUDA driver");
  }
  Loaded loaded;
  loaded.library = library;
  return fill(ask, std::move(loaded));
}

Result<Loaded> loadEmulator(const std::string& library, const std::string& config) {
  void* opened = dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (!opened) {
    const char* why = dlerror();
    return unavailable("no CUDA emulator: " + std::string(why ? why : library));
  }
  using Configure = int (*)(const char* text, char* message, std::size_t messageSize);
  auto configure = reinterpret_cast<Configure>(dlsym(opened, "alnilamEmulatedConfigure"));
  auto ask = reinterpret_cast<GetProcAddress>(dlsym(opened, "alnilamEmulatedGetProcAddress"));
  if (!configure || !ask) {
    dlclose(opened);
    return broken(library + " is not Alnilam's CUDA emulator");
  }
  char message[512] = "";
  if (configure(config.c_str(), message, sizeof message) != 0) return broken(message);
  Loaded loaded;
  loaded.library = library;
  loaded.emulated = true;
  loaded.readLastMessage = reinterpret_cast<decltype(loaded.readLastMessage)>(
      dlsym(opened, "alnilamEmulatedLastMessage"));
  return fill(ask, std::move(loaded));
}

namespace {

// Where the dynamic linker finds `name`: the program's RUNPATH, which find_package(Alnilam) sets,
// LD_LIBRARY_PATH, the system's folders.
std::optional<std::filesystem::path> findByLinker(const char* name) {
  void* opened = dlopen(name, RTLD_LAZY | RTLD_LOCAL);
  if (!opened) return std::nullopt;
  std::optional<std::filesystem::path> place;
  link_map* map = nullptr;
  if (dlinfo(opened, RTLD_DI_LINKMAP, &map) == 0 && map->l_name) place = map->l_name;
  dlclose(opened);
  return place;
}

}  // namespace

Result<std::string> findEmulator(const std::string& override) {
  namespace fs = std::filesystem;
  constexpr const char* kName = "libalnilam-emulated-cuda.so";
  std::error_code failed;
  std::vector<fs::path> places;
  if (!override.empty()) {
    places.emplace_back(override);
  } else {
    if (fs::path self = fs::read_symlink("/proc/self/exe", failed); !failed) {
      places.push_back(self.parent_path() / ".." / "lib" / kName);
      places.push_back(self.parent_path() / kName);
    }
    if (std::optional<fs::path> linked = findByLinker(kName)) places.push_back(*linked);
    places.push_back(fs::path(ALNILAM_EMULATOR_BUILT_IN) / kName);
    places.push_back(fs::path(ALNILAM_EMULATOR_INSTALLED_IN) / kName);
  }
  std::string looked;
  for (const fs::path& place : places) {
    if (fs::is_regular_file(place, failed)) return place.lexically_normal().string();
    looked += (looked.empty() ? "" : ", ") + place.lexically_normal().string();
  }
  return unavailable("the CUDA emulator's library is not there; looked at " + looked);
}

}  // namespace alnilam::gpu
