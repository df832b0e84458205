#include "daemons/head/programs.h"

namespace alnilam {

Result<bool> Programs::announce(const ProgramIdentity& identity) {
  if (!isHash(identity.hash)) {
    return Refusal{RefusalCode::invalid, "the program's hash is not 64 hexadecimal digits"};
  }
  if (identity.size == 0 || identity.size > kMaxSize) {
    return Refusal{RefusalCode::invalid,
                   "the program has " + std::to_string(identity.size) + " bytes; 1 to 4 GiB"};
  }
  Program& program = programs_[identity.hash];
  if (program.whole && program.size != identity.size) {
    return Refusal{RefusalCode::invalid, "the program of this hash has " +
                                             std::to_string(program.size) + " bytes, not " +
                                             std::to_string(identity.size)};
  }
  program.size = identity.size;
  return !program.whole;
}

Result<bool> Programs::upload(JobId job, const ProgramIdentity& identity, Bytes offset,
                              std::span<const std::byte> bytes) {
  Program& program = programs_[identity.hash];
  if (program.whole) return true;  // another job was quicker
  auto it = uploads_.find(job);
  if (it == uploads_.end()) {
    Result<ProgramFile> file = ProgramFile::receive(directory_, identity);
    if (!file) return file.error();
    it = uploads_.emplace(job, std::move(file).value()).first;
  }
  if (offset != it->second.received()) {
    return Refusal{RefusalCode::invalid,
                   "the program's bytes came out of order, at " + std::to_string(offset)};
  }
  Result<bool> taken = it->second.append(bytes);
  if (!taken || it->second.whole()) {
    program.whole = taken.hasValue();
    uploads_.erase(it);
  }
  if (program.whole) {
    for (auto& waiting : std::exchange(program.waiting, {})) waiting->fulfill();
  }
  return taken;
}

void Programs::giveUp(JobId job) { uploads_.erase(job); }

kj::Promise<Programs::Part> Programs::read(std::string hash, Bytes offset) {
  auto it = programs_.find(hash);
  if (it == programs_.end()) return Part{};
  if (it->second.whole) return partOf(hash, offset);
  auto paf = kj::newPromiseAndFulfiller<void>();
  it->second.waiting.push_back(kj::mv(paf.fulfiller));
  return paf.promise.then(
      [this, hash = std::move(hash), offset]() { return partOf(hash, offset); });
}

Programs::Part Programs::partOf(const std::string& hash, Bytes offset) const {
  return {readPart(ProgramFile::pathOf(directory_, hash), offset, kPart), programs_.at(hash).size,
          true};
}

}  // namespace alnilam
