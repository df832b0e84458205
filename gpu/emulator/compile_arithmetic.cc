// Arithmetic, logic, comparison and selection: which routine an instruction of these gets.

#include "gpu/emulator/kernel_compiler.h"

namespace alnilam::gpu::emulator {
namespace {

std::uint8_t encoded(Rounding rounding) {
  switch (rounding) {
    case Rounding::rz:
      return 1;
    case Rounding::rm:
      return 2;
    case Rounding::rp:
      return 3;
    default:
      return 0;
  }
}

}  // namespace

void KernelCompiler::emitPlain(const Request& request, unsigned sources, unsigned counts) {
  expectOperands(sources + 1, sources + 1);
  Instruction in;
  in.run = routine(request);
  in.rounding = encoded(request.rounding);
  in.r[0] = destination(operand(0), request.type);
  for (unsigned i = 1; i <= sources; ++i) {
    bool isCount = i > sources - counts;
    in.r[i] = source(operand(i), isCount ? Type::u32 : request.type);
  }
  emit(in);
}

void KernelCompiler::compileStatement(const Statement& statement) {
  Modifiers modifiers(statement);
  bool known = compileArithmetic(modifiers) || compileFloat(modifiers) || compileBits(modifiers) ||
               compileSelection(modifiers) || compileMove(modifiers) || compileMemory(modifiers) ||
               compileWarp(modifiers) || compileControl(modifiers);
  if (!known) unknown();
  modifiers.finish();
}

bool KernelCompiler::compileArithmetic(Modifiers& modifiers) {
  const std::string& opcode = statement_->opcode;
  if (opcode == "add" || opcode == "addc") {
    compileAdd(modifiers, Op::add, opcode == "addc");
  } else if (opcode == "sub" || opcode == "subc") {
    compileAdd(modifiers, Op::sub, opcode == "subc");
  } else if (opcode == "mul") {
    compileMultiply(modifiers, false, false);
  } else if (opcode == "mad" || opcode == "madc") {
    compileMultiply(modifiers, true, opcode == "madc");
  } else if (opcode == "mul24" || opcode == "mad24") {
    if (!modifiers.take("lo")) unknown();
    bool addend = opcode == "mad24";
    emitPlain({.op = addend ? Op::mad24 : Op::mul24, .type = modifiers.type()}, addend ? 3 : 2);
  } else if (opcode == "sad") {
    emitPlain({.op = Op::sad, .type = modifiers.type()}, 3);
  } else if (opcode == "rem") {
    emitPlain({.op = Op::rem, .type = modifiers.type()}, 2);
  } else if (opcode == "min" || opcode == "max") {
    Request request{.op = opcode == "min" ? Op::min : Op::max, .type = modifiers.type()};
    request.flush = modifiers.take("ftz");
    emitPlain(request, 2);
  } else if (opcode == "neg" || opcode == "abs") {
    Request request{.op = opcode == "neg" ? Op::neg : Op::abs, .type = modifiers.type()};
    request.flush = modifiers.take("ftz");
    emitPlain(request, 1);
  } else if (opcode == "dp4a") {
    expectOperands(4, 4);
    Instruction in;
    in.run = routine({.op = Op::dp4a, .type = Type::u32});
    in.flags = static_cast<std::uint8_t>((isSigned(modifiers.type(0)) ? 1 : 0) |
                                         (isSigned(modifiers.type(1)) ? 2 : 0));
    in.r[0] = destination(operand(0), Type::u32);
    for (unsigned i = 1; i <= 3; ++i) in.r[i] = source(operand(i), Type::u32);
    emit(in);
  } else {
    return false;
  }
  return true;
}

void KernelCompiler::compileAdd(Modifiers& modifiers, Op op, bool carryIn) {
  Request request{.op = op, .type = modifiers.type()};
  bool carryOut = modifiers.take("cc");
  if (carryIn || carryOut) {
    expectOperands(3, 3);
    request.op = op == Op::add ? Op::addCarry : Op::subCarry;
    Instruction in;
    in.run = routine(request);
    in.flags = static_cast<std::uint8_t>((carryIn ? 1 : 0) | (carryOut ? 2 : 0));
    in.r[0] = destination(operand(0), request.type);
    in.r[1] = source(operand(1), request.type);
    in.r[2] = source(operand(2), request.type);
    in.r[4] = carry_;
    emit(in);
    return;
  }
  if (isFloat(request.type)) request.rounding = modifiers.rounding();
  request.flush = modifiers.take("ftz");
  request.saturate = modifiers.take("sat");
  emitPlain(request, 2);
}

void KernelCompiler::compileMultiply(Modifiers& modifiers, bool addend, bool carryIn) {
  Request request{.op = Op::mul, .type = modifiers.type()};
  if (isFloat(request.type)) {
    request.op = addend ? Op::fma : Op::mul;
    request.rounding = modifiers.rounding();
    request.flush = modifiers.take("ftz");
    request.saturate = modifiers.take("sat");
    emitPlain(request, addend ? 3 : 2);
    return;
  }
  int part = modifiers.takeOneOf({"lo", "hi", "wide"});
  if (part < 0) unknown();
  bool carryOut = modifiers.take("cc");
  if (carryIn || carryOut) {
    expectOperands(4, 4);
    if (part == 2) unknown();
    request.op = part == 0 ? Op::madLoCarry : Op::madHiCarry;
    Instruction in;
    in.run = routine(request);
    in.flags = static_cast<std::uint8_t>((carryIn ? 1 : 0) | (carryOut ? 2 : 0));
    in.r[0] = destination(operand(0), request.type);
    for (unsigned i = 1; i <= 3; ++i) in.r[i] = source(operand(i), request.type);
    in.r[4] = carry_;
    emit(in);
    return;
  }
  static constexpr Op kMul[] = {Op::mulLo, Op::mulHi, Op::mulWide};
  static constexpr Op kMad[] = {Op::madLo, Op::madHi, Op::madWide};
  request.op = addend ? kMad[part] : kMul[part];
  if (part < 2) {
    emitPlain(request, addend ? 3 : 2);
    return;
  }
  expectOperands(addend ? 4 : 3, addend ? 4 : 3);
  Instruction in;
  in.run = routine(request);
  Type wide = sizeOf(request.type) == 2 ? Type::u32 : Type::u64;
  in.r[0] = destination(operand(0), wide);
  in.r[1] = source(operand(1), request.type);
  in.r[2] = source(operand(2), request.type);
  if (addend) in.r[3] = source(operand(3), wide);
  emit(in);
}

bool KernelCompiler::compileFloat(Modifiers& modifiers) {
  const std::string& opcode = statement_->opcode;
  if (opcode == "fma") {
    Request request{.op = Op::fma, .type = modifiers.type(), .rounding = modifiers.rounding()};
    request.flush = modifiers.take("ftz");
    request.saturate = modifiers.take("sat");
    emitPlain(request, 3);
    return true;
  }
  if (opcode == "div") {
    Request request{.op = Op::div, .type = modifiers.type()};
    if (isFloat(request.type)) {
      request.rounding = modifiers.rounding();
      modifiers.takeOneOf({"approx", "full"});
      request.flush = modifiers.take("ftz");
    }
    emitPlain(request, 2);
    return true;
  }
  if (opcode == "copysign") {
    emitPlain({.op = Op::copysign, .type = modifiers.type()}, 2);
    return true;
  }
  if (opcode == "testp") {
    static constexpr Op kTests[] = {Op::isFinite, Op::isInfinite, Op::isNumber,
                                    Op::isNan,    Op::isNormal,   Op::isSubnormal};
    int which =
        modifiers.takeOneOf({"finite", "infinite", "number", "notanumber", "normal", "subnormal"});
    if (which < 0) unknown();
    expectOperands(2, 2);
    Instruction in;
    in.run = routine({.op = kTests[which], .type = modifiers.type()});
    in.r[0] = predicate(operand(0));
    in.r[1] = source(operand(1), modifiers.type());
    emit(in);
    return true;
  }
  static const std::pair<std::string_view, Op> kUnary[] = {
      {"sqrt", Op::sqrt}, {"rcp", Op::rcp}, {"rsqrt", Op::rsqrt}, {"ex2", Op::ex2},
      {"lg2", Op::lg2},   {"sin", Op::sin}, {"cos", Op::cos},     {"tanh", Op::tanh}};
  for (auto& [name, op] : kUnary) {
    if (name != opcode) continue;
    Request request{.op = op, .type = modifiers.type(), .rounding = modifiers.rounding()};
    modifiers.take("approx");
    request.flush = modifiers.take("ftz");
    // rcp and rsqrt of doubles exist as .approx.ftz; what a double flushes is nothing here.
    if (request.type == Type::f64) request.flush = false;
    emitPlain(request, 1);
    return true;
  }
  return false;
}

bool KernelCompiler::compileBits(Modifiers& modifiers) {
  const std::string& opcode = statement_->opcode;
  static const std::pair<std::string_view, std::pair<Op, Op>> kLogic[] = {
      {"and", {Op::bitAnd, Op::predicateAnd}},
      {"or", {Op::bitOr, Op::predicateOr}},
      {"xor", {Op::bitXor, Op::predicateXor}},
      {"not", {Op::bitNot, Op::predicateNot}}};
  for (auto& [name, ops] : kLogic) {
    if (name != opcode) continue;
    unsigned sources = name == "not" ? 1 : 2;
    if (modifiers.type() != Type::pred) {
      emitPlain({.op = ops.first, .type = modifiers.type()}, sources);
      return true;
    }
    expectOperands(sources + 1, sources + 1);
    Instruction in;
    in.run = routine({.op = ops.second, .type = Type::pred});
    in.r[0] = predicate(operand(0));
    for (unsigned i = 1; i <= sources; ++i) {
      in.r[i] = predicate(operand(i));
      if (operand(i).negated) in.flags |= static_cast<std::uint8_t>(i);
    }
    emit(in);
    return true;
  }
  if (opcode == "cnot") {
    emitPlain({.op = Op::logicalNot, .type = modifiers.type()}, 1);
  } else if (opcode == "shl" || opcode == "shr") {
    emitPlain({.op = opcode == "shl" ? Op::shl : Op::shr, .type = modifiers.type()}, 2, 1);
  } else if (opcode == "bfe") {
    emitPlain({.op = Op::bfe, .type = modifiers.type()}, 3, 2);
  } else if (opcode == "bfi") {
    emitPlain({.op = Op::bfi, .type = modifiers.type()}, 4, 2);
  } else if (opcode == "brev") {
    emitPlain({.op = Op::brev, .type = modifiers.type()}, 1);
  } else if (opcode == "prmt") {
    emitPlain({.op = Op::prmt, .type = modifiers.type()}, 3);
  } else if (opcode == "popc" || opcode == "clz" || opcode == "bfind") {
    Op op = opcode == "popc"             ? Op::popc
            : opcode == "clz"            ? Op::clz
            : modifiers.take("shiftamt") ? Op::bfindShift
                                         : Op::bfind;
    expectOperands(2, 2);
    Instruction in;
    in.run = routine({.op = op, .type = modifiers.type()});
    in.r[0] = destination(operand(0), Type::u32);
    in.r[1] = source(operand(1), modifiers.type());
    emit(in);
  } else if (opcode == "shf") {
    int direction = modifiers.takeOneOf({"l", "r"}), mode = modifiers.takeOneOf({"wrap", "clamp"});
    if (direction < 0 || mode < 0) unknown();
    static constexpr Op kShifts[2][2] = {{Op::shfLeftWrap, Op::shfLeftClamp},
                                         {Op::shfRightWrap, Op::shfRightClamp}};
    emitPlain({.op = kShifts[direction][mode], .type = modifiers.type()}, 3);
  } else if (opcode == "lop3") {
    expectOperands(5, 5);
    if (operand(4).kind != Operand::Kind::integer) fail("lop3's table is an immediate");
    Instruction in;
    in.run = routine({.op = Op::lop3, .type = modifiers.type()});
    in.r[0] = destination(operand(0), Type::u32);
    for (unsigned i = 1; i <= 3; ++i) in.r[i] = source(operand(i), Type::u32);
    in.immediate = operand(4).value;
    emit(in);
  } else {
    return false;
  }
  return true;
}

bool KernelCompiler::compileSelection(Modifiers& modifiers) {
  const std::string& opcode = statement_->opcode;
  if (opcode == "setp") {
    compileSetp(modifiers);
  } else if (opcode == "set") {
    compileSet(modifiers);
  } else if (opcode == "selp") {
    expectOperands(4, 4);
    Instruction in;
    in.run = routine({.op = Op::selp, .type = modifiers.type()});
    in.r[0] = destination(operand(0), modifiers.type());
    bool swapped = operand(3).negated;
    in.r[swapped ? 2 : 1] = source(operand(1), modifiers.type());
    in.r[swapped ? 1 : 2] = source(operand(2), modifiers.type());
    in.r[3] = predicate(operand(3));
    emit(in);
  } else if (opcode == "slct") {
    // d = c >= 0 ? a : b
    expectOperands(4, 4);
    Type tested = modifiers.type(1);
    modifiers.take("ftz");
    Instruction test;
    test.run = routine({.op = Op::setp, .type = tested, .compare = Compare::ge});
    test.r[0] = newPredicate();
    test.r[1] = source(operand(3), tested);
    test.r[2] = constantRow(sizeOf(tested), 0);
    emit(test);
    Instruction in;
    in.run = routine({.op = Op::selp, .type = modifiers.type(0)});
    in.r[0] = destination(operand(0), modifiers.type(0));
    in.r[1] = source(operand(1), modifiers.type(0));
    in.r[2] = source(operand(2), modifiers.type(0));
    in.r[3] = test.r[0];
    emit(in);
  } else {
    return false;
  }
  return true;
}

std::uint32_t KernelCompiler::takeCombine(Modifiers& modifiers) {
  return static_cast<std::uint32_t>(modifiers.takeOneOf({"and", "or", "xor"}) + 1);
}

namespace {

std::optional<Compare> takeCompare(Modifiers& modifiers, Type type) {
  static constexpr Compare kCompares[] = {Compare::eq,  Compare::ne,  Compare::lt,  Compare::le,
                                          Compare::gt,  Compare::ge,  Compare::equ, Compare::neu,
                                          Compare::ltu, Compare::leu, Compare::gtu, Compare::geu,
                                          Compare::num, Compare::nan};
  int which = modifiers.takeOneOf(
      {"eq", "ne", "lt", "le", "gt", "ge", "equ", "neu", "ltu", "leu", "gtu", "geu", "num", "nan"});
  if (which >= 0) return kCompares[which];
  if (isFloat(type)) return std::nullopt;
  static constexpr Compare kUnsigned[] = {Compare::lt, Compare::le, Compare::gt, Compare::ge};
  which = modifiers.takeOneOf({"lo", "ls", "hi", "hs"});
  if (which >= 0) return kUnsigned[which];
  return std::nullopt;
}

}  // namespace

void KernelCompiler::compileSetp(Modifiers& modifiers) {
  Type type = modifiers.type();
  auto compare = takeCompare(modifiers, type);
  if (!compare) unknown();
  std::uint32_t combine = takeCombine(modifiers);
  std::size_t first = statement_->hasPipe ? 2 : 1;
  expectOperands(first + (combine ? 3 : 2), first + (combine ? 3 : 2));
  Instruction in;
  Request request{.op = Op::setp, .type = type, .compare = *compare};
  request.flush = modifiers.take("ftz");
  in.run = routine(request);
  in.flags = static_cast<std::uint8_t>(combine);
  if (operand(0).kind != Operand::Kind::sink) in.r[0] = predicate(operand(0));
  if (statement_->hasPipe && operand(1).kind != Operand::Kind::sink) {
    in.r[3] = predicate(operand(1));
  }
  in.r[1] = source(operand(first), type);
  in.r[2] = source(operand(first + 1), type);
  if (combine) {
    in.r[4] = predicate(operand(first + 2));
    if (operand(first + 2).negated) in.flags |= 4;
  }
  emit(in);
}

void KernelCompiler::compileSet(Modifiers& modifiers) {
  Type type = modifiers.type(0), tested = modifiers.type(1);
  auto compare = takeCompare(modifiers, tested);
  if (!compare) unknown();
  std::uint32_t combine = takeCombine(modifiers);
  expectOperands(combine ? 4 : 3, combine ? 4 : 3);
  Instruction test;
  Request request{.op = Op::setp, .type = tested, .compare = *compare};
  request.flush = modifiers.take("ftz");
  test.run = routine(request);
  test.flags = static_cast<std::uint8_t>(combine);
  test.r[0] = newPredicate();
  test.r[1] = source(operand(1), tested);
  test.r[2] = source(operand(2), tested);
  if (combine) {
    test.r[4] = predicate(operand(3));
    if (operand(3).negated) test.flags |= 4;
  }
  emit(test);
  Instruction in;
  in.run = routine({.op = Op::set, .type = type});
  in.flags = isFloat(type) ? 1 : 0;
  in.r[0] = destination(operand(0), type);
  in.r[1] = test.r[0];
  emit(in);
}

}  // namespace alnilam::gpu::emulator
