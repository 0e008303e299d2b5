# Language level, warnings, sanitizers and speed-ups of the build. Targets carry their own flags: ferrule_flags is linked by each.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

find_program(FERRULE_CCACHE ccache)
if(FERRULE_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${FERRULE_CCACHE})
endif()

add_library(ferrule_flags INTERFACE)
target_include_directories(ferrule_flags INTERFACE ${PROJECT_SOURCE_DIR})
target_compile_options(ferrule_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wold-style-cast -fno-omit-frame-pointer
  $<$<CXX_COMPILER_ID:Clang>:-Wno-sign-conversion>  # Clang's -Wconversion includes it, GCC's does not
  $<$<BOOL:${FERRULE_WERROR}>:-Werror>)
if(CMAKE_CXX_COMPILER_ID STREQUAL GNU AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  # At -O2 GCC 12 makes up copies that overlap or are too long, and variants without a value, inside the standard library (GCC
  # bugs 105651, 105562 and others). What is true of it shows at -O1 too.
  target_compile_options(ferrule_flags INTERFACE "$<$<CONFIG:Release,RelWithDebInfo>:-Wno-array-bounds;-Wno-restrict;\
-Wno-maybe-uninitialized;-Wno-stringop-overflow;-Wno-stringop-overread>")
endif()
target_compile_definitions(ferrule_flags INTERFACE
  SPDLOG_FMT_EXTERNAL FERRULE_VERSION="${PROJECT_VERSION}"
  # Times after 2038, files of more than 2 GB and inodes of large disks. Debian 12's libraries are built with time_t of 32 bits
  # there: nothing of them that takes or gives one may be called.
  $<$<EQUAL:${CMAKE_SIZEOF_VOID_P},4>:_FILE_OFFSET_BITS=64;_TIME_BITS=64>)
target_link_libraries(ferrule_flags INTERFACE Threads::Threads fmt::fmt tl::expected)

if(FERRULE_SANITIZE)
  target_compile_options(ferrule_flags INTERFACE -fsanitize=${FERRULE_SANITIZE} -fno-sanitize-recover=all)
  target_link_options(ferrule_flags INTERFACE -fsanitize=${FERRULE_SANITIZE})
  if(CMAKE_CXX_COMPILER_ID STREQUAL GNU)
    target_compile_options(ferrule_flags INTERFACE -Wno-maybe-uninitialized)  # wrong too often in instrumented code
  endif()
  # Asio's fences, which GCC's ThreadSanitizer does not understand, are beside locks that it does.
  if(FERRULE_SANITIZE MATCHES thread AND CMAKE_CXX_COMPILER_ID STREQUAL GNU)
    target_compile_options(ferrule_flags INTERFACE -Wno-tsan)
  endif()
endif()

find_program(FERRULE_MOLD mold)
if(FERRULE_MOLD)
  target_link_options(ferrule_flags INTERFACE -fuse-ld=mold)
endif()
