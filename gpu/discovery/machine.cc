#include "gpu/discovery/machine.h"

#include "gpu/discovery/links.h"
#include "gpu/discovery/memory.h"

#include <hwloc.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <tuple>

namespace alnilam::gpu {
namespace {

struct DestroyTopology {
  void operator()(hwloc_topology_t topology) const { hwloc_topology_destroy(topology); }
};
using HwlocTopology = std::unique_ptr<hwloc_topology, DestroyTopology>;

Refusal invalid(std::string why) { return {RefusalCode::invalid, std::move(why)}; }

Result<std::string> readWhole(const std::string& path) {
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  std::string text;
  char chunk[1 << 16];
  while (file && text.size() <= kMaxTopologyFile) {
    file.read(chunk, sizeof chunk);
    text.append(chunk, static_cast<std::size_t>(file.gcount()));
  }
  if (!file.is_open() || file.bad() || (text.empty() && errno != 0)) {
    std::string cause = errno != 0 ? std::strerror(errno) : "it cannot be opened";
    return Refusal{RefusalCode::unavailable,
                   "the topology file " + path + " cannot be read: " + cause};
  }
  return text;
}

// hwloc would say about these files only that they are no good, and on the standard error.
std::optional<Refusal> lookAtXml(const std::string& path, const std::string& text) {
  std::string what = "the file " + path + " is not an hwloc topology: ";
  std::string accepted = "; what `lstopo --of xml` of hwloc 2 writes is accepted";
  if (text.size() > kMaxTopologyFile) {
    return invalid(what + "it is longer than " +
                   std::to_string(kMaxTopologyFile >> 20) + " MiB" + accepted);
  }
  std::size_t root = text.find("<topology");
  if (text.empty() || root == std::string::npos) {
    const char* lack = text.empty() ? "it is empty" : "it has no <topology> element";
    return invalid(what + lack + accepted);
  }
  std::string tag = text.substr(root, text.find('>', root) - root);
  std::size_t version = tag.find("version=\"");
  if (version != std::string::npos && std::strtol(tag.c_str() + version + 9, nullptr, 10) > 2) {
    return invalid("the topology file " + path + " is in hwloc's format " +
                   tag.substr(version + 9, tag.find('"', version + 9) - version - 9) +
                   "; hwloc 2 is accepted (`lstopo --of xml --export-xml-flags v2` writes it)");
  }
  return std::nullopt;
}

// A description multiplies its levels, the last of which are hardware threads.  hwloc would build
// the whole tree first, in quadratic time.
std::optional<Refusal> lookAtSynthetic(const std::string& text) {
  constexpr double kMaxThreadsOfCore = 16;
  double above = 1, all = 1;
  int depth = 0;
  for (std::size_t at = 0; at < text.size(); ++at) {
    char c = text[at];
    if (c == '(' || c == '[') ++depth;
    if (c == ')' || c == ']') --depth;
    bool starts = at == 0 || text[at - 1] == ':' || text[at - 1] == ' ';
    if (depth != 0 || !starts || !std::isdigit(static_cast<unsigned char>(c))) continue;
    above = all;
    all *= std::strtod(text.c_str() + at, nullptr);
    if (above > Topology::kMaxCores || all > Topology::kMaxCores * kMaxThreadsOfCore) {
      return invalid("the synthetic topology \"" + text + "\" has more than " +
                     std::to_string(Topology::kMaxCores) + " cores");
    }
  }
  return std::nullopt;
}

// hwloc's complaints about a file go to the standard error unless the environment says otherwise;
// it asks once a process.  The mutex keeps two loads from undoing each other's setting.
class Hushed {
 public:
  Hushed() : lock_(mutex()), ours_(std::getenv(kVariable) == nullptr) {
    if (ours_) setenv(kVariable, "2", 1);
  }
  ~Hushed() {
    if (ours_) unsetenv(kVariable);
  }
  Hushed(const Hushed&) = delete;
  Hushed& operator=(const Hushed&) = delete;

