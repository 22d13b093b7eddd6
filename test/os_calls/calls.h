/* SPDX-License-Identifier: MIT
 *
 * The C library, or Windows, below os_real_*: any call can be made to fail, or to answer what a
 * test says.
 * The linker leads the calls of every object here (--wrap), so that what runs is what ships.
 */
#ifndef LTI_OS_CALLS_H
#define LTI_OS_CALLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The nth call of that function from now on fails with the number; those before it are made. */
void lti_call_fails(const char *function, int nth, int number);
bool lti_call_waits(void); /* what was asked for has not happened yet */

#ifdef _WIN32

/* The nth call of that function is not made, and gives this instead of a failure. */
void lti_call_answers(const char *function, int nth, intptr_t answer);
/* A completion whose record says that it is pending, and which itself says this. */
void lti_call_completion(int32_t status);
/* The next list of labels is this one, an ACL. */
void lti_call_labels(void *list);

#else

#include <poll.h>
#include <sys/socket.h>

/* The next poll or recvmsg is this function, the next getsockopt of this option gives these bytes.
 * The function of a poll may poll itself, and do what another thread could do meanwhile. */
typedef int lti_poll_fake(struct pollfd *fds, nfds_t count, int timeout_ms);
void lti_call_poll(lti_poll_fake *fake);
typedef ssize_t lti_recvmsg_fake(struct msghdr *message);
void lti_call_recvmsg(lti_recvmsg_fake *fake);
void lti_call_option(int option, const void *bytes, socklen_t size);
/* So many submits to a ring take nothing and fail with the number. */
void lti_call_submits(int count, int number);
/* The next submit to a ring takes its jobs, and they are done when somebody waits for one. */
void lti_call_late(void);

#endif

/* The result of a call below the seam while something fails: its kind and its number. */
#define CHECK_FAILS(function, nth, errno_is, kind_is, expression)                                  \
    do {                                                                                           \
        lti_call_fails(function, nth, errno_is);                                                   \
        int64_t fails_ = (expression);                                                             \
        CHECK_INT(lti_os_kind_of(fails_), kind_is);                                                \
        CHECK_INT(lti_os_code_of(fails_).raw, errno_is);                                           \
        CHECK(!lti_call_waits());                                                                  \
    } while (0)

#endif
