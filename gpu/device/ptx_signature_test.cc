// What PTX says about a kernel's parameters.

#include "gpu/device/ptx_signature.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace alnilam::gpu {
namespace {

using Sizes = std::vector<std::size_t>;

TEST(PtxSignature, IsReadFromTheEntrysParameterList) {
  struct Row {
    const char* what;
    const char* list;
    std::optional<Sizes> sizes;
  };
  const Row rows[] = {
      {"no list", "{ ret; }", Sizes{}},
      {"an empty list", "() { ret; }", Sizes{}},
      {"scalars", "(.param .u64 a, .param .s32 b,\n\t.param .f32 c, .param .b8 d, .param .u16 e)",
       Sizes{8, 4, 4, 1, 2}},
      {"pointers with attributes",
       "(.param .u64 .ptr .align 1 a, .param .u64 .ptr .global .align 16 b)",
       Sizes{8, 8}},
      {"structs are arrays of bytes", "(.param .align 8 .b8 a[24], .param .align 1 .b8 b[3])",
       Sizes{24, 3}},
      {"a type that is not known", "(.param .f16x2 a, .param .b128 b, .param .bf16 c)",
       std::nullopt},
      {"packed halves", "(.param .f16x2 a, .param .b128 b)", Sizes{4, 16}},
      {"comments anywhere", "( // (.param .u8 x)\n .param /* , */ .u64 a )", Sizes{8}},
      {"a list that does not end", "(.param .u64 a, .param .u32", std::nullopt},
      {"an array of nothing", "(.param .b8 a[0])", std::nullopt},
      {"an array without an end", "(.param .b8 a[4 )", std::nullopt},
      {"an array larger than memory", "(.param .b64 a[9223372036854775807])", std::nullopt},
      {"an array of a negative size", "(.param .b64 a[-1])", std::nullopt},
      {"a parameter without a type", "(.param a, .param .u32 b)", std::nullopt},
      {"a comma too many", "(.param .u32 b,)", std::nullopt},
      {"two types", "(.param .u32 .u32 b)", std::nullopt},
  };
  for (const Row& row : rows) {
    std::string ptx = std::string(".version 8.0\n.target sm_75\n.visible .entry other(.param .u8 x)"
                                  "{ret;}\n.visible .entry wanted") + row.list;
    EXPECT_EQ(parameterSizes(ptx, "wanted"), row.sizes) << row.what << ": " << ptx;
  }
}

TEST(PtxSignature, OnlyOfTheEntryOfThatName) {
  std::string ptx = "// .entry a(.param .u8 x)\n.func a(.param .u8 x)\n.entry ab(.param .u16 x)\n"
                    ".entry a(.param .u32 x)";
  EXPECT_EQ(parameterSizes(ptx, "a"), Sizes{4});
  EXPECT_EQ(parameterSizes(ptx, "b"), std::nullopt);
  EXPECT_EQ(parameterSizes("", "a"), std::nullopt);
  EXPECT_EQ(parameterSizes(".entry", "a"), std::nullopt);
}

}  // namespace
}  // namespace alnilam::gpu
