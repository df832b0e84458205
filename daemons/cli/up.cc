#include "daemons/cli/up.h"

#include "daemons/cli/children.h"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>

namespace alnilam::cli {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;

constexpr Duration kStartPatience = 30s;
constexpr Duration kEndPatience = 5s;

// Removed with all that is in it.
class ScratchDirectory {
 public:
  ScratchDirectory() {
    const char* runtime = std::getenv("XDG_RUNTIME_DIR");
    std::string pattern =
        (runtime && *runtime ? fs::path(runtime) : fs::temp_directory_path()) / "alnilam-up-XXXXXX";
    if (mkdtemp(pattern.data())) path_ = pattern;
  }
  ~ScratchDirectory() {
    std::error_code ignored;
    if (!path_.empty()) fs::remove_all(path_, ignored);
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// The daemons that were built or installed with this command.
std::string beside(const char* name) {
  std::error_code error;
  fs::path self = fs::read_symlink("/proc/self/exe", error);
  fs::path path = self.parent_path() / name;
  return !error && fs::exists(path) ? path.string() : name;
}

int fail(const std::string& why) {
  std::fprintf(stderr, "alnilam: %s\n", why.c_str());
  return 1;
}

std::vector<std::pair<std::string, std::string>> daemonEnvironment(const UpOptions& options) {
  if (options.verbose || std::getenv("ALNILAM_LOG")) return {};
  return {{"ALNILAM_LOG", "warn"}};
}

Children::Spec nodeSpec(const UpOptions& options, const std::string& directory,
                        const std::string& head, std::uint32_t number) {
  std::string name = "node" + std::to_string(number + 1);
  Children::Spec spec{name, beside("alnilam-node"), {}, daemonEnvironment(options)};
  auto add = [&](const std::string& option, const std::string& value) {
    if (!value.empty()) spec.arguments.push_back("--" + option + "=" + value);
  };
  add("head", head);
  add("name", name);
  add("secret-file", directory + "/secret");
  add("state-dir", directory + "/" + name);
  // A seed each, so that no two nodes' emulated devices have one UUID.
  const std::string& gpus = options.emulateGpus;
  bool seeded = gpus.empty() || gpus.find("seed=") != std::string::npos;
  add("emulate-gpus", seeded ? gpus : gpus + ";seed=" + std::to_string(number + 1));
  add("topology", options.topology);
  add("store", options.store);
  if (options.nodes > 1) {
    add("share", std::to_string(number) + "/" + std::to_string(options.nodes));
  }
  return spec;
}

void sayHowToUse(const UpOptions& options, const std::string& directory, const std::string& head) {
  std::printf("A head and %u node%s serve. In another terminal:\n\n"
              "  export ALNILAM_HEAD=%s\n"
              "  export ALNILAM_SECRET_FILE=%s/secret\n"
              "  alnilam status\n\n"
              "Ctrl-C ends them.\n",
              options.nodes, options.nodes == 1 ? "" : "s", head.c_str(), directory.c_str());
  std::fflush(stdout);
}

int runUntilInterrupted(Children& children) {
  if (auto ended = children.wait()) {
    return fail(ended->name + " ended with " + std::to_string(ended->code) +
                "; its message is above");
  }
  return 0;
}

int runProgram(const UpOptions& options, Children& children, const std::string& directory,
               const std::string& head) {
  Children::Spec spec{options.program.front(), options.program.front(),
                      {options.program.begin() + 1, options.program.end()},
                      {{"ALNILAM_HEAD", head}, {"ALNILAM_SECRET_FILE", directory + "/secret"}}};
  Result<pid_t> program = children.start(spec);
  if (!program) return fail(program.error().why);
  while (true) {
    auto ended = children.wait();
    if (!ended) continue;  // the program has the terminal: it hears the Ctrl-C and decides
    if (ended->pid == program.value()) return ended->code;
    std::fprintf(stderr, "alnilam: %s ended with %d\n", ended->name.c_str(), ended->code);
  }
}

}  // namespace

int up(const UpOptions& options) {
  ScratchDirectory directory;
  if (directory.path().empty()) {
    return fail(std::string("cannot make a directory for the cluster: ") + std::strerror(errno));
  }
  Children children;
  Result<std::string> head = children.startDaemon(
      {"alnilam-head",
       beside("alnilam-head"),
       {"--listen=" + options.listen, "--secret-file=" + directory.path() + "/secret",
        "--state-dir=" + directory.path() + "/head"},
       daemonEnvironment(options)},
      kStartPatience);
  if (!head) return fail(head.error().why);
  for (std::uint32_t number = 0; number < options.nodes; ++number) {
    Result<std::string> node = children.startDaemon(
        nodeSpec(options, directory.path(), head.value(), number), kStartPatience);
    if (!node) return fail(node.error().why);
  }

  int code;
  if (options.program.empty()) {
    sayHowToUse(options, directory.path(), head.value());
    code = runUntilInterrupted(children);
  } else {
    code = runProgram(options, children, directory.path(), head.value());
  }
  children.endAll(kEndPatience);
  return code;
}

}  // namespace alnilam::cli
