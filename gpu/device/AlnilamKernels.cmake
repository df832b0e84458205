# alnilam_add_kernels(target file.cu ... [ARCHITECTURES 80 90 ...]): kernels for a program.
#
# Each file.cu is compiled by nvcc to PTX for compute_75, the oldest that today's compilers know;
# drivers compile that for the device they have, and the emulator runs it.  With ARCHITECTURES there
# is machine code for those beside it, which a device of theirs loads without compiling.  Both
# become part of `target`, which then can write
#
#   #include "file.ptx.h"      // declares alnilam_kernels::file_ptx, an alnilam::gpu::KernelImage
#
# Where there is no nvcc, the file.ptx that stands beside file.cu is used.  Where there is none
# either, the source itself goes into the program, with the files that it includes by quotes, and
# NVRTC compiles it at the first launch, if the machine that runs the program has it.
#
# Where there are both nvcc and a file.ptx, the test ptx_fresh.file holds that to its source.
#
# ALNILAM_NVCC names the compiler; empty means: do as if there were none.  Left undefined, as in a
# project that uses an installed Alnilam, nvcc is looked for.  ALNILAM_NVCC_FLAGS is added to it,
# and goes to NVRTC.

if(CMAKE_SCRIPT_MODE_FILE)
  # The two steps that run during a build and a test: cmake -DSTEP=... -P AlnilamKernels.cmake

  # What a compiler writes about itself, and white space, are no part of the code.
  function(read_normalised file result)
    file(READ ${file} text)
    string(REGEX REPLACE "//[^\n]*" "" text "${text}")
    string(REGEX REPLACE "[ \t\r\n]+" " " text "${text}")
    set(${result} "${text}" PARENT_SCOPE)
  endfunction()
  function(read_release file result)
    file(READ ${file} text)
    string(REGEX MATCH "tools, release [0-9.]+" text "${text}")
    set(${result} "${text}" PARENT_SCOPE)
  endfunction()

  # A file as a C++ expression.  Compilers bound the length of one string literal; pieces of one are
  # joined.
  function(text_of file result)
    file(READ "${file}" text)
    string(FIND "${text}" ")alnilam\"" found)
    if(NOT found EQUAL -1)
      message(FATAL_ERROR "alnilam_add_kernels: ${file} has `)alnilam\"` in it")
    endif()
    string(LENGTH "${text}" length)
    set(pieces "\n    \"\"")
    set(at 0)
    while(at LESS length)
      string(SUBSTRING "${text}" ${at} 8000 piece)
      string(APPEND pieces "\n    R\"alnilam(${piece})alnilam\"")
      math(EXPR at "${at} + 8000")
    endwhile()
    set(${result} "${pieces}" PARENT_SCOPE)
  endfunction()
  function(bytes_of file result)
    file(READ "${file}" hex HEX)
    string(REGEX REPLACE "(..)" "0x\\1," bytes "${hex}")
    string(REPEAT "." 80 line)
    string(REGEX REPLACE "(${line})" "\\1\n    " bytes "${bytes}")
    set(${result} "${bytes}" PARENT_SCOPE)
  endfunction()

  if(STEP STREQUAL "embed")
    include(${PARTS})
    set(members "    .name = \"${NAME}\",")
    if(PTX)
      text_of("${PTX}" text)
      string(APPEND parts "constexpr std::string_view kPtx = ${text};\n")
      string(APPEND members "\n    .ptx = kPtx,")
    endif()
    if(MACHINE_CODE)
      bytes_of("${MACHINE_CODE}" bytes)
      string(APPEND parts
        "alignas(16) constexpr unsigned char kMachineCode[] = {\n    ${bytes}};\n")
      string(APPEND members "\n    .machineCode = kMachineCode,")
    endif()
    if(SOURCE)
      text_of("${SOURCE}" text)
      string(APPEND parts "constexpr std::string_view kSource = ${text};\n")
      string(APPEND members "\n    .source = kSource,")
      if(HEADERS)
        string(APPEND parts "constexpr alnilam::gpu::KernelHeader kHeaders[] = {")
        foreach(name path IN ZIP_LISTS HEADERS HEADER_PATHS)
          text_of("${path}" text)
          string(APPEND parts "\n    {\"${name}\",${text}},")
        endforeach()
        string(APPEND parts "};\n")
        string(APPEND members "\n    .headers = kHeaders,")
      endif()
      if(OPTIONS)
        string(APPEND parts "constexpr const char* kOptions[] = {")
        foreach(option IN LISTS OPTIONS)
          string(APPEND parts "\n    R\"alnilam(${option})alnilam\",")
        endforeach()
        string(APPEND parts "};\n")
        string(APPEND members "\n    .options = kOptions,")
      endif()
    endif()
    file(WRITE ${OUTPUT} "// Made from ${NAME} by alnilam_add_kernels.
#include \"${STEM}.ptx.h\"

#include ${IMAGE_HEADER}

namespace alnilam_kernels {
namespace {
${parts}}  // namespace

constinit const alnilam::gpu::KernelImage ${SYMBOL} = {
${members}
};
}  // namespace alnilam_kernels
")
  elseif(STEP STREQUAL "compare")
    read_release(${CHECKED_IN} wanted)
    read_release(${COMPILED} got)
    read_normalised(${CHECKED_IN} checked_in)
    read_normalised(${COMPILED} compiled)
    if(checked_in STREQUAL compiled)
      message(STATUS "${CHECKED_IN} is what its source compiles to")
    elseif(NOT wanted STREQUAL got)
      message(STATUS "skipped: made by another compiler (${wanted}; here: ${got}): ${CHECKED_IN}")
    else()
      message(FATAL_ERROR "${CHECKED_IN} is not what its source compiles to; "
        "copy ${COMPILED} over it")
    endif()
  endif()
  return()
endif()

set(ALNILAM_KERNELS_SCRIPT ${CMAKE_CURRENT_LIST_FILE} CACHE INTERNAL "")

# The files that `source` includes by quotes, and that lie there: as they are named, and where.
function(alnilam_kernel_headers source names_result paths_result)
  set(names "")
  set(paths "")
  set(open ${source})
  while(open)
    list(POP_FRONT open file)
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${file})
    file(STRINGS ${file} lines REGEX "^[ \t]*#[ \t]*include[ \t]*\"[^\"]+\"")
    foreach(line IN LISTS lines)
      string(REGEX REPLACE "^[^\"]*\"([^\"]+)\".*$" "\\1" name "${line}")
      cmake_path(GET file PARENT_PATH folder)
      cmake_path(ABSOLUTE_PATH name BASE_DIRECTORY ${folder} NORMALIZE OUTPUT_VARIABLE path)
      if(NOT EXISTS ${path})
        continue()  # NVRTC looks for it where the machine that compiles has its headers
      endif()
      list(FIND names "${name}" known)
      if(known EQUAL -1)
        list(APPEND names "${name}")
        list(APPEND paths "${path}")
        list(APPEND open "${path}")
      else()
        list(GET paths ${known} other)
        if(NOT other STREQUAL path)
          message(FATAL_ERROR "alnilam_add_kernels: ${source} includes ${path} and ${other}, both "
            "as \"${name}\", which NVRTC cannot tell apart; rename one")
        endif()
      endif()
    endforeach()
  endwhile()
  set(${names_result} ${names} PARENT_SCOPE)
  set(${paths_result} ${paths} PARENT_SCOPE)
