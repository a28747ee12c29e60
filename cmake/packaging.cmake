# What is installed of the program, and the Debian package of it: ./dev package.
install(TARGETS minim RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}" COMPONENT program)
install(FILES LICENSE README.md DESTINATION "${CMAKE_INSTALL_DOCDIR}" COMPONENT program)
install(FILES docs/serve.md docs/structured-output.md DESTINATION "${CMAKE_INSTALL_DOCDIR}"
        COMPONENT package)
install(FILES packaging/minim.service DESTINATION lib/systemd/system COMPONENT package)
install(FILES packaging/minim.sysusers DESTINATION lib/sysusers.d RENAME minim.conf
        COMPONENT package)
install(FILES packaging/minim.default DESTINATION /etc/default RENAME minim COMPONENT package)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME minim)
set(CPACK_PACKAGE_VENDOR "the minim authors")
set(CPACK_PACKAGE_CONTACT "the minim authors <minim@localhost>")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_COMPONENTS_ALL program package)
set(CPACK_COMPONENTS_GROUPING ALL_COMPONENTS_IN_ONE)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION science)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS systemd)
foreach(script conffiles postinst prerm postrm)
  list(APPEND CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA "${PROJECT_SOURCE_DIR}/packaging/debian/${script}")
endforeach()
# Only what is packed is built for it.
set(CMAKE_SKIP_INSTALL_ALL_DEPENDENCY ON)
include(CPack)
