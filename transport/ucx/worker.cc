#include "transport/ucx/worker.h"

#include <kj/debug.h>

#include <string>

namespace alnilam::ucx {

Result<kj::Own<Worker>> Worker::create(const Context& context, kj::UnixEventPort& port) {
  ucp_worker_params_t params{};
  params.field_mask = UCP_WORKER_PARAM_FIELD_THREAD_MODE | UCP_WORKER_PARAM_FIELD_FLAGS;
  params.thread_mode = UCS_THREAD_MODE_SINGLE;
  // Requests of peers that died are freed with the worker; that is no leak.
  params.flags = UCP_WORKER_FLAG_IGNORE_REQUEST_LEAK;
  ucp_worker_h worker = nullptr;
  auto status = ucp_worker_create(context.get(), &params, &worker);
  int descriptor = -1;
  if (status == UCS_OK) {
    status = ucp_worker_get_efd(worker, &descriptor);
    if (status != UCS_OK) ucp_worker_destroy(worker);
  }
  if (status != UCS_OK) {
    return Refusal{RefusalCode::unavailable,
                   std::string("UCX worker: ") + ucs_status_string(status)};
  }
  return kj::heap<Worker>(worker, port, descriptor);
}

Worker::Worker(ucp_worker_h worker, kj::UnixEventPort& port, int descriptor)
    : worker_(worker),
      port_(port),
      readable_(port, descriptor, kj::UnixEventPort::FdObserver::OBSERVE_READ),
      tasks_(*this) {}

void Worker::run(Listener& listener) {
  KJ_REQUIRE(listener_ == nullptr);
  listener_ = &listener;
  tasks_.add(kj::evalLater([this]() { return loop(); }));
}

void Worker::wake() {
  if (woken_.get() != nullptr) woken_->fulfill();
}

kj::Array<kj::byte> Worker::address() const {
  ucp_address_t* address = nullptr;
  std::size_t size = 0;
  auto status = ucp_worker_get_address(worker_.get(), &address, &size);
  KJ_REQUIRE(status == UCS_OK, "UCX worker has no address", ucs_status_string(status));
  auto copy = kj::heapArray<kj::byte>(reinterpret_cast<const kj::byte*>(address), size);
  ucp_worker_release_address(worker_.get(), address);
  return copy;
}

kj::Promise<void> Worker::loop() {
  if (!settle()) return kj::evalLater([this]() { return loop(); });
  auto woken = kj::newPromiseAndFulfiller<void>();
  woken_ = kj::mv(woken.fulfiller);
  return readable_.whenBecomesReadable().exclusiveJoin(kj::mv(woken.promise)).then([this]() {
    return loop();
  });
}

bool Worker::settle() {
  for (int look = 0; look < kBatch; ++look) {
    unsigned events = ucp_worker_progress(worker_.get());
    for (int spin = 0; events == 0 && listener_->active() && spin < kSpins; ++spin) {
      events = ucp_worker_progress(worker_.get());
    }
    ++count_.looks;
    count_.events += events;
    if (listener_->progressed()) return false;
    if (events != 0) continue;
    auto status = ucp_worker_arm(worker_.get());
    if (status == UCS_OK) {
      ++count_.arms;
      return true;
    }
    KJ_REQUIRE(status == UCS_ERR_BUSY, "UCX cannot wait for events", ucs_status_string(status));
  }
  return false;
}

void Worker::taskFailed(kj::Exception&& e) { KJ_LOG(FATAL, "the UCX worker stopped", e); }

}  // namespace alnilam::ucx
