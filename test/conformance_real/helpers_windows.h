/* SPDX-License-Identifier: MIT
 *
 * Helpers: other processes of this program, each of which runs one test that is only run so.
 */
#ifndef LTI_CONFORMANCE_REAL_HELPERS_WINDOWS_H
#define LTI_CONFORMANCE_REAL_HELPERS_WINDOWS_H

#include <stdbool.h>
#include <windows.h>

struct helper {
    HANDLE process, thread;
    DWORD pid;
};

/* It is told this name, and inherits what is to be inherited. */
struct helper helper_start(const char *test, const char *name, bool inherit);
/* Its exit code; it has a minute. */
int helper_end(struct helper *helper, bool kill);

/* In the helper: what it was told, and the wait to be killed, which ends with who started it. */
const char *helper_name(void);
void helper_stay(void);

#endif
