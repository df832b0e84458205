#pragma once
// The kernels of one .cu file, as a program carries them.
//
// alnilam_add_kernels(target saxpy.cu) makes one of these, alnilam_kernels::saxpy_ptx.  It holds up
// to three forms of the same code, and the first that works on a device is used there:
//
//   machineCode   for the ARCHITECTURES that were asked for; starts at once, on those only
//   ptx           for every device: the driver compiles it, the emulator interprets it
//   source        where the program was built without nvcc and without PTX kept beside the source:
//                 NVRTC makes PTX of it when a kernel is first launched (runtime_compiler.h)
//
// An image is told from others by where its text lies, so copies of an image are the same image.
//
// Lifetime: everything pointed to stays where it is for the life of the process.
// Threading: a constant.

#include <span>
#include <string_view>

namespace alnilam::gpu {

// A file that the source includes, under the name that the source uses.
struct KernelHeader {
  const char* name;
  const char* text;
};

struct KernelImage {
  const char* name = "";                       // "saxpy.cu", for messages; may be empty
  std::string_view ptx = {};                   // a zero byte follows; empty: made from `source`
  std::span<const unsigned char> machineCode = {};  // a fat binary; may be empty
  std::string_view source = {};                // a zero byte follows
  std::span<const KernelHeader> headers = {};
  std::span<const char* const> options = {};   // for NVRTC, beside the language and the target

  // Equal for copies of one image, different for different ones.
  const void* identity() const { return ptx.empty() ? source.data() : ptx.data(); }
};

}  // namespace alnilam::gpu
