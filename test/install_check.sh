#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Installs build/ into a temporary folder and uses it from there the ways that docs/building.md
# shows: the command, the CMake package with the shared and with the static library, pkg-config.

set -eu
cd "$(dirname "$0")/.."
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 130' HUP INT TERM
passed=0
failed=0
skipped=0

expect() { # expect NAME COMMAND...
    name=$1
    shift
    if "$@" >"$folder/log" 2>&1; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAIL $name"
        tail -n 20 "$folder/log"
    fi
}

mkdir "$folder/user"
cat >"$folder/user/user.c" <<'EOF'
#include <leat/leat.h>

#include <string.h>

int main(void)
{
    return strcmp(leat_version(), "0.1.0") == 0 ? 0 : 1;
}
EOF
cat >"$folder/user/CMakeLists.txt" <<'EOF'
cmake_minimum_required(VERSION 3.20)
project(user C)
find_package(leat 0.1 REQUIRED)
foreach(kind leat static)
    add_executable(user_${kind} user.c)
    target_link_libraries(user_${kind} PRIVATE leat::${kind})
endforeach()
add_executable(user_sim "${SIMULATED}")
target_link_libraries(user_sim PRIVATE leat::sim)
EOF

package() {
    cmake -S "$folder/user" -B "$folder/user/build" "-DCMAKE_PREFIX_PATH=$folder/prefix" \
        "-DSIMULATED=$PWD/examples/simulated_posix.c" &&
        cmake --build "$folder/user/build" && "$folder/user/build/user_leat" &&
        "$folder/user/build/user_static" && "$folder/user/build/user_sim" 20
}

flags_of_pkg_config() {
    found=$(dirname "$(find "$folder/prefix" -name leat.pc)")
    flags=$(PKG_CONFIG_PATH=$found pkg-config --cflags --libs leat) || return 1
    # shellcheck disable=SC2086 # several flags
    cc "$folder/user/user.c" -o "$folder/user/user" $flags &&
        LD_LIBRARY_PATH=$(dirname "$found") "$folder/user/user"
}

expect "the installation" cmake --install build --prefix "$folder/prefix"
expect "the installed command runs" "$folder/prefix/bin/leat" version
expect "the CMake package" package
if command -v pkg-config >/dev/null; then
    expect "the pkg-config file" flags_of_pkg_config
else
    skipped=$((skipped + 1))
fi
echo "$passed passed, $failed failed$([ $skipped -eq 0 ] || echo ", $skipped skipped")"
[ $failed -eq 0 ]
