#pragma once
// A PTX module as written: what the parser makes and the compiler reads.
//
// Registers and local variables are resolved to indices while parsing, since their names are scoped
// by braces; everything at module level (globals, shared memory, functions) and labels stay names.
//
// PTX is what nvcc and NVRTC emit for a virtual machine, and every driver translates to its device.
// Source: NVIDIA, "Parallel Thread Execution ISA", versions 7 to 9.

#include "core/base/error.h"
#include "gpu/emulator/lanes.h"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace alnilam::gpu::emulator {

enum class Storage : std::uint8_t { global, constant, shared, local, param };

// A variable of any state space.
struct Variable {
  Storage storage = Storage::global;
  std::string name;
  std::uint32_t align = 1;
  std::uint64_t size = 0;  // bytes; 0 for an array without bound
  Type element = Type::u8;
  bool isExternal = false;
  std::vector<std::byte> initial;  // empty: zeros
  struct Address {                 // an initial value that is another variable's address
    std::uint64_t offset = 0;
    std::string symbol;
    std::int64_t plus = 0;
  };
  std::vector<Address> addresses;
  std::uint32_t line = 0;
};

struct Operand {
  enum class Kind : std::uint8_t {
    reg,       // `index` into the function's registers
    integer,   // `value`
    real,      // `value` holds the bits of a double (or of a float, if isSingle)
    symbol,    // `name` (+ value): a variable, function or label
    variable,  // `index` into the function's variables (+ value)
    special,   // %tid.x and the like, `name`
    address,   // [parts[0] + value]
    vector,    // {parts...}
    list,      // (parts...): of a call
    sink,      // _
  };
  Kind kind = Kind::sink;
  bool negated = false;  // !%p
  bool isSingle = false;
  std::uint32_t index = 0;
  std::int64_t value = 0;
  std::string name;
  std::vector<Operand> parts;
};

struct Statement {
  std::string opcode;                  // "add"
  std::vector<std::string> modifiers;  // "rn", "f32"; '::' stays inside one
  std::vector<Operand> operands;       // "a|b" are two, the second marked in `pipes`
  std::optional<std::uint32_t> guard;  // register index
  bool guardNegated = false;
  bool hasPipe = false;  // operands[1] came after a '|'
  std::uint32_t line = 0;

  std::string spelled() const;  // "add.rn.f32"
};

struct Register {
  std::string name;
  Type type = Type::u32;
};

struct Function {
  std::string name;
  bool isKernel = false;
  bool isDeclaration = false;          // no body
  std::vector<std::uint32_t> results;  // indices into variables
  std::vector<std::uint32_t> params;   // likewise, in order
  std::vector<Register> registers;
  std::vector<Variable> variables;  // params, .local, .shared and .param of the body
  std::vector<Statement> statements;
  std::map<std::string, std::uint32_t> labels;                    // name -> statement index
  std::map<std::string, std::vector<std::string>> branchTargets;  // name -> labels
  std::uint32_t maxThreads = 0;                                   // .maxntid, 0 if not given
  std::uint32_t line = 0;
};

struct Module {
  std::uint32_t version = 0;  // 75 is 7.5
  std::uint32_t target = 0;   // 75 is sm_75
  std::vector<Variable> variables;
  std::vector<Function> functions;
};

// Parses a whole module, or says on which line what isn't understood: "line 12: ...".
Result<Module> parsePtx(std::string_view text);

}  // namespace alnilam::gpu::emulator
