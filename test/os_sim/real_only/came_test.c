/* SPDX-License-Identifier: MIT
 *
 * Descriptors that come along, read out of control data that is made by hand: what other kernels
 * than this one write there, too.
 *
 * Happy path: as many as are there are handed on.
 * Fails:      never by design; a fact that is not so is a failed check.
 * Invariants: whatever is not handed on is closed.
 */
#include "os_real_posix.h"

#include "harness.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SENT_MAX (LTI_OS_CAME_MAX + 3)

/* What stands behind a message that recvmsg has filled in. */
union letter {
    char bytes[CMSG_SPACE(SENT_MAX * sizeof(int))];
    struct cmsghdr aligned;
};

static struct msghdr letter_make(union letter *letter, int type, const int *fds, size_t count)
{
    memset(letter, 0, sizeof *letter);
    struct msghdr message = {.msg_control = letter->bytes};
    message.msg_controllen = (socklen_t)CMSG_LEN(count * sizeof fds[0]);
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = type;
    header->cmsg_len = (socklen_t)CMSG_LEN(count * sizeof fds[0]);
    memcpy(CMSG_DATA(header), fds, count * sizeof fds[0]);
    return message;
}

TEST(came_none_and_other_kinds)
{
    static union letter letter;
    struct lti_os_came came = {.count = 7};
    const struct msghdr nothing = {.msg_control = NULL};
    CHECK(lti_real_came(&nothing, &came));
    CHECK_INT(came.count, 0);
    CHECK(!lti_real_would_come(&nothing));
    const int number = 1234567;
    struct msghdr message = letter_make(&letter, SO_TIMESTAMP, &number, 1);
    CHECK(lti_real_came(&message, &came));
    CHECK_INT(came.count, 0);
    CHECK(!lti_real_would_come(&message));
}

TEST(came_is_what_was_delivered)
{
    static union letter letter;
    static const int numbers[] = {11, 12, 13, 14};
    struct lti_os_came came;
    /* A kernel may leave the length as the sender gave it, and say what was delivered beside. */
    for (size_t count = 0; count <= 4; count++) {
        struct msghdr message = letter_make(&letter, SCM_RIGHTS, numbers, 4);
        message.msg_controllen = (socklen_t)CMSG_LEN(count * sizeof numbers[0]);
        CHECK(lti_real_came(&message, &came));
        CHECK_INT(came.count, count);
        CHECK_MEM(came.fds, numbers, count * sizeof numbers[0]);
        CHECK(lti_real_would_come(&message));
    }
    /* What is shorter than its own head holds nothing. */
    struct msghdr message = letter_make(&letter, SCM_RIGHTS, numbers, 4);
    CMSG_FIRSTHDR(&message)->cmsg_len = CMSG_LEN(0) - 1;
    CHECK(lti_real_came(&message, &came));
    CHECK_INT(came.count, 0);
}

TEST(came_closes_what_finds_no_place)
{
    static union letter letter;
    static int fds[SENT_MAX];
    struct lti_os_came came;
    for (size_t extra = 0; extra <= 3; extra += 3) {
        size_t count = LTI_OS_CAME_MAX + extra;
        for (size_t i = 0; i < count; i++) {
            fds[i] = dup(0);
            REQUIRE(fds[i] >= 0);
        }
        const struct msghdr message = letter_make(&letter, SCM_RIGHTS, fds, count);
        CHECK_INT(lti_real_came(&message, &came), extra == 0);
        CHECK_INT(came.count, LTI_OS_CAME_MAX);
        for (uint32_t i = 0; i < came.count; i++)
            CHECK_INT(close(came.fds[i]), 0);
    }
}
