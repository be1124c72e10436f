# What leaves the build: the symbols that the shared library exports, and the files that `cmake --install` puts down:
# header, libraries, vloss-info, vloss-score, vloss.pc, and the CMake package with vloss::vloss and vloss::static; and
# where it is built vloss::openmp, with a header, a .pc file and a file of targets of its own.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

# The export list is read from the header, which says VLOSS_API in front of every public function. On Windows a list
# does it, too: the objects are the static library's as well, which must not make its users export anything.
if(BUILD_SHARED_LIBS AND (WIN32 OR (UNIX AND NOT APPLE)))
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS include/vloss/vloss.h)
  file(READ include/vloss/vloss.h header)
  string(REGEX MATCHALL "VLOSS_API[ \n][^(;]*vloss_[a-z0-9_]+\\(" exports "${header}")
  list(TRANSFORM exports REPLACE ".*[ \n*](vloss_[a-z0-9_]+)\\(" "\\1")
  if(WIN32)
    list(JOIN exports "\n  " exports)
    file(CONFIGURE OUTPUT vloss.def CONTENT "EXPORTS\n  @exports@\n" @ONLY)
    target_sources(vloss PRIVATE ${CMAKE_CURRENT_BINARY_DIR}/vloss.def)
  else()
    list(JOIN exports ";\n    " exports)
    file(CONFIGURE OUTPUT vloss.map CONTENT "{\n  global:\n    @exports@;\n  local:\n    *;\n};\n" @ONLY)
    target_link_options(vloss PRIVATE LINKER:--version-script=${CMAKE_CURRENT_BINARY_DIR}/vloss.map)
    set_property(TARGET vloss APPEND PROPERTY LINK_DEPENDS ${CMAKE_CURRENT_BINARY_DIR}/vloss.map)
  endif()
endif()

if(NOT VLOSS_INSTALL)
  return()
endif()

if(BUILD_SHARED_LIBS)
  set_target_properties(vloss_static PROPERTIES EXPORT_NAME static)
endif()
# Components, which are Debian's packages (VlossPackages.cmake): what programs need to run is `runtime`, what building
# them needs `development`. Without one named, `cmake --install` puts down all of them.
set(CMAKE_INSTALL_DEFAULT_COMPONENT_NAME development)
install(TARGETS ${libraries} EXPORT vloss
        RUNTIME COMPONENT runtime
        LIBRARY COMPONENT runtime NAMELINK_COMPONENT development
        INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(FILES include/vloss/vloss.h include/vloss/vloss.hpp DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/vloss)
# At the end of the top folder: they are yet to be declared.
cmake_language(DEFER CALL install TARGETS ${VLOSS_PROGRAMS} COMPONENT tools)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/vloss)
write_basic_package_version_file(vloss-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/vloss-config-version.cmake DESTINATION ${package_dir})
install(FILES cmake/vloss-config.cmake DESTINATION ${package_dir})
install(EXPORT vloss FILE vloss-targets.cmake NAMESPACE vloss:: DESTINATION ${package_dir})

# vloss.pc names its prefix relative to itself, so that the installed tree can be moved.
file(RELATIVE_PATH VLOSS_PC_PREFIX ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
cmake_path(APPEND VLOSS_PC_LIBDIR "\${prefix}" ${CMAKE_INSTALL_LIBDIR}) # an absolute folder stays as it is
cmake_path(APPEND VLOSS_PC_INCLUDEDIR "\${prefix}" ${CMAKE_INSTALL_INCLUDEDIR})
# SLEEF, in a folder that linkers look in or in another one.
set(VLOSS_PC_SLEEF)
set(VLOSS_PC_LIBS)
if(VLOSS_SLEEF)
  install(FILES cmake/FindSLEEF.cmake DESTINATION ${package_dir})
  set(VLOSS_PC_SLEEF " -lsleef")
  if(VLOSS_SLEEF_FOLDER)
    string(REPLACE " " "\\ " folder "${VLOSS_SLEEF_FOLDER}")
    set(VLOSS_PC_SLEEF " -L${folder} -lsleef")
    set(VLOSS_PC_LIBS " -Wl,-rpath-link,${folder}")
  endif()
endif()
if(NOT BUILD_SHARED_LIBS) # of a static library, everybody has to name them
  set(VLOSS_PC_LIBS "${VLOSS_PC_SLEEF} -lm")
endif()
configure_file(cmake/vloss.pc.in vloss.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/vloss.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

if(VLOSS_OPENMP_TARGET)
  install(TARGETS vloss_openmp EXPORT vloss_openmp
          RUNTIME COMPONENT openmp
          LIBRARY COMPONENT openmp NAMELINK_COMPONENT development
          INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
  install(FILES include/vloss/openmp.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/vloss)
  install(EXPORT vloss_openmp FILE vloss-openmp-targets.cmake NAMESPACE vloss:: DESTINATION ${package_dir})
  # gomp or omp, whichever it was compiled for
  list(TRANSFORM OpenMP_C_LIB_NAMES PREPEND -l OUTPUT_VARIABLE VLOSS_PC_OPENMP)
  list(JOIN VLOSS_PC_OPENMP " " VLOSS_PC_OPENMP)
  set(VLOSS_PC_OPENMP_LIBS " ${VLOSS_PC_OPENMP}")
  if(BUILD_SHARED_LIBS)
    set(VLOSS_PC_OPENMP_LIBS)
  endif()
  configure_file(cmake/vloss-openmp.pc.in vloss-openmp.pc @ONLY)
  install(FILES ${CMAKE_CURRENT_BINARY_DIR}/vloss-openmp.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
endif()
