// Moves, conversions, loads, stores and atomics: which routine an instruction of these gets.

#include "gpu/emulator/kernel_compiler.h"

#include <utility>

namespace alnilam::gpu::emulator {

bool KernelCompiler::compileMove(Modifiers& modifiers) {
  const std::string& opcode = statement_->opcode;
  if (opcode == "mov") compileMov(modifiers);
  else if (opcode == "cvt") compileCvt(modifiers);
  else if (opcode == "cvta") compileCvta(modifiers);
  else return false;
  return true;
}

void KernelCompiler::compileMov(Modifiers& modifiers) {
  expectOperands(2, 2);
  Type type = modifiers.type();
  const Operand &to = operand(0), &from = operand(1);
  Instruction in;
  if (type == Type::pred) {
    in.run = routine({.op = Op::predicateMov, .type = Type::pred});
    in.r[0] = predicate(to);
    bool isConstant = from.kind == Operand::Kind::integer;
    in.r[1] = isConstant ? constantRow(4, from.value ? ~0u : 0u) : predicate(from);
    in.flags = from.negated ? 1 : 0;
  } else if (to.kind == Operand::Kind::vector || from.kind == Operand::Kind::vector) {
    bool packs = from.kind == Operand::Kind::vector;
    const std::vector<Operand>& parts = packs ? from.parts : to.parts;
    std::size_t count = parts.size();
    if ((count != 2 && count != 4) || sizeOf(type) < count) unknown();
    Type part = sizeOf(type) / count == 4   ? Type::u32
                : sizeOf(type) / count == 2 ? Type::u16
                                            : Type::u8;
    in.run = routine({.op = packs ? Op::pack : Op::unpack, .type = type});
    in.count = static_cast<std::uint8_t>(count);
    in.flags = static_cast<std::uint8_t>(sizeOf(part));
    in.r[0] = packs ? destination(to, type) : source(from, type);
    for (std::size_t i = 0; i < count; ++i) {
      if (packs) in.r[1 + i] = source(parts[i], part);
      else if (parts[i].kind != Operand::Kind::sink) in.r[1 + i] = destination(parts[i], part);
    }
  } else if (from.kind == Operand::Kind::special &&
             (from.name == "%clock" || from.name == "%clock64" || from.name == "%clock_hi" ||
              from.name == "%globaltimer")) {
    in.run = routine({.op = Op::readClock, .type = type});
    in.r[0] = destination(to, type);
  } else {
    in.run = routine({.op = Op::mov, .type = type});
    in.r[0] = destination(to, type);
    in.r[1] = source(from, type);
  }
  emit(in);
}

// cvt.rn.f16x2.f32 d, a, b: two at a time, the first into the upper half.
void KernelCompiler::compileCvtPair(Modifiers& modifiers) {
  expectOperands(3, 3);
  if (modifiers.type(1) != Type::f32 || modifiers.rounding() != Rounding::rn) unknown();
  Instruction pack;
  pack.run = routine({.op = Op::pack, .type = Type::u32});
  pack.count = 2;
  pack.flags = 2;  // bytes of each part
  pack.r[0] = destination(operand(0), Type::u32);
  for (unsigned i = 1; i <= 2; ++i) {
    Instruction half;
    half.run = routine({.op = Op::cvt, .type = Type::f16, .from = Type::f32});
    half.r[0] = pack.r[3 - i] = newRow(2);
    half.r[1] = source(operand(i), Type::f32);
    half.r[2] = 2;
    half.r[3] = 4;
    emit(half);
  }
  emit(pack);
}

void KernelCompiler::compileCvt(Modifiers& modifiers) {
  if (modifiers.typeCount() == 2 && modifiers.type(0) == Type::f16x2) {
    compileCvtPair(modifiers);
    return;
  }
  expectOperands(2, 2);
  if (modifiers.typeCount() != 2) unknown();
  Request request{.op = Op::cvt, .type = modifiers.type(0), .from = modifiers.type(1)};
  Rounding rounding = modifiers.rounding();
  request.saturate = modifiers.take("sat");
  bool flush = modifiers.take("ftz");
  bool flushIn = flush && request.from == Type::f32, flushOut = flush && request.type == Type::f32;
  if (flush && !flushIn && !flushOut) unknown();
  if (request.type == Type::pred || request.from == Type::pred) unknown();
  Instruction in;
  in.run = routine(request);
  bool toIntegral = rounding >= Rounding::rni;
  if (toIntegral) in.flags = static_cast<std::uint8_t>(rounding);
  else if (rounding > Rounding::rn) in.rounding = static_cast<std::uint8_t>(rounding) - 1;
  if (request.type == Type::f16 && in.rounding != 0) unknown();
  Type to = request.type, from = request.from;
  in.r[0] = anyRegister(operand(0), to);
  if (operand(1).kind == Operand::Kind::reg) in.r[1] = anyRegister(operand(1), from);
  else in.r[1] = source(operand(1), from);
  if (sizeOf(to) < sizeOf(request.type) || sizeOf(from) < sizeOf(request.from)) {
    fail("a register of '" + statement_->spelled() + "' is too narrow");
  }
  in.r[2] = sizeOf(to);
  in.r[3] = sizeOf(from);
  // Adding -0 changes nothing but subnormal numbers, which .ftz makes zeros of their sign.
  Instruction toZero;
  if (flush) toZero.run = routine({.op = Op::add, .type = Type::f32, .flush = true});
  toZero.r[2] = constantRow(4, 0x80000000u);
  if (flushIn) {
    toZero.r[0] = newRow(4);
    toZero.r[1] = std::exchange(in.r[1], toZero.r[0]);
    emit(toZero);
  }
  emit(in);
  if (flushOut) {
    toZero.r[0] = toZero.r[1] = in.r[0];
    emit(toZero);
  }
}

// Global addresses are generic ones; the other spaces have windows.
void KernelCompiler::compileCvta(Modifiers& modifiers) {
  expectOperands(2, 2);
  bool toSpace = modifiers.take("to");
  int space = modifiers.takeOneOf({"global", "const", "shared", "local", "param", "shared::cta"});
  if (space < 0) unknown();
  static constexpr std::uint64_t kWindows[] = {
      0, 0, kSharedWindow, kLocalWindow, kParamWindow, kSharedWindow};
  Type type = modifiers.type();
  if (sizeOf(type) != 8) unknown();
  if (space == 4 && !function_->isKernel) space = 3;  // a function's parameters are local
  std::uint64_t window = kWindows[space];
  Instruction in;
  in.r[0] = destination(operand(0), type);
  in.r[1] = source(operand(1), type);
  if (window == 0) {
    in.run = routine({.op = Op::mov, .type = type});
  } else {
    in.run = routine({.op = Op::add, .type = Type::u64});
    in.r[2] = constantRow(8, toSpace ? 0 - window : window);
  }
  emit(in);
}

bool KernelCompiler::compileMemory(Modifiers& modifiers) {
  const std::string& opcode = statement_->opcode;
  if (opcode == "ld" || opcode == "ldu") {
    compileAccess(modifiers, true);
  } else if (opcode == "st") {
    compileAccess(modifiers, false);
  } else if (opcode == "atom" || opcode == "red") {
    compileAtomic(modifiers, opcode == "atom");
  } else if (opcode == "membar" || opcode == "fence") {
    modifiers.takeOneOf({"gl", "cta", "sys"});
    modifiers.takeOneOf({"sc", "acq_rel", "acquire", "release"});
    takeScope(modifiers);
    expectOperands(0, 0);
    Instruction in;
    in.run = routine({.op = Op::fence});
    emit(in);
  } else if (opcode == "prefetch" || opcode == "prefetchu") {
    // A hint; nothing changes.
    modifiers.takeOneOf({"global", "local"});
    modifiers.takeOneOf({"L1", "L2"});
    modifiers.takeOneOf({"L2::evict_last", "L2::evict_normal"});
  } else {
    return false;
  }
  return true;
}

bool KernelCompiler::takeScope(Modifiers& modifiers) {
  return modifiers.takeOneOf({"cta", "gpu", "sys", "cluster"}) >= 0;
}

Space KernelCompiler::takeSpace(Modifiers& modifiers, bool& isConst) {
  static constexpr Space kSpaces[] = {Space::global, Space::global, Space::shared,
                                      Space::shared, Space::local,  Space::param};
  int space = modifiers.takeOneOf({"global", "const", "shared", "shared::cta", "local", "param"});
  isConst = space == 1;
  return space < 0 ? Space::generic : kSpaces[space];
}

// Fills r[4], the immediate and the space of an access to [operand].
void KernelCompiler::setAddress(Instruction& in, const Operand& of, Space& space) {
  if (of.kind != Operand::Kind::address) fail("an address in brackets is wanted");
  const Operand& base = of.parts[0];
  in.immediate = of.value;
  if (base.kind == Operand::Kind::reg) {
    Type type = Type::u64;
    in.r[4] = anyRegister(base, type);
    if (sizeOf(type) < 4) fail("an address has 32 or 64 bits");
    in.wideAddress = sizeOf(type) == 8;
    // Parameters of a device function, and of the calls it makes, lie in local memory.
    if (space == Space::param && !function_->isKernel) space = Space::local;
  } else if (base.kind == Operand::Kind::symbol || base.kind == Operand::Kind::variable) {
    Space real = Space::generic;
    in.immediate += static_cast<std::int64_t>(symbolAddress(base, real));
    bool matches = real == space || (space == Space::param && real == Space::local);
    if (space != Space::generic && !matches) {
      fail("a variable of another state space than '" + statement_->spelled() + "' says");
    }
    space = real;
  } else if (base.kind != Operand::Kind::integer) {
    fail("an address is a register or a variable");
  }
  if (space == Space::global || space == Space::generic) in.slot = out_->slots++;
  in.space = space;
}

void KernelCompiler::compileAccess(Modifiers& modifiers, bool isLoad) {
  expectOperands(2, 2);
  Type type = modifiers.type();
  Request request{.op = isLoad ? Op::load : Op::store, .type = type};
  Instruction in;
  in.strong = modifiers.takeOneOf({"volatile", "relaxed", "acquire", "release", "mmio"}) >= 0;
  modifiers.take("weak");
  takeScope(modifiers);
  bool isConst = false;
  Space space = takeSpace(modifiers, isConst);
  // Caching is a hint; on an emulator nothing follows from it.
  modifiers.takeOneOf({"ca", "cg", "cs", "lu", "cv", "wb", "wt"});
  modifiers.take("nc");
  modifiers.takeOneOf({"L1::evict_normal", "L1::evict_unchanged", "L1::evict_first",
                       "L1::evict_last", "L1::no_allocate"});
  modifiers.takeOneOf({"L2::64B", "L2::128B", "L2::256B"});
  if (!isLoad && isConst) unknown();
  int vector = modifiers.takeOneOf({"v2", "v4"});
  in.count = static_cast<std::uint8_t>(vector < 0 ? 1 : vector == 0 ? 2 : 4);
  setAddress(in, operand(isLoad ? 1 : 0), space);
  if (type == Type::pred) unknown();

  const Operand& value = operand(isLoad ? 0 : 1);
  std::vector<Operand> single{value};
  const std::vector<Operand>& values = vector < 0 ? single : value.parts;
  if (values.size() != in.count) fail("a vector of " + std::to_string(in.count) + " is wanted");
  Type rows = type;
  for (const Operand& part : values) {
    if (part.kind == Operand::Kind::reg) anyRegister(part, rows);
  }
  if (sizeOf(rows) < sizeOf(type))
    fail("a register of '" + statement_->spelled() + "' is too narrow");
  for (std::size_t i = 0; i < values.size(); ++i) {
    std::uint32_t& slot = in.r[i == 3 ? 5 : i];
    if (values[i].kind == Operand::Kind::reg) {
      Type has = rows;
      slot = anyRegister(values[i], has);
      if (sizeOf(has) != sizeOf(rows)) fail("registers of one vector differ in width");
    } else if (!isLoad) {
      slot = source(values[i], type);
    } else if (values[i].kind != Operand::Kind::sink) {
      fail("a destination is a register");
    }
  }
  request.from = rows;
  in.run = routine(request);
  emit(in);
}

void KernelCompiler::compileAtomic(Modifiers& modifiers, bool wantsOld) {
  static constexpr Atomic kAtomics[] = {
      Atomic::add,    Atomic::min,      Atomic::max, Atomic::bitAnd, Atomic::bitOr,
      Atomic::bitXor, Atomic::exchange, Atomic::cas, Atomic::inc,    Atomic::dec};
  int which =
      modifiers.takeOneOf({"add", "min", "max", "and", "or", "xor", "exch", "cas", "inc", "dec"});
  if (which < 0) unknown();
  modifiers.takeOneOf({"relaxed", "acquire", "release", "acq_rel"});
  takeScope(modifiers);
  bool isConst = false;
  Space space = takeSpace(modifiers, isConst);
  if (isConst || space == Space::param || space == Space::local) unknown();
  Type type = modifiers.type();
  std::size_t first = wantsOld ? 1 : 0, extra = kAtomics[which] == Atomic::cas ? 3 : 2;
  expectOperands(first + extra, first + extra);
  Instruction in;
  in.strong = true;
  in.run = routine({.op = Op::atomic, .type = type, .atomic = kAtomics[which]});
  if (wantsOld && operand(0).kind != Operand::Kind::sink) {
    in.r[0] = destination(operand(0), type);
  }
  setAddress(in, operand(first), space);
  in.r[1] = source(operand(first + 1), type);
  if (extra == 3) in.r[2] = source(operand(first + 2), type);
  emit(in);
}

}  // namespace alnilam::gpu::emulator
