# Packages for Debian, by CPack: one a component of VlossInstall.cmake, and documentation and man pages that only they
# have. `cmake --preset deb && cmake --build --preset deb` makes them in build/deb.
if(NOT CMAKE_SYSTEM_NAME STREQUAL "Linux" OR NOT BUILD_SHARED_LIBS OR CMAKE_CROSSCOMPILING)
  return()
endif()
option(VLOSS_PACKAGE_FILES "Make what only packages have: man pages (needs help2man), changelog, copyright" OFF)
set(VLOSS_PACKAGER "The vloss authors <vloss@example.org>" CACHE STRING "Who maintains the packages")
set(VLOSS_PACKAGE_RELEASE 0upstream1) # less than any of Debian's own would be
set(files ${CMAKE_CURRENT_SOURCE_DIR}/cmake/packaging)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME vloss)
set(CPACK_PACKAGE_CONTACT "${VLOSS_PACKAGER}")
set(CPACK_PACKAGING_INSTALL_PREFIX ${CMAKE_INSTALL_PREFIX})
set(CPACK_STRIP_FILES ON)
set(CPACK_COMPONENTS_ALL runtime development tools)
set(CPACK_COMPONENTS_GROUPING IGNORE)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_RELEASE ${VLOSS_PACKAGE_RELEASE})
set(CPACK_DEBIAN_PACKAGE_SOURCE vloss)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS_PRIVATE_DIRS ${CMAKE_CURRENT_BINARY_DIR})
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS ON)
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS_POLICY =) # a minor version may change the interface (docs/versions.md)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_ENABLE_COMPONENT_DEPENDS ON) # on the same version

set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "${PROJECT_NAME} built using CMake") # the default: each package has its own
set(about "vloss computes losses on the CPU: the fused log-softmax cross-entropy and 31
losses that PyTorch and Keras users know, with their gradients, and what is
read straight from logits. It chooses between AVX-512, AVX2, NEON and scalar
code at run time, and gives the same bits on all of them.

")
set(CPACK_DEBIAN_RUNTIME_PACKAGE_NAME libvloss0)
set(CPACK_DEBIAN_RUNTIME_PACKAGE_SECTION libs)
set(CPACK_DEBIAN_RUNTIME_PACKAGE_CONTROL_EXTRA ${files}/triggers)
set(CPACK_COMPONENT_RUNTIME_DESCRIPTION "loss kernels for the CPU\n${about}This package has the shared library.")
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_NAME libvloss-dev)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_SECTION libdevel)
set(CPACK_COMPONENT_DEVELOPMENT_DEPENDS runtime)
set(CPACK_COMPONENT_DEVELOPMENT_DESCRIPTION
    "loss kernels for the CPU, development files\n${about}\
This package has headers, the static library, and files for pkg-config and
CMake.")
if(VLOSS_SLEEF) # of the static library
  set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_DEPENDS libsleef-dev)
