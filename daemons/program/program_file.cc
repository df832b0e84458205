#include "daemons/program/program_file.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <vector>

namespace alnilam {
namespace {

constexpr std::size_t kReadSize = 1 << 20;

struct FreeDigest {
  void operator()(EVP_MD_CTX* digest) const { EVP_MD_CTX_free(digest); }
};

class Sha256 {
 public:
  Sha256() : digest_(EVP_MD_CTX_new()) { EVP_DigestInit_ex(digest_.get(), EVP_sha256(), nullptr); }
  void add(const void* bytes, std::size_t size) { EVP_DigestUpdate(digest_.get(), bytes, size); }
  std::string hex() {
    unsigned char bytes[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    EVP_DigestFinal_ex(digest_.get(), bytes, &size);
    std::string text;
    for (unsigned i = 0; i < size; ++i) {
      constexpr char kDigits[] = "0123456789abcdef";
      text += kDigits[bytes[i] >> 4];
      text += kDigits[bytes[i] & 15];
    }
    return text;
  }

 private:
  std::unique_ptr<EVP_MD_CTX, FreeDigest> digest_;
};

Refusal systemRefusal(const std::string& what) {
  return {RefusalCode::unavailable, what + ": " + std::strerror(errno)};
}

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() { reset(); }
  int get() const { return fd_; }
  void reset() {
    if (fd_ >= 0) close(fd_);
    fd_ = -1;
  }

 private:
  int fd_;
};

}  // namespace

Result<ProgramIdentity> identify(const std::string& path) {
  Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) return systemRefusal("cannot read " + path);
  Sha256 digest;
  ProgramIdentity identity;
  std::vector<char> buffer(kReadSize);
  while (true) {
    ssize_t amount = read(file.get(), buffer.data(), buffer.size());
    if (amount < 0) return systemRefusal("cannot read " + path);
    if (amount == 0) break;
    digest.add(buffer.data(), static_cast<std::size_t>(amount));
    identity.size += static_cast<Bytes>(amount);
  }
  identity.hash = digest.hex();
  return identity;
}

bool isHash(const std::string& text) {
  return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == std::string::npos;
}

struct ProgramFile::State {
  State(int fd, std::string partial, std::string directory, ProgramIdentity identity)
      : file(fd),
        partialPath(std::move(partial)),
        finalPath(pathOf(directory, identity.hash)),
        announced(std::move(identity)) {}
  ~State() {
    if (!whole) unlink(partialPath.c_str());
  }

  Descriptor file;
  std::string partialPath, finalPath;
  ProgramIdentity announced;
  Sha256 digest;
  Bytes received = 0;
  bool whole = false;
};

ProgramFile::ProgramFile(std::unique_ptr<State> state) : state_(std::move(state)) {}
ProgramFile::ProgramFile(ProgramFile&&) noexcept = default;
ProgramFile& ProgramFile::operator=(ProgramFile&&) noexcept = default;
ProgramFile::~ProgramFile() = default;

std::string ProgramFile::pathOf(const std::string& directory, const std::string& hash) {
  return directory + "/" + hash;
}

Result<ProgramFile> ProgramFile::receive(const std::string& directory,
                                         const ProgramIdentity& identity) {
  std::string partial = directory + "/receiving-XXXXXX";
  int fd = mkostemp(partial.data(), O_CLOEXEC);
  if (fd < 0) return systemRefusal("cannot keep a program in " + directory);
  return ProgramFile(std::make_unique<State>(fd, partial, directory, identity));
}

Bytes ProgramFile::received() const { return state_->received; }
bool ProgramFile::whole() const { return state_->whole; }

Result<bool> ProgramFile::append(std::span<const std::byte> bytes) {
  State& state = *state_;
  if (state.whole || bytes.size() > state.announced.size - state.received) {
    return Refusal{RefusalCode::invalid, "the program has more than the " +
                                             std::to_string(state.announced.size) +
                                             " bytes that were announced"};
  }
  for (std::size_t done = 0; done < bytes.size();) {
    ssize_t amount = write(state.file.get(), bytes.data() + done, bytes.size() - done);
    if (amount < 0 && errno == EINTR) continue;
    if (amount < 0) return systemRefusal("cannot write " + state.partialPath);
    done += static_cast<std::size_t>(amount);
  }
  state.digest.add(bytes.data(), bytes.size());
  state.received += bytes.size();
  if (state.received < state.announced.size) return true;

  std::string hash = state.digest.hex();
  if (hash != state.announced.hash) {
    return Refusal{RefusalCode::invalid,
                   "the program's hash is " + hash + " and not " + state.announced.hash};
  }
  // Closed before it gets its name: a file open for writing cannot be executed.
  fchmod(state.file.get(), 0700);
  state.file.reset();
  if (rename(state.partialPath.c_str(), state.finalPath.c_str()) != 0) {
    return systemRefusal("cannot name " + state.finalPath);
  }
  state.whole = true;
  return true;
}

std::string readPart(const std::string& path, Bytes offset, std::size_t most) {
  Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) return {};
  std::string part(most, '\0');
  ssize_t amount = pread(file.get(), part.data(), part.size(), static_cast<off_t>(offset));
  part.resize(amount > 0 ? static_cast<std::size_t>(amount) : 0);
  return part;
}

}  // namespace alnilam
