#pragma once
// Turns one kernel and the functions it calls into KernelCode; the inside of ptx_program.h.
//
// Each instruction is read in three steps: its modifiers are sorted into types and flags; operands
// become offsets of rows; select() gives the routine.  Whatever modifier has not been consumed at
// the end is unknown, and refused: nothing is ignored by accident.
//
// Errors: everything throws Uncompilable, which compileProgram turns into a refusal.

#include "gpu/emulator/ptx_program.h"

#include <map>
#include <string>
#include <utility>
#include <vector>

namespace alnilam::gpu::emulator {

struct Uncompilable {
  std::uint32_t line;
  std::string why;
};

// The modifiers of one statement, ticked off as they are understood.
class Modifiers {
 public:
  explicit Modifiers(const Statement& statement);

  bool take(std::string_view flag);
  // Takes whichever of these is there; -1 if none is.
  int takeOneOf(std::initializer_list<std::string_view> flags);
  // Takes a directed rounding (rn, rz, rm, rp and their i-forms).
  Rounding rounding();
  // The types in order; fails if there are fewer.
  Type type(std::size_t index = 0) const;
  std::size_t typeCount() const { return types_.size(); }
  // Fails if something is left.
  void finish() const;

 private:
  const Statement& statement_;
  std::vector<std::string> flags_;
  std::vector<Type> types_;
};

class KernelCompiler {
 public:
  KernelCompiler(const Module& module, const GlobalLayout& layout, std::uint64_t base);

  std::unique_ptr<KernelCode> compile(const Function& kernel);

 private:
  // A function's place in the kernel.
  struct Frame {
    std::vector<std::uint32_t> registers;  // offset of each row
    std::vector<std::uint32_t> variables;  // offset in its state space
    std::uint32_t returnRow = kNone;       // device functions only
    std::uint32_t entry = 0;
  };
  struct Patch {
    std::size_t instruction;
    std::string label;
  };

  [[noreturn]] void fail(std::string why) const;
  [[noreturn]] void unknown() const;

  void visit(const Function& function, std::vector<const Function*>& callers,
             std::vector<const Function*>& order);
  const Function* findFunction(const Operand& of) const;
  void placeShared(const Operand& operand);
  void compileFunction(const Function& function);
  void layOut(const Function& function, Frame& frame);
  void compileStatement(const Statement& statement);
  bool compileArithmetic(Modifiers& modifiers);
  bool compileFloat(Modifiers& modifiers);
  bool compileBits(Modifiers& modifiers);
  bool compileSelection(Modifiers& modifiers);
  bool compileMove(Modifiers& modifiers);
  bool compileMemory(Modifiers& modifiers);
  bool compileWarp(Modifiers& modifiers);
  bool compileControl(Modifiers& modifiers);

  void compileAdd(Modifiers& modifiers, Op op, bool carryIn);
  void compileMultiply(Modifiers& modifiers, bool addend, bool carryIn);
  void compileSetp(Modifiers& modifiers);
  void compileSet(Modifiers& modifiers);
  void compileMov(Modifiers& modifiers);
  void compileCvt(Modifiers& modifiers);
  void compileCvtPair(Modifiers& modifiers);
  void compileCvta(Modifiers& modifiers);
  void compileAccess(Modifiers& modifiers, bool isLoad);
  void compileAtomic(Modifiers& modifiers, bool wantsOld);
  void compileShuffle(Modifiers& modifiers);
  void compileBarrier(Modifiers& modifiers);
  void compileCall(Modifiers& modifiers);
  void compileBranchTable(Modifiers& modifiers);

  // d, a[, b[, c]] of one type, except that the last `counts` operands are 32-bit.
  void emitPlain(const Request& request, unsigned sources, unsigned counts = 0);
  Instruction& emit(Instruction in, Kind kind = Kind::lanes);
  Routine routine(const Request& request) const;
  bool takeScope(Modifiers& modifiers);
  Space takeSpace(Modifiers& modifiers, bool& isConst);
  void setAddress(Instruction& in, const Operand& operand, Space& space);
  std::uint32_t takeCombine(Modifiers& modifiers);

  const Operand& operand(std::size_t index) const;
  void expectOperands(std::size_t least, std::size_t most) const;
  // The row of an operand that is read as `type`, of exactly its width.
  std::uint32_t source(const Operand& from, Type type);
  std::uint32_t destination(const Operand& to, Type type) const;
  std::uint32_t predicate(const Operand& of) const;
  std::uint32_t anyRegister(const Operand& of, Type& type) const;
  std::uint32_t constantRow(std::uint32_t width, std::uint64_t value);
  std::uint32_t specialRow(const std::string& name);
  std::uint32_t newRow(std::uint32_t width);
  std::uint32_t newPredicate();
  std::uint64_t symbolAddress(const Operand& of, Space& space);

  const Module& module_;
  const GlobalLayout& layout_;
  std::uint64_t base_;
  std::unique_ptr<KernelCode> out_;
  const Function* function_ = nullptr;
  const Statement* statement_ = nullptr;
  Frame* frame_ = nullptr;
  std::map<std::string, Frame> frames_;
  std::vector<Patch> patches_;
  std::vector<std::pair<std::size_t, std::string>> tablePatches_;
  std::map<std::pair<std::uint32_t, std::uint64_t>, std::uint32_t> constants_;
  std::map<Special, std::uint32_t> specials_;
  std::map<std::string, std::uint32_t> shared_;  // of the module; kNone: dynamic
  std::uint32_t carry_ = kNone;
  std::uint64_t registerBytes_ = 0;
  std::uint64_t sharedBytes_ = 0;
  std::uint64_t localBytes_ = 0;
};

std::optional<Type> instructionType(std::string_view modifier);

}  // namespace alnilam::gpu::emulator