endif()
set(CPACK_DEBIAN_TOOLS_PACKAGE_NAME vloss-tools)
set(CPACK_DEBIAN_TOOLS_PACKAGE_SECTION math)
set(CPACK_COMPONENT_TOOLS_DESCRIPTION
    "loss kernels for the CPU, programs\n${about}\
This package has vloss-info, which shows what a CPU can use and checks the
results there, and vloss-score, which scores files of logits.")

if(VLOSS_OPENMP_TARGET)
  list(APPEND CPACK_COMPONENTS_ALL openmp)
  list(APPEND CPACK_COMPONENT_DEVELOPMENT_DEPENDS openmp)
  set(CPACK_DEBIAN_OPENMP_PACKAGE_NAME libvloss-openmp0)
  set(CPACK_DEBIAN_OPENMP_PACKAGE_SECTION libs)
  set(CPACK_DEBIAN_OPENMP_PACKAGE_CONTROL_EXTRA ${files}/triggers)
  set(CPACK_COMPONENT_OPENMP_DESCRIPTION
      "loss kernels for the CPU, threads of OpenMP\n${about}\
This package has the executor that lends the threads of OpenMP to vloss.")
endif()

if(VLOSS_BUILD_PYTHON)
  list(APPEND CPACK_COMPONENTS_ALL python)
  string(REGEX MATCH "^([0-9]+)\\.([0-9]+)$" unused "${VLOSS_PYTHON_VERSION}")
  math(EXPR next "${CMAKE_MATCH_2} + 1")
  set(CPACK_DEBIAN_PYTHON_PACKAGE_NAME python3-vloss)
  set(CPACK_DEBIAN_PYTHON_PACKAGE_SECTION python)
  set(CPACK_COMPONENT_PYTHON_DEPENDS runtime)
  set(CPACK_DEBIAN_PYTHON_PACKAGE_DEPENDS
      "python3 (>= ${VLOSS_PYTHON_VERSION}~), python3 (<< ${CMAKE_MATCH_1}.${next})")
  set(CPACK_DEBIAN_PYTHON_PACKAGE_RECOMMENDS python3-numpy)
  set(CPACK_DEBIAN_PYTHON_PACKAGE_SUGGESTS python3-torch)
  set(CPACK_DEBIAN_PYTHON_PACKAGE_CONTROL_EXTRA ${files}/postinst ${files}/prerm)
  set(CPACK_COMPONENT_PYTHON_DESCRIPTION
      "loss kernels for the CPU, Python package\n${about}\
This package has the module vloss, for NumPy arrays and whatever else has a
buffer, and vloss.torch, with the losses of torch.nn.")
endif()

if(VLOSS_PACKAGE_FILES)
  # changelog and copyright, compressed as Debian's policy has it
  find_program(VLOSS_GZIP gzip REQUIRED)
  string(TIMESTAMP VLOSS_DATE "%a, %d %b %Y %H:%M:%S +0000" UTC)
  configure_file(${files}/changelog.in packaging/changelog.Debian @ONLY)
  configure_file(CHANGELOG.md packaging/changelog COPYONLY)
  foreach(file changelog.Debian changelog)
    execute_process(COMMAND ${VLOSS_GZIP} -9nkf packaging/${file} WORKING_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR}
                                                                                    COMMAND_ERROR_IS_FATAL ANY)
    set(made_${file} ${CMAKE_CURRENT_BINARY_DIR}/packaging/${file}.gz)
  endforeach()
  foreach(component IN LISTS CPACK_COMPONENTS_ALL)
    string(TOUPPER ${component} upper)
    set(package ${CPACK_DEBIAN_${upper}_PACKAGE_NAME})
    if(EXISTS ${files}/${package}.lintian-overrides)
      install(FILES ${files}/${package}.lintian-overrides
              DESTINATION ${CMAKE_INSTALL_DATAROOTDIR}/lintian/overrides RENAME ${package} COMPONENT ${component})
    endif()
    install(FILES ${files}/copyright ${made_changelog.Debian} ${made_changelog}
            DESTINATION ${CMAKE_INSTALL_DATAROOTDIR}/doc/${package} COMPONENT ${component})
  endforeach()

  # what the programs say of themselves, as man pages
  find_program(VLOSS_HELP2MAN help2man REQUIRED)
  set(pages)
  foreach(program IN LISTS VLOSS_PROGRAMS)
    set(page ${CMAKE_CURRENT_BINARY_DIR}/packaging/${program}.1.gz)
    add_custom_command(OUTPUT ${page}
                       COMMAND sh ${files}/man_page.sh ${VLOSS_HELP2MAN} $<TARGET_FILE:${program}> ${PROJECT_VERSION}
                               ${files}/${program}.h2m ${page}
                       DEPENDS ${program} ${files}/man_page.sh ${files}/${program}.h2m VERBATIM)
    list(APPEND pages ${page})
  endforeach()
  add_custom_target(vloss-man-pages ALL DEPENDS ${pages})
  install(FILES ${pages} DESTINATION ${CMAKE_INSTALL_MANDIR}/man1 COMPONENT tools)
endif()
include(CPack)
