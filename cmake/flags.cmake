# SPDX-License-Identifier: MIT
#
# Compiler flags, in one place, and the helpers that give them to a target.

set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_C_VISIBILITY_PRESET hidden)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_C_FLAGS_RELEASE "-O2 -g")
set(CMAKE_C_FLAGS_DEBUG "-O0 -g3")

set(LEAT_WARNINGS -Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes)
if(LEAT_WERROR)
    list(APPEND LEAT_WARNINGS -Werror)
endif()

if(LEAT_SANITIZE)
    set(CMAKE_C_FLAGS_RELEASE "-O1 -g") # built in two thirds of the time, and runs nearly as fast
    add_compile_options(-fsanitize=${LEAT_SANITIZE} -fno-sanitize-recover=all
        -fno-omit-frame-pointer)
    add_link_options(-fsanitize=${LEAT_SANITIZE})
endif()
if(LEAT_FUZZER) # everything counts what it runs, the simulated kernel too
    add_compile_options(-fsanitize=${LEAT_FUZZER}-no-link)
endif()
# Clang counts, for Windows too; only a program's end differs, where the counts are written.
if(LEAT_COVERAGE)
    set(LEAT_COUNTS -fprofile-instr-generate -fcoverage-mapping -fcoverage-mcdc
        -fprofile-update=atomic)
    if(WIN32)
        add_library(leat_coverage OBJECT EXCLUDE_FROM_ALL test/coverage_windows.c)
    else()
        add_library(leat_coverage OBJECT EXCLUDE_FROM_ALL test/coverage_posix.c)
        add_link_options(-fprofile-instr-generate)
    endif()
    target_compile_options(leat_coverage PRIVATE ${LEAT_WARNINGS})
    target_compile_definitions(leat_coverage PRIVATE _GNU_SOURCE=)
endif()

# Library code: it sees its own headers and asks for no system extension. Coverage counts nothing
# else.
function(leat_target target)
    target_compile_options(${target} PRIVATE ${LEAT_WARNINGS} ${LEAT_COUNTS})
    target_include_directories(${target} PRIVATE
        ${PROJECT_SOURCE_DIR}/include ${PROJECT_SOURCE_DIR}/src)
endfunction()

# Programs that use the public header and the system. The macro has an empty value, so that a file
# may define it for itself as well.
function(leat_program target)
    target_compile_options(${target} PRIVATE ${LEAT_WARNINGS})
    get_target_property(type ${target} TYPE)
    if(LEAT_COVERAGE AND type STREQUAL "EXECUTABLE")
        target_sources(${target} PRIVATE $<TARGET_OBJECTS:leat_coverage>)
        target_link_options(${target} PRIVATE -Wl,--wrap=_exit)
        if(WIN32) # what the reader finds in the objects, and Windows' loader stumbles over
            add_custom_command(TARGET ${target} POST_BUILD COMMAND ${CMAKE_OBJCOPY}
                --remove-section .lcovfun --remove-section .lcovmap $<TARGET_FILE:${target}>)
        endif()
    endif()
    target_compile_definitions(${target} PRIVATE "_GNU_SOURCE=")
    if(WIN32) # Windows 10 and what C says of printf
        target_compile_definitions(${target} PRIVATE
            _WIN32_WINNT=0x0A00 __USE_MINGW_ANSI_STDIO=1)
        target_link_options(${target} PRIVATE -static)
    endif()
    target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR}/include)
    target_link_libraries(${target} PRIVATE ${LEAT_SYSTEM_LIBRARIES})
endfunction()

# Test programs: they may also look at the library's inside.
function(leat_test_target target)
    leat_program(${target})
    target_link_libraries(${target} PRIVATE ${LEAT_RING_LIBRARY})
    target_include_directories(${target} PRIVATE
        ${PROJECT_SOURCE_DIR}/src ${PROJECT_SOURCE_DIR}/test)
endfunction()
