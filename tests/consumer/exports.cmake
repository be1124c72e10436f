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

# Without VLOSS_SHARED, on Windows, too, the header gives its functions a visibility.
run(text ${CC} -E -P -x c ${HEADER})
string(REGEX MATCHALL "visibility\\(\"default\"\\)[^(;]*\\)[^(;]*[ \n*][A-Za-z0-9_]+ *\\(" declared "${text}")
list(TRANSFORM declared REPLACE ".*[ \n*]([A-Za-z0-9_]+) *\\($" "\\1")
list(SORT declared)

if(SHARED MATCHES "\\.dll$") # nm knows no dynamic symbols of these
  run(text ${OBJDUMP} -p ${SHARED})
  string(REGEX MATCHALL "\n[ \t]*\\[ *[0-9]+\\] [A-Za-z0-9_]+" exported "${text}")
  list(TRANSFORM exported REPLACE ".* " "")
  list(SORT exported)
elseif(SHARED)
  global_names(exported ${SHARED} -D)
endif()
if(NOT declared OR (SHARED AND NOT exported STREQUAL declared))
  list(JOIN declared "\n  " declared)
  list(JOIN exported "\n  " exported)
  message(FATAL_ERROR "declared in ${HEADER}:\n  ${declared}\nexported by ${SHARED}:\n  ${exported}")
endif()
if(SHARED)
  run(text ${NM} ${SHARED}) # GCC's crtfastmath.o, of -ffast-math: it changes the arithmetic of the whole process
  if(text MATCHES "set_fast_math")
    message(FATAL_ERROR "${SHARED} switches denormals off when it is loaded")
  endif()
endif()

global_names(archived ${STATIC})
set(missing ${declared})
list(REMOVE_ITEM missing ${archived})
list(FILTER archived EXCLUDE REGEX "^(\\.refptr\\.|__emutls_v\\.)?vloss_") # the prefixes are MinGW's own
if(missing OR archived)
  message(FATAL_ERROR "${STATIC} lacks [${missing}] and has the foreign global names [${archived}]")
endif()
list(LENGTH declared count)
message("${count} functions declared and exported")
