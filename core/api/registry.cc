#include "core/api/registry.h"

#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>

namespace alnilam {

namespace {

struct Table {
  std::map<std::string, std::unique_ptr<TaskFunction>, std::less<>> byName;
  std::map<const void*, const TaskFunction*> byAddress;
};

// Made by whichever static initialiser comes first, and never destroyed: destructors of other
// statics may still submit.
Table& table() {
  static Table* const table = new Table;
  return *table;
}

}  // namespace

void registerTask(TaskFunction function) {
  Table& all = table();
  auto [place, isNew] = all.byName.try_emplace(function.name);
  if (!isNew) {
    if (place->second->address == function.address) return;  // ALNILAM_TASK in a shared header
    std::fprintf(stderr,
                 "alnilam: two task functions are registered as %s; register at least one by its "
                 "full name, ALNILAM_TASK(space::%s)\n",
                 function.name.c_str(), function.name.c_str());
    std::abort();
  }
  place->second = std::make_unique<TaskFunction>(std::move(function));
  all.byAddress.try_emplace(place->second->address, place->second.get());
}

const TaskFunction* findTask(std::string_view name) {
  auto found = table().byName.find(name);
  return found == table().byName.end() ? nullptr : found->second.get();
}

const TaskFunction* findTask(const void* address) {
  auto found = table().byAddress.find(address);
  return found == table().byAddress.end() ? nullptr : found->second;
}

std::vector<std::string> registeredTasks() {
  std::vector<std::string> names;
  for (const auto& [name, function] : table().byName) names.push_back(name);
  return names;
}

}  // namespace alnilam
