#include "gpu/emulator/kernel_compiler.h"

#include <algorithm>

namespace alnilam::gpu::emulator {
namespace {

// What one warp or block may need, far above what a device would allow.
constexpr std::uint64_t kMostRegisterBytes = 64ull << 20;
constexpr std::uint64_t kMostLocalBytes = 512ull << 10;
constexpr std::uint64_t kMostSharedBytes = 228ull << 10;

std::uint64_t aligned(std::uint64_t at, std::uint64_t align) {
  return (at + align - 1) & ~(align - 1);
}

}  // namespace

std::optional<Type> instructionType(std::string_view modifier) {
  static const std::pair<std::string_view, Type> kTypes[] = {
      {"b8", Type::u8},   {"b16", Type::u16}, {"b32", Type::u32}, {"b64", Type::u64},
      {"u8", Type::u8},   {"u16", Type::u16}, {"u32", Type::u32}, {"u64", Type::u64},
      {"s8", Type::s8},   {"s16", Type::s16}, {"s32", Type::s32}, {"s64", Type::s64},
      {"f16", Type::f16}, {"f32", Type::f32}, {"f64", Type::f64}, {"pred", Type::pred},
      {"f16x2", Type::f16x2}};
  for (auto& [name, type] : kTypes) {
    if (name == modifier) return type;
  }
  return std::nullopt;
}

Modifiers::Modifiers(const Statement& statement) : statement_(statement) {
  for (const std::string& modifier : statement.modifiers) {
    if (auto type = instructionType(modifier)) types_.push_back(*type);
    else flags_.push_back(modifier);
  }
}

bool Modifiers::take(std::string_view flag) {
  auto found = std::find(flags_.begin(), flags_.end(), flag);
  if (found == flags_.end()) return false;
  flags_.erase(found);
  return true;
}

int Modifiers::takeOneOf(std::initializer_list<std::string_view> flags) {
  int index = 0;
  for (std::string_view flag : flags) {
    if (take(flag)) return index;
    ++index;
  }
  return -1;
}

Rounding Modifiers::rounding() {
  static constexpr Rounding kRoundings[] = {Rounding::rn,  Rounding::rz,  Rounding::rm,
                                            Rounding::rp,  Rounding::rni, Rounding::rzi,
                                            Rounding::rmi, Rounding::rpi};
  int which = takeOneOf({"rn", "rz", "rm", "rp", "rni", "rzi", "rmi", "rpi"});
  return which < 0 ? Rounding::none : kRoundings[which];
}

Type Modifiers::type(std::size_t index) const {
  if (index >= types_.size()) {
    throw Uncompilable{statement_.line, "instruction '" + statement_.spelled() +
                                            "' has no type that this emulator knows"};
  }
  return types_[index];
}

void Modifiers::finish() const {
  if (!flags_.empty()) {
    throw Uncompilable{statement_.line, "'." + flags_[0] + "' of instruction '" +
                                            statement_.spelled() +
                                            "' is not known to this emulator"};
  }
}

KernelCompiler::KernelCompiler(const Module& module, const GlobalLayout& layout, std::uint64_t base)
    : module_(module), layout_(layout), base_(base) {}

void KernelCompiler::fail(std::string why) const {
  std::uint32_t line = statement_ ? statement_->line : function_ ? function_->line : 0;
  throw Uncompilable{line, std::move(why)};
}
void KernelCompiler::unknown() const {
  fail("instruction '" + statement_->spelled() + "' is not known to this emulator");
}

std::unique_ptr<KernelCode> KernelCompiler::compile(const Function& kernel) {
  out_ = std::make_unique<KernelCode>();
  out_->name = kernel.name;
  if (kernel.maxThreads) out_->maxThreads = kernel.maxThreads;
  carry_ = newPredicate();
  std::vector<const Function*> order;
  std::vector<const Function*> callers;
  visit(kernel, callers, order);
  // Everything gets its place before the first instruction is compiled: where dynamic shared memory
  // starts depends on all static one.
  for (const Function* function : order) {
    function_ = function;
    layOut(*function, frames_[function->name]);
    for (const Statement& statement : function->statements) {
      for (const Operand& operand : statement.operands) placeShared(operand);
    }
  }
  sharedBytes_ = aligned(sharedBytes_, 16);
  if (sharedBytes_ > kMostSharedBytes) fail("more static shared memory than a block can have");
  for (const Function* function : order) compileFunction(*function);

  out_->entry = frames_[kernel.name].entry;
  for (std::uint32_t index : kernel.params) {
    out_->params.push_back({frames_[kernel.name].variables[index],
                            static_cast<std::uint32_t>(kernel.variables[index].size)});
  }
  out_->registerBytes = static_cast<std::uint32_t>(aligned(registerBytes_, 64));
  out_->sharedBytes = static_cast<std::uint32_t>(sharedBytes_);
  out_->localBytes = static_cast<std::uint32_t>(aligned(localBytes_, 16));
  return std::move(out_);
}

// Callees before callers, each once.
void KernelCompiler::visit(const Function& function, std::vector<const Function*>& callers,
                           std::vector<const Function*>& order) {
  if (std::find(order.begin(), order.end(), &function) != order.end()) return;
  callers.push_back(&function);
  for (const Statement& statement : function.statements) {
    if (statement.opcode != "call") continue;
    for (const Operand& part : statement.operands) {
      const Function* callee = findFunction(part);
      if (!callee || callee->isDeclaration) continue;
      if (std::find(callers.begin(), callers.end(), callee) != callers.end()) {
        throw Uncompilable{statement.line, "function " + callee->name +
                                               " calls itself; recursion is not supported"};
      }
      visit(*callee, callers, order);
    }
  }
  callers.pop_back();
  order.push_back(&function);
}

const Function* KernelCompiler::findFunction(const Operand& of) const {
  if (of.kind != Operand::Kind::symbol) return nullptr;
  for (const Function& function : module_.functions) {
    if (function.name == of.name) return &function;
  }
  return nullptr;
}

// Gives a place to the module's shared variables as they are mentioned.
void KernelCompiler::placeShared(const Operand& operand) {
  for (const Operand& part : operand.parts) placeShared(part);
  if (operand.kind != Operand::Kind::symbol || shared_.contains(operand.name)) return;
  for (const Variable& variable : module_.variables) {
    if (variable.storage != Storage::shared || variable.name != operand.name) continue;
    if (variable.isExternal || variable.size == 0) {
      shared_[operand.name] = kNone;  // dynamic: starts after all others
      return;
    }
    sharedBytes_ = aligned(sharedBytes_, variable.align);
    shared_[operand.name] = static_cast<std::uint32_t>(sharedBytes_);
    sharedBytes_ += variable.size;
    if (sharedBytes_ > kMostSharedBytes) fail("more shared memory than a block can have");
  }
}

void KernelCompiler::compileFunction(const Function& function) {
  function_ = &function;
  statement_ = nullptr;
  Frame& frame = frames_[function.name];
  frame_ = &frame;
  frame.entry = static_cast<std::uint32_t>(out_->code.size());
  patches_.clear();
  tablePatches_.clear();
  std::vector<std::uint32_t> starts;  // of each statement
  for (const Statement& statement : function.statements) {
    starts.push_back(static_cast<std::uint32_t>(out_->code.size()));
    statement_ = &statement;
    compileStatement(statement);
  }
  starts.push_back(static_cast<std::uint32_t>(out_->code.size()));
  // Falling off the end returns.
  Instruction end;
  end.kind = function.isKernel ? Kind::exit : Kind::ret;
  end.r[0] = frame.returnRow;
  end.line = function.line;
  out_->code.push_back(end);

  auto where = [&](const std::string& label) {
    auto found = function.labels.find(label);
    if (found == function.labels.end()) fail("label " + label + " is not in this function");
    return starts[found->second];
  };
  for (const Patch& patch : patches_) out_->code[patch.instruction].target = where(patch.label);
  for (auto& [table, label] : tablePatches_) out_->branchTables[table].push_back(where(label));
}

void KernelCompiler::layOut(const Function& function, Frame& frame) {
  out_->registerCount += static_cast<std::uint32_t>(function.registers.size());
  for (const Register& reg : function.registers) {
    frame.registers.push_back(reg.type == Type::pred ? newPredicate() : newRow(sizeOf(reg.type)));
  }
  std::uint64_t params = 0;
  for (std::size_t i = 0; i < function.variables.size(); ++i) {
    const Variable& variable = function.variables[i];
    std::uint64_t offset = 0;
    if (variable.storage == Storage::shared) {
      offset = sharedBytes_ = aligned(sharedBytes_, variable.align);
      sharedBytes_ += variable.size;
    } else if (function.isKernel && i < function.params.size()) {
      offset = params = aligned(params, variable.align);
      params += variable.size;
    } else {
      offset = localBytes_ = aligned(localBytes_, variable.align);
      localBytes_ += variable.size;
    }
    if (sharedBytes_ > kMostSharedBytes) fail("more shared memory than a block can have");
    if (localBytes_ > kMostLocalBytes) fail("more local memory than a thread can have");
    if (params > 32764) fail("more parameters than a kernel can have");
    frame.variables.push_back(static_cast<std::uint32_t>(offset));
  }
  if (function.isKernel) out_->paramBytes = static_cast<std::uint32_t>(params);
  else frame.returnRow = newRow(4);
}

std::uint32_t KernelCompiler::newRow(std::uint32_t width) {
  registerBytes_ = aligned(registerBytes_, 64);
  auto offset = static_cast<std::uint32_t>(registerBytes_);
  registerBytes_ += std::uint64_t{width} * kLanes;
  if (registerBytes_ > kMostRegisterBytes) fail("more registers than this emulator has");
  return offset;
}
std::uint32_t KernelCompiler::newPredicate() {
  registerBytes_ = aligned(registerBytes_, 4);
  auto offset = static_cast<std::uint32_t>(registerBytes_);
  registerBytes_ += 4;
  return offset;
}

std::uint32_t KernelCompiler::constantRow(std::uint32_t width, std::uint64_t value) {
  if (width < 8) value &= (1ull << (8 * width)) - 1;
  auto [found, isNew] = constants_.try_emplace({width, value}, 0);
  if (isNew) {
    found->second = newRow(width);
    out_->constants.push_back({found->second, width, value});
  }
  return found->second;
}

std::uint32_t KernelCompiler::specialRow(const std::string& name) {
  static const std::pair<std::string_view, Special> kSpecials[] = {
      {"%tid.x", Special::tidX},
      {"%tid.y", Special::tidY},
      {"%tid.z", Special::tidZ},
      {"%ntid.x", Special::ntidX},
      {"%ntid.y", Special::ntidY},
      {"%ntid.z", Special::ntidZ},
      {"%ctaid.x", Special::ctaidX},
      {"%ctaid.y", Special::ctaidY},
      {"%ctaid.z", Special::ctaidZ},
      {"%nctaid.x", Special::nctaidX},
      {"%nctaid.y", Special::nctaidY},
      {"%nctaid.z", Special::nctaidZ},
      {"%laneid", Special::laneId},
      {"%warpid", Special::warpId},
      {"%nwarpid", Special::warpCount},
      {"%smid", Special::smId},
      {"%nsmid", Special::smCount},
      {"%gridid", Special::gridId},
      {"%lanemask_eq", Special::maskEq},
      {"%lanemask_lt", Special::maskLt},
      {"%lanemask_le", Special::maskLe},
      {"%lanemask_gt", Special::maskGt},
      {"%lanemask_ge", Special::maskGe},
      {"%dynamic_smem_size", Special::dynamicShared},
      {"%total_smem_size", Special::totalShared},
      {"%reserved_smem_offset_begin", Special::zero}};
  for (auto& [known, special] : kSpecials) {
    if (known != name) continue;
    auto [found, isNew] = specials_.try_emplace(special, 0);
    if (isNew) {
      found->second = newRow(4);
      out_->specials.push_back({found->second, special});
    }
    return found->second;
  }
  fail("special register " + name + " is not known to this emulator");
}

const Operand& KernelCompiler::operand(std::size_t index) const {
  if (index >= statement_->operands.size()) {
    fail("instruction '" + statement_->spelled() + "' lacks operands");
  }
  return statement_->operands[index];
}
void KernelCompiler::expectOperands(std::size_t least, std::size_t most) const {
  std::size_t count = statement_->operands.size();
  if (count < least || count > most) {
    fail("instruction '" + statement_->spelled() + "' has " + std::to_string(count) + " operands");
  }
}

std::uint32_t KernelCompiler::source(const Operand& from, Type type) {
  std::uint32_t width = sizeOf(type);
  switch (from.kind) {
    case Operand::Kind::reg: {
      Type has = function_->registers[from.index].type;
      if (has == Type::pred || sizeOf(has) != width) {
        fail("register " + function_->registers[from.index].name + " is not " +
             std::to_string(width * 8) + " bits wide");
      }
      return frame_->registers[from.index];
    }
    case Operand::Kind::integer:
      if (isFloat(type)) fail("an integer where a floating-point number is wanted");
      return constantRow(width, static_cast<std::uint64_t>(from.value));
    case Operand::Kind::real: {
      auto bits = static_cast<std::uint64_t>(from.value);
      if (from.isSingle && width == 8) {
        bits = __builtin_bit_cast(std::uint64_t, static_cast<double>(__builtin_bit_cast(
                                                     float, static_cast<std::uint32_t>(bits))));
      } else if (!from.isSingle && width == 4) {
        bits =
            __builtin_bit_cast(std::uint32_t, static_cast<float>(__builtin_bit_cast(double, bits)));
      } else if (width < 4) {
        fail("a floating-point number where a half is wanted");
      }
      return constantRow(width, bits);
    }
    case Operand::Kind::special:
      if (width != 4) fail("special register " + from.name + " is 32 bits wide");
      return specialRow(from.name);
    case Operand::Kind::symbol:
    case Operand::Kind::variable: {
      Space space = Space::generic;
      std::uint64_t address = symbolAddress(from, space);
      if (width < 4) fail("the address of a variable does not fit");
      return constantRow(width, address);
    }
    default:
      fail("an operand of '" + statement_->spelled() + "' is not a value");
  }
}

std::uint64_t KernelCompiler::symbolAddress(const Operand& of, Space& space) {
  auto plus = static_cast<std::uint64_t>(of.value);
  if (of.kind == Operand::Kind::variable) {
    const Variable& variable = function_->variables[of.index];
    bool isKernelParam = function_->isKernel && of.index < function_->params.size();
    space = variable.storage == Storage::shared ? Space::shared
            : isKernelParam                     ? Space::param
                                                : Space::local;
    return frame_->variables[of.index] + plus;
  }
  if (auto found = shared_.find(of.name); found != shared_.end()) {
    space = Space::shared;
    return (found->second == kNone ? sharedBytes_ : found->second) + plus;
  }
  if (auto found = layout_.places.find(of.name); found != layout_.places.end()) {
    space = Space::global;
    return base_ + found->second.offset + plus;
  }
  if (findFunction(of)) fail("the address of a function is not supported: " + of.name);
  fail("'" + of.name + "' is not declared");
}

std::uint32_t KernelCompiler::destination(const Operand& to, Type type) const {
  if (to.kind != Operand::Kind::reg) fail("a destination is a register");
  Type has = function_->registers[to.index].type;
  if (has == Type::pred || sizeOf(has) != sizeOf(type)) {
    fail("register " + function_->registers[to.index].name + " is not " +
         std::to_string(sizeOf(type) * 8) + " bits wide");
  }
  return frame_->registers[to.index];
}

std::uint32_t KernelCompiler::anyRegister(const Operand& of, Type& type) const {
  if (of.kind != Operand::Kind::reg) fail("a register is wanted");
  type = function_->registers[of.index].type;
  if (type == Type::pred) fail("a predicate where a value is wanted");
  return frame_->registers[of.index];
}

std::uint32_t KernelCompiler::predicate(const Operand& of) const {
  if (of.kind != Operand::Kind::reg || function_->registers[of.index].type != Type::pred) {
    fail("an operand of '" + statement_->spelled() + "' is not a predicate");
  }
  return frame_->registers[of.index];
}

Routine KernelCompiler::routine(const Request& request) const {
  Routine found = select(request);
  if (!found) unknown();
  return found;
}

Instruction& KernelCompiler::emit(Instruction in, Kind kind) {
  in.kind = kind;
  in.line = statement_->line;
  if (statement_->guard) {
    in.guard = frame_->registers[*statement_->guard];
    in.guardNegated = statement_->guardNegated;
  }
  out_->code.push_back(in);
  return out_->code.back();
}

}  // namespace alnilam::gpu::emulator