endfunction()

function(alnilam_add_kernels target)
  cmake_parse_arguments(PARSE_ARGV 1 ARG "" "" "ARCHITECTURES")
  if(NOT DEFINED ALNILAM_NVCC)
    find_program(ALNILAM_NVCC nvcc HINTS /usr/local/cuda/bin)
  endif()
  set(generate "")
  foreach(architecture IN LISTS ARG_ARCHITECTURES)
    if(NOT architecture MATCHES "^[0-9]+[af]?$")
      message(FATAL_ERROR "alnilam_add_kernels(${target}): ARCHITECTURES are numbers as in "
        "sm_80 or sm_90a, written 80 or 90a, and not \"${architecture}\"")
    endif()
    list(APPEND generate -gencode arch=compute_${architecture},code=sm_${architecture})
  endforeach()

  cmake_path(GET ALNILAM_KERNELS_SCRIPT PARENT_PATH here)
  set(IMAGE_HEADER "<alnilam/gpu/device/kernel_image.h>")
  if(EXISTS ${here}/kernel_image.h)
    set(IMAGE_HEADER "\"gpu/device/kernel_image.h\"")  # in Alnilam's own tree
  endif()

  foreach(file IN LISTS ARG_UNPARSED_ARGUMENTS)
    cmake_path(ABSOLUTE_PATH file OUTPUT_VARIABLE source)
    cmake_path(GET source STEM LAST_ONLY STEM)
    cmake_path(GET source FILENAME NAME)
    cmake_path(REPLACE_EXTENSION source LAST_ONLY ptx OUTPUT_VARIABLE checked_in)
    if(NOT EXISTS ${source})
      message(FATAL_ERROR "alnilam_add_kernels(${target} ${file}): there is no ${source}")
    endif()
    string(MAKE_C_IDENTIFIER ${STEM}_ptx SYMBOL)
    set(made ${CMAKE_CURRENT_BINARY_DIR}/${target}.kernels)
    file(MAKE_DIRECTORY ${made})

    foreach(part PTX MACHINE_CODE SOURCE HEADERS HEADER_PATHS OPTIONS)
      set(${part} "")
    endforeach()
    if(ALNILAM_NVCC)
      set(PTX ${made}/${STEM}.ptx)
      add_custom_command(OUTPUT ${PTX}
        COMMAND ${ALNILAM_NVCC} -ptx -arch=compute_75 -std=c++20 ${ALNILAM_NVCC_FLAGS}
                -MD -MF ${PTX}.d -MT ${PTX} -o ${PTX} ${source}
        DEPENDS ${source} DEPFILE ${PTX}.d
        COMMENT "Compiling kernels of ${file} to PTX" VERBATIM)
      if(generate)
        set(MACHINE_CODE ${made}/${STEM}.fatbin)
        add_custom_command(OUTPUT ${MACHINE_CODE}
          COMMAND ${ALNILAM_NVCC} -fatbin ${generate} -std=c++20 ${ALNILAM_NVCC_FLAGS}
                  -MD -MF ${MACHINE_CODE}.d -MT ${MACHINE_CODE} -o ${MACHINE_CODE} ${source}
          DEPENDS ${source} DEPFILE ${MACHINE_CODE}.d
          COMMENT "Compiling kernels of ${file} for ${ARG_ARCHITECTURES}" VERBATIM)
      endif()
      if(EXISTS ${checked_in} AND NOT TEST ptx_fresh.${STEM})
        add_test(NAME ptx_fresh.${STEM}
          COMMAND ${CMAKE_COMMAND} -DSTEP=compare -DCHECKED_IN=${checked_in} -DCOMPILED=${PTX}
                  -P ${ALNILAM_KERNELS_SCRIPT})
        set_tests_properties(ptx_fresh.${STEM} PROPERTIES
          SKIP_REGULAR_EXPRESSION "skipped:" FAIL_REGULAR_EXPRESSION "CMake Error")
      endif()
    elseif(EXISTS ${checked_in})
      set(PTX ${checked_in})
    else()
      message(STATUS "alnilam_add_kernels(${target} ${file}): there is no nvcc here and no "
        "${checked_in}; the program carries the source and needs NVRTC when it runs")
      set(SOURCE ${source})
      alnilam_kernel_headers(${source} HEADERS HEADER_PATHS)
      set(OPTIONS ${ALNILAM_NVCC_FLAGS})
    endif()

    # What the step `embed` is to do; a list does not pass a command line unharmed.
    set(OUTPUT ${made}/${STEM}.ptx.cc)
    set(parts ${made}/${STEM}.parts.cmake)
    set(wanted "")
    foreach(part NAME STEM SYMBOL IMAGE_HEADER OUTPUT PTX MACHINE_CODE SOURCE HEADERS HEADER_PATHS
            OPTIONS)
      string(APPEND wanted "set(${part} [==[${${part}}]==])\n")
    endforeach()
    set(present "")
    if(EXISTS ${parts})
      file(READ ${parts} present)
    endif()
    if(NOT present STREQUAL wanted)
      file(WRITE ${parts} "${wanted}")
    endif()
    add_custom_command(OUTPUT ${OUTPUT}
      COMMAND ${CMAKE_COMMAND} -DSTEP=embed -DPARTS=${parts} -P ${ALNILAM_KERNELS_SCRIPT}
      DEPENDS ${parts} ${PTX} ${MACHINE_CODE} ${SOURCE} ${HEADER_PATHS} ${ALNILAM_KERNELS_SCRIPT}
      COMMENT "Embedding the kernels of ${file}" VERBATIM)
    file(CONFIGURE OUTPUT ${made}/${STEM}.ptx.h CONTENT [[
#pragma once
// The kernels of @NAME@; made by alnilam_add_kernels.
namespace alnilam::gpu {
struct KernelImage;
}

namespace alnilam_kernels {
extern const alnilam::gpu::KernelImage @SYMBOL@;
}
]] @ONLY)
    target_sources(${target} PRIVATE ${OUTPUT})
    target_include_directories(${target} PRIVATE ${made})
  endforeach()
endfunction()
