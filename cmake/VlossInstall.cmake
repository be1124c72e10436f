# What leaves the build: the symbols that the shared library exports, and the files that `cmake --install` puts down:
# header, libraries, vloss-info, vloss.pc, and the CMake package with vloss::vloss (shared) and vloss::static.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

# The export list is read from the header, which says VLOSS_API in front of every public function.
if(UNIX AND NOT APPLE)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS include/vloss/vloss.h)
  file(READ include/vloss/vloss.h header)
  string(REGEX MATCHALL "VLOSS_API[ \n][^(;]*vloss_[a-z0-9_]+\\(" exports "${header}")
  list(TRANSFORM exports REPLACE ".*[ \n*](vloss_[a-z0-9_]+)\\(" "\\1")
  list(JOIN exports ";\n    " exports)
  file(CONFIGURE OUTPUT vloss.map CONTENT "{\n  global:\n    @exports@;\n  local:\n    *;\n};\n" @ONLY)
  target_link_options(vloss PRIVATE LINKER:--version-script=${CMAKE_CURRENT_BINARY_DIR}/vloss.map)
  set_property(TARGET vloss APPEND PROPERTY LINK_DEPENDS ${CMAKE_CURRENT_BINARY_DIR}/vloss.map)
endif()

if(NOT VLOSS_INSTALL)
  return()
endif()

set_target_properties(vloss_static PROPERTIES EXPORT_NAME static)
install(TARGETS vloss vloss_static EXPORT vloss INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(DIRECTORY include/vloss DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
cmake_language(DEFER CALL install TARGETS vloss-info) # at the end of the top folder: the program is yet to be declared

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/vloss)
write_basic_package_version_file(vloss-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/vloss-config-version.cmake DESTINATION ${package_dir})
install(EXPORT vloss FILE vloss-config.cmake NAMESPACE vloss:: DESTINATION ${package_dir})

# vloss.pc names its prefix relative to itself, so that the installed tree can be moved.
file(RELATIVE_PATH VLOSS_PC_PREFIX ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
cmake_path(APPEND VLOSS_PC_LIBDIR "\${prefix}" ${CMAKE_INSTALL_LIBDIR}) # an absolute folder stays as it is
cmake_path(APPEND VLOSS_PC_INCLUDEDIR "\${prefix}" ${CMAKE_INSTALL_INCLUDEDIR})
configure_file(cmake/vloss.pc.in vloss.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/vloss.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
