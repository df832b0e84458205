// A recursive-descent parser for PTX: directives, declarations, and the shape of instructions.
// What the instructions mean is the compiler's (ptx_compiler.h).
//
// It gives up at the first thing it doesn't know, by an exception that never leaves this file.

#include "gpu/emulator/ptx_lexer.h"
#include "gpu/emulator/ptx_module.h"

#include <cstdlib>
#include <cstring>

namespace alnilam::gpu::emulator {
namespace {

struct Unparsable {
  std::uint32_t line;
  std::string why;
};

constexpr std::uint64_t kMostBytes = 1ull << 40;    // of one variable
constexpr std::uint32_t kMostRegisters = 1u << 20;  // of one function
constexpr int kDeepestNesting = 64;

std::optional<Type> typeOf(std::string_view word) {
  static const std::pair<std::string_view, Type> kTypes[] = {
      {".b8", Type::u8},    {".b16", Type::u16}, {".b32", Type::u32}, {".b64", Type::u64},
      {".u8", Type::u8},    {".u16", Type::u16}, {".u32", Type::u32}, {".u64", Type::u64},
      {".s8", Type::s8},    {".s16", Type::s16}, {".s32", Type::s32}, {".s64", Type::s64},
      {".f16", Type::f16},  {".f32", Type::f32}, {".f64", Type::f64}, {".pred", Type::pred},
      {".f16x2", Type::u32}};
  for (auto& [name, type] : kTypes) {
    if (name == word) return type;
  }
  return std::nullopt;
}

class Parser {
 public:
  explicit Parser(std::string_view text) : tokens_(tokenize(text)) {}

  Module parse() {
    while (peek().kind != Token::Kind::end) topLevel();
    if (module_.version == 0) fail("a PTX module starts with .version");
    return std::move(module_);
  }

 private:
  const Token& peek(std::size_t ahead = 0) const {
    return tokens_[std::min(at_ + ahead, tokens_.size() - 1)];
  }
  const Token& take() { return tokens_[at_ + 1 < tokens_.size() ? at_++ : at_]; }
  bool is(std::string_view text, std::size_t ahead = 0) const { return peek(ahead).text == text; }
  bool accept(std::string_view text) {
    if (!is(text)) return false;
    take();
    return true;
  }
  [[noreturn]] void fail(std::string why) const { throw Unparsable{peek().line, std::move(why)}; }
  void expect(std::string_view text) {
    if (!accept(text)) {
      fail("'" + std::string(text) + "' expected before '" + std::string(peek().text) + "'");
    }
  }
  std::string name() {
    if (peek().kind != Token::Kind::name)
      fail("a name expected before '" + std::string(peek().text) + "'");
    return std::string(take().text);
  }
  std::int64_t integer() {
    Operand number = literal();
    if (number.kind != Operand::Kind::integer) fail("an integer expected");
    return number.value;
  }

  void topLevel() {
    std::string_view word = peek().text;
    if (accept(".version")) {
      std::string text(take().text);
      module_.version = static_cast<std::uint32_t>(std::strtod(text.c_str(), nullptr) * 10 + 0.5);
      if (module_.version < 30 || module_.version > 99) {
        fail("PTX version " + text + " is not one this emulator knows");
      }
    } else if (accept(".target")) {
      do {
        std::string target = name();
        if (target.rfind("sm_", 0) == 0) {
          module_.target =
              static_cast<std::uint32_t>(std::strtoul(target.c_str() + 3, nullptr, 10));
        }
      } while (accept(","));
    } else if (accept(".address_size")) {
      if (integer() != 64) fail("only 64-bit addresses are supported");
    } else if (word == ".file" || word == ".loc") {
      skipLine();
    } else if (accept(".section")) {
      while (!is("{") && peek().kind != Token::Kind::end) take();
      skipBraces();
    } else if (word == ".pragma") {
      while (!accept(";") && peek().kind != Token::Kind::end) take();
    } else {
      declaration();
    }
  }

  void skipLine() {
    std::uint32_t line = peek().line;
    while (peek().line == line && peek().kind != Token::Kind::end) take();
  }
  void skipBraces() {
    expect("{");
    for (int depth = 1; depth > 0 && peek().kind != Token::Kind::end;) {
      if (is("{")) ++depth;
      if (is("}")) --depth;
      take();
    }
  }

