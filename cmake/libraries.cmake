# The libraries that other programs link: libminim.so, which exports the C API and nothing else, and
# libminim.a, one archive of all the rooms it needs; and what tells their build systems so.

set(rooms api eval runtime model formats text tensor kernels base)
set(archives ${rooms})
list(TRANSFORM archives REPLACE "(.+)" "minim_\\1")

# ---- libminim.so -----------------------------------------------------------------------------

set(exports "${PROJECT_SOURCE_DIR}/cmake/package/exports.map")
file(WRITE "${PROJECT_BINARY_DIR}/no_source.cc" "")
add_library(minim_shared SHARED "${PROJECT_BINARY_DIR}/no_source.cc")
target_link_libraries(minim_shared PRIVATE "$<LINK_LIBRARY:WHOLE_ARCHIVE,minim_api>")
target_include_directories(minim_shared INTERFACE
  "$<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>" "$<INSTALL_INTERFACE:include>")
target_link_options(minim_shared PRIVATE "LINKER:--version-script=${exports}"
                    "LINKER:--no-undefined" "LINKER:--gc-sections")
set_target_properties(minim_shared PROPERTIES
  OUTPUT_NAME minim VERSION ${PROJECT_VERSION} SOVERSION 1 LINK_DEPENDS "${exports}"
  LIBRARY_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/lib")

# ---- libminim.a ------------------------------------------------------------------------------

set(archive "${PROJECT_BINARY_DIR}/lib/libminim.a")
set(script "create ${archive}\n")
foreach(room ${archives})
  string(APPEND script "addlib $<TARGET_FILE:${room}>\n")
endforeach()
file(GENERATE OUTPUT "${PROJECT_BINARY_DIR}/libminim.mri" CONTENT "${script}save\nend\n")
add_custom_command(OUTPUT "${archive}"
  COMMAND "${CMAKE_COMMAND}" -E rm -f "${archive}"
  COMMAND "${CMAKE_AR}" -M < "${PROJECT_BINARY_DIR}/libminim.mri"
  COMMAND "${CMAKE_RANLIB}" "${archive}"
  DEPENDS ${archives} VERBATIM)
add_custom_target(minim_static ALL DEPENDS "${archive}")
add_dependencies(minim_static minim_shared)  # which makes the folder

# ---- what is installed -----------------------------------------------------------------------

include(CMakePackageConfigHelpers)
set(package "${CMAKE_INSTALL_LIBDIR}/cmake/minim")
configure_package_config_file(
  "${PROJECT_SOURCE_DIR}/cmake/package/minimConfig.cmake.in"
  "${PROJECT_BINARY_DIR}/minimConfig.cmake"
  INSTALL_DESTINATION "${package}" PATH_VARS CMAKE_INSTALL_INCLUDEDIR CMAKE_INSTALL_LIBDIR)
write_basic_package_version_file("${PROJECT_BINARY_DIR}/minimConfigVersion.cmake"
                                 COMPATIBILITY SameMajorVersion)
configure_file("${PROJECT_SOURCE_DIR}/cmake/package/minim.pc.in"
               "${PROJECT_BINARY_DIR}/minim.pc" @ONLY)

install(TARGETS minim_shared LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}" COMPONENT library)
install(FILES "${archive}" DESTINATION "${CMAKE_INSTALL_LIBDIR}" COMPONENT library)
install(DIRECTORY "${PROJECT_SOURCE_DIR}/include/minim"
        DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}" COMPONENT library)
install(FILES "${PROJECT_BINARY_DIR}/minim.pc"
        DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig" COMPONENT library)
install(FILES "${PROJECT_BINARY_DIR}/minimConfig.cmake"
              "${PROJECT_BINARY_DIR}/minimConfigVersion.cmake"
        DESTINATION "${package}" COMPONENT library)
