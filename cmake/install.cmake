# SPDX-License-Identifier: MIT
#
# `cmake --install build`: header, libraries, command, pkg-config file and CMake package.

install(TARGETS leat_static leat_shared EXPORT leatTargets
    ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
    LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
    RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR}) # a DLL lies beside the programs
if(TARGET leat_sim)
    install(TARGETS leat_sim EXPORT leatTargets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
    install(FILES include/leat/sim.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/leat)
endif()
install(TARGETS leat_command RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(FILES include/leat/leat.h include/leat/error.def
    DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/leat)

# The pkg-config file finds its prefix from where it lies, so that the folder may be moved.
file(RELATIVE_PATH pc_to_prefix
    ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
configure_file(leat.pc.in leat.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/leat.pc
    DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/leat)
configure_package_config_file(cmake/leatConfig.cmake.in leatConfig.cmake
    INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(leatConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/leatConfig.cmake
    ${CMAKE_CURRENT_BINARY_DIR}/leatConfigVersion.cmake DESTINATION ${package_dir})
install(EXPORT leatTargets NAMESPACE leat:: DESTINATION ${package_dir})
