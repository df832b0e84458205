#include "transport/rpc/handshake.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include <array>
#include <cstring>
#include <memory>

namespace alnilam::rpc {
namespace {

constexpr std::size_t kMagicBytes = 8;
constexpr char kMagic[kMagicBytes + 1] = "ALNILAM\n";

using Nonce = std::array<unsigned char, 32>;
using Proof = std::array<unsigned char, 32>;

enum class Verdict : std::uint8_t {
  welcome = 0,
  wrongSecret = 1,
  versionDiffers = 2,
  roleNotServed = 3,
  full = 4,
};

// The first message of either side.  Bytes only, so that it has no padding and no byte order.
struct Opening {
  char magic[kMagicBytes];
  unsigned char version[2];  // little endian
  unsigned char word;        // the caller's role, the listener's verdict so far
  unsigned char reserved[5];
  Nonce nonce;
};
static_assert(sizeof(Opening) == 48);

struct Ending {
  unsigned char verdict;
  unsigned char reserved[7];
  Proof proof;
};
static_assert(sizeof(Ending) == 40);

Opening newOpening(std::uint8_t word) {
  Opening opening{};
  std::memcpy(opening.magic, kMagic, kMagicBytes);
  opening.version[0] = kProtocolVersion & 0xff;
  opening.version[1] = kProtocolVersion >> 8;
  opening.word = word;
  // A challenge that could be foreseen would let an old proof be played again: better to end here.
  ALNILAM_ASSERT(RAND_bytes(opening.nonce.data(), static_cast<int>(opening.nonce.size())) == 1);
  return opening;
}

std::uint16_t versionOf(const Opening& opening) {
  return static_cast<std::uint16_t>(opening.version[0] | (opening.version[1] << 8));
}

bool isOurs(const Opening& opening) {
  return std::memcmp(opening.magic, kMagic, kMagicBytes) == 0;
}

// `who` makes the two sides' proofs differ, so that neither can be sent back as the other.
Proof prove(const Secret& secret, const char* who, std::uint8_t role, const Nonce& callers,
            const Nonce& listeners) {
  std::string text = std::string("alnilam 1 ") + who + " ";
  text += static_cast<char>(role);
  text.append(reinterpret_cast<const char*>(callers.data()), callers.size());
  text.append(reinterpret_cast<const char*>(listeners.data()), listeners.size());
  Proof proof{};
  unsigned length = 0;
  const unsigned char* made =
      HMAC(EVP_sha256(), secret.bytes.data(), static_cast<int>(secret.bytes.size()),
           reinterpret_cast<const unsigned char*>(text.data()), text.size(), proof.data(), &length);
  ALNILAM_ASSERT(made != nullptr && length == proof.size());
  return proof;
}

bool same(const Proof& left, const Proof& right) {
  return CRYPTO_memcmp(left.data(), right.data(), left.size()) == 0;
}

// One handshake's messages, kept alive while they are being read and written.
struct Talk {
  kj::AsyncIoStream& stream;
  const Secret& secret;
  Opening ours{};
  Opening theirs{};
  Proof proof{};
  Ending ending{};
};

using Answer = Result<Role>;

Refusal no(RefusalCode code, std::string why) { return {code, std::move(why)}; }

// What was cut off or never came, in words; `late` after `deadline`.
kj::Promise<Answer> within(kj::Promise<Answer> talk, kj::Timer& timer, kj::Duration deadline,
                           Refusal cut, Refusal late) {
  return talk
      .catch_([cut = std::move(cut)](kj::Exception&&) mutable -> Answer { return std::move(cut); })
      .exclusiveJoin(timer.afterDelay(deadline).then(
          [late = std::move(late)]() mutable -> Answer { return std::move(late); }));
}

kj::Promise<Answer> finish(Talk& talk, Verdict verdict, Answer answer) {
  talk.ending.verdict = static_cast<unsigned char>(verdict);
  return talk.stream.write(&talk.ending, sizeof talk.ending)
      .then([answer = std::move(answer)]() mutable { return std::move(answer); });
}

// The listener, once the caller's proof has come.
kj::Promise<Answer> judge(Talk& talk, Role role) {
  std::uint8_t word = talk.theirs.word;
  Proof wanted = prove(talk.secret, "caller", word, talk.theirs.nonce, talk.ours.nonce);
  if (!same(wanted, talk.proof)) {
    return finish(talk, Verdict::wrongSecret,
                  no(RefusalCode::notAllowed, "the caller has another cluster's secret"));
  }
  talk.ending.proof = prove(talk.secret, "listener", word, talk.theirs.nonce, talk.ours.nonce);
  return finish(talk, Verdict::welcome, role);
}

// The listener, once the caller's greeting has come.
kj::Promise<Answer> challenge(Talk& talk, Roles served) {
  auto send = [&talk](Verdict verdict) {
    talk.ours = newOpening(static_cast<std::uint8_t>(verdict));
    return talk.stream.write(&talk.ours, sizeof talk.ours);
  };
  if (versionOf(talk.theirs) != kProtocolVersion) {
    std::string why = "the caller speaks version " + std::to_string(versionOf(talk.theirs)) +
                      " of the protocol, not " + std::to_string(kProtocolVersion);
    return send(Verdict::versionDiffers).then([why]() -> Answer {
      return no(RefusalCode::unavailable, why);
    });
  }
  bool known = talk.theirs.word >= 1 && talk.theirs.word <= 3;
  Role role = static_cast<Role>(talk.theirs.word);
  if (!known || !served.has(role)) {
    std::string why = known ? std::string("a ") + name(role) + " has no business here"
                            : "role " + std::to_string(talk.theirs.word) + " is unknown";
    return send(Verdict::roleNotServed).then([why]() -> Answer {
      return no(RefusalCode::notAllowed, why);
    });
  }
  return send(Verdict::welcome)
      .then([&talk]() { return talk.stream.read(&talk.proof, sizeof talk.proof); })
      .then([&talk, role]() { return judge(talk, role); });
}

kj::Promise<Answer> listenTo(Talk& talk, Roles served) {
  // The magic first: who speaks another protocol is not waited for.
  return talk.stream.read(&talk.theirs, kMagicBytes)
      .then([&talk, served]() -> kj::Promise<Answer> {
        if (!isOurs(talk.theirs)) {
          return Answer(no(RefusalCode::invalid, "the caller does not speak Alnilam's protocol"));
        }
        auto* rest = reinterpret_cast<char*>(&talk.theirs) + kMagicBytes;
        return talk.stream.read(rest, sizeof(Opening) - kMagicBytes)
            .then([&talk, served]() { return challenge(talk, served); });
      });
}

// The caller, once the listener's challenge has come.
kj::Promise<Answer> respond(Talk& talk, Role role, const std::string& address) {
  auto answer = [](Refusal refusal) -> kj::Promise<Answer> { return Answer(std::move(refusal)); };
  if (!isOurs(talk.theirs)) {
    return answer(no(RefusalCode::invalid, "what listens at " + address + " is not Alnilam"));
  }
  switch (static_cast<Verdict>(talk.theirs.word)) {
    case Verdict::full:
      return answer(no(RefusalCode::overloaded, address + " has too many connections"));
    case Verdict::roleNotServed:
      return answer(no(RefusalCode::notAllowed,
                       address + " does not serve a " + std::string(name(role))));
    default:
      break;
  }
  if (versionOf(talk.theirs) != kProtocolVersion) {
    return answer(no(RefusalCode::unavailable,
                     address + " speaks version " + std::to_string(versionOf(talk.theirs)) +
                         " of the protocol, and this program version " +
                         std::to_string(kProtocolVersion)));
  }
  auto word = static_cast<std::uint8_t>(role);
  talk.proof = prove(talk.secret, "caller", word, talk.ours.nonce, talk.theirs.nonce);
  return talk.stream.write(&talk.proof, sizeof talk.proof)
      .then([&talk]() { return talk.stream.read(&talk.ending, sizeof talk.ending); })
      .then([&talk, role, word, address]() -> Answer {
        Proof wanted =
            prove(talk.secret, "listener", word, talk.ours.nonce, talk.theirs.nonce);
        bool welcome = static_cast<Verdict>(talk.ending.verdict) == Verdict::welcome;
        if (welcome && same(wanted, talk.ending.proof)) return role;
        return no(RefusalCode::notAllowed,
                  address + " belongs to a cluster with another secret than this program's");
      });
}

std::string seconds(kj::Duration time) { return std::to_string(time / kj::SECONDS) + " s"; }

}  // namespace

const char* name(Role role) {
  switch (role) {
    case Role::client: return "client";
    case Role::node: return "node";
    case Role::tool: return "tool";
  }
  return "unknown";
}

kj::Promise<Answer> admit(kj::AsyncIoStream& stream, kj::Timer& timer, const Secret& secret,
                          Roles served, kj::Duration deadline) {
  auto talk = kj::heap<Talk>(Talk{stream, secret});
  // evalNow: a stream that was reset throws at once instead of failing its promise.
  Talk& t = *talk;
  auto promise = kj::evalNow([&t, served]() { return listenTo(t, served); }).attach(kj::mv(talk));
  return within(kj::mv(promise), timer, deadline,
                no(RefusalCode::invalid, "the caller left before it had introduced itself"),
                no(RefusalCode::invalid,
                   "the caller did not introduce itself within " + seconds(deadline)));
}

kj::Promise<Answer> introduce(kj::AsyncIoStream& stream, kj::Timer& timer, const Secret& secret,
                              Role role, std::string address, kj::Duration deadline) {
  auto talk = kj::heap<Talk>(Talk{stream, secret});
  Talk& t = *talk;
  t.ours = newOpening(static_cast<std::uint8_t>(role));
  auto promise =
      kj::evalNow([&t]() { return t.stream.write(&t.ours, sizeof t.ours); })
          .then([&t]() { return t.stream.read(&t.theirs, kMagicBytes); })
          .then([&t]() -> kj::Promise<void> {
            if (!isOurs(t.theirs)) return kj::READY_NOW;
            auto* rest = reinterpret_cast<char*>(&t.theirs) + kMagicBytes;
            return t.stream.read(rest, sizeof(Opening) - kMagicBytes);
          })
          .then([&t, role, address]() { return respond(t, role, address); })
          .attach(kj::mv(talk));
  return within(kj::mv(promise), timer, deadline,
                no(RefusalCode::invalid,
                   "what listens at " + address + " closed the connection: it is not Alnilam, or "
                   "it is ending"),
                no(RefusalCode::unavailable, "what listens at " + address +
                                                 " did not answer within " + seconds(deadline)));
}

kj::Promise<void> turnAway(kj::AsyncIoStream& stream) {
  auto opening = kj::heap<Opening>(newOpening(static_cast<std::uint8_t>(Verdict::full)));
  auto& bytes = *opening;
  auto promise = kj::evalNow([&]() { return stream.write(&bytes, sizeof bytes); });
  return promise.attach(kj::mv(opening));
}

}  // namespace alnilam::rpc
