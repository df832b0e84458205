# Compiles SOURCE by COMPILER, expecting failure with each sentence that a "// says: " line gives,
# or success if there is no such line.
#   cmake -DCOMPILER=g++ -DROOT=... -DSOURCE=x.cc -P refused.cmake
file(STRINGS ${SOURCE} wanted REGEX "^// says: ")
execute_process(
  COMMAND ${COMPILER} -std=c++20 -fsyntax-only -I${ROOT} ${SOURCE}
  RESULT_VARIABLE status OUTPUT_VARIABLE said ERROR_VARIABLE said)
if(NOT wanted)
  if(NOT status EQUAL 0)
    message(FATAL_ERROR "${SOURCE} is correct and was refused:\n${said}")
  endif()
  return()
endif()
if(status EQUAL 0)
  message(FATAL_ERROR "${SOURCE} was accepted")
endif()
foreach(line IN LISTS wanted)
  string(REPLACE "// says: " "" sentence "${line}")
  string(FIND "${said}" "${sentence}" place)
  if(place EQUAL -1)
    message(FATAL_ERROR "${SOURCE} was refused without saying \"${sentence}\":\n${said}")
  endif()
endforeach()
