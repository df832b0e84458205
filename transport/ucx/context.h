#pragma once
// Which lanes UCX may use, and the UCX context made with them.
//
// UCX has no authentication: whoever reaches one of its ports can write to the process behind it.
// So no port is opened unless the operator names an interface as trusted; without one only the
// lanes inside this host are used (shared memory), which open none.
//
// Error handling decides more than it seems.  A mover must outlive its peers, so endpoints are made
// with UCP_ERR_HANDLING_MODE_PEER; UCX 1.13 then does without cma (which cannot be invalidated) and
// moves bulk data through the shared-memory queues (neighbour.h has a better way inside a host).
// The queues of posix and sysv report a dead peer only if asked to, and that can be asked by the
// environment alone: ucp_config_modify accepts the name and then ignores it with a warning.  So the
// process that makes a context first puts `environment()` into its own; everything else is set by
// ucp_config_modify.
//
// Threading: create on the thread that will drive the worker, before there are others.

#include "core/base/error.h"
#include "core/base/units.h"

#include <ucp/api/ucp.h>

#include <string>
#include <utility>
#include <vector>

namespace alnilam::ucx {

// Names and values that must be in the environment when a context is made.
std::vector<std::pair<const char*, const char*>> environment();

struct Settings {
  // Network interfaces to be trusted ("lo", "eth1", or "mlx5_0:1" for InfiniBand); empty: none.
  std::vector<std::string> interfaces;

  // UCX transports to be used inside this host; empty: none, so that peers on this host are reached
  // over the interfaces as well.
  std::string onHost = "posix,cma,self";

  // How often UCX looks whether idle peers are still there.
  Duration keepalive = std::chrono::seconds(2);
};

class Context {
 public:
  // Refuses (invalid) an interface name with anything but letters, digits and .:_-, and
  // (unavailable) an interface or lane that this machine does not have.
  static Result<Context> create(const Settings& settings);

  Context(Context&& other) noexcept;
  Context& operator=(Context&& other) noexcept;
  ~Context();

  ucp_context_h get() const { return context_; }

  // What there is, for people: "posix sysv tcp/eth1".
  const std::string& transports() const { return transports_; }

 private:
  explicit Context(ucp_context_h context);

  ucp_context_h context_ = nullptr;
  std::string transports_;
};

}  // namespace alnilam::ucx