 private:
  static constexpr const char* kVariable = "HWLOC_HIDE_ERRORS";
  static std::mutex& mutex() {
    static std::mutex only;
    return only;
  }
  std::unique_lock<std::mutex> lock_;
  bool ours_;
};

void chooseWhatIsRead(hwloc_topology_t topology) {
  hwloc_topology_set_io_types_filter(topology, HWLOC_TYPE_FILTER_KEEP_ALL);
  hwloc_topology_set_type_filter(topology, HWLOC_OBJ_MISC, HWLOC_TYPE_FILTER_KEEP_NONE);
  // These would open a display, or make GPU contexts in a process that only wants to look.
  for (const char* component : {"gl", "opencl", "cuda"}) {
    hwloc_topology_set_components(topology, HWLOC_TOPOLOGY_COMPONENTS_FLAG_BLACKLIST, component);
  }
}

Result<HwlocTopology> load(const Source& source) {
  Hushed hushed;
  hwloc_topology_t raw = nullptr;
  if (hwloc_topology_init(&raw) != 0) {
    return Refusal{RefusalCode::unavailable, "hwloc cannot be initialised"};
  }
  HwlocTopology topology(raw);
  chooseWhatIsRead(raw);
  std::string text;  // hwloc reads it during the load
  if (source.kind == Source::Kind::file) {
    auto whole = readWhole(source.text);
    if (!whole) return whole.error();
    text = std::move(whole).value();
    if (auto refusal = lookAtXml(source.text, text)) return *refusal;
    if (hwloc_topology_set_xmlbuffer(raw, text.c_str(), static_cast<int>(text.size()) + 1) != 0) {
      return invalid("the file " + source.text +
                     " is not an hwloc topology: it is no well-formed XML of hwloc 2");
    }
  } else if (source.kind == Source::Kind::synthetic) {
    if (auto refusal = lookAtSynthetic(source.text)) return *refusal;
    if (source.text.empty() || hwloc_topology_set_synthetic(raw, source.text.c_str()) != 0) {
      return invalid("\"" + source.text + "\" is no synthetic topology of hwloc; accepted is for "
                     "instance \"pack:2 [numa(memory=64GB)] core:8 pu:2\"");
    }
  }
  if (hwloc_topology_load(raw) != 0) {
    if (source.kind == Source::Kind::file) {
      return invalid("the file " + source.text +
                     " is not an hwloc topology: its objects do not form a machine");
    }
    if (source.kind == Source::Kind::synthetic) {
      return invalid("the synthetic topology \"" + source.text + "\" does not form a machine");
    }
    return Refusal{RefusalCode::unavailable,
                   std::string("hwloc cannot read this machine: ") + std::strerror(errno)};
  }
  return topology;
}

std::string textOf(const char* text) { return text ? text : ""; }

std::uint32_t packageOf(hwloc_topology_t topology, hwloc_obj_t object) {
  for (hwloc_obj_t up = object->parent; up; up = up->parent) {
    if (up->type == HWLOC_OBJ_PACKAGE) return up->logical_index;
  }
  // A domain above the packages belongs to the first that it covers.
  hwloc_obj_t first = hwloc_get_next_obj_covering_cpuset_by_type(
      topology, object->cpuset, HWLOC_OBJ_PACKAGE, nullptr);
  for (hwloc_obj_t package = nullptr; !first;) {
    package = hwloc_get_next_obj_by_type(topology, HWLOC_OBJ_PACKAGE, package);
    if (!package) return 0;
    if (hwloc_bitmap_intersects(package->cpuset, object->cpuset)) first = package;
  }
  return first->logical_index;
}

// One read of one machine; the members are what its steps share.
class Reader {
 public:
  Reader(const Source& source, hwloc_topology_t hwloc) : source_(source), hwloc_(hwloc) {}

