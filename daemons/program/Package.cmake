# What users install: programs, the library, its headers, find_package(Alnilam), a .pc file, a .deb.
#
# Included once, from the top, when every target exists.  The library is alnilam::alnilam, here and
# where it is installed; what it stands on is found by walking its links, so a new library of ours
# needs no entry here.
#
# Headers are those that <alnilam/alnilam.h> reaches.  They go to include/alnilam/ with the folders
# they have here, and includes of ours in them are rewritten from "core/..." to <alnilam/core/...>:
# a program's own core/ is its own.

# Our own static libraries that `target` links, directly or not, itself first.
function(alnilam_libraries_of target result)
  set(found ${target})
  set(open ${target})
  while(open)
    list(POP_FRONT open next)
    get_target_property(links ${next} LINK_LIBRARIES)
    foreach(link IN LISTS links)
      string(REGEX REPLACE "^\\$<LINK_ONLY:(.*)>$" "\\1" link "${link}")
      if(TARGET "${link}" AND NOT link IN_LIST found)
        get_target_property(imported ${link} IMPORTED)
        if(NOT imported)
          list(APPEND found ${link})
          list(APPEND open ${link})
        endif()
      endif()
    endforeach()
  endwhile()
  set(${result} ${found} PARENT_SCOPE)
endfunction()

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/Alnilam)
alnilam_libraries_of(alnilam_program libraries)
set_target_properties(alnilam_program PROPERTIES EXPORT_NAME alnilam)
foreach(library IN LISTS libraries)
  # Folders of the source and of the build mean nothing where it is installed.
  foreach(property INTERFACE_INCLUDE_DIRECTORIES INTERFACE_SYSTEM_INCLUDE_DIRECTORIES)
    get_target_property(folders ${library} ${property})
    if(folders)
      list(TRANSFORM folders REPLACE "^(/.*)$" "$<BUILD_INTERFACE:\\1>")
      set_target_properties(${library} PROPERTIES ${property} "${folders}")
    endif()
  endforeach()
endforeach()
target_include_directories(alnilam_program
  INTERFACE $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
install(TARGETS ${libraries} EXPORT AlnilamTargets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(EXPORT AlnilamTargets NAMESPACE alnilam:: DESTINATION ${package_dir})

# The emulator and the mover say in their own folders that they are installed.
foreach(program alnilam alnilam-head alnilam-node)
  if(TARGET ${program})
    install(TARGETS ${program} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
  endif()
endforeach()

configure_file(${CMAKE_CURRENT_LIST_DIR}/install_headers.cmake.in
  ${PROJECT_BINARY_DIR}/install_headers.cmake @ONLY)
install(SCRIPT ${PROJECT_BINARY_DIR}/install_headers.cmake)

include(CMakePackageConfigHelpers)
configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/AlnilamConfig.cmake.in
  ${PROJECT_BINARY_DIR}/AlnilamConfig.cmake INSTALL_DESTINATION ${package_dir}
  PATH_VARS CMAKE_INSTALL_LIBDIR)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/AlnilamConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES
  ${PROJECT_BINARY_DIR}/AlnilamConfig.cmake ${PROJECT_BINARY_DIR}/AlnilamConfigVersion.cmake
  ${PROJECT_SOURCE_DIR}/gpu/device/AlnilamKernels.cmake
  DESTINATION ${package_dir})

# For those who build without CMake; the archives refer to each other, hence the group.
list(TRANSFORM libraries PREPEND "-l" OUTPUT_VARIABLE ALNILAM_PC_LIBRARIES)
list(JOIN ALNILAM_PC_LIBRARIES " " ALNILAM_PC_LIBRARIES)
file(RELATIVE_PATH ALNILAM_PC_TO_PREFIX
  ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
configure_file(${CMAKE_CURRENT_LIST_DIR}/alnilam.pc.in ${PROJECT_BINARY_DIR}/alnilam.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/alnilam.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME alnilam)
set(CPACK_PACKAGE_VENDOR Alnilam)
set(CPACK_PACKAGE_CONTACT "Alnilam <alnilam@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "C++ task graphs on clusters with CPUs and GPUs")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION devel)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS
  "libcapnp-dev, libhwloc-dev, libssl-dev, libspdlog-dev, pkg-config, g++, cmake")
include(CPack)
