# Compares what the compiler reads in the header with what nm sees in the libraries: the shared one exports exactly the
# functions that the header declares, the static one has no global name without the prefix vloss_.
function(run output)
  execute_process(COMMAND ${ARGN} OUTPUT_VARIABLE text COMMAND_ERROR_IS_FATAL ANY)
  set(${output} "${text}" PARENT_SCOPE)
endfunction()

# global_names(<list> <file> <nm option>...): the global symbols that the file defines.
function(global_names output file)
  run(text ${NM} -P -g --defined-only ${ARGN} ${file})
  string(REGEX MATCHALL "[^\n]+ [A-Z] [^\n]*" names "${text}")
  list(TRANSFORM names REPLACE " .*" "")
  list(SORT names)
  set(${output} "${names}" PARENT_SCOPE)
endfunction()

run(text ${CC} -E -P -x c ${HEADER})
string(REGEX MATCHALL "visibility\\(\"default\"\\)[^(;]*\\)[^(;]*[ \n*][A-Za-z0-9_]+ *\\(" declared "${text}")
list(TRANSFORM declared REPLACE ".*[ \n*]([A-Za-z0-9_]+) *\\($" "\\1")
list(SORT declared)

global_names(exported ${SHARED} -D)
if(NOT declared OR NOT exported STREQUAL declared)
  list(JOIN declared "\n  " declared)
  list(JOIN exported "\n  " exported)
  message(FATAL_ERROR "declared in ${HEADER}:\n  ${declared}\nexported by ${SHARED}:\n  ${exported}")
endif()

global_names(archived ${STATIC})
set(missing ${declared})
list(REMOVE_ITEM missing ${archived})
list(FILTER archived EXCLUDE REGEX "^vloss_")
if(missing OR archived)
  message(FATAL_ERROR "${STATIC} lacks [${missing}] and has the foreign global names [${archived}]")
endif()
list(LENGTH declared count)
message("${count} functions declared and exported")
