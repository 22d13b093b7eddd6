/* SPDX-License-Identifier: MIT
 *
 * What a system call said: a value >= 0, or a negative word that packs a kind (ours) and the
 * system's own number.
 */
#ifndef LTI_OS_CODE_H
#define LTI_OS_CODE_H

#include <stdint.h>

enum lti_os_kind {
    LTI_OS_NONE = 0,
    LTI_OS_AGAIN,       /* would block; connect: backlog full */
    LTI_OS_INTERRUPTED, /* EINTR */
    LTI_OS_IN_PROGRESS,
    LTI_OS_REFUSED,
    LTI_OS_NOT_FOUND,
    LTI_OS_NOT_DIR,     /* a parent is no folder, or a loop of links */
    LTI_OS_ACCESS,      /* EACCES, EPERM */
    LTI_OS_EXISTS,      /* EEXIST; EISDIR, ENXIO: something that is no file is there */
    LTI_OS_IN_USE,      /* EADDRINUSE; a lock that another holds */
    LTI_OS_TOO_LONG,    /* ENAMETOOLONG */
    LTI_OS_READ_ONLY,   /* EROFS */
    LTI_OS_NO_SPACE,    /* ENOSPC, EDQUOT */
    LTI_OS_DESCRIPTORS, /* EMFILE, ENFILE */
    LTI_OS_MEMORY,      /* ENOMEM, ENOBUFS */
    LTI_OS_RESET,       /* ECONNRESET */
    LTI_OS_PIPE,        /* EPIPE */
    LTI_OS_ABORTED,     /* ECONNABORTED */
    LTI_OS_TIMED_OUT,
    LTI_OS_NOT_SOCKET,  /* ENOTSOCK, EBADF */
    LTI_OS_INVALID,     /* EINVAL */
    LTI_OS_UNSUPPORTED, /* EOPNOTSUPP, EAFNOSUPPORT, EPROTONOSUPPORT, ENOSYS, ENOPROTOOPT */
    LTI_OS_WRONG_TYPE,  /* EPROTOTYPE: a socket of another type listens there */
    LTI_OS_NOT_CONNECTED,
    LTI_OS_IS_CONNECTED, /* EISCONN: an interrupted connect had worked */
    LTI_OS_IO,           /* EIO */
    LTI_OS_BUSY,         /* every instance of a pipe is taken */
    LTI_OS_CANCELLED,    /* an overlapped operation was given up */
    LTI_OS_TOO_BIG,      /* EMSGSIZE: larger than any packet can be */
    LTI_OS_OTHER
};

struct os_code {
    enum lti_os_kind kind;
    int32_t raw; /* errno or GetLastError */
};

static inline int64_t lti_os_fail(enum lti_os_kind kind, int32_t raw)
{
    return -(int64_t)(((uint64_t)kind << 32) | (uint32_t)raw);
}

static inline struct os_code lti_os_code_of(int64_t result)
{
    struct os_code code = {LTI_OS_NONE, 0};
    if (result < 0) {
        uint64_t word = (uint64_t)-result;
        code.kind = (enum lti_os_kind)(word >> 32);
        code.raw = (int32_t)(uint32_t)word;
    }
    return code;
}

static inline enum lti_os_kind lti_os_kind_of(int64_t result)
{
    return lti_os_code_of(result).kind;
}

#endif
