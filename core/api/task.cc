#include "core/api/task.h"

#include <cstring>

namespace alnilam {

std::vector<bool> inputsOnDevice(const TaskFunction& of, std::span<const std::byte> arguments,
                                 std::size_t inputs) {
  std::vector<bool> elsewhere(inputs), onDevice(inputs);
  std::vector<std::span<const std::byte>> nothing(inputs);
  TaskCall call;
  call.arguments = arguments;
  call.inputs = nothing;
  try {
    detail::ArgumentCursor cursor(call);
    for (bool there : of.onDevice) {
      detail::ArgumentCursor::Source source = cursor.next();
      for (std::size_t i = 0; i < source.count; ++i) {
        (there ? onDevice : elsewhere)[source.first + i] = true;
      }
    }
    cursor.finish();
  } catch (const BadArgumentsError&) {
    return std::vector<bool>(inputs);
  }
  for (std::size_t i = 0; i < inputs; ++i) {
    if (elsewhere[i]) onDevice[i] = false;
  }
  return onDevice;
}

}  // namespace alnilam

namespace alnilam::detail {

void ArgumentCursor::need(std::size_t n) const {
  if (n > call_.arguments.size() - at_) throwBadBytes("the arguments end too early");
}

std::uint8_t ArgumentCursor::byte() {
  need(1);
  return static_cast<std::uint8_t>(call_.arguments[at_++]);
}

std::uint32_t ArgumentCursor::word() {
  std::uint32_t word;
  need(sizeof word);
  std::memcpy(&word, call_.arguments.data() + at_, sizeof word);
  at_ += sizeof word;
  return word;
}

ArgumentCursor::Source ArgumentCursor::next() {
  Source source;
  switch (byte()) {
    case 0: {
      std::size_t size = word();
      std::size_t start = (at_ + 7) & ~std::size_t{7};
      need(start - at_);
      at_ = start;
      need(size);
      source.object = call_.arguments.subspan(at_, size);
      at_ += size;
      return source;
    }
    case 1: {
      std::size_t index = word();
      if (index >= call_.inputs.size()) throwBadBytes("an input is missing");
      source.object = call_.inputs[index];
      source.first = index;
      source.count = 1;
      return source;
    }
    case 2: {
      std::size_t count = word();
      std::size_t first = word();
      if (first > call_.inputs.size() || count > call_.inputs.size() - first) {
        throwBadBytes("an input is missing");
      }
      source.many = true;
      source.inputs = call_.inputs.subspan(first, count);
      source.first = first;
      source.count = count;
      return source;
    }
    default: throwBadBytes("an argument is of no known kind");
  }
}

void ArgumentCursor::finish() const {
  if (at_ != call_.arguments.size()) throwBadBytes("there are more arguments than parameters");
}

void throwNoDevice() {
  throw DeviceError(
      "the task takes a gpu::Context& and was given no GPU: ask for one, {.gpus = 1}");
}

}  // namespace alnilam::detail
