# One precompiled header for the libraries and one for their tests: a build from nothing takes a third less time. CI turns them on.
# Off by default: ccache keeps nothing that was compiled with them.
#
# ferrule_precompile(TARGET [TESTS]) does nothing when they are off.
set(FERRULE_PRECOMPILED_HEADERS
  <algorithm> <array> <chrono> <cstdint> <filesystem> <functional> <map> <memory> <optional> <span> <string> <string_view> <utility>
  <variant> <vector> <fmt/format.h> <tl/expected.hpp>)

if(FERRULE_PRECOMPILE AND CMAKE_CXX_COMPILER_ID STREQUAL GNU)
  # GCC 12 forgets then that std::string is a system's header, and warns of what it makes up there.
  target_compile_options(ferrule_flags INTERFACE
    -Wno-array-bounds -Wno-restrict -Wno-stringop-overflow -Wno-stringop-overread)
endif()

function(ferrule_precompile target)
  if(NOT FERRULE_PRECOMPILE)
    return()
  endif()
  set(headers ${FERRULE_PRECOMPILED_HEADERS})
  if("TESTS" IN_LIST ARGN)
    set(name ferrule_precompiled_for_tests)
    set(libraries GTest::gtest GTest::gmock)
    list(APPEND headers <gmock/gmock.h> <gtest/gtest.h>)
  else()
    set(name ferrule_precompiled)
  endif()
  if(NOT TARGET ${name})
    file(CONFIGURE OUTPUT ${PROJECT_BINARY_DIR}/${name}.cpp CONTENT "// Only here to have a precompiled header.\n")
    add_library(${name} OBJECT ${PROJECT_BINARY_DIR}/${name}.cpp)
    target_link_libraries(${name} PRIVATE ferrule_flags ${libraries})
    target_precompile_headers(${name} PRIVATE ${headers})
    if("TESTS" IN_LIST ARGN)
      target_compile_options(${name} PRIVATE ${FERRULE_TEST_OPTIONS})
    endif()
  endif()
  target_precompile_headers(${target} REUSE_FROM ${name})
endfunction()
