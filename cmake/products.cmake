# What is installed: the command `netc`, and the library `libnetc.so` with its public header, a CMake
# package and a pkg-config file. LLVM is linked statically, ANTLR's runtime dynamically, and no symbol
# of theirs leaves the library (tests/e2e/exports_test.py checks it).
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

foreach(folder compiler_driver compiler_api_host)
  if(TARGET netc_${folder})
    get_target_property(type netc_${folder} TYPE)
    if(type STREQUAL STATIC_LIBRARY)
      target_compile_definitions(netc_${folder} PRIVATE NETC_VERSION="${PROJECT_VERSION}")
    endif()
  endif()
endforeach()

if(EXISTS ${CMAKE_SOURCE_DIR}/compiler/driver/main.cpp)
  add_executable(netc compiler/driver/main.cpp)
  target_link_libraries(netc PRIVATE netc_compiler_driver)
  install(TARGETS netc)
endif()

if(EXISTS ${CMAKE_SOURCE_DIR}/compiler/api/host/network.cpp)
  add_library(netc_shared SHARED $<TARGET_OBJECTS:netc_compiler_api_host>)
  target_link_libraries(netc_shared PRIVATE netc_compiler_api)
  target_include_directories(netc_shared INTERFACE
    $<BUILD_INTERFACE:${CMAKE_SOURCE_DIR}/include> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
  target_compile_features(netc_shared INTERFACE cxx_std_17)
  target_link_options(netc_shared PRIVATE
    -Wl,--version-script=${CMAKE_SOURCE_DIR}/cmake/exports.map -Wl,--exclude-libs,ALL -Wl,-Bsymbolic -Wl,-z,defs)
  set_target_properties(netc_shared PROPERTIES
    OUTPUT_NAME netc EXPORT_NAME netc VERSION ${PROJECT_VERSION} SOVERSION 0
    LINK_DEPENDS ${CMAKE_SOURCE_DIR}/cmake/exports.map)

  install(TARGETS netc_shared EXPORT netc_targets)
  install(DIRECTORY include/netc TYPE INCLUDE)
  install(EXPORT netc_targets NAMESPACE netc:: FILE netc-targets.cmake DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/netc)
  configure_package_config_file(cmake/netc-config.cmake.in ${CMAKE_BINARY_DIR}/netc-config.cmake
    INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/netc)
  write_basic_package_version_file(${CMAKE_BINARY_DIR}/netc-config-version.cmake COMPATIBILITY SameMinorVersion)
  install(FILES ${CMAKE_BINARY_DIR}/netc-config.cmake ${CMAKE_BINARY_DIR}/netc-config-version.cmake
          DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/netc)
  configure_file(cmake/netc.pc.in ${CMAKE_BINARY_DIR}/netc.pc @ONLY)
  install(FILES ${CMAKE_BINARY_DIR}/netc.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
endif()
