# alnilam_add_kernels(target file.cu ...): kernels for a program, as PTX inside it.
#
# Each file.cu is compiled to PTX for compute_75, the oldest that today's compilers know; drivers
# compile that for the device they have, and the emulator runs it.  The text becomes part of
# `target`, which then can write
#
#   #include "file.ptx.h"      // declares alnilam_kernels::file_ptx, a std::string_view
#
# Where there is no nvcc, the file.ptx that stands beside file.cu is used.  Where there is one and
# such a file stands there, the test ptx_fresh.file holds it to its source.
#
# ALNILAM_NVCC names the compiler; empty means: do as if there were none.  Left undefined, as in a
# project that uses an installed Alnilam, nvcc is looked for.  ALNILAM_NVCC_FLAGS is added to it.

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

  if(STEP STREQUAL "embed")
    # Compilers bound the length of one string literal; pieces of one are joined.
    file(READ ${PTX} text)
    string(LENGTH "${text}" length)
    set(pieces "")
    set(at 0)
    while(at LESS length)
      string(SUBSTRING "${text}" ${at} 8000 piece)
      string(APPEND pieces "\n    R\"ptx(${piece})ptx\"")
      math(EXPR at "${at} + 8000")
    endwhile()
    file(WRITE ${OUTPUT} "// Made from ${NAME} by alnilam_add_kernels.
#include \"${STEM}.ptx.h\"

namespace alnilam_kernels {
constinit const std::string_view ${SYMBOL} = ${pieces};
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

function(alnilam_add_kernels target)
  if(NOT DEFINED ALNILAM_NVCC)
    find_program(ALNILAM_NVCC nvcc HINTS /usr/local/cuda/bin)
  endif()
  foreach(file IN LISTS ARGN)
    cmake_path(ABSOLUTE_PATH file OUTPUT_VARIABLE source)
    cmake_path(GET source STEM stem)
    cmake_path(REPLACE_EXTENSION source LAST_ONLY ptx OUTPUT_VARIABLE checked_in)
    if(NOT EXISTS ${source})
      message(FATAL_ERROR "alnilam_add_kernels(${target} ${file}): there is no ${source}")
    endif()
    string(MAKE_C_IDENTIFIER ${stem}_ptx symbol)
    set(made ${CMAKE_CURRENT_BINARY_DIR}/${target}.kernels)
    file(MAKE_DIRECTORY ${made})

    if(ALNILAM_NVCC)
      set(ptx ${made}/${stem}.ptx)
      add_custom_command(OUTPUT ${ptx}
        COMMAND ${ALNILAM_NVCC} -ptx -arch=compute_75 -std=c++20 ${ALNILAM_NVCC_FLAGS}
                -MD -MF ${ptx}.d -MT ${ptx} -o ${ptx} ${source}
        DEPENDS ${source} DEPFILE ${ptx}.d
        COMMENT "Compiling kernels of ${file} to PTX" VERBATIM)
      if(EXISTS ${checked_in} AND NOT TEST ptx_fresh.${stem})
        add_test(NAME ptx_fresh.${stem}
          COMMAND ${CMAKE_COMMAND} -DSTEP=compare -DCHECKED_IN=${checked_in} -DCOMPILED=${ptx}
                  -P ${ALNILAM_KERNELS_SCRIPT})
        set_tests_properties(ptx_fresh.${stem} PROPERTIES
          SKIP_REGULAR_EXPRESSION "skipped:" FAIL_REGULAR_EXPRESSION "CMake Error")
      endif()
    elseif(EXISTS ${checked_in})
      set(ptx ${checked_in})
    else()
      message(FATAL_ERROR "alnilam_add_kernels(${target} ${file}): there is no nvcc here and no "
        "${checked_in}; install the CUDA toolkit, set ALNILAM_NVCC, or make that file elsewhere "
        "by `nvcc -ptx -arch=compute_75 ${file}`")
    endif()

    add_custom_command(OUTPUT ${made}/${stem}.ptx.cc
      COMMAND ${CMAKE_COMMAND} -DSTEP=embed -DPTX=${ptx} -DOUTPUT=${made}/${stem}.ptx.cc
              -DSTEM=${stem} -DSYMBOL=${symbol} -DNAME=${stem}.cu -P ${ALNILAM_KERNELS_SCRIPT}
      DEPENDS ${ptx} ${ALNILAM_KERNELS_SCRIPT}
      COMMENT "Embedding the PTX of ${file}" VERBATIM)
    file(CONFIGURE OUTPUT ${made}/${stem}.ptx.h CONTENT [[
#pragma once
// The kernels of @stem@.cu as PTX text, ended by a zero byte; made by alnilam_add_kernels.
#include <string_view>

namespace alnilam_kernels {
extern const std::string_view @symbol@;
}
]] @ONLY)
    target_sources(${target} PRIVATE ${made}/${stem}.ptx.cc)
    target_include_directories(${target} PRIVATE ${made})
  endforeach()
endfunction()
