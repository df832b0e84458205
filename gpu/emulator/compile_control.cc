// Branches, calls, barriers, and what lanes do with each other.

#include "gpu/emulator/kernel_compiler.h"

namespace alnilam::gpu::emulator {

bool KernelCompiler::compileWarp(Modifiers& modifiers) {
  const std::string& opcode = statement_->opcode;
  if (opcode == "activemask") {
    expectOperands(1, 1);
    Instruction in;
    in.run = routine({.op = Op::activeMask});
    in.r[0] = destination(operand(0), modifiers.type());
    emit(in);
    return true;
  }
  if (opcode != "shfl" && opcode != "vote" && opcode != "match" && opcode != "redux") return false;
  if (!modifiers.take("sync")) fail("'" + statement_->spelled() + "' without .sync is obsolete");
  if (opcode == "shfl") {
    compileShuffle(modifiers);
    return true;
  }
  Instruction in;
  expectOperands(3, 4);
  bool pipe = statement_->hasPipe;
  const Operand &from = operand(pipe ? 2 : 1), &members = operand(pipe ? 3 : 2);
  in.r[4] = source(members, Type::u32);
  if (opcode == "vote") {
    static constexpr Op kVotes[] = {Op::voteAll, Op::voteAny, Op::voteUniform, Op::ballot};
    int which = modifiers.takeOneOf({"all", "any", "uni", "ballot"});
    if (which < 0) unknown();
    in.run = routine({.op = kVotes[which]});
    in.r[0] = which == 3 ? destination(operand(0), Type::u32) : predicate(operand(0));
    in.r[1] = predicate(from);
    in.flags = from.negated ? 1 : 0;
  } else if (opcode == "match") {
    bool all = modifiers.take("all");
    if (!all && !modifiers.take("any")) unknown();
    in.run = routine({.op = all ? Op::matchAll : Op::matchAny, .type = modifiers.type()});
    in.r[0] = destination(operand(0), Type::u32);
    if (pipe) in.r[3] = predicate(operand(1));
    in.r[1] = source(from, modifiers.type());
  } else {
    static constexpr Atomic kReductions[] = {Atomic::add,    Atomic::min,   Atomic::max,
                                             Atomic::bitAnd, Atomic::bitOr, Atomic::bitXor};
    int which = modifiers.takeOneOf({"add", "min", "max", "and", "or", "xor"});
    if (which < 0) unknown();
    in.run =
        routine({.op = Op::reduceLanes, .type = modifiers.type(), .atomic = kReductions[which]});
    in.r[0] = destination(operand(0), modifiers.type());
    in.r[1] = source(from, modifiers.type());
  }
  emit(in, Kind::together);
  return true;
}

void KernelCompiler::compileShuffle(Modifiers& modifiers) {
  static constexpr Op kShuffles[] = {Op::shuffleUp, Op::shuffleDown, Op::shuffleXor,
                                     Op::shuffleIndex};
  int which = modifiers.takeOneOf({"up", "down", "bfly", "idx"});
  if (which < 0 || sizeOf(modifiers.type()) != 4) unknown();
  std::size_t first = statement_->hasPipe ? 2 : 1;
  expectOperands(first + 4, first + 4);
  Instruction in;
  in.run = routine({.op = kShuffles[which]});
  if (operand(0).kind != Operand::Kind::sink) in.r[0] = destination(operand(0), Type::u32);
  if (statement_->hasPipe && operand(1).kind != Operand::Kind::sink) {
    in.r[3] = predicate(operand(1));
  }
  in.r[1] = source(operand(first), Type::u32);
  in.r[2] = source(operand(first + 1), Type::u32);
  in.r[5] = source(operand(first + 2), Type::u32);
  in.r[4] = source(operand(first + 3), Type::u32);
  emit(in, Kind::together);
}

bool KernelCompiler::compileControl(Modifiers& modifiers) {
  const std::string& opcode = statement_->opcode;
  Instruction in;
  if (opcode == "bra") {
    modifiers.take("uni");
    expectOperands(1, 1);
    if (operand(0).kind != Operand::Kind::symbol) fail("a branch goes to a label");
    patches_.push_back({out_->code.size(), operand(0).name});
    emit(in, Kind::branch);
  } else if (opcode == "brx") {
    compileBranchTable(modifiers);
  } else if (opcode == "call") {
    compileCall(modifiers);
  } else if (opcode == "ret" || opcode == "exit") {
    modifiers.take("uni");
    expectOperands(0, 0);
    bool ends = opcode == "exit" || function_->isKernel;
    in.r[0] = frame_->returnRow;
    emit(in, ends ? Kind::exit : Kind::ret);
  } else if (opcode == "bar" || opcode == "barrier") {
    compileBarrier(modifiers);
  } else if (opcode == "trap" || opcode == "brkpt") {
    expectOperands(0, 0);
    emit(in, Kind::trap);
  } else if (opcode == "nanosleep") {
    modifiers.type();
    expectOperands(1, 1);
    emit(in, Kind::pause);
  } else {
    return false;
  }
  return true;
}

void KernelCompiler::compileBranchTable(Modifiers& modifiers) {
  if (!modifiers.take("idx")) unknown();
  modifiers.take("uni");
  expectOperands(2, 2);
  auto targets = function_->branchTargets.find(operand(1).name);
  if (targets == function_->branchTargets.end()) {
    fail("'" + operand(1).name + "' is no list of branch targets");
  }
  Instruction in;
  in.r[0] = source(operand(0), Type::u32);
  in.target = static_cast<std::uint32_t>(out_->branchTables.size());
  out_->branchTables.emplace_back();
  for (const std::string& label : targets->second) tablePatches_.emplace_back(in.target, label);
  emit(in, Kind::branchTable);
}

// bar.sync a{, b}; bar.warp.sync mask; bar.red.op p|d, a{, b}, {!}p; barrier.* likewise.
void KernelCompiler::compileBarrier(Modifiers& modifiers) {
  Instruction in;
  modifiers.take("cta");
  modifiers.take("aligned");
  if (modifiers.take("warp")) {
    if (!modifiers.take("sync")) unknown();
    expectOperands(1, 1);
    in.r[4] = source(operand(0), Type::u32);
    emit(in, Kind::syncWarp);
    return;
  }
  bool waits = modifiers.take("sync"), arrives = !waits && modifiers.take("arrive");
  bool reduces = !waits && !arrives && modifiers.take("red");
  if (!waits && !arrives && !reduces) unknown();
  std::size_t first = reduces ? 1 : 0;
  std::size_t last = statement_->operands.size() - (reduces ? 1 : 0);
  expectOperands(first + 1, 4);
  in.r[0] = source(operand(first), Type::u32);
  if (last == first + 2) in.r[1] = source(operand(first + 1), Type::u32);
  in.flags = arrives ? 1 : 0;
  if (reduces) {
    // flags bits 1..2: 1 and, 2 or, 3 popc; bit 3: the predicate is negated.
    int which = modifiers.takeOneOf({"and", "or", "popc"});
    if (which < 0) unknown();
    const Operand& asked = operand(last);
    in.flags = static_cast<std::uint8_t>((which + 1) << 1 | (asked.negated ? 8 : 0));
    in.r[2] = which == 2 ? destination(operand(0), Type::u32) : predicate(operand(0));
    in.r[3] = predicate(asked);
    if (which < 2) modifiers.type();
  }
  emit(in, Kind::barrier);
}

// call{.uni} (result), function, (arguments);
void KernelCompiler::compileCall(Modifiers& modifiers) {
  modifiers.take("uni");
  const std::vector<Operand>& operands = statement_->operands;
  std::size_t at = 0;
  std::vector<Operand> results, arguments;
  if (at < operands.size() && operands[at].kind == Operand::Kind::list) {
    results = operands[at++].parts;
  }
  if (at >= operands.size()) fail("a call names a function");
  if (operands[at].kind != Operand::Kind::symbol) fail("indirect calls are not supported");
  const std::string& called = operands[at].name;
  const Function* callee = findFunction(operands[at++]);
  if (at < operands.size() && operands[at].kind == Operand::Kind::list) {
    arguments = operands[at++].parts;
  }
  if (at != operands.size()) fail("indirect calls are not supported");
  if (called == "__assertfail") {  // assert() of device code; its texts are not printed
    Instruction in;
    in.flags = 1;
    emit(in, Kind::trap);
    return;
  }
  if (!callee) fail("function " + called + " is not declared");
  if (callee->isDeclaration) fail("function " + called + " has no body in this module");
  if (callee->isKernel) fail("a kernel can't be called");
  if (results.size() != callee->results.size() || arguments.size() != callee->params.size()) {
    fail("call of " + called + " with the wrong number of arguments");
  }
  const Frame& frame = frames_.at(callee->name);
  auto copy = [&](const Operand& ours, std::uint32_t theirIndex, bool isArgument) {
    if (ours.kind != Operand::Kind::variable) fail("an argument is a .param variable");
    const Variable& theirs = callee->variables[theirIndex];
    const Variable& variable = function_->variables[ours.index];
    if (variable.size != theirs.size) fail("an argument of " + called + " has the wrong size");
    Instruction in;
    in.run = routine({.op = Op::copyFrame});
    std::uint32_t here = frame_->variables[ours.index], there = frame.variables[theirIndex];
    in.r[0] = isArgument ? there : here;
    in.r[1] = isArgument ? here : there;
    in.immediate = static_cast<std::int64_t>(theirs.size);
    if (here != there) emit(in);
  };
  for (std::size_t i = 0; i < arguments.size(); ++i) copy(arguments[i], callee->params[i], true);
  Instruction in;
  in.target = frame.entry;
  in.r[0] = frame.returnRow;
  emit(in, Kind::call);
  for (std::size_t i = 0; i < results.size(); ++i) copy(results[i], callee->results[i], false);
}

}  // namespace alnilam::gpu::emulator
