#pragma once
// How large a batch is on the wire, and how to cut one that is too large.
//
// A batch gathers whatever there is while the calls before it are in flight; with arguments of
// 64 KiB each, a thousand tasks are 64 MiB, which is what a connection takes at most.  So whoever
// sends cuts batches at kMaxBatchBytes.  A cut keeps the order of the members: everything of an
// earlier member goes before anything of a later one.
//
//   for (ClientBatch& part : cut(std::move(batch))) send(part);
//
// Complexity: linear in the batch; one that is small enough is moved through untouched.

#include "transport/rpc/client_codec.h"
#include "transport/rpc/executor_codec.h"
#include "transport/rpc/node_codec.h"

#include "transport/rpc/mail.h"

#include <capnp/any.h>

#include <vector>

namespace alnilam::rpc {

inline constexpr Bytes kMaxBatchBytes = 8_MiB;

// About as many bytes as the batch takes on the wire, at least.
Bytes wireSize(const ClientBatch& batch);
Bytes wireSize(const Told& told);
Bytes wireSize(const NodeMail& mail);
Bytes wireSize(const NodeNews& news);
Bytes wireSize(const Orders& orders);
Bytes wireSize(const ExecutorReport& report);

// In order; each at most `most` and one element more.  Never empty: an empty batch gives itself.
std::vector<ClientBatch> cut(ClientBatch batch, Bytes most = kMaxBatchBytes);
std::vector<Told> cut(Told told, Bytes most = kMaxBatchBytes);
std::vector<NodeMail> cut(NodeMail mail, Bytes most = kMaxBatchBytes);
std::vector<NodeNews> cut(NodeNews news, Bytes most = kMaxBatchBytes);
std::vector<Orders> cut(Orders orders, Bytes most = kMaxBatchBytes);
std::vector<ExecutorReport> cut(ExecutorReport report, Bytes most = kMaxBatchBytes);

// What to hand to a message's builder, so that the whole batch is built in one segment: building
// and reading are then twice as fast.
template <typename Batch>
capnp::MessageSize sizeHint(const Batch& batch) {
  return {wireSize(batch) / sizeof(capnp::word) + 64, 1};
}

// Posts the batch as a `Schema` of its conversation.
template <typename Schema, typename Batch>
void post(Mailbox& mailbox, const Batch& batch) {
  mailbox.post(sizeHint(batch), [&](capnp::AnyPointer::Builder to) {
    write(batch, to.initAs<Schema>());
  });
}

}  // namespace alnilam::rpc
