#pragma once
// The sizes of a kernel's parameters, read from PTX text.
//
// For drivers that do not tell them (cuFuncGetParamInfo came with CUDA 12.4).  Reads no more of PTX
// than the parameter list after ".entry NAME(".
//
// Threading: a pure function.
//
// Source: PTX ISA 9.0, "Kernel Function Parameters" and "Kernel Parameter Attribute: .ptr".

#include <cstddef>
#include <optional>
#include <string_view>
#include <vector>

namespace alnilam::gpu {

// In bytes, in order; nullopt if there is no such entry or its list is not understood.
std::optional<std::vector<std::size_t>> parameterSizes(std::string_view ptx,
                                                       std::string_view entry);

}  // namespace alnilam::gpu