  Topology read() {
    name();
    readDomains();
    readCores();
    readGpus();
    readNics();
    out_.links = readLinks(hwloc_, gpuObjects_);
    return std::move(out_);
  }

 private:
  void name() {
    hwloc_obj_t root = hwloc_get_root_obj(hwloc_);
    switch (source_.kind) {
      case Source::Kind::live: {
        char host[256] = {};
        if (gethostname(host, sizeof host - 1) == 0) out_.hostname = host;
        out_.source = "live";
        break;
      }
      case Source::Kind::file: {
        std::string file = source_.text.substr(source_.text.rfind('/') + 1);
        out_.hostname = textOf(hwloc_obj_get_info_by_name(root, "HostName"));
        if (out_.hostname.empty()) out_.hostname = file.substr(0, file.rfind(".xml"));
        out_.source = file;
        break;
      }
      case Source::Kind::synthetic:
        out_.hostname = "synthetic";
        out_.source = "synthetic: " + source_.text;
        break;
    }
    int packages = hwloc_get_nbobjs_by_type(hwloc_, HWLOC_OBJ_PACKAGE);
    out_.packages = packages > 0 ? static_cast<std::uint32_t>(packages) : 1;
  }

  void readDomains() {
    for (hwloc_obj_t node = nullptr;
         (node = hwloc_get_next_obj_by_type(hwloc_, HWLOC_OBJ_NUMANODE, node));) {
      // The memory of a GPU that the processor can address is the GPU's, and counted there.
      if (textOf(node->subtype) == "GPUMemory") continue;
      domainObjects_.push_back(node);
      out_.domains.push_back(
          {node->os_index, packageOf(hwloc_, node), node->attr->numanode.local_memory});
    }
    if (source_.kind != Source::Kind::live) return;
    std::vector<Bytes> parts;
    for (const NumaDomain& domain : out_.domains) parts.push_back(domain.memory);
    parts = scaleTo(usableMemory(source_.procRoot, source_.cgroupRoot), std::move(parts));
    for (std::size_t i = 0; i < parts.size(); ++i) out_.domains[i].memory = parts[i];
  }

  std::uint32_t domainOf(hwloc_obj_t object) const {
    while (!object->cpuset) object = object->parent;
    for (std::size_t i = 0; i < domainObjects_.size(); ++i) {
      if (hwloc_bitmap_intersects(domainObjects_[i]->cpuset, object->cpuset)) {
        return static_cast<std::uint32_t>(i);
      }
    }
    return 0;
  }

  void readCores() {
    // The process's own mask: hwloc leaves out what a cgroup forbids, and not what taskset does.
    // A machine of more processors than the mask holds is read without it.
    cpu_set_t mask;
    bool masked = source_.kind == Source::Kind::live &&
                  sched_getaffinity(getpid(), sizeof mask, &mask) == 0;
    std::set<hwloc_obj_t> seen;
    for (hwloc_obj_t thread = nullptr;
         (thread = hwloc_get_next_obj_by_type(hwloc_, HWLOC_OBJ_PU, thread));) {
      std::uint32_t cpu = thread->os_index;
      if (masked && (cpu >= CPU_SETSIZE || !CPU_ISSET(cpu, &mask))) continue;
      hwloc_obj_t core = hwloc_get_ancestor_obj_by_type(hwloc_, HWLOC_OBJ_CORE, thread);
      if (!seen.insert(core ? core : thread).second) continue;
      out_.cores.push_back({cpu, domainOf(thread)});
    }
  }

  static bool isGpu(hwloc_obj_t device) {
    const auto& pci = device->attr->pcidev;
    if (pci.class_id != 0x0300 && pci.class_id != 0x0302 && pci.class_id != 0x0380) return false;
    if (pci.vendor_id == 0x10de) return true;
    for (hwloc_obj_t os = device->io_first_child; os; os = os->next_sibling) {
      std::string name = textOf(os->name);
      for (const char* prefix : {"cuda", "nvml", "opencl"}) {
        if (name.starts_with(prefix)) return true;
      }
    }
    return false;
  }

