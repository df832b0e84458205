#include "daemons/process/process.h"

#include <kj/async-unix.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <unistd.h>

namespace alnilam {
namespace {

namespace fs = std::filesystem;

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

}  // namespace

std::string hostName() {
  char name[256] = {};
  return gethostname(name, sizeof name - 1) == 0 && name[0] ? name : "localhost";
}

std::optional<int> parseCommandLine(CLI::App& app, int argc, char** argv) {
  try {
    app.parse(argc, argv);
    return std::nullopt;
  } catch (const CLI::Success& asked) {  // --help, --version
    return app.exit(asked);
  } catch (const CLI::ParseError& error) {
    return complain(std::string(error.what()) + " (--help tells what is accepted)", kUsage);
  }
}

int complain(const std::string& why, int code) {
  std::fprintf(stderr, "%s: %s\n", program_invocation_short_name, why.c_str());
  return code;
}

Result<rpc::Secret> findSecret(const std::string& path, bool make) {
  std::string found = path;
  if (found.empty()) {
    auto standard = rpc::defaultSecretPath(variable("XDG_RUNTIME_DIR"), variable("HOME"));
    if (!standard) return standard.error();
    found = standard.value();
  }
  return make ? rpc::readOrMakeSecret(found) : rpc::readSecret(found);
}

void sayReady(int fd, const std::string& line) {
  if (fd < 0) return;
  std::string text = line + "\n";
  static_cast<void>(!write(fd, text.data(), text.size()));
  close(fd);
}

Result<StateDirectory> StateDirectory::make(const std::string& wanted, const std::string& purpose) {
  if (!wanted.empty()) {
    std::error_code error;
    fs::create_directories(wanted, error);
    if (!error) fs::permissions(wanted, fs::perms::owner_all, error);
    if (error || access(wanted.c_str(), W_OK | X_OK) != 0) {
      std::string why = error ? error.message() : std::strerror(errno);
      return Refusal{RefusalCode::unavailable, "cannot keep files in " + wanted + ": " + why};
    }
    return StateDirectory(wanted, false);
  }
  std::string runtime = variable("XDG_RUNTIME_DIR");
  fs::path parent = runtime.empty() ? fs::temp_directory_path() : fs::path(runtime);
  std::string pattern = parent / ("alnilam-" + purpose + "-XXXXXX");
  if (!mkdtemp(pattern.data())) {
    return Refusal{RefusalCode::unavailable,
                   "cannot make a directory in " + parent.string() + ": " + std::strerror(errno)};
  }
  return StateDirectory(pattern, true);
}

StateDirectory::StateDirectory(StateDirectory&& other) noexcept
    : path_(std::move(other.path_)), removes_(std::exchange(other.removes_, false)) {}

StateDirectory& StateDirectory::operator=(StateDirectory&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(removes_, other.removes_);
  return *this;
}

StateDirectory::~StateDirectory() {
  std::error_code ignored;
  if (removes_) fs::remove_all(path_, ignored);
}

kj::Promise<void> askedToLeave(kj::AsyncIoContext& io) {
  auto terminated = io.unixEventPort.onSignal(SIGTERM).ignoreResult();
  auto interrupted = io.unixEventPort.onSignal(SIGINT).ignoreResult();
  return terminated.exclusiveJoin(kj::mv(interrupted));
}

int runDaemon(const std::function<int()>& run) {
  spdlog::set_default_logger(spdlog::stderr_color_mt(program_invocation_short_name));
  spdlog::set_pattern("%Y-%m-%dT%H:%M:%S.%e %n %l: %v");
  if (std::string level = variable("ALNILAM_LOG"); !level.empty()) {
    spdlog::set_level(spdlog::level::from_str(level));
  }
  std::signal(SIGPIPE, SIG_IGN);
  try {
    return run();
  } catch (const kj::Exception& error) {
    return complain(error.getDescription().cStr());
  } catch (const std::exception& error) {
    return complain(error.what());
  }
}

}  // namespace alnilam
