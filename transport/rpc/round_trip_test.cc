// Goal: a struct that crosses the wire arrives as it left.
// Method: seeded structs are written, read and written again; both messages must be equal byte for
// byte.  So that a field which writer and reader both forgot is noticed, every field of the schema
// must have been set to something by one of the seeds.  A failure names its seed.

#include "transport/rpc/made_up.h"

#include <capnp/dynamic.h>
#include <capnp/message.h>
#include <capnp/schema.h>
#include <capnp/serialize.h>
#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>

namespace alnilam::rpc {
namespace {

constexpr std::uint64_t kSeeds = 60;

// Struct by struct, the fields that were met set; structs are met through fields of other structs.
using FieldsSet = std::map<std::string, std::pair<capnp::StructSchema, std::set<std::string>>>;

void gather(capnp::DynamicStruct::Reader from, FieldsSet& fieldsSet) {
  auto& met =
      fieldsSet.try_emplace(from.getSchema().getProto().getDisplayName().cStr(), from.getSchema(),
                            std::set<std::string>()).first->second.second;
  for (auto field : from.getSchema().getFields()) {
    if (!from.has(field, capnp::HasMode::NON_DEFAULT)) continue;
    met.insert(field.getProto().getName().cStr());
    capnp::DynamicValue::Reader value = from.get(field);
    if (value.getType() == capnp::DynamicValue::STRUCT) {
      gather(value.as<capnp::DynamicStruct>(), fieldsSet);
    } else if (value.getType() == capnp::DynamicValue::LIST) {
      for (auto element : value.as<capnp::DynamicList>()) {
        if (element.getType() == capnp::DynamicValue::STRUCT) {
          gather(element.as<capnp::DynamicStruct>(), fieldsSet);
        }
      }
    }
  }
}

template <typename Wire, typename Write>
std::string messageOf(Write&& write, FieldsSet* fieldsSet = nullptr) {
  capnp::MallocMessageBuilder message;
  auto root = message.initRoot<Wire>();
  write(root);
  if (fieldsSet != nullptr) gather(root.asReader(), *fieldsSet);
  auto words = capnp::messageToFlatArray(message);
  auto bytes = words.asChars();
  return std::string(bytes.begin(), bytes.size());
}

// `write(value, builder)` and `read(reader)` are each other's reverse.
template <typename Wire, typename Make, typename Write, typename Read>
void expectRoundTrip(Make&& make, Write&& write, Read&& read) {
  FieldsSet fieldsSet;
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    MadeUp madeUp(seed);
    // Arrange
    auto value = make(madeUp);
    std::string first =
        messageOf<Wire>([&](auto builder) { write(value, builder); }, &fieldsSet);
    // Act
    capnp::MallocMessageBuilder message;
    auto root = message.initRoot<Wire>();
    write(value, root);
    auto got = read(root.asReader());
    // Assert
    ASSERT_TRUE(got.hasValue()) << got.error().why;
    EXPECT_EQ(first, messageOf<Wire>([&](auto builder) { write(got.value(), builder); }));
  }
  for (auto& [type, met] : fieldsSet) {
    for (auto field : met.first.getFields()) {
      std::string name = field.getProto().getName().cStr();
      // Inputs and puts are held or stored; only answers can have failed.
      bool mayMiss = name == "failure" && !std::is_same_v<Wire, schema::Told>;
      EXPECT_TRUE(mayMiss || met.second.contains(name))
          << type << "." << name << " does not travel";
    }
  }
}

template <typename Wire, typename Make>
void expectRoundTrip(Make&& make) {
  expectRoundTrip<Wire>(
      make, [](auto& value, auto builder) { write(value, builder); },
      [](auto reader) { return read(reader); });
}

TEST(RoundTrip, WhatIsCommon) {
  expectRoundTrip<schema::ResourceSet>([](MadeUp& m) { return m.resources(); });
  expectRoundTrip<schema::Topology>([](MadeUp& m) { return m.topology(); });
  expectRoundTrip<schema::TaskClass>([](MadeUp& m) { return m.taskClass(); });
  expectRoundTrip<schema::Failure>([](MadeUp& m) { return *m.failure(); });
  expectRoundTrip<schema::NodeAddress>([](MadeUp& m) { return m.address(); });
  expectRoundTrip<schema::Lane>([](MadeUp& m) { return m.lane(); });
}

TEST(RoundTrip, WhatProgramsAndToolsSay) {
  expectRoundTrip<schema::Program>([](MadeUp& m) { return m.program(); });
  expectRoundTrip<schema::JobShare>([](MadeUp& m) { return m.jobShare(); });
  expectRoundTrip<schema::Told>([](MadeUp& m) { return m.told(); });
  expectRoundTrip<schema::UsageRow>([](MadeUp& m) { return m.usage(); });
  expectRoundTrip<schema::Status>([](MadeUp& m) { return m.status(); });
  expectRoundTrip<schema::NodeView>([](MadeUp& m) { return m.nodeRow(); });
  expectRoundTrip<schema::JobView>([](MadeUp& m) { return m.jobView(); });
  expectRoundTrip<schema::TaskView>([](MadeUp& m) { return m.taskView(); });
  expectRoundTrip<schema::ClientBatch>(
      [](MadeUp& m) { return m.clientBatch(); },
      [](auto& batch, auto builder) { write(batch, builder); },
      [](auto reader) { return read(reader, JobId{7}); });
}

TEST(RoundTrip, WhatNodesSay) {
  expectRoundTrip<schema::NodeIdentity>([](MadeUp& m) { return m.identity(); });
  expectRoundTrip<schema::NodeOrders>([](MadeUp& m) { return m.mail(); });
  expectRoundTrip<schema::NodeReport>([](MadeUp& m) { return m.news(); });
}

TEST(RoundTrip, WhatExecutorsSay) {
  auto whereIs = [](ObjectId object) { return Place{object.value * 64, object.value + 1}; };
  auto bytesAt = [&](ObjectId object, Place place) -> Result<Blob> {
    EXPECT_EQ(place, whereIs(object));
    return Blob();
  };
  expectRoundTrip<schema::ExecutorStart>([](MadeUp& m) { return m.start(); });
  expectRoundTrip<schema::ExecutorReport>([](MadeUp& m) { return m.report(); });
  expectRoundTrip<schema::ExecutorOrders>(
      [](MadeUp& m) { return m.orders(); },
      [&](auto& orders, auto builder) { write(orders, whereIs, builder); },
      [&](auto reader) { return read(reader, bytesAt); });
}

TEST(RoundTrip, AFailureTravelsOnceAndIsSharedAgain) {
  // Arrange
  MadeUp madeUp(1);
  FailurePtr cause = madeUp.failure();
  Told told;
  for (std::uint32_t i = 1; i <= 1000; ++i) {
    told.values.emplace_back(ObjectId::make({7}, i), Value::failed(cause));
  }
  capnp::MallocMessageBuilder message;
  auto root = message.initRoot<schema::Told>();
  // Act
  write(told, root);
  auto got = read(root.asReader());
  // Assert
  EXPECT_EQ(root.getFailures().size(), 1u);
  ASSERT_TRUE(got.hasValue());
  EXPECT_EQ(got.value().values[0].second.failure, got.value().values[999].second.failure);
  EXPECT_EQ(got.value().values[999].second.failure->message, cause->message);
}

// ---- Enums: the schema's and core's are the same, number for number and name for name.

template <typename Wire>
void expectEnum(std::vector<std::pair<unsigned, const char*>> core, bool startsAtOne) {
  auto enumerants = capnp::Schema::from<Wire>().getEnumerants();
  EXPECT_EQ(enumerants.size(), core.size() + (startsAtOne ? 1 : 0)) << "one side knows more";
  for (auto [number, name] : core) {
    ASSERT_LT(number, enumerants.size());
    EXPECT_STREQ(enumerants[number].getProto().getName().cStr(), name);
  }
}

#define SAME(Type, name) {static_cast<unsigned>(Type::name), #name}

TEST(Enums, AreTheSameInSchemaAndCore) {
  expectEnum<schema::Refusal::Code>(
      {SAME(RefusalCode, invalid), SAME(RefusalCode, unknown), SAME(RefusalCode, infeasible),
       SAME(RefusalCode, overloaded), SAME(RefusalCode, staleIncarnation),
       SAME(RefusalCode, notAllowed), SAME(RefusalCode, unavailable)},
      true);
  expectEnum<schema::Failure::Kind>(
      {SAME(FailureKind, exception), SAME(FailureKind, crashed), SAME(FailureKind, exited),
       SAME(FailureKind, nodeLost), SAME(FailureKind, infeasible), SAME(FailureKind, cancelled),
       SAME(FailureKind, objectLost), SAME(FailureKind, unknownFunction),
       SAME(FailureKind, badArguments), SAME(FailureKind, storeFull),
       SAME(FailureKind, executorFailed), SAME(FailureKind, outOfDeviceMemory),
       SAME(FailureKind, device), SAME(FailureKind, deadlinePassed)},
      true);
  expectEnum<schema::ObjectValue::State>(
      {SAME(Value::State, pending), SAME(Value::State, held), SAME(Value::State, stored),
       SAME(Value::State, failed)},
      false);
  expectEnum<schema::TaskDone::How>({SAME(TaskDone::How, held), SAME(TaskDone::How, stored),
                                     SAME(TaskDone::How, failed),
                                     SAME(TaskDone::How, returned)},
                                    false);
  expectEnum<schema::TaskDone::DeviceHealth>(
      {SAME(DeviceHealth, ok), SAME(DeviceHealth, contextLost), SAME(DeviceHealth, deviceLost)},
      false);
  expectEnum<schema::Topology::LinkClass>(
      {SAME(LinkClass, host), SAME(LinkClass, pcie), SAME(LinkClass, nvlink)}, false);
}

}  // namespace
}  // namespace alnilam::rpc
