/* SPDX-License-Identifier: MIT
 *
 * What the os_real_* files of POSIX systems share: the one table from errno to kind. Nobody else
 * includes it, save the fault object.
 */
#ifndef LTI_OS_REAL_POSIX_H
#define LTI_OS_REAL_POSIX_H

#include "os_posix.h"

int64_t lti_real_errno(int number); /* the word for an errno */
int64_t
lti_real_result(int64_t value); /* a call's result as it is, or the word for errno if it is -1 */

/* Where the system shows this process's descriptors as files: with a number behind it. */
#define LTI_REAL_PROC "/proc/self/fd/"
#define LTI_REAL_PROC_BYTES (sizeof LTI_REAL_PROC + 10)

bool lti_real_has_forked(void); /* since the first hub; nothing is told of exec without fork */

/* Tells the system, where it can be told, that no descriptor may be sent to this socket. */
bool lti_real_refuse_descriptors(int fd);
bool lti_real_refuses_descriptors(int fd); /* it was told so before */

/* Room for all that a system puts beside what is received: credentials, a label, descriptors, a
 * time; so what finds no place are descriptors that this process may not have. */
#define LTI_REAL_CONTROL_BYTES 6144
struct msghdr;
/* The descriptors that a recvmsg has brought. */
void lti_real_came(const struct msghdr *message, struct lti_os_came *came_out);

#endif
