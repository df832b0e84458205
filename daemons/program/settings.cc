#include "daemons/program/settings.h"

#include <charconv>
#include <string_view>

namespace alnilam {

Settings Settings::from(const char* const* environment) {
  Settings settings;
  for (; environment && *environment; ++environment) {
    std::string_view entry = *environment;
    std::size_t split = entry.find('=');
    if (split == std::string_view::npos) continue;
    std::string_view name = entry.substr(0, split), value = entry.substr(split + 1);
    if (name == "ALNILAM_HEAD") settings.head = value;
    if (name == "ALNILAM_SECRET_FILE") settings.secretFile = value;
    if (name == "ALNILAM_EMULATE_GPUS") settings.emulateGpus = value;
    if (name == "ALNILAM_EMULATOR") settings.emulator = value;
    if (name == "ALNILAM_TOPOLOGY") settings.topology = value;
    if (name == "ALNILAM_JOB_WEIGHT") settings.jobWeight = value;
    if (name == "ALNILAM_JOB_QUOTA") settings.jobQuota = value;
    if (name == "CUDA_VISIBLE_DEVICES") settings.visibleDevices = value;
    if (name == "ALNILAM_EXECUTOR_FD") {
      int fd = -1;
      std::from_chars(value.data(), value.data() + value.size(), fd);
      if (fd >= 0) settings.executorFd = fd;
    }
  }
  return settings;
}

}  // namespace alnilam
