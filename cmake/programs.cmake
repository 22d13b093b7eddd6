# SPDX-License-Identifier: MIT
#
# Examples (built by default), tests (target `tests`) and benches (target `bench`). A folder that is
# empty gives no program.

set(core $<TARGET_OBJECTS:leat_core>)
add_custom_target(tests)
add_custom_target(bench)

# leat_test(NAME SOURCE...) makes a test program of the sources, if there are any.
function(leat_test name)
    if(ARGN)
        add_executable(${name} EXCLUDE_FROM_ALL ${ARGN})
        leat_test_target(${name})
        add_dependencies(tests ${name})
    endif()
endfunction()

# ---- The objects behind the system seam ----------------------------------------------------------

# The fault object takes the seam's names and forwards to the real functions, which are compiled a
# second time under other names for it.
file(GLOB fault_seam CONFIGURE_DEPENDS test/os_fault*.c)
if(fault_seam)
    add_library(leat_os_fault OBJECT EXCLUDE_FROM_ALL ${fault_seam})
    leat_test_target(leat_os_fault)
    add_library(leat_os_real_renamed OBJECT EXCLUDE_FROM_ALL ${real_sources})
    leat_target(leat_os_real_renamed)
    target_compile_options(leat_os_real_renamed PRIVATE
        -include ${PROJECT_SOURCE_DIR}/test/os_fault_rename.h)
    set(fault $<TARGET_OBJECTS:leat_os_fault> $<TARGET_OBJECTS:leat_os_real_renamed>)
endif()

file(GLOB sim_seam CONFIGURE_DEPENDS test/os_sim/*.c)
list(FILTER sim_seam EXCLUDE REGEX "_test\\.c$")
if(sim_seam)
    add_library(leat_os_sim OBJECT EXCLUDE_FROM_ALL ${sim_seam})
    leat_test_target(leat_os_sim)
    set(sim $<TARGET_OBJECTS:leat_os_sim>)
endif()

file(GLOB harness CONFIGURE_DEPENDS test/harness.c)
file(GLOB history CONFIGURE_DEPENDS test/history.c)

# ---- The suites ----------------------------------------------------------------------------------

if(fault)
    file(GLOB sources CONFIGURE_DEPENDS src/*_test.c)
    if(sources AND harness)
        leat_test(unit_tests ${sources} ${harness} ${core} ${fault})
    endif()
    file(GLOB sources CONFIGURE_DEPENDS test/conformance/*.c test/conformance_real/*.c)
    if(sources AND harness)
        leat_test(conformance_real ${sources} ${harness} ${core} ${fault})
    endif()
    file(GLOB sources CONFIGURE_DEPENDS test/fault/*.c)
    if(sources)
        leat_test(fault_sweep ${sources} ${core} ${fault})
    endif()
endif()

if(sim)
    file(GLOB sources CONFIGURE_DEPENDS test/conformance/*.c)
    if(sources AND harness)
        leat_test(conformance_sim ${sources} ${harness} ${core} ${sim})
    endif()
    file(GLOB sources CONFIGURE_DEPENDS test/sim/*.c)
    if(sources)
        leat_test(sim_run ${sources} ${history} ${core} ${sim})
    endif()
endif()

# The same probes of what lies below the seam, once for each kernel: what differs is a lie of the
# simulation. Its controls have tests of their own, which need it.
file(GLOB probes CONFIGURE_DEPENDS test/os_sim/*_test.c)
if(probes AND harness AND sim AND fault)
    leat_test(sim_kernel_test ${probes} ${harness} ${sim})
    list(FILTER probes EXCLUDE REGEX "/sim_control_test\\.c$")
    leat_test(real_kernel_test ${probes} ${harness} ${fault})
endif()

file(GLOB sources CONFIGURE_DEPENDS test/history_test.c)
if(sources AND history AND harness)
    leat_test(history_test ${sources} ${history} ${harness} ${core} ${fault})
endif()

# ---- Examples and benches ------------------------------------------------------------------------

file(GLOB examples CONFIGURE_DEPENDS examples/*.c)
foreach(source ${examples})
    get_filename_component(name ${source} NAME_WE)
    add_executable(example_${name} ${source})
    leat_program(example_${name})
    set_target_properties(example_${name} PROPERTIES
        OUTPUT_NAME ${name} RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/examples)
    target_link_libraries(example_${name} PRIVATE leat_static)
endforeach()

file(GLOB benches CONFIGURE_DEPENDS bench/*.c)
foreach(source ${benches})
    get_filename_component(name ${source} NAME_WE)
    add_executable(bench_${name} EXCLUDE_FROM_ALL ${source})
    leat_program(bench_${name})
    set_target_properties(bench_${name} PROPERTIES
        OUTPUT_NAME ${name} RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bench)
    target_link_libraries(bench_${name} PRIVATE leat_static)
    add_dependencies(bench bench_${name})
endforeach()
