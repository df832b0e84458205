@0xc1f0b1f6b7a3e5d9;
# Batches that go one way, beside a connection's calls.
#
# Two objects that talk for the whole life of a connection (a program and its job, a node and its
# membership, a node and an executor) send each other batches.  Each is one message, a Mail, that
# is not a message of Cap'n Proto's RPC: its first word has the highest bit of the number of
# segments set.  What type the batch has follows from who sends it: client.capnp, node.capnp and
# executor.capnp say so.
#
# Order: mails arrive in the order in which they were sent.  Nothing is promised between mails and
#   calls.
# Flow: a sender has at most 16 batches on their way that were not taken over; `taken` says how many
#   were, with whatever is sent next, or by itself once four wait to be told.
# Errors: a batch that breaks a bound is sent back as a refusal.  Mail that is none ends the
#   connection.
# Evolution: fields are only added, at the end, with a default that means what the old peer meant.

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("alnilam::schema");
using Common = import "common.capnp";

struct Mail {
  taken @0 :UInt64;  # batches of the receiver's that the sender has taken over since the
                     # connection's beginning; never falls
  union {
    nothing @1 :Void;              # only `taken`
    batch @2 :AnyPointer;
    refusal @3 :Common.Refusal;    # a batch was not taken: the sentence names what broke a bound
  }
}
