# The package: vloss::vloss, and vloss::static, which is the same where vloss was built with BUILD_SHARED_LIBS=OFF.
include(${CMAKE_CURRENT_LIST_DIR}/vloss-targets.cmake)
if(NOT TARGET vloss::static)
  add_library(vloss::static INTERFACE IMPORTED)
  set_target_properties(vloss::static PROPERTIES INTERFACE_LINK_LIBRARIES vloss::vloss)
endif()
