# minim_module(NAME [DEPS module...] [LIBS library...])
#
# Makes the static library minim_NAME from the room's *.cc files. Files ending in _test.cc become
# NAME_test, _bench.cc NAME_bench; each *_fuzz.cc becomes a fuzz target of its own. DEPS are exactly
# the rooms whose headers this room may include.

add_library(minim_options INTERFACE)
target_compile_options(minim_options INTERFACE
  -Wall -Wextra -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual -Wimplicit-fallthrough
  -Wcast-qual -Wundef -Werror)
target_include_directories(minim_options INTERFACE
  "${PROJECT_SOURCE_DIR}/src" "${PROJECT_SOURCE_DIR}/include" "${PROJECT_SOURCE_DIR}")
if(MINIM_SANITIZE)
  add_compile_options(-fsanitize=${MINIM_SANITIZE} -fno-sanitize-recover=all
                      -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${MINIM_SANITIZE})
endif()
if(MINIM_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()

function(minim_module name)
  cmake_parse_arguments(ARG "" "" "DEPS;LIBS" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS "*.cc")
  set(library_sources ${sources})
  list(FILTER library_sources EXCLUDE REGEX "_(test|bench|fuzz)\\.cc$|/main\\.cc$")
  list(TRANSFORM ARG_DEPS PREPEND minim_)

  add_library(minim_${name} STATIC ${library_sources})
  target_link_libraries(minim_${name} PUBLIC minim_options ${ARG_DEPS} ${ARG_LIBS})

  minim_test_program(${name} test "_test\\.cc$" "${sources}")
  minim_test_program(${name} bench "_bench\\.cc$" "${sources}")

  set(fuzz_sources ${sources})
  list(FILTER fuzz_sources INCLUDE REGEX "_fuzz\\.cc$")
  foreach(source ${fuzz_sources})
    minim_fuzz_target(${name} ${source})
  endforeach()
endfunction()

# NAME_test runs under ctest; NAME_bench does too, with --tiny, so that it cannot rot.
function(minim_test_program name kind pattern sources)
  list(FILTER sources INCLUDE REGEX "${pattern}")
  if(NOT sources)
    return()
  endif()
  add_executable(${name}_${kind} ${sources})
  if(kind STREQUAL "test")
    target_link_libraries(${name}_test PRIVATE minim_${name} minim_test_support GTest::gtest_main)
    add_test(NAME ${name} COMMAND ${name}_test --gtest_brief=1)
  else()
    target_link_libraries(${name}_bench PRIVATE minim_${name} minim_bench_support)
    add_test(NAME ${name}_bench COMMAND ${name}_bench --tiny)
  endif()
endfunction()

# With MINIM_FUZZ the target is driven by libFuzzer; without, it replays its seed corpus as a test.
function(minim_fuzz_target name source)
  get_filename_component(target ${source} NAME_WE)
  add_executable(${target} ${source})
  target_link_libraries(${target} PRIVATE minim_${name} minim_test_support)
  set(corpus "${PROJECT_SOURCE_DIR}/tests/fuzz/${target}")
  if(MINIM_FUZZ)
    target_link_options(${target} PRIVATE -fsanitize=fuzzer)
  else()
    target_link_libraries(${target} PRIVATE minim_fuzz_replay)
    add_test(NAME ${target} COMMAND ${target} ${corpus})
  endif()
endfunction()
