// What peers may not send, and what they hear; and how batches are cut.  Each row breaks one bound.

#include "transport/rpc/batch_size.h"
#include "transport/rpc/made_up.h"

#include <capnp/message.h>
#include <capnp/serialize.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>

namespace alnilam::rpc {
namespace {

using testing::HasSubstr;

// The refusal that a sound message gets once `spoil` has been at it.
template <typename Wire, typename Sound, typename Read>
std::string whyRefused(const Sound& sound, std::function<void(typename Wire::Builder)> spoil,
                       Read&& read) {
  capnp::MallocMessageBuilder message;
  auto root = message.initRoot<Wire>();
  write(sound, root);
  auto before = read(root.asReader());
  EXPECT_TRUE(before.hasValue()) << "the message was not sound to begin with";
  spoil(root);
  auto after = read(root.asReader());
  return after ? "taken" : after.error().why;
}

TEST(Bounds, ABatchOfAProgram) {
  using Batch = schema::ClientBatch;
  struct Row { const char* why; std::function<void(Batch::Builder)> spoil; };
  const Row rows[] = {
    {"index is out of range", [](auto b) { b.getTasks()[0].setIndex(0); }},
    {"index is out of range", [](auto b) { b.getTasks()[0].setIndex(0xffffffff); }},
    {"an id is zero", [](auto b) { b.initWants(3).set(0, 1); }},
    {"of another job", [](auto b) { b.initWants(1).set(0, ObjectId::make({8}, 1).value); }},
    {"of another job", [](auto b) { b.initReleases(1).set(0, 5); }},
    {"of another job", [](auto b) { b.initCancels(1).set(0, 5); }},
    {"of another job", [](auto b) { b.getPuts()[0].setObject(5); }},
    {"belong into a store", [](auto b) { b.getTasks()[0].initArguments(70'000); }},
    {"is pending", [](auto b) {
       b.getPuts()[0].setState(schema::ObjectValue::State::PENDING); }},
    {"an input has failed", [](auto b) {
       b.getPuts()[0].setState(schema::ObjectValue::State::FAILED); }},
    {"unknown state of a value: 77", [](auto b) {
       b.getPuts()[0].setState(static_cast<schema::ObjectValue::State>(77)); }},
    {"has no holder", [](auto b) {
       b.getPuts()[0].setState(schema::ObjectValue::State::STORED);
       b.getPuts()[0].disownHolders(); }},
    {"too many classes", [](auto b) { b.initClasses(70'000); }},
    {"has no name", [](auto b) { b.getClasses()[0].setFunction(""); }},
    {"function's name is too long", [](auto b) { b.getClasses()[0].initFunction(2000); }},
    {"longer than a century", [](auto b) { b.getClasses()[0].setDelayNanoseconds(UINT64_MAX); }},
    {"longer than a century", [](auto b) {
       b.getClasses()[0].setDeadlineNanoseconds(UINT64_MAX); }},
    {"too many retries: 101", [](auto b) { b.getClasses()[0].setRetries(101); }},
    {"cpus of 18446744073709551615 parts", [](auto b) {
       b.getClasses()[0].getNeeds().setCpuParts(UINT64_MAX); }},
    {"memory", [](auto b) { b.getClasses()[0].getNeeds().setMemoryBytes(1ull << 63); }},
    {"too many named resources", [](auto b) { b.getClasses()[0].getNeeds().initNamed(10'000); }},
    {"too many variants: 9", [](auto b) { b.getClasses()[0].initVariants(9); }},
    {"variant has no kind", [](auto b) { b.getClasses()[0].initVariants(1); }},
    {"kind of a variant is too long", [](auto b) {
       b.getClasses()[0].initVariants(1)[0].initKind(17); }},
    {"variant has no function", [](auto b) {
       b.getClasses()[0].initVariants(1)[0].setKind("cpu"); }},
    {"cpus of 18446744073709551615 parts", [](auto b) {
       auto variant = b.getClasses()[0].initVariants(1)[0];
       variant.setKind("cpu");
       variant.setFunction("f");
       variant.getNeeds().setCpuParts(UINT64_MAX); }},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.why);
    MadeUp madeUp(3);
    auto why = whyRefused<Batch>(madeUp.clientBatch(), row.spoil,
                                 [](auto reader) { return read(reader, JobId{7}); });
    EXPECT_THAT(why, HasSubstr(row.why));
  }
}

TEST(Bounds, AJobsShare) {
  using Share = schema::JobShare;
  struct Row { const char* why; std::function<void(Share::Builder)> spoil; };
  const Row rows[] = {
    {"not 0", [](auto b) { b.setWeight(0); }},
    {"not 10001", [](auto b) { b.setWeight(10'001); }},
    {"too many parts of cpus", [](auto b) { b.setCpuParts(UINT64_MAX - 1); }},
    {"too many parts of gpus", [](auto b) { b.setGpuParts(1ull << 63); }},
    {"memory", [](auto b) { b.setMemoryBytes(1ull << 63); }},
    {"gpuMemory", [](auto b) { b.setGpuMemoryBytes(1ull << 63); }},
    {"too many resources of a quota", [](auto b) { b.initNamed(65); }},
    {"name of 0 bytes", [](auto b) { b.initNamed(1); }},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.why);
    MadeUp madeUp(3);
    auto why = whyRefused<Share>(madeUp.jobShare(), row.spoil,
                                 [](auto reader) { return read(reader); });
    EXPECT_THAT(why, HasSubstr(row.why));
  }
}

TEST(Bounds, APriorityOutOfRangeCountsAsTheNearest) {
  capnp::MallocMessageBuilder message;
  auto wire = message.initRoot<schema::TaskClass>();
  wire.setFunction("f");
  struct Row { std::int32_t sent, is; };
  for (Row row : {Row{1001, 1000}, {INT32_MIN, -1000}, {INT32_MAX, 1000}, {0, 0}}) {
    wire.setPriority(row.sent);
    EXPECT_EQ(read(wire.asReader()).value().priority, row.is);
  }
}

TEST(Bounds, AJoiningNode) {
  using Identity = schema::NodeIdentity;
  struct Row { const char* why; std::function<void(Identity::Builder)> spoil; };
  const Row rows[] = {
    {"incarnation is zero", [](auto b) { b.setIncarnation(0); }},
    {"a node has no name", [](auto b) { b.getAddress().setName(""); }},
    {"node's name is too long", [](auto b) { b.getAddress().initName(256); }},
    {"bytes in a mover's address", [](auto b) { b.getAddress().initMover(70'000); }},
    {"too many GPUs: 1000000", [](auto b) { b.getTopology().initGpus(1'000'000); }},
    {"too many cores", [](auto b) { b.getTopology().initCores(5000); }},
    {"too many features", [](auto b) { b.getTopology().initFeatures(65); }},
    {"feature is too long", [](auto b) { b.getTopology().initFeatures(1).init(0, 1025); }},
    {"domain", [](auto b) { b.getTopology().getCores()[0].setDomain(9); }},
    {"unknown class of link: 9", [](auto b) {
       b.getTopology().getLinks()[0].setKind(static_cast<schema::Topology::LinkClass>(9)); }},
    {"link", [](auto b) { b.getTopology().initLinks(3); }},
    {"more than its topology has", [](auto b) {
       b.getOffered().setGpuParts(1'000 * 10'000); }},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.why);
    MadeUp madeUp(3);
    auto why = whyRefused<Identity>(madeUp.identity(), row.spoil,
                                    [](auto reader) { return read(reader); });
    EXPECT_THAT(why, HasSubstr(row.why));
  }
}

TEST(Bounds, AReport) {
  using Report = schema::NodeReport;
  struct Row { const char* why; std::function<void(Report::Builder)> spoil; };
  const Row rows[] = {
    {"an id is zero", [](auto b) { b.getDone()[0].setTask(0); }},
    {"unknown end of a task: 4", [](auto b) {
       b.getDone()[0].setHow(static_cast<schema::TaskDone::How>(4)); }},
    {"unknown health of a device: 3", [](auto b) {
       b.getDone()[0].setHealth(static_cast<schema::TaskDone::DeviceHealth>(3)); }},
    {"of no GPU that it is sick", [](auto b) {
       b.getDone()[0].setHealth(schema::TaskDone::DeviceHealth::DEVICE_LOST);
       b.getDone()[0].setSickDevice(0); }},
    {"of no GPU that it is sick", [](auto b) {
       b.getDone()[0].setHealth(schema::TaskDone::DeviceHealth::CONTEXT_LOST);
       b.getDone()[0].setSickDevice(65); }},
    {"too many withdrawn GPUs: 65", [](auto b) { b.initWithdrawn(65); }},
    {"a withdrawn GPU is one that no node has", [](auto b) { b.initWithdrawn(1)[0].setGpu(64); }},
    {"reason of a withdrawal is too long", [](auto b) { b.initWithdrawn(1)[0].initWhy(1025); }},
    {"points at no failure", [](auto b) {
       b.getDone()[0].setHow(schema::TaskDone::How::FAILED);
       b.getDone()[0].setFailure(4'000'000'000); }},
    {"a GPU that no node has", [](auto b) { b.getDone()[0].setDevice(65); }},
    {"longer than a century", [](auto b) { b.getDone()[0].setRanNanoseconds(UINT64_MAX); }},
    {"unknown kind of failure: 0", [](auto b) { b.initFailures(1); }},
    {"a variant that no class has", [](auto b) { b.getDone()[0].setVariant(8); }},
    {"a cost is of a variant", [](auto b) { b.getCosts()[0].setVariant(8); }},
    {"a cost is of a size", [](auto b) { b.getCosts()[0].setSizeClass(64); }},
    {"a cost is of a GPU", [](auto b) { b.getCosts()[0].setDevice(65); }},
    {"a cost miscounts", [](auto b) { b.getCosts()[0].setRuns(0); }},
    {"a cost miscounts", [](auto b) { b.getCosts()[0].setTotal(0); }},
    {"longer than a century", [](auto b) { b.getCosts()[0].setMeanNanoseconds(UINT64_MAX); }},
    {"longer than a century", [](auto b) { b.getCosts()[0].setDeviationNanoseconds(~0ull); }},
    {"unknown kind of failure: 99", [](auto b) {
       b.initFailures(1)[0].setKind(static_cast<schema::Failure::Kind>(99)); }},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.why);
    MadeUp madeUp(3);
    auto why = whyRefused<Report>(madeUp.news(), row.spoil,
                                  [](auto reader) { return read(reader); });
    EXPECT_THAT(why, HasSubstr(row.why));
  }
}

TEST(Bounds, InputsOfATask) {
  using Value = schema::ObjectValue;
  struct Row { const char* why; std::function<void(Value::Builder)> spoil; };
  const Row rows[] = {
    {"taken", [](auto v) { v.setState(Value::State::PENDING); }},  // made there
    {"an input has failed", [](auto v) { v.setState(Value::State::FAILED); }},
    {"has no holder", [](auto v) { v.setState(Value::State::STORED); v.disownHolders(); }},
    {"an id is zero", [](auto v) { v.setObject(0); }},
  };
  NodeMail mail;
  mail.orders.assign.push_back(MadeUp(1).assignment());
  mail.orders.assign[0].inputs = {{ObjectId::make({7}, 1), alnilam::Value::of({})}};
  for (const Row& row : rows) {
    SCOPED_TRACE(row.why);
    auto why = whyRefused<schema::NodeOrders>(
        mail, [&](auto b) { row.spoil(b.getAssign()[0].getInputs()[0]); },
        [](auto reader) { return read(reader); });
    EXPECT_THAT(why, HasSubstr(row.why));
  }
}

TEST(Bounds, AnInputOfATaskIsStoredOrComing) {
  capnp::MallocMessageBuilder message;
  auto root = message.initRoot<schema::ExecutorOrders>();
  auto input = root.initRun(1)[0].initInputs(1)[0];
  root.getRun()[0].setTask(ObjectId::make({7}, 2).value);
  input.setObject(ObjectId::make({7}, 1).value);
  input.setComing(true);
  auto bytesAt = [](ObjectId, Place) -> Result<Blob> { return Blob(); };
  EXPECT_TRUE(read(root.asReader(), bytesAt).hasValue());
  input.setStored(true);
  auto got = read(root.asReader(), bytesAt);
  ASSERT_FALSE(got.hasValue());
  EXPECT_THAT(got.error().why, HasSubstr("both stored and coming"));
}

TEST(Bounds, TextsAreUtf8Afterwards) {
  struct Row { std::string sent, got; };
  const Row rows[] = {
    {"plain", "plain"},
    {"caf\xc3\xa9", "caf\xc3\xa9"},
    {"\xff\xfe", "??"},
    {"a\xc3", "a?"},                        // cut in the middle
    {"\xc0\xaf", "??"},                     // overlong
    {"\xed\xa0\x80", "???"},                // a surrogate
    {"\xf4\x90\x80\x80", "????"},           // past the last character
    {"\xf0\x9f\x98\x80!", "\xf0\x9f\x98\x80!"},
    {std::string("a\0b", 3), "a?b"},
  };
  for (const Row& row : rows) {
    capnp::MallocMessageBuilder message;
    auto root = message.initRoot<schema::Failure>();
    root.setKind(schema::Failure::Kind::EXCEPTION);
    root.setMessage(capnp::Text::Reader(row.sent.c_str(), row.sent.size()));
    auto got = read(root.asReader());
    ASSERT_TRUE(got.hasValue());
    EXPECT_EQ(got.value().message, row.got);
  }
}

// Every byte of a sound message is flipped in turn: the codec answers, with a value or a refusal.
TEST(Bounds, NoSpoiledByteLeavesTheCodecAsAnException) {
  MadeUp madeUp(5);
  capnp::MallocMessageBuilder message;
  write(madeUp.told(), message.initRoot<schema::Told>());
  auto words = capnp::messageToFlatArray(message);
  auto bytes = words.asBytes();
  std::size_t refused = 0;
  for (std::size_t at = 8; at < bytes.size(); ++at) {
    for (kj::byte flip : {0x01, 0x80, 0xff}) {
      bytes[at] ^= flip;
      capnp::ReaderOptions options;
      options.traversalLimitInWords = 1 << 16;
      capnp::FlatArrayMessageReader reader(words, options);
      // The root pointer is not the codec's: RPC has looked at it before.
      schema::Told::Reader root;
      if (kj::runCatchingExceptions([&] { root = reader.getRoot<schema::Told>(); }) == nullptr) {
        refused += !read(root).hasValue();
      }
      bytes[at] ^= flip;
    }
  }
  EXPECT_GT(refused, 0u);
}

// Lists that take no room announce half a billion elements: as the reports of a node, whose `done`
// they pretend to be.
TEST(Bounds, HugeListsOfNothingAreRefused) {
  constexpr std::uint64_t kMany = (1ull << 29) - 1;
  struct Row { const char* name; std::uint64_t elementSize; };
  const Row rows[] = {{"voids", 0}, {"bits", 1}, {"bytes", 2}, {"pointers", 6}, {"structs", 7}};
  for (const Row& row : rows) {
    SCOPED_TRACE(row.name);
    // A header of one segment of seven words; a struct of one word and five pointers; its first
    // pointer is the list, which would begin behind the last word.
    std::vector<std::uint64_t> words = {7ull << 32, 1ull << 32 | 5ull << 48, 0, 0, 0, 0, 0, 0};
    words[3] = 1 | 4ull << 2 | row.elementSize << 32 | kMany << 35;
    kj::ArrayPtr<const capnp::word> message(
        reinterpret_cast<const capnp::word*>(words.data()), words.size());
    capnp::ReaderOptions options;
    options.traversalLimitInWords = 10 << 20;
    capnp::FlatArrayMessageReader reader(message, options);
    auto got = read(reader.getRoot<schema::NodeReport>());
    ASSERT_FALSE(got.hasValue());
    EXPECT_THAT(got.error().why, HasSubstr("malformed"));
  }
}

TEST(Cut, KeepsEverythingInOrder) {
  // Arrange: 1,000 tasks of 40 KiB, and something before and after them
  MadeUp madeUp(1);
  ClientBatch batch;
  batch.classes.push_back(madeUp.taskClass());
  for (std::uint32_t i = 1; i <= 1000; ++i) {
    TaskSpec task;
    task.id = ObjectId::make({7}, i);
    task.arguments = Blob::copyOf(std::vector<std::byte>(40'000));
    batch.tasks.push_back(std::move(task));
  }
  batch.releases = {ObjectId::make({7}, 1)};
  // Act
  auto parts = cut(std::move(batch));
  // Assert
  EXPECT_EQ(parts.size(), 5u);
  EXPECT_EQ(parts.front().classes.size(), 1u);
  EXPECT_EQ(parts.back().releases.size(), 1u);
  std::uint32_t next = 1;
  for (auto& part : parts) {
    EXPECT_LE(wireSize(part), kMaxBatchBytes + 50'000);
    for (auto& task : part.tasks) EXPECT_EQ(task.id.index(), next++);
  }
  EXPECT_EQ(next, 1001u);
}

TEST(Cut, LeavesASmallBatchWhole) {
  EXPECT_EQ(cut(MadeUp(1).clientBatch()).size(), 1u);
  EXPECT_EQ(cut(ClientBatch{}).size(), 1u);
  NodeNews back;
  back.report.withdrawn.emplace();
  EXPECT_TRUE(cut(std::move(back)).front().report.withdrawn) << "an empty list says something too";
  NodeMail mail;
  mail.orders.restoreDevices = true;
  EXPECT_TRUE(cut(std::move(mail)).back().orders.restoreDevices);
  auto news = cut(MadeUp(1).news());
  ASSERT_EQ(news.size(), 1u);
  EXPECT_TRUE(news[0].lanes.has_value());
}

template <typename Wire, typename Batch, typename Write>
void expectOneSegment(const Batch& batch, Write&& write) {
  auto hint = sizeHint(batch);
  capnp::MallocMessageBuilder message(static_cast<unsigned>(hint.wordCount));
  write(batch, message.initRoot<Wire>());
  EXPECT_EQ(message.getSegmentsForOutput().size(), 1u) << "the hint was too small";
}

TEST(WireSize, IsEnoughToBuildABatchInOneSegment) {
  auto plain = [](auto& batch, auto builder) { write(batch, builder); };
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    SCOPED_TRACE(seed);
    MadeUp madeUp(seed);
    expectOneSegment<schema::ClientBatch>(madeUp.clientBatch(), plain);
    expectOneSegment<schema::Told>(madeUp.told(), plain);
    expectOneSegment<schema::NodeOrders>(madeUp.mail(), plain);
    expectOneSegment<schema::NodeReport>(madeUp.news(), plain);
    expectOneSegment<schema::ExecutorReport>(madeUp.report(), plain);
    expectOneSegment<schema::ExecutorOrders>(madeUp.orders(), [](auto& orders, auto builder) {
      write(orders, [](ObjectId) { return Place{}; }, builder);
    });
  }
}

}  // namespace
}  // namespace alnilam::rpc
