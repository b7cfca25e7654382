# netc_folder(PATH [DEPS folder...] [EXTERNAL target...]): one static library for every .cpp
# directly in PATH (sub-folders are targets of their own). A folder without .cpp files is an
# interface target. The target of `compiler/backend/cpu` is `netc_compiler_backend_cpu`.
function(netc_target_name path out)
  string(REPLACE "/" "_" name ${path})
  set(${out} netc_${name} PARENT_SCOPE)
endfunction()

add_library(netc_options INTERFACE)
target_compile_options(netc_options INTERFACE -Wall -Wextra -Wshadow -Wnon-virtual-dtor -Werror
                       -ffunction-sections -fdata-sections)
# gcc 13 and later take a reference into a table for one to the key that it was found by (`op("relu")`).
include(CheckCXXCompilerFlag)
check_cxx_compiler_flag(-Wdangling-reference NETC_HAS_DANGLING_REFERENCE)
if(NETC_HAS_DANGLING_REFERENCE)
  target_compile_options(netc_options INTERFACE -Wno-dangling-reference)
endif()
target_include_directories(netc_options INTERFACE ${CMAKE_SOURCE_DIR} ${CMAKE_SOURCE_DIR}/include)
target_compile_definitions(netc_options INTERFACE FMT_HEADER_ONLY=1)
if(NETC_SANITIZE_ADDRESS)
  add_compile_options(-Wno-maybe-uninitialized)  # gcc's instrumentation makes it see what is not there
  add_compile_options(-fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer -g1)
  add_compile_options(-Wno-maybe-uninitialized)  # gcc 12 warns about its own instrumentation
  add_link_options(-fsanitize=address,undefined)
endif()
if(NETC_SANITIZE_THREAD)
  add_compile_options(-fsanitize=thread -fno-omit-frame-pointer -g1)
  add_compile_options(-Wno-maybe-uninitialized)
  add_link_options(-fsanitize=thread)
endif()

find_program(NETC_LLD ld.lld)  # the name that the compiler looks for
if(NETC_LLD)
  add_link_options(-fuse-ld=lld)  # static LLVM links in seconds instead of half a minute
endif()
add_link_options(-Wl,--gc-sections)

function(netc_folder path)
  cmake_parse_arguments(ARG "" "" "DEPS;EXTERNAL" ${ARGN})
  netc_target_name(${path} target)
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/${path}/*.cpp)
  list(FILTER sources EXCLUDE REGEX "/main\\.cpp$")
  set(links netc_options)
  foreach(dep ${ARG_DEPS})
    netc_target_name(${dep} dep_target)
    list(APPEND links ${dep_target})
  endforeach()
  list(APPEND links ${ARG_EXTERNAL})
  if(sources)
    add_library(${target} STATIC ${sources})
    target_link_libraries(${target} PUBLIC ${links})
  else()
    add_library(${target} INTERFACE)
    target_link_libraries(${target} INTERFACE ${links})
  endif()
endfunction()
