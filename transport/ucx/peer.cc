#include "transport/ucx/peer.h"

#include <kj/debug.h>

#include <cstdio>
#include <cstdlib>
#include <sstream>
#include <utility>
#include <vector>

namespace alnilam::ucx {

Peer::Peer(Worker& worker, kj::ArrayPtr<const kj::byte> address, Owner& owner)
    : worker_(worker), owner_(owner) {
  ucp_ep_params_t params{};
  params.field_mask = UCP_EP_PARAM_FIELD_REMOTE_ADDRESS | UCP_EP_PARAM_FIELD_ERR_HANDLING_MODE |
                      UCP_EP_PARAM_FIELD_ERR_HANDLER;
  params.address = reinterpret_cast<const ucp_address_t*>(address.begin());
  params.err_mode = UCP_ERR_HANDLING_MODE_PEER;
  params.err_handler = {&Peer::onError, this};
  auto status = ucp_ep_create(worker_.get(), &params, &ep_);
  if (status != UCS_OK) {
    ep_ = nullptr;
    broken_ = true;
    why_ = std::string("cannot be reached: ") + ucs_status_string(status);
  }
}

Peer::~Peer() noexcept(false) { KJ_REQUIRE(quiet(), "a peer is destroyed while UCX uses it"); }

void Peer::onError(void* self, ucp_ep_h, ucs_status_t status) {
  static_cast<Peer*>(self)->fail(ucs_status_string(status));
}

void Peer::fail(std::string why) {
  if (broken_) return;
  broken_ = true;
  why_ = std::move(why);
  owner_.faulted(*this);
}

void Peer::close() {
  if (ep_ == nullptr) return;
  broken_ = true;
  closing_ = true;
  ucp_request_param_t param{};
  param.op_attr_mask =
      UCP_OP_ATTR_FIELD_FLAGS | UCP_OP_ATTR_FIELD_CALLBACK | UCP_OP_ATTR_FIELD_USER_DATA;
  param.flags = UCP_EP_CLOSE_FLAG_FORCE;
  param.user_data = this;
  param.cb.send = [](void* request, ucs_status_t, void* self) {
    static_cast<Peer*>(self)->closing_ = false;
    ucp_request_free(request);
  };
  auto request = ucp_ep_close_nbx(std::exchange(ep_, nullptr), &param);
  if (!UCS_PTR_IS_PTR(request)) closing_ = false;
}

void Peer::finish(Operation* operation, ucs_status_t status) {
  --operation->peer.inFlight_;
  Done done = kj::mv(operation->done);
  delete operation;
  done(status);
}

void Peer::track(Operation* operation, ucs_status_ptr_t request) {
  if (!UCS_PTR_IS_PTR(request)) finish(operation, UCS_PTR_STATUS(request));
}

void Peer::send(unsigned id, kj::ArrayPtr<const kj::byte> header,
                kj::ArrayPtr<const kj::byte> body, unsigned flags, Done done) {
  ++inFlight_;
  auto* operation = new Operation{*this, kj::mv(done), kj::heapArray<kj::byte>(header)};
  if (broken_) return finish(operation, UCS_ERR_CONNECTION_RESET);
  ucp_request_param_t param{};
  param.op_attr_mask =
      UCP_OP_ATTR_FIELD_FLAGS | UCP_OP_ATTR_FIELD_CALLBACK | UCP_OP_ATTR_FIELD_USER_DATA;
  param.flags = flags;
  param.user_data = operation;
  param.cb.send = [](void* request, ucs_status_t status, void* mine) {
    ucp_request_free(request);
    finish(static_cast<Operation*>(mine), status);
  };
  track(operation, ucp_am_send_nbx(ep_, id, operation->header.begin(), operation->header.size(),
                                   body.begin(), body.size(), &param));
}

void Peer::receive(void* announced, kj::ArrayPtr<kj::byte> to, Done done) {
  ++inFlight_;
  auto* operation = new Operation{*this, kj::mv(done), nullptr};
  ucp_request_param_t param{};
  param.op_attr_mask = UCP_OP_ATTR_FIELD_CALLBACK | UCP_OP_ATTR_FIELD_USER_DATA;
  param.user_data = operation;
  param.cb.recv_am = [](void* request, ucs_status_t status, std::size_t, void* mine) {
    ucp_request_free(request);
    finish(static_cast<Operation*>(mine), status);
  };
  track(operation, ucp_am_recv_data_nbx(worker_.get(), announced, to.begin(), to.size(), &param));
}

std::string Peer::lane() const {
  if (ep_ == nullptr) return "";
  char* text = nullptr;
  std::size_t size = 0;
  std::FILE* memory = open_memstream(&text, &size);
  ucp_ep_print_info(ep_, memory);
  std::fclose(memory);
  // "#                 lane[0]:  1:posix/memory.0 md[1]          -> md[1]/posix/sysdev[255] am ..."
  std::istringstream lines(text);
  std::free(text);
  std::string line, lanes;
  std::vector<std::string> seen;
  while (std::getline(lines, line)) {
    auto at = line.find("lane[");
    if (at == std::string::npos) continue;
    std::string mark, name;
    std::istringstream words(line.substr(at));
    words >> mark >> name;
    if (auto colon = name.find(':'); colon != std::string::npos) name.erase(0, colon + 1);
    if (auto dot = name.rfind('.'); dot != std::string::npos) name.resize(dot);
    if (auto memoryAt = name.find("/memory"); memoryAt != std::string::npos) name.resize(memoryAt);
    bool known = false;
    for (auto& other : seen) known = known || other == name;
    if (known || name.empty()) continue;
    seen.push_back(name);
    lanes += (lanes.empty() ? "" : "+") + name;
  }
  return lanes;
}

}  // namespace alnilam::ucx
