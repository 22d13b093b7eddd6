/* SPDX-License-Identifier: MIT
 *
 * Changes what the seam tells the POSIX port: see the header.
 *
 * Happy path: a call that no test named goes on to the kernel.
 * Fails:      as a test says.
 * Invariants: at most ANSWERS_MAX answers wait; tests that use this have one thread.
 */
#include "port_calls_posix.h"

#include "leat/leat.h"

#include <stdlib.h>
#include <string.h>

#define ANSWERS_MAX 4

struct answer {
    const char *function; /* null: there is none */
    int before, times;
    int64_t result;
};

static struct answer answers[ANSWERS_MAX];
static struct answer file_answer;
static enum lti_file_change file_change;
static uint32_t answer_flags;
static const char *places[3];

void lti_answer(const char *function, int nth, int times, int64_t result)
{
    for (int i = 0; i < ANSWERS_MAX; i++) {
        if (answers[i].times > 0)
            continue;
        answers[i] = (struct answer){function, nth - 1, times, result};
        return;
    }
    abort();
}

void lti_answer_flags(uint32_t flags)
{
    answer_flags = flags;
}

void lti_answer_file(const char *function, int nth, int times, enum lti_file_change change)
{
    file_answer = (struct answer){function, nth - 1, times, 0};
    file_change = change;
}

void lti_answer_place(enum lti_os_place place, const char *folder)
{
    places[place] = folder;
}

void lti_answers_clear(void)
{
    memset(answers, 0, sizeof answers);
    memset(places, 0, sizeof places);
    file_answer.times = 0;
    answer_flags = 0;
}

int lti_answers_left(void)
{
    int left = file_answer.times > 0;
    for (int i = 0; i < ANSWERS_MAX; i++)
        left += answers[i].times > 0;
    return left;
}

static bool due(struct answer *answer)
{
    if (answer->times <= 0)
        return false;
    if (answer->before-- > 0)
        return false;
    answer->times--;
    return true;
}

static bool answered(const char *function, int64_t *result_out)
{
    for (int i = 0; i < ANSWERS_MAX; i++) {
        if (answers[i].times <= 0 || strcmp(answers[i].function, function) != 0)
            continue;
        *result_out = answers[i].result;
        return due(&answers[i]);
    }
    return false;
}

#define WRAP(name, parameters, arguments)                                                          \
    int64_t __real_lti_os_##name parameters;                                                       \
    int64_t __wrap_lti_os_##name parameters;                                                       \
    int64_t __wrap_lti_os_##name parameters                                                        \
    {                                                                                              \
        int64_t result = 0;                                                                        \
        return answered(#name, &result) ? result : __real_lti_os_##name arguments;                 \
    }

WRAP(send, (int fd, const struct leat_slice *slices, size_t count), (fd, slices, count))
WRAP(socket, (bool packets), (packets))
WRAP(accept, (int fd), (fd))
WRAP(connect, (int fd, const char *address, size_t size), (fd, address, size))
WRAP(connect_node, (int fd, int node), (fd, node))
WRAP(open_node, (const char *path), (path))
WRAP(node_mode, (int node, uint32_t mode), (node, mode))
WRAP(mkdir, (const char *path, uint32_t mode), (path, mode))
WRAP(event_set, (int fd), (fd))
WRAP(socket_facts, (int fd, struct lti_os_socket_facts *facts_out), (fd, facts_out))
WRAP(peer, (int fd, struct lti_os_peer *peer_out), (fd, peer_out))
WRAP(peer_process, (int fd), (fd))
WRAP(peer_label, (int fd, char *label_out, size_t size), (fd, label_out, size))
WRAP(peer_groups, (int fd, uint32_t *groups_out, size_t count), (fd, groups_out, count))
WRAP(lock, (int fd), (fd))
WRAP(poller_modify, (int poller, int fd, uint32_t interest, uint64_t cookie),
     (poller, fd, interest, cookie))

int64_t __real_lti_os_recv(int fd, void *buffer, size_t size, struct lti_os_came *came_out,
                           uint32_t *flags);
int64_t __wrap_lti_os_recv(int fd, void *buffer, size_t size, struct lti_os_came *came_out,
                           uint32_t *flags);
int64_t __wrap_lti_os_recv(int fd, void *buffer, size_t size, struct lti_os_came *came_out,
                           uint32_t *flags)
{
    int64_t result = 0;
    if (!answered("recv", &result))
        return __real_lti_os_recv(fd, buffer, size, came_out, flags);
    *flags = answer_flags;
    return result;
}

int64_t __real_lti_os_recv_packet(int fd, void *buffer, size_t size, struct lti_os_came *came_out,
                                  uint32_t *flags);
int64_t __wrap_lti_os_recv_packet(int fd, void *buffer, size_t size, struct lti_os_came *came_out,
                                  uint32_t *flags);
int64_t __wrap_lti_os_recv_packet(int fd, void *buffer, size_t size, struct lti_os_came *came_out,
                                  uint32_t *flags)
{
    int64_t result = 0;
    if (!answered("recv_packet", &result))
        return __real_lti_os_recv_packet(fd, buffer, size, came_out, flags);
    *flags = answer_flags;
    if (came_out)
        came_out->count = 0;
    return result;
}

static int64_t file_changed(const char *function, int64_t result, struct lti_os_file *file)
{
    bool meant = !file_answer.function || strcmp(file_answer.function, function) == 0;
    if (result < 0 || !meant || !due(&file_answer))
        return result;
    if (file_change == LTI_FILE_TYPE)
        file->type = LTI_OS_FILE_OTHER;
    else if (file_change == LTI_FILE_USER)
        file->uid += 54321;
    else if (file_change == LTI_FILE_MODE)
        file->mode |= 0022;
    else if (file_change == LTI_FILE_DEVICE)
        file->device++;
    else
        file->inode++;
    return result;
}

int64_t __real_lti_os_lstat(const char *path, struct lti_os_file *file_out);
int64_t __wrap_lti_os_lstat(const char *path, struct lti_os_file *file_out);
int64_t __wrap_lti_os_lstat(const char *path, struct lti_os_file *file_out)
{
    int64_t result = 0;
    if (answered("lstat", &result))
        return result;
    return file_changed("lstat", __real_lti_os_lstat(path, file_out), file_out);
}

int64_t __real_lti_os_fstat(int fd, struct lti_os_file *file_out);
int64_t __wrap_lti_os_fstat(int fd, struct lti_os_file *file_out);
int64_t __wrap_lti_os_fstat(int fd, struct lti_os_file *file_out)
{
    int64_t result = 0;
    if (answered("fstat", &result))
        return result;
    return file_changed("fstat", __real_lti_os_fstat(fd, file_out), file_out);
}

const char *__real_lti_os_place(enum lti_os_place place);
const char *__wrap_lti_os_place(enum lti_os_place place);
const char *__wrap_lti_os_place(enum lti_os_place place)
{
    return places[place] ? places[place] : __real_lti_os_place(place);
}

bool __real_lti_unasked_may_come(const void *unasked);
bool __wrap_lti_unasked_may_come(const void *unasked);
bool __wrap_lti_unasked_may_come(const void *unasked)
{
    int64_t result = 0;
    return answered("may_come", &result) ? result != 0 : __real_lti_unasked_may_come(unasked);
}

uint32_t __real_lti_os_fork_count(void);
uint32_t __wrap_lti_os_fork_count(void);
uint32_t __wrap_lti_os_fork_count(void)
{
    int64_t result = 0;
    return answered("fork_count", &result) ? (uint32_t)result : __real_lti_os_fork_count();
}
