# SPDX-License-Identifier: MIT
#
# What depends on the system that is built for: which files, which libraries of the system, and how
# a shared library is told what it exports.

if(WIN32)
    # Libraries that every Windows has, and nothing else: no thread library, no compiler's DLL.
    set(LEAT_SYSTEM_LIBRARIES advapi32 bcrypt ntdll)
    set(LEAT_SYSTEM_FLAGS "-ladvapi32 -lbcrypt -lntdll")
else()
    find_package(Threads REQUIRED)
    set(LEAT_SYSTEM_LIBRARIES Threads::Threads)
    set(LEAT_SYSTEM_FLAGS "-pthread")
endif()

# io_uring, if liburing is there for what is built: found by linking with it, as the library of
# another machine would not. Tests have it then. The library has it only when that is asked for:
# else it would depend on what happens to be installed, and so would each program that links it.
set(LEAT_URING OFF CACHE STRING "Reading by io_uring, with liburing: OFF, ON, AUTO if it is there")
set(LEAT_HAVE_URING OFF)
set(LEAT_RING_LIBRARY "")
set(LEAT_RING_SHIPPED "")
if(CMAKE_SYSTEM_NAME STREQUAL "Linux")
    include(CheckCSourceCompiles)
    set(CMAKE_REQUIRED_LIBRARIES uring)
    check_c_source_compiles("#include <liburing.h>
int main(void) { struct io_uring ring; struct io_uring_sqe *sqe;
    io_uring_queue_init(8, &ring, 0); sqe = io_uring_get_sqe(&ring);
    io_uring_sqe_set_data64(sqe, 1); return io_uring_ring_dontfork(&ring); }" LEAT_LINKS_URING)
    unset(CMAKE_REQUIRED_LIBRARIES)
    if(LEAT_LINKS_URING)
        set(LEAT_HAVE_URING ON)
        set(LEAT_RING_LIBRARY uring)
        if(LEAT_URING STREQUAL "AUTO" OR LEAT_URING)
            set(LEAT_RING_SHIPPED uring)
            string(APPEND LEAT_SYSTEM_FLAGS " -luring")
        endif()
    elseif(LEAT_URING AND NOT LEAT_URING STREQUAL "AUTO")
        message(FATAL_ERROR "LEAT_URING is ${LEAT_URING}, and there is no liburing 2.2 or later")
    endif()
endif()

set(LEAT_BACKEND "" CACHE STRING "What hubs have that ask for no backend: ahead or uring, where it \
is to be had; nothing: one_by_one")
set(LEAT_BACKEND_DEFINITION "")
string(TOUPPER "${LEAT_BACKEND}" word)
if(word MATCHES "^(ONE_BY_ONE|AHEAD|URING)$")
    set(LEAT_BACKEND_DEFINITION LTI_BACKEND_USUAL=LEAT_BACKEND_${word})
elseif(word)
    message(FATAL_ERROR "LEAT_BACKEND is one_by_one, ahead or uring, not ${LEAT_BACKEND}")
endif()

# leat_glob(OUT SYSTEM PATTERN...) lists files. A file that belongs to one system says so in its
# name: `_posix`, `_linux`, `_epoll`, or `_windows`, `_nt`, before the `.c` or another word. Other
# systems than Linux leave out `_epoll`.
# SYSTEM chooses: POSIX or WINDOWS, only the files of that one; ANY, those of no system; HERE, those
# of no system and of this one; NT, those of no system and of Windows.
function(leat_glob out system)
    file(GLOB found CONFIGURE_DEPENDS ${ARGN})
    set(posix "_(posix|linux|epoll)(_[a-z0-9_]*)?\\.c$")
    set(windows "_(windows|nt)(_[a-z0-9_]*)?\\.c$|/(address_pipe|utf16)(_test)?\\.c$")
    if(system STREQUAL HERE)
        set(system UNIX_ONE)
        if(WIN32)
            set(system NT)
        endif()
    endif()
    if(NOT CMAKE_SYSTEM_NAME STREQUAL "Linux")
        list(FILTER found EXCLUDE REGEX "_epoll(_[a-z0-9_]*)?\\.c$")
    endif()
    if(system STREQUAL POSIX)
        list(FILTER found INCLUDE REGEX "${posix}")
    elseif(system STREQUAL WINDOWS)
        list(FILTER found INCLUDE REGEX "${windows}")
    else()
        if(NOT system STREQUAL UNIX_ONE)
            list(FILTER found EXCLUDE REGEX "${posix}")
        endif()
        if(NOT system STREQUAL NT)
            list(FILTER found EXCLUDE REGEX "${windows}")
        endif()
    endif()
    set(${out} ${found} PARENT_SCOPE)
endfunction()

# leat_poller(TARGET POLLER) makes the real objects of a POSIX system use that poller.
function(leat_poller target poller)
    string(TOUPPER "${poller}" word)
    if(word MATCHES "^(EPOLL|KQUEUE|POLL)$")
        target_compile_definitions(${target} PRIVATE LEAT_POLLER_${word})
    elseif(word)
        message(FATAL_ERROR "LEAT_POLLER is epoll, kqueue or poll, not ${poller}")
    endif()
endfunction()

# leat_uring(TARGET) lets the real objects use io_uring, where it is to be had.
function(leat_uring target)
    if(LEAT_HAVE_URING)
        target_compile_definitions(${target} PRIVATE LEAT_HAVE_URING)
    endif()
endfunction()

# Exports exactly the symbols of a reviewed list; where symbols have versions, under one name.
function(leat_exports target list version)
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/${list})
    file(STRINGS ${PROJECT_SOURCE_DIR}/${list} symbols REGEX "^leat_")
    if(WIN32)
        set(text "EXPORTS\n")
        foreach(symbol ${symbols})
            string(APPEND text "    ${symbol}\n")
        endforeach()
        set(script ${PROJECT_BINARY_DIR}/${target}.def)
        file(CONFIGURE OUTPUT ${script} CONTENT "${text}" @ONLY)
        target_sources(${target} PRIVATE ${script})
        target_link_options(${target} PRIVATE -static-libgcc)
        # A program that says so calls the DLL without a detour.
        target_compile_definitions(${target} INTERFACE LEAT_SHARED)
        return()
    endif()
    if(APPLE) # its linker takes a plain list, with the names as they are in the object
        list(TRANSFORM symbols PREPEND "_")
        list(JOIN symbols "\n" text)
        set(script ${PROJECT_BINARY_DIR}/${target}.list)
        file(CONFIGURE OUTPUT ${script} CONTENT "${text}\n" @ONLY)
        target_link_options(${target} PRIVATE -Wl,-exported_symbols_list,${script})
        set_property(TARGET ${target} APPEND PROPERTY LINK_DEPENDS ${script})
        return()
    endif()
    set(text "${version} {\n    global:\n")
    foreach(symbol ${symbols})
        string(APPEND text "        ${symbol};\n")
    endforeach()
    string(APPEND text "    local:\n        *;\n};\n")
    set(script ${PROJECT_BINARY_DIR}/${target}.map)
    file(CONFIGURE OUTPUT ${script} CONTENT "${text}" @ONLY)
    target_link_options(${target} PRIVATE -Wl,--version-script=${script})
    set_property(TARGET ${target} APPEND PROPERTY LINK_DEPENDS ${script})
endfunction()
