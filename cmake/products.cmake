# What is installed: the command `netc` and the library `libnetc.so` with its public header.
if(EXISTS ${CMAKE_SOURCE_DIR}/compiler/driver/main.cpp)
  add_executable(netc compiler/driver/main.cpp)
  target_link_libraries(netc PRIVATE netc_compiler_driver)
  install(TARGETS netc)
endif()
