#include "daemons/node/node_programs.h"

#include <unistd.h>

namespace alnilam {
namespace {

std::span<const std::byte> bytesOf(capnp::Data::Reader data) {
  return {reinterpret_cast<const std::byte*>(data.begin()), data.size()};
}

}  // namespace

kj::Promise<Result<std::string>> NodePrograms::get(const std::string& hash) {
  if (!isHash(hash)) {
    return Result<std::string>(Refusal{RefusalCode::invalid, "\"" + hash + "\" is no hash"});
  }
  std::string path = ProgramFile::pathOf(directory_, hash);
  if (access(path.c_str(), X_OK) == 0) return Result<std::string>(path);
  auto it = fetching_.find(hash);
  if (it == fetching_.end()) it = fetching_.emplace(hash, fetch(hash).fork()).first;
  // What failed is tried again when the program is asked for the next time.
  return it->second.addBranch().then([this, hash](Result<std::string> fetched) {
    if (!fetched) fetching_.erase(hash);
    return fetched;
  });
}

kj::Promise<Result<std::string>> NodePrograms::fetch(std::string hash) {
  auto request = head_.programRequest();
  request.setHash(hash);
  return request.send().then(
      [this, hash](auto response) mutable -> kj::Promise<Result<std::string>> {
        if (!response.getKnown()) {
          return Result<std::string>(
              Refusal{RefusalCode::unknown, "the head does not have the program " + hash});
        }
        Result<ProgramFile> file =
            ProgramFile::receive(directory_, {hash, response.getSize()});
        if (!file) return Result<std::string>(file.error());
        auto kept = kj::heap<ProgramFile>(std::move(file).value());
        Result<bool> taken = kept->append(bytesOf(response.getBytes()));
        if (!taken) return Result<std::string>(taken.error());
        return fetchRest(hash, kj::mv(kept));
      });
}

kj::Promise<Result<std::string>> NodePrograms::fetchRest(std::string hash,
                                                         kj::Own<ProgramFile> file) {
  if (file->whole()) return Result<std::string>(ProgramFile::pathOf(directory_, hash));
  auto request = head_.programRequest();
  request.setHash(hash);
  request.setOffset(file->received());
  return request.send().then([this, hash, file = kj::mv(file)](
                                 auto response) mutable -> kj::Promise<Result<std::string>> {
    if (response.getBytes().size() == 0) {
      return Result<std::string>(
          Refusal{RefusalCode::unavailable, "the head lost the program " + hash});
    }
    Result<bool> taken = file->append(bytesOf(response.getBytes()));
    if (!taken) return Result<std::string>(taken.error());
    return fetchRest(hash, kj::mv(file));
  });
}

}  // namespace alnilam
