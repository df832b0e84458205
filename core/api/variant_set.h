#pragma once
// Several implementations of one task, as Cluster::submit takes them.
//
// ALNILAM_VARIANTS (variants.h) makes one and gives it a name; a program only passes it on:
//
//   cluster.submit({.priority = 5}, similarity, left, right);
//
// What is asked for each variant: what the macro says beside it, unless the submission's options
// say otherwise.  Of those, `cpus` is for cpu variants, `gpus` and `gpuMemory` are for cuda
// variants, and all the rest is for every one.  Where nothing is said, a cpu variant takes one core
// and a cuda variant one GPU and no core.
//
// Lifetime: as long as the program; not copied, because its address stands for it.

#include "core/api/argument.h"
#include "core/api/options.h"

#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace alnilam {

// What one run of a variant takes, as it stands beside the variant: cuda(f, {.gpus = 0.25}).
struct VariantNeeds {
  std::optional<double> cpus{};  // cores
  std::optional<double> gpus{};  // as Options::gpus; of cuda variants only
  Bytes gpuMemory = 0;           // bytes, over all devices; of cuda variants only
  Bytes memory = 0;              // bytes of host memory
};

enum class VariantKind : std::uint8_t { cpu, cuda };

struct VariantSet {
  struct One {
    VariantKind kind;
    const char* function;  // the name it is registered under
    VariantNeeds needs;
  };

  const char* name;
  std::vector<One> variants;  // in the program's order
};

// The class of tasks of `set` that ask for `options`.  Throws InvalidError as taskClass does.
TaskClass taskClass(const VariantSet& set, const Options& options);

// `R` is the wire type of what they return, `Parameters` a detail::TypeList of what the first of
// them takes, without a gpu::Context&.
template <typename R, typename Parameters>
class Variants {
 public:
  explicit Variants(VariantSet set) : set_(std::move(set)) {}
  Variants(const Variants&) = delete;
  Variants& operator=(const Variants&) = delete;

  const VariantSet& set() const { return set_; }

 private:
  VariantSet set_;
};

namespace detail {

template <typename T>
inline constexpr bool isVariants = false;
template <typename R, typename Parameters>
inline constexpr bool isVariants<Variants<R, Parameters>> = true;

}  // namespace detail
}  // namespace alnilam
