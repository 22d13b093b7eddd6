/* SPDX-License-Identifier: MIT
 *
 * A model of kqueue for Linux, as far as leat's poller uses it, by its manual: kqueue_model.c has
 * what it does and what it does not.
 */
#ifndef LTI_KQUEUE_MODEL_H
#define LTI_KQUEUE_MODEL_H

#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#define EVFILT_READ (-1)
#define EVFILT_WRITE (-2)

#define EV_ADD 0x0001
#define EV_DELETE 0x0002
#define EV_CLEAR 0x0020
#define EV_ERROR 0x4000
#define EV_EOF 0x8000
#define EV_OOBAND 0x2000

struct kevent {
    uintptr_t ident;
    int16_t filter;
    uint16_t flags;
    uint32_t fflags;
    intptr_t data;
    void *udata;
};

#define EV_SET(event, id, kind, actions, extra, value, pointer)                                    \
    (*(event) = (struct kevent){.ident = (id),                                                     \
                                .filter = (int16_t)(kind),                                         \
                                .flags = (uint16_t)(actions),                                      \
                                .fflags = (extra),                                                 \
                                .data = (value),                                                   \
                                .udata = (pointer)})

int kqueue(void);
int kevent(int queue, const struct kevent *changes, int changes_count, struct kevent *events,
           int events_count, const struct timespec *timeout);

#endif
