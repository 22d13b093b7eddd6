# SPDX-License-Identifier: MIT
#
# Cross-compiling for other Linux systems, for `./dev portability`: LEAT_CROSS names one of those
# below. Programs are linked statically, so that an emulator of one process can run them by itself.

set(CMAKE_TRY_COMPILE_PLATFORM_VARIABLES LEAT_CROSS)
set(CMAKE_SYSTEM_NAME Linux)
if(LEAT_CROSS STREQUAL "musl")
    set(CMAKE_SYSTEM_PROCESSOR x86_64)
    set(CMAKE_C_COMPILER musl-gcc)
elseif(LEAT_CROSS MATCHES "^(i686|s390x|aarch64)$")
    set(CMAKE_SYSTEM_PROCESSOR ${LEAT_CROSS})
    set(CMAKE_C_COMPILER ${LEAT_CROSS}-linux-gnu-gcc)
elseif(LEAT_CROSS STREQUAL "armhf")
    set(CMAKE_SYSTEM_PROCESSOR arm)
    set(CMAKE_C_COMPILER arm-linux-gnueabihf-gcc)
else()
    message(FATAL_ERROR "LEAT_CROSS is musl, i686, s390x, aarch64 or armhf, not ${LEAT_CROSS}")
endif()
set(CMAKE_EXE_LINKER_FLAGS_INIT -static)
