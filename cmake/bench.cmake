# SPDX-License-Identifier: MIT
#
# The programs of the benchmark (target `bench`): leat's own and those written by hand always, those
# of other libraries with LEAT_BENCH_PEERS, which `./dev bench-peers` sets, where the library is.

option(LEAT_BENCH_PEERS "Build the benchmark's programs for other libraries" OFF)

# leat_bench(NAME SOURCE) makes build/bench/NAME.
function(leat_bench name source)
    add_executable(bench_${name} EXCLUDE_FROM_ALL ${source})
    set_target_properties(bench_${name} PROPERTIES
        OUTPUT_NAME ${name} RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bench)
    add_dependencies(bench bench_${name})
endfunction()

leat_glob(benches HERE bench/*.c)
file(GLOB more CONFIGURE_DEPENDS bench/*windows*)
if(WIN32 AND NOT more) # what they measure with is POSIX
    set(benches "")
endif()
foreach(source ${benches})
    get_filename_component(name ${source} NAME_WE)
    leat_bench(${name} ${source})
    leat_program(bench_${name})
    target_link_libraries(bench_${name} PRIVATE leat_static)
endforeach()

if(WIN32 OR NOT LEAT_BENCH_PEERS)
    return()
endif()

# leat_bench_peer(NAME SOURCE LIBRARY...) makes one that knows nothing of leat. A library whose
# target is not there is left out.
function(leat_bench_peer name source)
    foreach(library ${ARGN})
        if(NOT TARGET ${library})
            message(STATUS "bench: ${name} is left out, ${library} is not installed")
            return()
        endif()
    endforeach()
    leat_bench(${name} ${source})
    target_compile_definitions(bench_${name} PRIVATE
        $<$<COMPILE_LANGUAGE:C>:_GNU_SOURCE=>) # a C++ compiler has it defined
    target_compile_options(bench_${name} PRIVATE -Wall -Wextra -Wconversion -Wshadow)
    if(LEAT_WERROR)
        target_compile_options(bench_${name} PRIVATE -Werror)
    endif()
    set_target_properties(bench_${name} PROPERTIES CXX_STANDARD 17 CXX_STANDARD_REQUIRED ON)
    target_link_libraries(bench_${name} PRIVATE ${ARGN} Threads::Threads)
endfunction()

find_package(PkgConfig)
if(PkgConfig_FOUND)
    pkg_check_modules(libuv IMPORTED_TARGET libuv)
    pkg_check_modules(libevent IMPORTED_TARGET libevent)
    pkg_check_modules(glib IMPORTED_TARGET gio-unix-2.0)
    pkg_check_modules(zmq IMPORTED_TARGET libzmq)
endif()
find_package(nng QUIET)
leat_bench_peer(libuv bench/peers/libuv.c PkgConfig::libuv)
leat_bench_peer(libevent bench/peers/libevent.c PkgConfig::libevent)
leat_bench_peer(glib bench/peers/glib.c PkgConfig::glib)
leat_bench_peer(nng bench/peers/nng.c nng::nng)
leat_bench_peer(zmq bench/peers/zmq.c PkgConfig::zmq)

include(CheckLanguage)
check_language(CXX)
if(NOT CMAKE_CXX_COMPILER)
    message(STATUS "bench: asio and qt6 are left out, there is no C++ compiler")
    return()
endif()
enable_language(CXX)
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -g")
find_path(LEAT_BOOST boost/asio.hpp)
if(LEAT_BOOST)
    add_library(leat_asio INTERFACE)
    target_include_directories(leat_asio SYSTEM INTERFACE ${LEAT_BOOST})
endif()
find_package(Qt6 QUIET COMPONENTS Core Network)
leat_bench_peer(asio bench/peers/asio.cpp leat_asio)
leat_bench_peer(qt6 bench/peers/qt6.cpp Qt6::Core Qt6::Network)
