# SPDX-License-Identifier: MIT
#
# Fuzz targets (target `fuzz`, and part of `tests`): fuzz_NAME of test/fuzz/target_NAME.c. With
# LEAT_FUZZER each is a fuzzer's program; without it, it replays the files that it is given.

if(WIN32) # what they run on is the simulated kernel
    return()
endif()

add_custom_target(fuzz)
set(fuzz_main test/fuzz/fuzz_main.c)
if(LEAT_FUZZER)
    set(fuzz_main "")
endif()

# What a target with a simulated kernel stands on.
set(fuzz_world test/fuzz/fuzz_world.c test/conformance/kit.c test/conformance/kit_data.c)
set(fuzz_api test/fuzz/api_open.c test/fuzz/api_talk.c)
set(fuzz_wire test/fuzz/wire_run.c test/fuzz/wire_reference.c)
set(fuzz_posix ${fuzz_world} test/conformance/kit_posix.c ${core} ${port} ${sim})
set(fuzz_nt ${fuzz_world} test/conformance/kit_nt.c test/conformance/kit_who_nt.c ${core}
    ${nt_port} ${sim})

function(leat_fuzz name target)
    leat_test(fuzz_${name} test/fuzz/target_${target}.c test/fuzz/fuzz_check.c ${fuzz_main} ${ARGN})
    target_include_directories(fuzz_${name} PRIVATE ${PROJECT_SOURCE_DIR}/test/fuzz)
    if(LEAT_FUZZER)
        target_link_options(fuzz_${name} PRIVATE -fsanitize=${LEAT_FUZZER})
    endif()
    add_dependencies(fuzz fuzz_${name})
endfunction()
# The same over the simulated kernel's named pipes.
function(leat_fuzz_nt name target)
    leat_fuzz(${name} ${target} ${ARGN})
    target_compile_definitions(fuzz_${name} PRIVATE LTI_NT=1)
endfunction()

# Of pure modules.
leat_fuzz(hello hello test/fuzz/wire_reference.c ${core} ${port} ${sim})
leat_fuzz(name name tools/json.c ${core} ${port} ${pure} ${sim})
target_include_directories(fuzz_name PRIVATE ${PROJECT_SOURCE_DIR}/tools)

# Of the command. Its reports go into memory.
set(fuzz_report ${PROJECT_BINARY_DIR}/fuzz_report.c)
file(CONFIGURE OUTPUT ${fuzz_report} CONTENT
    "#include \"command_streams.h\"\n#include \"report.c\"\n")
leat_fuzz(command command ${fuzz_report} tools/options.c tools/policy.c tools/json.c
    ${core} ${port} ${sim})
target_include_directories(fuzz_command PRIVATE ${PROJECT_SOURCE_DIR}/tools)

# Of the whole library.
leat_fuzz(frame frame ${fuzz_wire} ${fuzz_posix})
leat_fuzz(client client ${fuzz_wire} ${fuzz_posix})
leat_fuzz(server server ${fuzz_posix})
leat_fuzz(api api ${fuzz_api} ${fuzz_posix})
if(nt_port)
    leat_fuzz_nt(frame_nt frame ${fuzz_wire} ${fuzz_nt})
    leat_fuzz_nt(client_nt client ${fuzz_wire} ${fuzz_nt})
    leat_fuzz_nt(server_nt server ${fuzz_nt})
    leat_fuzz_nt(api_nt api ${fuzz_api} ${fuzz_nt})
endif()