  // What stands at module level: a variable or a function, with its linkage.
  void declaration() {
    bool isExternal = false;
    for (;;) {
      if (accept(".extern")) isExternal = true;
      else if (accept(".visible") || accept(".weak") || accept(".common")) continue;
      else break;
    }
    if (is(".entry") || is(".func")) {
      function();
    } else if (is(".global") || is(".const") || is(".shared")) {
      Variable variable = declareVariable();
      variable.isExternal = isExternal;
      if (variable.storage == Storage::global && isExternal) {
        fail("variable " + variable.name + " is defined elsewhere; modules are not linked");
      }
      module_.variables.push_back(std::move(variable));
      expect(";");
    } else {
      fail("'" + std::string(peek().text) + "' is not known here");
    }
  }

  // ".shared .align 4 .b8 name[16] = {...}", from the state space on, up to the ; or ,
  Variable declareVariable() {
    Variable variable;
    variable.line = peek().line;
    std::string_view space = take().text;
    variable.storage = space == ".global"   ? Storage::global
                       : space == ".const"  ? Storage::constant
                       : space == ".shared" ? Storage::shared
                       : space == ".local"  ? Storage::local
                                            : Storage::param;
    std::uint32_t lanes = 1;
    bool hasType = false;
    while (peek().kind == Token::Kind::directive) {
      if (accept(".align")) {
        std::int64_t align = integer();
        if (align < 1 || align > 4096 || (align & (align - 1)))
          fail("an alignment is a power of two up to 4096");
        variable.align = static_cast<std::uint32_t>(align);
      } else if (accept(
                     ".ptr")) {  // says what a pointer parameter points to; nothing follows from it
        while (is(".global") || is(".const") || is(".shared") || is(".local") || is(".generic"))
          take();
      } else if (accept(".v2")) {
        lanes = 2;
      } else if (accept(".v4")) {
        lanes = 4;
      } else if (accept(".attribute")) {
        while (!accept(")")) take();
      } else if (auto type = typeOf(peek().text)) {
        variable.element = *type;
        hasType = true;
        take();
      } else {
        fail("'" + std::string(peek().text) + "' is not known in a declaration");
      }
    }
    if (!hasType) fail("a declaration without a type");
    std::uint32_t element = sizeOf(variable.element);
    variable.align = std::max(variable.align, element * lanes);
    variable.name = name();
    variable.size = std::uint64_t{element} * lanes;
    while (accept("[")) {
      std::int64_t count = is("]") ? 0 : integer();
      if (count < 0 ||
          (variable.size && static_cast<std::uint64_t>(count) > kMostBytes / variable.size)) {
        fail("an array of that size is more than a device has");
      }
      variable.size *= static_cast<std::uint64_t>(count);
      expect("]");
    }
    if (accept("=")) initialize(variable);
    return variable;
  }

  void initialize(Variable& variable) {
    std::uint32_t element = sizeOf(variable.element);
    if (is("{")) initializeList(variable, element, 0);
    else initializeOne(variable, element);
    if (variable.size == 0) variable.size = variable.initial.size();
    if (variable.initial.size() > variable.size) fail("more initial values than elements");
  }
  void initializeList(Variable& variable, std::uint32_t element, int depth) {
    if (depth > kDeepestNesting) fail("braces nest too deeply");
    expect("{");
    while (!is("}")) {
      if (is("{")) initializeList(variable, element, depth + 1);
      else initializeOne(variable, element);
      if (!accept(",")) break;
    }
    expect("}");
  }
  void initializeOne(Variable& variable, std::uint32_t element) {
    std::size_t offset = variable.initial.size();
    variable.initial.resize(offset + element);
    if (is("generic") || peek().kind == Token::Kind::name) {
      bool wrapped = accept("generic") && accept("(");
      Variable::Address address{offset, name(), 0};
      if (wrapped) expect(")");
      if (accept("+")) address.plus = integer();
      variable.addresses.push_back(std::move(address));
      return;
    }
    Operand number = literal();
    std::uint64_t bits = static_cast<std::uint64_t>(number.value);
    if (number.kind == Operand::Kind::real && !number.isSingle && variable.element == Type::f32) {
      float narrow = static_cast<float>(__builtin_bit_cast(double, bits));
      bits = __builtin_bit_cast(std::uint32_t, narrow);
    }
    std::memcpy(variable.initial.data() + offset, &bits, element);
  }

