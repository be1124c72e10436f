# The element types of this build: VLOSS_TYPES, a list. f32 always is among them. Sets VLOSS_BUILT_TYPES, what
# kernels/memory/types.h has to know of them, and the sources that 16-bit types have of their own. Doubles need SLEEF,
# too: VlossF64.cmake.
set(VLOSS_TYPES "f32;bf16;f16;f64" CACHE STRING "Element types to build; a call of another one is refused")
string(REPLACE "," ";" VLOSS_BUILT_TYPES "${VLOSS_TYPES}")
set(known f32 bf16 f16 f64)
foreach(type IN LISTS VLOSS_BUILT_TYPES)
  if(NOT type IN_LIST known)
    list(JOIN known ", " known)
    message(FATAL_ERROR "vloss: VLOSS_TYPES names \"${type}\", which is none of ${known}.")
  endif()
endforeach()
list(PREPEND VLOSS_BUILT_TYPES f32)
list(REMOVE_DUPLICATES VLOSS_BUILT_TYPES)

set(VLOSS_TYPE_DEFINITIONS)
foreach(type IN LISTS known)
  if(NOT type IN_LIST VLOSS_BUILT_TYPES)
    string(TOUPPER VLOSS_WITHOUT_${type} without)
    list(APPEND VLOSS_TYPE_DEFINITIONS ${without})
    message(STATUS "vloss: no kernels of ${type} (VLOSS_TYPES)")
  endif()
endforeach()

set(VLOSS_HALF_SOURCES)
if(VLOSS_BUILT_TYPES MATCHES "f16")
  set(VLOSS_HALF_SOURCES kernels/logits/half_softmax.c)
endif()
