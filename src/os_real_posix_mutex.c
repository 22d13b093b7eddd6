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

struct mutex {
    struct lti_os_mutex base;
    pthread_mutex_t native;
};
static const char mutex_never; /* nobody says how many threads there are */

int64_t lti_os_mutex_create(struct lti_os_mutex **mutex_out)
{
    struct mutex *mutex = lti_os_alloc(sizeof *mutex);
    if (!mutex)
        return lti_real_errno(ENOMEM);
    int number = pthread_mutex_init(&mutex->native, NULL);
    if (number != 0) {
        lti_os_free(mutex);
        return lti_real_errno(number);
    }
    mutex->base.alone = &mutex_never;
    *mutex_out = &mutex->base;
    return 0;
}

void lti_os_mutex_destroy(struct lti_os_mutex *mutex)
{
    /* In a forked child it may be locked for ever; there is nothing to do about the result. */
    (void)pthread_mutex_destroy(&((struct mutex *)mutex)->native);
    lti_os_free(mutex);
}

void lti_os_mutex_lock(struct lti_os_mutex *mutex)
{
    int number = pthread_mutex_lock(&((struct mutex *)mutex)->native);
    LTI_ASSERT(number == 0);
    (void)number;
}

void lti_os_mutex_unlock(struct lti_os_mutex *mutex)
{
    int number = pthread_mutex_unlock(&((struct mutex *)mutex)->native);
    LTI_ASSERT(number == 0);
    (void)number;
}

#endif