  void function() {
    function_ = Function{};
    scopes_.assign(1, {});
    function_.isKernel = take().text == ".entry";
    function_.line = peek().line;
    if (accept(".noreturn")) {}
    if (!function_.isKernel && is("(")) parameters(function_.results);
    function_.name = name();
    if (is("(")) parameters(function_.params);
    while (peek().kind == Token::Kind::directive) functionDirective();
    if (accept(";")) {
      function_.isDeclaration = true;
    } else {
      block(0);
    }
    // A definition takes the place of its declaration.
    for (Function& known : module_.functions) {
      if (known.name != function_.name) continue;
      if (known.isDeclaration) known = std::move(function_);
      else if (!function_.isDeclaration) fail("function " + function_.name + " is defined twice");
      return;
    }
    module_.functions.push_back(std::move(function_));
  }

  void functionDirective() {
    std::string word(take().text);
    if (word == ".maxntid" || word == ".reqntid") {
      std::int64_t threads = integer();
      while (accept(",")) threads *= integer();
      if (threads < 1 || threads > 1024) fail(word + " is out of range");
      function_.maxThreads = static_cast<std::uint32_t>(threads);
    } else if (word == ".minnctapersm" || word == ".maxnreg" || word == ".maxnctapersm") {
      integer();
    } else if (word != ".noreturn" && word != ".weak") {
      fail("'" + word + "' is not known at a function");
    }
  }

  void parameters(std::vector<std::uint32_t>& into) {
    expect("(");
    while (!is(")")) {
      if (is(".reg")) fail("parameters in registers are not supported");
      if (!is(".param")) fail("a parameter expected before '" + std::string(peek().text) + "'");
      into.push_back(addVariable(declareVariable()));
      if (!accept(",")) break;
    }
    expect(")");
  }

  std::uint32_t addVariable(Variable variable) {
    auto index = static_cast<std::uint32_t>(function_.variables.size());
    scopes_.back()[variable.name] = {true, index};
    function_.variables.push_back(std::move(variable));
    return index;
  }

  void block(int depth) {
    if (depth > kDeepestNesting) fail("braces nest too deeply");
    expect("{");
    scopes_.emplace_back();
    while (!is("}")) {
      if (peek().kind == Token::Kind::end) fail("the end of the text inside a function");
      if (is("{")) block(depth + 1);
      else bodyLine();
    }
    expect("}");
    scopes_.pop_back();
  }

  void bodyLine() {
    if (accept(".reg")) {
      registers();
    } else if (is(".local") || is(".shared") || is(".param")) {
      addVariable(declareVariable());
      expect(";");
    } else if (is(".loc") || is(".file")) {
      skipLine();
    } else if (accept(".pragma")) {
      while (!accept(";") && peek().kind != Token::Kind::end) take();
    } else if (peek().kind == Token::Kind::directive) {
      fail("'" + std::string(peek().text) + "' is not known in a function");
    } else if (peek().kind == Token::Kind::name && is(":", 1)) {
      label();
    } else if (accept(";")) {
      return;
    } else {
      statement();
    }
  }

  void label() {
    std::string at = name();
    expect(":");
    if (accept(".branchtargets")) {
      auto& targets = function_.branchTargets[at];
      do targets.push_back(name());
      while (accept(","));
      expect(";");
    } else if (is(".callprototype") || is(".calltargets")) {
      fail("indirect calls are not supported");
    } else if (!function_.labels.emplace(at, function_.statements.size()).second) {
      fail("label " + at + " is defined twice");
    }
  }

  void registers() {
    auto type = typeOf(peek().text);
    if (!type)
      fail("'" + std::string(peek().text) + "' is not a register type this emulator knows");
    take();
    do {
      std::string base = name();
      if (accept("<")) {
        std::int64_t count = integer();
        expect(">");
        if (count < 0 || count > kMostRegisters) fail("too many registers");
        for (std::int64_t i = 0; i < count; ++i) addRegister(base + std::to_string(i), *type);
      } else {
        addRegister(base, *type);
      }
    } while (accept(","));
    expect(";");
  }
  void addRegister(std::string called, Type type) {
    if (function_.registers.size() >= kMostRegisters) fail("too many registers");
    scopes_.back()[called] = {false, static_cast<std::uint32_t>(function_.registers.size())};
    function_.registers.push_back({std::move(called), type});
  }

  void statement() {
    Statement statement;
    statement.line = peek().line;
    if (accept("@")) {
      statement.guardNegated = accept("!");
      Operand guard = operand(0);
      if (guard.kind != Operand::Kind::reg || function_.registers[guard.index].type != Type::pred) {
        fail("a guard is a predicate register");
      }
      statement.guard = guard.index;
    }
    statement.opcode = name();
    while (peek().kind == Token::Kind::directive)
      statement.modifiers.emplace_back(take().text.substr(1));
    while (!is(";")) {
      statement.operands.push_back(operand(0));
      if (accept("|")) {
        statement.hasPipe = true;
        continue;
      }
      if (!accept(",")) break;
    }
    expect(";");
    function_.statements.push_back(std::move(statement));
  }

