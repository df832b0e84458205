#pragma once
// What a program does with a cluster: submit functions, put and get values, wait, cancel.
//
//   Ref<int> sum = cluster.submit({.cpus = 2, .memory = 1_GiB}, add, 10, 32);
//   int value = cluster.get(sum);
//
// Everything is checked against the function's parameters at compile time; what remains (bytes and
// handles) goes to a Backend, which is the embedded engine or a connection to a head.
//
// submit does not wait: errors of the task arrive at get.  Values of more than kInlineLimit bytes
// among the arguments are put first, and passed as inputs.
//
// Threading: every method may be called from any thread.  A Cluster is a handle; copies are the
//   same cluster.
// Errors (errors.h): InvalidError for what cannot be right anywhere (an unregistered function,
//   negative amounts, an empty Ref or one of another cluster); ConnectionError when the cluster
//   cannot be reached; what else, is said below.

#include "core/api/argument.h"
#include "core/api/backend.h"
#include "core/api/errors.h"
#include "core/api/options.h"
#include "core/api/ref.h"
#include "core/api/variant_set.h"
#include "core/api/view.h"

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace alnilam {

using Timeout = std::optional<Duration>;  // none: as long as it takes

template <typename T>
struct Waited {
  std::vector<Ref<T>> ready;    // have a value or have failed; in the order given
  std::vector<Ref<T>> pending;
};

class Cluster {
 public:
  explicit Cluster(std::shared_ptr<Backend> backend) : backend_(std::move(backend)) {}

  // Runs f(args...) somewhere, with what `options` ask for.  `f` was registered by ALNILAM_TASK.
  // Throws OverloadedError when too many tasks are pending, and InfeasibleError for a class of
  // tasks that is known to fit nowhere.
  template <typename R, typename... P, typename... A>
  Ref<std::decay_t<R>> submit(const Options& options, R (*f)(P...), const A&... args) const {
    constexpr bool gpu = detail::TakesGpu<P...>::value;
    static_assert(sizeof...(A) + gpu == sizeof...(P),
                  "alnilam: submit: wrong number of arguments for this function (a leading "
                  "gpu::Context& is not counted)");
    if constexpr (sizeof...(A) + gpu == sizeof...(P)) {
      using Wanted = typename detail::TakesGpu<P...>::Rest;
      return Ref<std::decay_t<R>>(
          bindAndSubmit(Wanted{}, options, {reinterpret_cast<const void*>(f)}, args...));
    } else {
      return {};
    }
  }

  template <typename R, typename... P, typename... A>
  Ref<std::decay_t<R>> submit(R (*f)(P...), const A&... args) const {
    return submit(kDefaultOptions, f, args...);
  }

  // Runs one of the variants somewhere, as f above; variant_set.h says what the options ask of
  // which.
  template <typename R, typename... P, typename... A>
  Ref<R> submit(const Options& options, const Variants<R, detail::TypeList<P...>>& variants,
                const A&... args) const {
    static_assert(sizeof...(A) == sizeof...(P),
                  "alnilam: submit: wrong number of arguments for this task (a leading "
                  "gpu::Context& is not counted)");
    if constexpr (sizeof...(A) == sizeof...(P)) {
      return Ref<R>(bindAndSubmit(detail::TypeList<P...>{}, options, {nullptr, &variants.set()},
                                  args...));
    } else {
      return {};
    }
  }

  template <typename R, typename... P, typename... A>
  Ref<R> submit(const Variants<R, detail::TypeList<P...>>& variants, const A&... args) const {
    return submit(kDefaultOptions, variants, args...);
  }

  // Here only to say what is wrong.
  template <typename F, typename... A>
    requires(std::is_class_v<F> && !std::is_same_v<F, Options> && !detail::isVariants<F>)
  void submit(const F&, const A&...) const {
    static_assert(!std::is_class_v<F>,
                  "alnilam: submit: only plain functions registered by ALNILAM_TASK can be "
                  "submitted, no lambdas and no function objects");
  }

  // Makes `value` an object that tasks can take as an argument.  Throws StoreFullError.
  template <typename T>
  Ref<T> put(const T& value) const {
    Argument argument = detail::valueArgument(value);
    return Ref<T>(putUntyped(argument));
  }
  Ref<std::string> put(const char* text) const { return put(std::string(text)); }

  // The value, when there is one; that of a gpu::Array<X> or View<const X> is a std::vector<X>.
  // Throws TaskError (or one of its kinds) if there will be none, TimeoutError after `timeout`.
  template <typename T>
  WireType<T> get(const Ref<T>& ref, Timeout timeout = {}) const {
    Blob bytes = getUntyped(ref.handle(), timeout);
    if constexpr (!std::is_void_v<T>) return decode<WireType<T>>(bytes.bytes());
  }

  // All the values, in order; `timeout` is for all of them together.  Throws for the first that has
  // failed.
  template <typename T>
    requires(!std::is_void_v<T>)
  std::vector<WireType<T>> get(const std::vector<Ref<T>>& refs, Timeout timeout = {}) const {
    awaitAll(idsOf(refs), timeout);
    std::vector<WireType<T>> values;
    values.reserve(refs.size());
    for (const Ref<T>& ref : refs) values.push_back(get(ref));
    return values;
  }
  void get(const std::vector<Ref<void>>& refs, Timeout timeout = {}) const {
    awaitAll(idsOf(refs), timeout);
    for (const Ref<void>& ref : refs) get(ref);
  }

  // The elements of an array result, in place: not copied even if they lie in the node's store.
  // For Ref<std::vector<X>>, Ref<gpu::Array<X>>.  Throws as get.
  template <typename T>
  auto view(const Ref<T>& ref, Timeout timeout = {}) const {
    using Elements = typename detail::ElementOf<WireType<T>>::type;
    static_assert(!std::is_void_v<Elements>,
                  "alnilam: view: only arrays can be viewed in place; use get");
    return View<const Elements>::over(getUntyped(ref.handle(), timeout));
  }

  // Waits until `n` of `refs` have a value or have failed, or `timeout` has passed.
  template <typename T>
  Waited<T> wait(const std::vector<Ref<T>>& refs, std::size_t n, Timeout timeout = {}) const {
    std::vector<bool> done = waitUntyped(idsOf(refs), n, timeout);
    Waited<T> waited;
    for (std::size_t i = 0; i < refs.size(); ++i) {
      (done[i] ? waited.ready : waited.pending).push_back(refs[i]);
    }
    return waited;
  }

  // Asks that the task shall not run, or not go on; what depends on it is cancelled as well, and
  // get throws CancelledError.  Too late for a task that has finished.
  template <typename T>
  void cancel(const Ref<T>& ref) const {
    cancelUntyped(ref.handle());
  }

  // What this program's tasks did where: a row for each device that ran something.
  std::vector<UsageRow> usage() const;

  // Why the task is where it is, for each node in words; of a task with variants also how long each
  // is expected to take there, and which was chosen.  For people: the words may change.
  template <typename T>
  std::string explain(const Ref<T>& ref) const {
    return explainUntyped(ref.handle());
  }

  const std::shared_ptr<Backend>& backend() const { return backend_; }

 private:
  // What is to be run: a function, or one of several.
  struct Callee {
    const void* function = nullptr;
    const VariantSet* variants = nullptr;
  };

  template <typename... P, typename... A>
  Handle bindAndSubmit(detail::TypeList<P...>, const Options& options, Callee callee,
                       const A&... args) const {
    constexpr bool kFits = (detail::checkArgument<P, A>() && ...);
    if constexpr (kFits) {
      std::tuple<detail::Binding<P, A>...> bound{detail::Binding<P, A>(args)...};
      return std::apply(
          [&](const auto&... binding) {
            std::array<Argument, sizeof...(P)> list{binding.argument()...};
            return submitUntyped(callee, options, list);
          },
          bound);
    } else {
      return {};
    }
  }

  template <typename T>
  std::vector<ObjectId> idsOf(const std::vector<Ref<T>>& refs) const {
    std::vector<ObjectId> ids;
    ids.reserve(refs.size());
    for (const Ref<T>& ref : refs) ids.push_back(checked(ref.handle()));
    return ids;
  }

  ObjectId checked(const Handle& handle) const;  // throws InvalidError if it is not of this cluster
  ClassIndex classOf(Callee callee, const Options& options) const;
  Handle submitUntyped(Callee callee, const Options& options,
                       std::span<const Argument> arguments) const;
  Handle putUntyped(const Argument& value) const;
  Blob getUntyped(const Handle& handle, Timeout timeout) const;
  void awaitAll(const std::vector<ObjectId>& objects, Timeout timeout) const;
  std::vector<bool> waitUntyped(const std::vector<ObjectId>& objects, std::size_t n,
                                Timeout timeout) const;
  void cancelUntyped(const Handle& handle) const;
  std::string explainUntyped(const Handle& handle) const;

  std::shared_ptr<Backend> backend_;  // owners: the clusters and refs of one connection
};

}  // namespace alnilam
