#include "transport/ucx/context.h"

#include <cstdio>
#include <cstdlib>
#include <regex>
#include <sstream>
#include <utility>

namespace alnilam::ucx {
namespace {

Refusal unavailable(const std::string& what, ucs_status_t status) {
  return {RefusalCode::unavailable, "UCX: " + what + ": " + ucs_status_string(status)};
}

std::string joined(const std::vector<std::string>& words, char between) {
  std::string text;
  for (auto& word : words) text += (text.empty() ? "" : std::string(1, between)) + word;
  return text;
}

bool plausible(const std::string& interface) {
  static const std::regex kName("[A-Za-z0-9._:-]{1,64}");
  return std::regex_match(interface, kName) && interface != "all";
}

std::string transportsOf(ucp_context_h context) {
  char* text = nullptr;
  std::size_t size = 0;
  std::FILE* memory = open_memstream(&text, &size);
  ucp_context_print_info(context, memory);
  std::fclose(memory);
  // "#      resource 1  :  md 1  dev 1  flags -- posix/memory"
  std::istringstream lines(text);
  std::free(text);
  std::string line, found;
  while (std::getline(lines, line)) {
    auto dashes = line.rfind("-- ");
    if (line.find("resource") == std::string::npos || dashes == std::string::npos) continue;
    std::string name = line.substr(dashes + 3);
    auto slash = name.find('/');
    if (slash != std::string::npos && name.compare(slash, 7, "/memory") == 0) name.resize(slash);
    found += (found.empty() ? "" : " ") + name;
  }
  return found;
}

}  // namespace

std::vector<std::pair<const char*, const char*>> environment() {
  return {{"UCX_POSIX_ERROR_HANDLING", "y"},
          {"UCX_SYSV_ERROR_HANDLING", "y"},
          {"UCX_WARN_UNUSED_ENV_VARS", "n"}};
}

Result<Context> Context::create(const Settings& settings) {
  std::string lanes = settings.onHost;
  auto add = [&lanes](const char* lane) {
    if (!lanes.empty()) lanes += ",";
    lanes += lane;
  };
  bool ethernet = false, infiniband = false;
  for (auto& interface : settings.interfaces) {
    if (!plausible(interface)) {
      return Refusal{RefusalCode::invalid, "\"" + interface + "\" is no network interface"};
    }
    (interface.find(':') == std::string::npos ? ethernet : infiniband) = true;
  }
  if (ethernet) add("tcp");
  if (infiniband) add("ib");
  if (lanes.empty()) return Refusal{RefusalCode::invalid, "no lane is left to move objects over"};

  ucp_config_t* config = nullptr;
  if (auto status = ucp_config_read(nullptr, nullptr, &config); status != UCS_OK) {
    return unavailable("its configuration", status);
  }
  auto pause = std::chrono::duration_cast<std::chrono::milliseconds>(settings.keepalive);
  std::string keepalive = std::to_string(pause.count()) + "ms";
  std::string devices = joined(settings.interfaces, ',');
  std::pair<const char*, const char*> options[] = {{"TLS", lanes.c_str()},
                                                   {"KEEPALIVE_INTERVAL", keepalive.c_str()},
                                                   {"NET_DEVICES", devices.c_str()}};
  for (auto& [name, value] : options) {
    if (*value == '\0') continue;
    if (auto status = ucp_config_modify(config, name, value); status != UCS_OK) {
      ucp_config_release(config);
      return unavailable(std::string(name) + "=" + value, status);
    }
  }

  ucp_params_t params{};
  params.field_mask = UCP_PARAM_FIELD_FEATURES | UCP_PARAM_FIELD_NAME;
  params.features = UCP_FEATURE_AM | UCP_FEATURE_WAKEUP;
  params.name = "alnilam-mover";
  ucp_context_h made = nullptr;
  auto status = ucp_init(&params, config, &made);
  ucp_config_release(config);
  if (status != UCS_OK) return unavailable("lanes " + lanes, status);

  Context context(made);
  for (auto& interface : settings.interfaces) {
    if (context.transports_.find("/" + interface) == std::string::npos) {
      return Refusal{RefusalCode::unavailable, "UCX finds no network interface \"" + interface +
                                                   "\" (it has: " + context.transports_ + ")"};
    }
  }
  return context;
}

Context::Context(ucp_context_h context) : context_(context), transports_(transportsOf(context)) {}

Context::Context(Context&& other) noexcept
    : context_(std::exchange(other.context_, nullptr)), transports_(std::move(other.transports_)) {}

Context& Context::operator=(Context&& other) noexcept {
  std::swap(context_, other.context_);
  std::swap(transports_, other.transports_);
  return *this;
}

Context::~Context() {
  if (context_ != nullptr) ucp_cleanup(context_);
}

}  // namespace alnilam::ucx
