# Everything that netc uses and does not write itself. All of it is packaged by Debian.
find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
find_package(fmt REQUIRED)
find_package(CLI11 REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(ZLIB REQUIRED)
find_package(LibLZMA REQUIRED)
find_package(PNG REQUIRED)
pkg_check_modules(TURBOJPEG REQUIRED IMPORTED_TARGET libturbojpeg)
pkg_check_modules(ZIP REQUIRED IMPORTED_TARGET libzip)
pkg_check_modules(ZSTD REQUIRED IMPORTED_TARGET libzstd)
# Only what reads tar files: the shared library needs libxml2, which needs ICU, 40 MB that every start of netc would load.
find_library(NETC_ARCHIVE NAMES libarchive.a REQUIRED)

add_library(netc_data_libraries INTERFACE)
target_link_libraries(netc_data_libraries INTERFACE ZLIB::ZLIB LibLZMA::LibLZMA PNG::PNG PkgConfig::TURBOJPEG PkgConfig::ZIP ${NETC_ARCHIVE}
                      PkgConfig::ZSTD nlohmann_json::nlohmann_json)

# LLVM: only the X86 JIT, linked statically; its symbols never leave a product (cmake/products.cmake).
find_package(LLVM 19.1 REQUIRED CONFIG HINTS /usr/lib/llvm-19/lib/cmake/llvm)
llvm_map_components_to_libnames(NETC_LLVM_LIBRARIES core support orcjit passes X86CodeGen X86AsmParser X86Desc X86Info
                                asmparser)
add_library(netc_llvm INTERFACE)
target_include_directories(netc_llvm SYSTEM INTERFACE ${LLVM_INCLUDE_DIRS})
target_link_libraries(netc_llvm INTERFACE ${NETC_LLVM_LIBRARIES})

# ANTLR: the tool makes C++17 sources from grammar/*.g4; they are a target of their own, because
# what it generates is not C++20 and not free of warnings.
find_program(ANTLR4_TOOL antlr4 REQUIRED)
find_path(ANTLR4_INCLUDE antlr4-runtime.h PATH_SUFFIXES antlr4-runtime REQUIRED)
# The shared runtime: Debian's archive is not position independent, and libnetc.so is.
find_library(ANTLR4_RUNTIME NAMES antlr4-runtime REQUIRED)
set(NETC_PARSER_DIR ${CMAKE_BINARY_DIR}/generated/parser)
set(NETC_GRAMMARS ${CMAKE_SOURCE_DIR}/grammar/NetLexer.g4 ${CMAKE_SOURCE_DIR}/grammar/NetParser.g4)
set(NETC_PARSER_SOURCES ${NETC_PARSER_DIR}/NetLexer.cpp ${NETC_PARSER_DIR}/NetParser.cpp)
if(EXISTS ${CMAKE_SOURCE_DIR}/grammar/NetLexer.g4)
  add_custom_command(
    OUTPUT ${NETC_PARSER_SOURCES} ${NETC_PARSER_DIR}/NetLexer.h ${NETC_PARSER_DIR}/NetParser.h
    COMMAND ${ANTLR4_TOOL} -Dlanguage=Cpp -Werror -no-listener -no-visitor -package netc_grammar
            -o ${NETC_PARSER_DIR} -lib ${NETC_PARSER_DIR} ${CMAKE_SOURCE_DIR}/grammar/NetLexer.g4
    COMMAND ${ANTLR4_TOOL} -Dlanguage=Cpp -Werror -no-listener -no-visitor -package netc_grammar
            -o ${NETC_PARSER_DIR} -lib ${NETC_PARSER_DIR} ${CMAKE_SOURCE_DIR}/grammar/NetParser.g4
    WORKING_DIRECTORY ${CMAKE_SOURCE_DIR}/grammar
    DEPENDS ${NETC_GRAMMARS} VERBATIM)
  add_library(netc_generated_parser STATIC ${NETC_PARSER_SOURCES})
  set_target_properties(netc_generated_parser PROPERTIES CXX_STANDARD 17)
  target_compile_options(netc_generated_parser PRIVATE -w)
  target_include_directories(netc_generated_parser SYSTEM PUBLIC ${ANTLR4_INCLUDE} ${NETC_PARSER_DIR})
  target_link_libraries(netc_generated_parser PUBLIC ${ANTLR4_RUNTIME} Threads::Threads)
else()
  add_library(netc_generated_parser INTERFACE)
endif()

# The standard library's .net files are embedded, so that netc is one file.
file(GLOB NETC_STDLIB_FILES CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/stdlib/*.net)
set(NETC_STDLIB_CPP ${CMAKE_BINARY_DIR}/generated/stdlib_sources.cpp)
add_custom_command(
  OUTPUT ${NETC_STDLIB_CPP}
  COMMAND ${CMAKE_COMMAND} -DOUT=${NETC_STDLIB_CPP} "-DFILES=${NETC_STDLIB_FILES}" -P ${CMAKE_SOURCE_DIR}/cmake/embed_stdlib.cmake
  DEPENDS ${NETC_STDLIB_FILES} ${CMAKE_SOURCE_DIR}/cmake/embed_stdlib.cmake VERBATIM)
add_library(netc_stdlib_sources STATIC ${NETC_STDLIB_CPP})
target_include_directories(netc_stdlib_sources PUBLIC ${CMAKE_SOURCE_DIR})

# XXH3, from the header alone.
find_path(XXHASH_INCLUDE xxhash.h REQUIRED)
add_library(netc_xxhash INTERFACE)
target_include_directories(netc_xxhash SYSTEM INTERFACE ${XXHASH_INCLUDE})

# What code the compiler generates, as a hash (cmake/hash_code_generator.cmake says of what).
file(GLOB NETC_CODE_GENERATOR CONFIGURE_DEPENDS
  ${CMAKE_SOURCE_DIR}/compiler/base/*.h ${CMAKE_SOURCE_DIR}/compiler/base/*.cpp
  ${CMAKE_SOURCE_DIR}/compiler/ir/*.h ${CMAKE_SOURCE_DIR}/compiler/ir/*.cpp
  ${CMAKE_SOURCE_DIR}/compiler/lower/*.h ${CMAKE_SOURCE_DIR}/compiler/lower/*.cpp
  ${CMAKE_SOURCE_DIR}/compiler/backend/cpu/*.h ${CMAKE_SOURCE_DIR}/compiler/backend/cpu/*.cpp)
set(NETC_CODE_GENERATOR_CPP ${CMAKE_BINARY_DIR}/generated/code_generator_hash.cpp)
string(TOUPPER "${CMAKE_BUILD_TYPE}" build_type)
set(archives $<TARGET_FILE:LLVMX86CodeGen> $<TARGET_FILE:LLVMCodeGen> $<TARGET_FILE:LLVMSelectionDAG> $<TARGET_FILE:LLVMCore>)
add_custom_command(
  OUTPUT ${NETC_CODE_GENERATOR_CPP}
  COMMAND ${CMAKE_COMMAND} -DOUT=${NETC_CODE_GENERATOR_CPP} "-DFILES=${NETC_CODE_GENERATOR}" "-DARCHIVES=${archives}"
          "-DFLAGS=${CMAKE_CXX_COMPILER_ID} ${CMAKE_CXX_COMPILER_VERSION} ${CMAKE_CXX_FLAGS} ${CMAKE_CXX_FLAGS_${build_type}}"
          -P ${CMAKE_SOURCE_DIR}/cmake/hash_code_generator.cmake
  DEPENDS ${NETC_CODE_GENERATOR} ${archives} ${CMAKE_SOURCE_DIR}/cmake/hash_code_generator.cmake VERBATIM)
add_library(netc_code_generator_hash STATIC ${NETC_CODE_GENERATOR_CPP})

# What stands in front of generated CUDA kernels is embedded too.
set(NETC_PRELUDE_FILES
  ${CMAKE_SOURCE_DIR}/compiler/backend/cuda/prelude/device.cuh ${CMAKE_SOURCE_DIR}/compiler/backend/cuda/prelude/common.cuh
  ${CMAKE_SOURCE_DIR}/compiler/backend/cuda/prelude/emulation.cuh ${CMAKE_SOURCE_DIR}/compiler/base/cuda_emulation_abi.h)
set(NETC_PRELUDE_CPP ${CMAKE_BINARY_DIR}/generated/prelude_sources.cpp)
add_custom_command(
  OUTPUT ${NETC_PRELUDE_CPP}
  COMMAND ${CMAKE_COMMAND} -DOUT=${NETC_PRELUDE_CPP} -DHEADER=compiler/backend/cuda/prelude_sources.h
          -DFUNCTION=prelude_source "-DFILES=${NETC_PRELUDE_FILES}" -P ${CMAKE_SOURCE_DIR}/cmake/embed_text.cmake
  DEPENDS ${NETC_PRELUDE_FILES} ${CMAKE_SOURCE_DIR}/cmake/embed_text.cmake VERBATIM)
add_library(netc_prelude_sources STATIC ${NETC_PRELUDE_CPP})
target_include_directories(netc_prelude_sources PUBLIC ${CMAKE_SOURCE_DIR})
