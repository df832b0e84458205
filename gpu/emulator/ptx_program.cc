#include "gpu/emulator/ptx_program.h"

#include "gpu/emulator/kernel_compiler.h"

#include <cstring>

namespace alnilam::gpu::emulator {

const KernelCode* Program::find(std::string_view name) const {
  for (auto& kernel : kernels) {
    if (kernel->name == name) return kernel.get();
  }
  return nullptr;
}

std::string Program::line(std::uint32_t number) const {
  if (number == 0 || number > lines.size()) return "";
  const std::string& text = lines[number - 1];
  std::size_t first = text.find_first_not_of(" \t\r"), last = text.find_last_not_of(" \t\r");
  if (first == std::string::npos) return "";
  std::string trimmed = text.substr(first, last - first + 1);
  for (char& c : trimmed) {
    if (c == '\t') c = ' ';
  }
  return trimmed;
}

GlobalLayout layOutGlobals(const Module& module) {
  GlobalLayout layout;
  for (const Variable& variable : module.variables) {
    if (variable.storage != Storage::global && variable.storage != Storage::constant) continue;
    std::uint64_t align = variable.align < 16 ? 16 : variable.align;
    layout.size = (layout.size + align - 1) & ~(align - 1);
    layout.places[variable.name] = {layout.size, &variable};
    layout.size += variable.size;
  }
  return layout;
}

Result<std::vector<std::byte>> initialGlobals(const Module& module, const GlobalLayout& layout,
                                              std::uint64_t base) {
  std::vector<std::byte> bytes(layout.size);
  for (auto& [name, place] : layout.places) {
    const Variable& variable = *place.variable;
    if (!variable.initial.empty()) {
      std::memcpy(bytes.data() + place.offset, variable.initial.data(), variable.initial.size());
    }
    for (const Variable::Address& address : variable.addresses) {
      auto target = layout.places.find(address.symbol);
      if (target == layout.places.end()) {
        return Refusal{RefusalCode::invalid, "line " + std::to_string(variable.line) + ": " + name +
                                                 " starts as the address of " + address.symbol +
                                                 ", which is no variable of this module"};
      }
      std::uint64_t value = base + target->second.offset + static_cast<std::uint64_t>(address.plus);
      std::memcpy(bytes.data() + place.offset + address.offset, &value,
                  std::min<std::size_t>(sizeOf(variable.element), sizeof value));
    }
  }
  return bytes;
}

Result<std::shared_ptr<const Program>> compileProgram(const Module& module, std::string_view text,
                                                      const GlobalLayout& layout,
                                                      std::uint64_t base) {
  auto program = std::make_shared<Program>();
  program->version = module.version;
  for (std::size_t at = 0; at < text.size();) {
    std::size_t end = std::min(text.find('\n', at), text.size());
    program->lines.emplace_back(text.substr(at, end - at));
    at = end + 1;
  }
  try {
    for (const Function& function : module.functions) {
      if (!function.isKernel || function.isDeclaration) continue;
      program->kernels.push_back(KernelCompiler(module, layout, base).compile(function));
    }
  } catch (const Uncompilable& problem) {
    std::string at = program->line(problem.line);
    return Refusal{RefusalCode::invalid, "line " + std::to_string(problem.line) + ": " +
                                             problem.why + (at.empty() ? "" : ", in: " + at)};
  }
  return std::shared_ptr<const Program>(std::move(program));
}

}  // namespace alnilam::gpu::emulator
