#include "transport/rpc/secret.h"

#include <fcntl.h>
#include <openssl/rand.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace alnilam::rpc {
namespace {

// Owns a descriptor.
class Fd {
 public:
  explicit Fd(int fd) : fd_(fd) {}
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  ~Fd() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }

 private:
  int fd_;
};

Refusal because(RefusalCode code, const std::string& path, const std::string& why) {
  return {code, "the cluster's secret " + path + " " + why};
}

Refusal because(RefusalCode code, const std::string& path, const char* what, int error) {
  return because(code, path, std::string(what) + ": " + std::strerror(error));
}

int valueOf(char digit) {
  if (digit >= '0' && digit <= '9') return digit - '0';
  if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
  if (digit >= 'A' && digit <= 'F') return digit - 'A' + 10;
  return -1;
}

std::string hexOf(const Secret& secret) {
  std::string text;
  for (unsigned char byte : secret.bytes) {
    text += "0123456789abcdef"[byte >> 4];
    text += "0123456789abcdef"[byte & 15];
  }
  return text;
}

// Whoever comes first links its file into place; `false` if somebody else was first.
Result<bool> publish(const std::string& path, const Secret& secret) {
  std::string draft = path + "." + std::to_string(::getpid());
  Fd file(::open(draft.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!file) return because(RefusalCode::unavailable, path, "cannot be made", errno);
  std::string text = hexOf(secret) + "\n";
  bool written = ::write(file.get(), text.data(), text.size()) ==
                     static_cast<ssize_t>(text.size()) &&
                 ::fchmod(file.get(), 0600) == 0 && ::fsync(file.get()) == 0;
  int error = errno;
  int linked = written ? ::link(draft.c_str(), path.c_str()) : -1;
  if (written && linked != 0) error = errno;
  ::unlink(draft.c_str());
  if (linked == 0) return true;
  if (written && error == EEXIST) return false;
  return because(RefusalCode::unavailable, path, "cannot be written", error);
}

}  // namespace

Result<Secret> parseSecret(std::string_view text) {
  auto isSpace = [](char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; };
  while (!text.empty() && isSpace(text.front())) text.remove_prefix(1);
  while (!text.empty() && isSpace(text.back())) text.remove_suffix(1);
  Secret secret;
  bool good = text.size() == 2 * secret.bytes.size();
  for (std::size_t i = 0; good && i < secret.bytes.size(); ++i) {
    int high = valueOf(text[2 * i]), low = valueOf(text[2 * i + 1]);
    good = high >= 0 && low >= 0;
    secret.bytes[i] = static_cast<unsigned char>((high << 4) | (low & 15));
  }
  if (good) return secret;
  return Refusal{RefusalCode::invalid, "a cluster's secret is 64 hex digits, and this is not"};
}

Result<Secret> readSecret(const std::string& path) {
  Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!file && errno == ENOENT) {
    return because(RefusalCode::unavailable, path,
                   "is not there: start a head here, or copy the file from the head's host");
  }
  if (!file) return because(RefusalCode::unavailable, path, "cannot be read", errno);
  struct stat facts{};
  if (::fstat(file.get(), &facts) != 0 || !S_ISREG(facts.st_mode)) {
    return because(RefusalCode::invalid, path, "is not a file");
  }
  if (facts.st_uid != ::geteuid() && facts.st_uid != 0) {
    return because(RefusalCode::notAllowed, path, "belongs to somebody else");
  }
  if ((facts.st_mode & 077) != 0) {
    return because(RefusalCode::notAllowed, path,
                   "can be read or written by others: chmod 600 it, or make a new one");
  }
  char text[256];
  ssize_t length = ::read(file.get(), text, sizeof text);
  if (length < 0) return because(RefusalCode::unavailable, path, "cannot be read", errno);
  auto secret = parseSecret(std::string_view(text, static_cast<std::size_t>(length)));
  if (!secret) {
    return because(RefusalCode::invalid, path,
                   "does not hold 64 hex digits: copy it again from the head's host");
  }
  return secret;
}

Result<Secret> readOrMakeSecret(const std::string& path) {
  if (::access(path.c_str(), F_OK) == 0 || errno != ENOENT) return readSecret(path);
  std::size_t slash = path.rfind('/');
  if (slash != std::string::npos && slash > 0) {
    std::string folder = path.substr(0, slash);
    if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) {
      return because(RefusalCode::unavailable, path, "has no folder", errno);
    }
  }
  Secret secret;
  if (RAND_bytes(secret.bytes.data(), static_cast<int>(secret.bytes.size())) != 1) {
    return because(RefusalCode::unavailable, path, "cannot be made: there is no random source");
  }
  auto made = publish(path, secret);
  if (!made) return made.error();
  return readSecret(path);
}

Result<std::string> defaultSecretPath(std::string_view runtimeDirectory, std::string_view home) {
  if (!runtimeDirectory.empty()) return std::string(runtimeDirectory) + "/alnilam/secret";
  if (!home.empty()) return std::string(home) + "/.alnilam/secret";
  return Refusal{RefusalCode::unavailable,
                 "neither XDG_RUNTIME_DIR nor HOME is set: say where the cluster's secret lies"};
}

}  // namespace alnilam::rpc
