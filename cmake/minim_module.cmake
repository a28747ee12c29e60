# minim_module(NAME [DEPS module...] [LIBS library...])
#
# Makes the static library minim_NAME from the room's *.cc files. Files ending in _test.cc become
# NAME_test, _bench.cc NAME_bench; each *_fuzz.cc becomes a fuzz target of its own. DEPS are exactly
# the rooms whose headers this room may include.

include(GoogleTest)

add_library(minim_options INTERFACE)
target_compile_options(minim_options INTERFACE
  -Wall -Wextra -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual -Wimplicit-fallthrough
  -Wcast-qual -Wundef -Werror
  -Wno-missing-field-initializers)  # options structs are built by naming what differs
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

  if(library_sources)
    add_library(minim_${name} STATIC ${library_sources})
    target_link_libraries(minim_${name} PUBLIC minim_options ${ARG_DEPS} ${ARG_LIBS})
  else()
    add_library(minim_${name} INTERFACE)
    target_link_libraries(minim_${name} INTERFACE minim_options ${ARG_DEPS} ${ARG_LIBS})
  endif()

  minim_test_program(${name} test "_test\\.cc$" "${sources}")
  minim_test_program(${name} bench "_bench\\.cc$" "${sources}")

  set(fuzz_sources ${sources})
  list(FILTER fuzz_sources INCLUDE REGEX "_fuzz\\.cc$")
  foreach(source ${fuzz_sources})
    minim_fuzz_target(${name} ${source})
  endforeach()
endfunction()

# Each case of NAME_test is a test of its own, "NAME.Suite.Case". NAME_bench is one, with --tiny,
# so that it cannot rot.
function(minim_test_program name kind pattern sources)
  list(FILTER sources INCLUDE REGEX "${pattern}")
  if(NOT sources OR (kind STREQUAL "bench" AND NOT MINIM_BENCH))
    return()
  endif()
  add_executable(${name}_${kind} ${sources})
  if(kind STREQUAL "test")
    if(MINIM_SANITIZE)
      # What is tested is compiled as elsewhere; optimising the checks in tests only takes time.
      target_compile_options(${name}_test PRIVATE -O0)
    endif()
    target_link_libraries(${name}_test PRIVATE minim_${name} minim_test_support GTest::gtest_main)
    gtest_discover_tests(${name}_test TEST_PREFIX "${name}." DISCOVERY_MODE PRE_TEST
                         DISCOVERY_TIMEOUT 60 PROPERTIES TIMEOUT 300)
  else()
    target_link_libraries(${name}_bench PRIVATE minim_${name} minim_bench_support
                                               minim_test_support)
    add_test(NAME ${name}_bench COMMAND ${name}_bench --tiny)
    set_tests_properties(${name}_bench PROPERTIES TIMEOUT 300)
  endif()
endfunction()

# With MINIM_FUZZ the target is driven by libFuzzer; without, it replays its seeds as a test. A
# target that has no seeds yet builds all the same; ./dev check asks for them.
function(minim_fuzz_target name source)
  get_filename_component(target ${source} NAME_WE)
  add_executable(${target} ${source})
  target_link_libraries(${target} PRIVATE minim_${name} minim_test_support)
  set(corpus "${PROJECT_SOURCE_DIR}/tests/fuzz/${target}")
  file(GLOB seeds CONFIGURE_DEPENDS "${corpus}/*")
  if(MINIM_FUZZ)
    target_link_options(${target} PRIVATE -fsanitize=fuzzer)
  else()
    target_link_libraries(${target} PRIVATE minim_fuzz_replay)
    if(seeds)
      add_test(NAME ${target} COMMAND ${target} ${corpus})
      set_tests_properties(${target} PROPERTIES TIMEOUT 300)
    endif()
  endif()
endfunction()
