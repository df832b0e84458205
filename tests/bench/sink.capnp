@0x9b5f6a0d8e21c4a7;
# Batches by ordinary calls: what the figures of tasks are measured against.

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("alnilam::bench::schema");
using Client = import "/schema/client.capnp";

interface Sink {
  take @0 (batch :Client.ClientBatch) -> ();
}
