/* SPDX-License-Identifier: MIT
 *
 * Writes what a process has counted when it ends by _exit, as a test's children do.
 *
 * Happy path: the linker leads each _exit here; the counts are merged into the file that
 *             LLVM_PROFILE_FILE names, then the process ends.
 * Fails:      without a word when the folder of that file is not there, as in a root directory of a
 *             test's own, where clang's runtime would make it: then these counts are missing.
 * Invariants: nothing is written twice, because _exit runs no handler of exit.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int __llvm_profile_write_file(void);
__attribute__((noreturn)) void __real__exit(int code);
__attribute__((noreturn)) void __wrap__exit(int code);

static int coverage_folder_is_there(void)
{
    char folder[1000];
    const char *file = getenv("LLVM_PROFILE_FILE");
    const char *slash = file ? strrchr(file, '/') : NULL;
    if (!slash || (size_t)(slash - file) >= sizeof folder)
        return 0;
    memcpy(folder, file, (size_t)(slash - file));
    folder[slash - file] = '\0';
    return access(folder, W_OK | X_OK) == 0;
}

void __wrap__exit(int code)
{
    if (coverage_folder_is_there())
        (void)__llvm_profile_write_file();
    __real__exit(code);
}