  void readGpus() {
    std::vector<hwloc_obj_t>& found = gpuObjects_;
    for (hwloc_obj_t device = nullptr; (device = hwloc_get_next_pcidev(hwloc_, device));) {
      if (isGpu(device)) found.push_back(device);
    }
    std::sort(found.begin(), found.end(), [](hwloc_obj_t a, hwloc_obj_t b) {
      auto address = [](hwloc_obj_t gpu) {
        const auto& pci = gpu->attr->pcidev;
        return std::tuple(pci.domain, pci.bus, pci.dev, pci.func);
      };
      return address(a) < address(b);
    });
    for (hwloc_obj_t device : found) out_.gpus.push_back(describeGpu(device));
  }

  Gpu describeGpu(hwloc_obj_t device) const {
    const auto& pci = device->attr->pcidev;
    Gpu gpu;
    char address[32];
    std::snprintf(address, sizeof address, "%04x:%02x:%02x.%x", pci.domain, pci.bus, pci.dev,
                  pci.func);
    gpu.pciAddress = address;
    gpu.domain = domainOf(device);
    gpu.model = textOf(device->name);
    auto number = [](hwloc_obj_t os, const char* name) {
      const char* text = hwloc_obj_get_info_by_name(os, name);
      return text ? std::strtoull(text, nullptr, 10) : 0ull;
    };
    for (hwloc_obj_t os = device->io_first_child; os; os = os->next_sibling) {
      if (const char* model = hwloc_obj_get_info_by_name(os, "GPUModel")) gpu.model = model;
      if (const char* uuid = hwloc_obj_get_info_by_name(os, "NVIDIAUUID")) gpu.uuid = uuid;
      Bytes kib = number(os, "CUDAGlobalMemorySize");
      if (kib == 0) kib = number(os, "OpenCLGlobalMemorySize");
      if (kib != 0 && kib < Topology::kMaxMemory / 1024) gpu.memory = kib * 1024;
      if (auto count = number(os, "CUDAMultiProcessors")) {
        gpu.multiprocessors = static_cast<std::uint32_t>(std::min(count, 1'000'000ull));
      }
    }
    if (gpu.model.empty()) gpu.model = "GPU";
    return gpu;
  }

  void readNics() {
    std::set<hwloc_obj_t> seen;  // one card may show a network and an OpenFabrics device
    for (hwloc_obj_osdev_type_t kind : {HWLOC_OBJ_OSDEV_OPENFABRICS, HWLOC_OBJ_OSDEV_NETWORK}) {
      for (hwloc_obj_t os = nullptr; (os = hwloc_get_next_osdev(hwloc_, os));) {
        if (os->attr->osdev.type != kind || !os->name) continue;
        hwloc_obj_t card = os->parent;
        while (card && card->type == HWLOC_OBJ_OS_DEVICE) card = card->parent;
        if (!card || card->type != HWLOC_OBJ_PCI_DEVICE || !seen.insert(card).second) continue;
        out_.nics.push_back({os->name, domainOf(card)});
      }
    }
  }

  const Source& source_;
  hwloc_topology_t hwloc_;
  Topology out_;
  std::vector<hwloc_obj_t> domainObjects_;  // as out_.domains
  std::vector<hwloc_obj_t> gpuObjects_;     // as out_.gpus
};

}  // namespace

Result<Topology> readMachine(const Source& source) {
  auto hwloc = load(source);
  if (!hwloc) return hwloc.error();
  Topology topology = Reader(source, hwloc.value().get()).read();
  if (auto checked = topology.check(); !checked) {
    return invalid("the topology " + topology.source + " cannot be used: " + checked.error().why);
  }
  return topology;
}

}  // namespace alnilam::gpu
