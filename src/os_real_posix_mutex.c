/* SPDX-License-Identifier: MIT
 *
 * The real lock of POSIX systems that have none of their own here.
 *
 * Happy path: the C library's.
 * Fails:      creating, without memory, or as the library says.
 * Invariants: locking and unlocking cannot fail but by a mistake of ours.
 */
#include "os_real_posix.h"

#ifndef __linux__

#include "lti_assert.h"

#include <errno.h>
#include <pthread.h>

struct lti_os_mutex {
    pthread_mutex_t native;
};

int64_t lti_os_mutex_create(struct lti_os_mutex **mutex_out)
{
    struct lti_os_mutex *mutex = lti_os_alloc(sizeof *mutex);
    if (!mutex)
        return lti_real_errno(ENOMEM);
    int number = pthread_mutex_init(&mutex->native, NULL);
    if (number != 0) {
        lti_os_free(mutex);
        return lti_real_errno(number);
    }
    *mutex_out = mutex;
    return 0;
}

void lti_os_mutex_destroy(struct lti_os_mutex *mutex)
{
    /* In a forked child it may be locked for ever; there is nothing to do about the result. */
    (void)pthread_mutex_destroy(&mutex->native);
    lti_os_free(mutex);
}

void lti_os_mutex_lock(struct lti_os_mutex *mutex)
{
    int number = pthread_mutex_lock(&mutex->native);
    LTI_ASSERT(number == 0);
    (void)number;
}

void lti_os_mutex_unlock(struct lti_os_mutex *mutex)
{
    int number = pthread_mutex_unlock(&mutex->native);
    LTI_ASSERT(number == 0);
    (void)number;
}

#endif
