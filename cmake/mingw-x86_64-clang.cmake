# SPDX-License-Identifier: MIT
#
# Cross-compiling for Windows with clang and the headers and libraries of mingw-w64: `cmake --preset
# windows-coverage` uses this.

include(${CMAKE_CURRENT_LIST_DIR}/mingw-x86_64.cmake)
find_program(clang NAMES clang-19 clang REQUIRED)
set(CMAKE_C_COMPILER ${clang})
set(CMAKE_C_COMPILER_TARGET x86_64-w64-mingw32)