  Operand operand(int depth) {
    if (depth > 8) fail("operands nest too deeply");
    Operand result;
    if (accept("[")) {
      result.kind = Operand::Kind::address;
      result.parts.push_back(operand(depth + 1));
      // The constant of "symbol+4" belongs to the address as a whole.
      std::swap(result.value, result.parts[0].value);
      if (result.parts[0].kind == Operand::Kind::integer)
        std::swap(result.value, result.parts[0].value);
      expect("]");
    } else if (is("{") || is("(")) {
      std::string_view close = is("{") ? "}" : ")";
      result.kind = is("{") ? Operand::Kind::vector : Operand::Kind::list;
      take();
      while (!is(close)) {
        result.parts.push_back(operand(depth + 1));
        if (!accept(",")) break;
      }
      expect(close);
    } else if (accept("!")) {
      result = operand(depth + 1);
      result.negated = true;
    } else if (peek().kind == Token::Kind::number || is("-") || is("+")) {
      result = literal();
    } else {
      result = named();
      if (is("+") || (is("-") && peek(1).kind == Token::Kind::number)) {
        accept("+");
        result.value += integer();
      }
    }
    return result;
  }

  Operand named() {
    Operand result;
    std::string word = name();
    if (word == "_") return result;
    for (auto scope = scopes_.rbegin(); scope != scopes_.rend(); ++scope) {
      auto found = scope->find(word);
      if (found == scope->end()) continue;
      result.kind = found->second.isVariable ? Operand::Kind::variable : Operand::Kind::reg;
      result.index = found->second.index;
      return result;
    }
    if (word[0] == '%') {
      result.kind = Operand::Kind::special;
      if (peek().kind == Token::Kind::directive) word += take().text;
    } else {
      result.kind = Operand::Kind::symbol;
    }
    result.name = std::move(word);
    return result;
  }

  Operand literal() {
    Operand result;
    bool minus = accept("-");
    if (!minus) accept("+");
    if (peek().kind != Token::Kind::number)
      fail("a number expected before '" + std::string(peek().text) + "'");
    std::string text(take().text);
    const char* start = text.c_str();
    char* end = nullptr;
    if (text.size() == 10 && text[0] == '0' && (text[1] == 'f' || text[1] == 'F')) {
      result.kind = Operand::Kind::real;
      result.isSingle = true;
      result.value = static_cast<std::int64_t>(std::strtoull(start + 2, &end, 16));
      if (minus) result.value ^= 1ll << 31;
    } else if (text.size() == 18 && text[0] == '0' && (text[1] == 'd' || text[1] == 'D')) {
      result.kind = Operand::Kind::real;
      result.value = static_cast<std::int64_t>(std::strtoull(start + 2, &end, 16));
      if (minus) result.value ^= static_cast<std::int64_t>(1ull << 63);
    } else if (text.find('.') != std::string::npos) {
      result.kind = Operand::Kind::real;
      double value = std::strtod(start, &end);
      result.value = __builtin_bit_cast(std::int64_t, minus ? -value : value);
    } else {
      result.kind = Operand::Kind::integer;
      bool binary = text.size() > 2 && text[0] == '0' && (text[1] == 'b' || text[1] == 'B');
      std::uint64_t value = std::strtoull(binary ? start + 2 : start, &end, binary ? 2 : 0);
      if (*end == 'U') ++end;
      result.value = static_cast<std::int64_t>(minus ? 0 - value : value);
    }
    if (!end || *end != '\0') fail("'" + text + "' is not a number");
    return result;
  }

  struct Local {
    bool isVariable = false;
    std::uint32_t index = 0;
  };

  std::vector<Token> tokens_;
  std::size_t at_ = 0;
  Module module_;
  Function function_;
  std::vector<std::map<std::string, Local>> scopes_;
};

}  // namespace

std::string Statement::spelled() const {
  std::string text = opcode;
  for (const std::string& modifier : modifiers) text += "." + modifier;
  return text;
}

Result<Module> parsePtx(std::string_view text) {
  try {
    return Parser(text).parse();
  } catch (const Unparsable& problem) {
    return Refusal{RefusalCode::invalid,
                   "line " + std::to_string(problem.line) + ": " + problem.why};
  }
}

}  // namespace alnilam::gpu::emulator
