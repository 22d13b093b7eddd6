/* SPDX-License-Identifier: MIT
 *
 * L32: memory of leat's that an attacker could open for writing. There is none, and this looks for
 * it as an attacker does, while the victim has all kinds of endpoints at work. When leat shares
 * memory on request, this stays true for who did not ask for it.
 *
 * Happy path: no mapping of the victim is shared, and what can be opened again by its descriptors
 *             is no memory: lock files, which are empty and stay so.
 * Fails:      the search must find a region that the victim shares on purpose, write into it, and
 *             the victim must see that: else the test fails.
 * Invariants: only the victim's user can look at all.
 */
#include "attack_kit.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define OWN_FDS 4 /* the standard streams and the channel: not leat's */
#define CONNS 4
#define MARK 42
#define REGION_BYTES 4096

enum { SAY_LOOK = 1, SAY_SHARE, SAY_SHARED, SAY_END };

/* How many mappings of a process are shared with others; -errno. An io_uring is shared with the
 * kernel alone. */
static int64_t mappings_shared(int64_t pid)
{
    char path[64], line[512], modes[8];
    int64_t count = 0;
    (void)snprintf(path, sizeof path, "/proc/%lld/maps", (long long)pid);
    FILE *file = fopen(path, "re");
    if (!file)
        return -errno;
    while (fgets(line, sizeof line, file))
        count += sscanf(line, "%*s %7s", modes) == 1 && modes[3] == 's' &&
                 !strstr(line, "anon_inode:[io_uring]");
    (void)fclose(file);
    return count;
}

/* ---- The victim ------------------------------------------------------------------------------ */

struct target {
    struct leat_hub *hubs[2];
    uint64_t echoed;
    uint8_t *region; /* null until it is asked for */
};

static void target_need(bool held)
{
    if (!held)
        _exit(98);
}

static void target_listen(struct target *target, const char *const paths[2])
{
    const struct leat_conn_options messages = {.size = sizeof messages, .protocol = LEAT_MESSAGES};
    const struct leat_listen_options listen = {.size = sizeof listen, .conn = &messages};
    leat_listener listener;
    leat_conn a, b;
    for (int i = 0; i < 2; i++) {
        target_need(leat_hub_create(NULL, &target->hubs[i]) == LEAT_OK);
        target_need(leat_listen(target->hubs[i], attack_name(paths[i]), i ? &listen : NULL,
                                &listener) == LEAT_OK);
    }
    target_need(leat_pair(target->hubs[0], target->hubs[1], &messages, &a, &b) == LEAT_OK);
    target_need(leat_connect(target->hubs[0], attack_name(paths[1]),
                             &(struct leat_connect_options){
                                 .size = sizeof(struct leat_connect_options), .conn = &messages},
                             &a) == LEAT_OK);
}

/* Bytes are sent back, and so are messages; the first one of those goes out by the way. */
static void target_take(struct target *target, struct leat_hub *hub, const struct leat_event *event)
{
    static char bytes[65536];
    size_t size = 0, wrote = 0;
    if (event->type == LEAT_EVENT_CONNECTED || event->type == LEAT_EVENT_ACCEPTED) {
        enum leat_error error = leat_send(hub, event->conn, "round", 5);
        target_need(error == LEAT_OK || error == LEAT_E_PROTOCOL || error == LEAT_E_OPTIONS ||
                    error == LEAT_E_STATE);
    }
    if (event->type != LEAT_EVENT_READABLE)
        return;
    if (leat_receive(hub, event->conn, bytes, sizeof bytes, &size) == LEAT_OK) {
        enum leat_error error = leat_send(hub, event->conn, bytes, size);
        target_need(error == LEAT_OK || error == LEAT_E_FULL);
    } else if (leat_read(hub, event->conn, bytes, sizeof bytes, &size) == LEAT_OK) {
        enum leat_error error = leat_write(hub, event->conn, bytes, size, &wrote);
        target_need(error == LEAT_OK || error == LEAT_E_FULL || error == LEAT_E_BROKEN);
    }
    target->echoed += size;
}

/* A region as one that does share would have: open, and mapped. */
static void target_share(struct target *target)
{
    int fd = memfd_create("region", MFD_CLOEXEC);
    target_need(fd >= 0 && ftruncate(fd, REGION_BYTES) == 0);
    target->region = mmap(NULL, REGION_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    target_need(target->region != MAP_FAILED);
}

static bool target_answer(struct target *target, int fd)
{
    switch (attack_hear(fd)) {
    case SAY_LOOK:
        attack_say(fd, (int64_t)target->echoed);
        return true;
    case SAY_SHARE:
        target_share(target);
        attack_say(fd, 0);
        return true;
    case SAY_SHARED:
        attack_say(fd, target->region[0]);
        return true;
    default:
        attack_say(fd, leat_hub_destroy(target->hubs[0]));
        attack_say(fd, leat_hub_destroy(target->hubs[1]));
        return false;
    }
}

static void target_part(int fd, void *argument)
{
    struct target target = {.region = NULL};
    struct pollfd waits[3] = {{fd, POLLIN, 0}, {-1, POLLIN, 0}, {-1, POLLIN, 0}};
    attack_say(fd, mappings_shared(getpid()));
    target_listen(&target, argument);
    for (int i = 0; i < 2; i++) {
        intptr_t waitable = -1;
        target_need(leat_hub_waitable(target.hubs[i], &waitable) == LEAT_OK);
        waits[1 + i].fd = (int)waitable;
    }
    attack_say(fd, 0);
    do {
        struct leat_event event;
        uint32_t due_ms = 0;
        /* The pair and the connection to itself are never quiet, so it need not wait for long. */
        target_need(leat_hub_deadline(target.hubs[0], &due_ms) == LEAT_OK);
        (void)poll(waits, 3, due_ms < 10 ? (int)due_ms : 10);
        for (int i = 0; i < 2; i++)
            for (int turn = 0; turn < 64 && leat_next(target.hubs[i], &event, 0) == LEAT_OK; turn++)
                target_take(&target, target.hubs[i], &event);
    } while (!waits[0].revents || target_answer(&target, fd));
}

/* ---- The attacker ---------------------------------------------------------------------------- */

struct found {
    int64_t mappings; /* shared ones, or -errno */
    int64_t opened;   /* the victim's descriptors, for writing */
    int64_t written;  /* those of them that are memory: written to */
};

/* Opens what a descriptor of the victim stands for, and writes if it holds anything. */
static void descriptor_try(int64_t pid, const char *number, struct found *found)
{
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/%lld/fd/%.16s", (long long)pid, number);
    int fd = open(path, O_RDWR | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0)
        return;
    found->opened++;
    off_t size = lseek(fd, 0, SEEK_END);
    uint8_t *at = size < REGION_BYTES
                      ? MAP_FAILED
                      : mmap(NULL, REGION_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (at != MAP_FAILED) {
        memset(at, MARK, REGION_BYTES);
        (void)munmap(at, REGION_BYTES);
        found->written++;
    }
    (void)close(fd);
}

static struct found search(int64_t pid)
{
    char path[64];
    struct found found = {.mappings = mappings_shared(pid)};
    (void)snprintf(path, sizeof path, "/proc/%lld/fd", (long long)pid);
    DIR *folder = opendir(path);
    const struct dirent *entry;
    while (folder && (entry = readdir(folder)))
        if (entry->d_name[0] != '.' && strtol(entry->d_name, NULL, 10) >= OWN_FDS)
            descriptor_try(pid, entry->d_name, &found);
    if (folder)
        (void)closedir(folder);
    return found;
}

struct search {
    int64_t pid;
    const char *path; /* null: it only looks */
    uint32_t rounds;
};

/* Keeps connections busy while it looks; says what it found at most. */
static void searcher_part(int fd, void *argument)
{
    static char block[16384];
    const struct search *plan = argument;
    int conns[CONNS];
    for (int i = 0; i < CONNS; i++) {
        conns[i] = plan->path ? attack_raw_connect(plan->path) : -1;
        if (plan->path && conns[i] < 0)
            _exit(94);
    }
    for (;;) {
        struct found most = {0, 0, 0};
        (void)attack_hear(fd);
        for (uint32_t round = 0; round < plan->rounds; round++) {
            for (int i = 0; i < CONNS && plan->path; i++) {
                ssize_t ignored = send(conns[i], block, sizeof block, MSG_DONTWAIT | MSG_NOSIGNAL);
                ignored = recv(conns[i], block, sizeof block, MSG_DONTWAIT);
                (void)ignored;
            }
            struct found found = search(plan->pid);
            most.mappings = found.mappings < 0 || found.mappings > most.mappings ? found.mappings
                                                                                 : most.mappings;
            most.opened = found.opened > most.opened ? found.opened : most.opened;
            most.written = found.written > most.written ? found.written : most.written;
        }
        attack_say(fd, most.mappings);
        attack_say(fd, most.opened);
        attack_say(fd, most.written);
    }
}

static struct found searched(const struct attack_actor *searcher)
{
    struct found found;
    attack_say(searcher->fd, 0);
    found.mappings = attack_hear(searcher->fd);
    found.opened = attack_hear(searcher->fd);
    found.written = attack_hear(searcher->fd);
    return found;
}

static int64_t target_says(const struct attack_actor *target, int64_t word)
{
    attack_say(target->fd, word);
    return attack_hear(target->fd);
}

TEST(attack_l32_memory_to_write_to)
{
    attack_world();
    bool root = geteuid() == ROOT;
    uint32_t user = root ? ALICE : geteuid();
    char paths[2][256];
    const char *names[2] = {paths[0], paths[1]};
    for (int i = 0; i < 2; i++)
        (void)snprintf(paths[i], sizeof paths[i], "%s/%c", attack_runtime(user), i ? 'm' : 'b');
    struct attack_actor target = attack_begin(user, target_part, (void *)names);
    int64_t before = attack_hear(target.fd);
    CHECK_INT(attack_hear(target.fd), 0);
    struct search same = {target.pid, paths[0], 50};
    struct search other = {target.pid, NULL, 1};
    struct attack_actor searcher = attack_begin(user, searcher_part, &same);
    uint32_t searches = attack_deep() ? 40 : 2;
    for (uint32_t i = 0; i < searches; i++) {
        struct found found = searched(&searcher);
        CHECK_INT(found.mappings, before);
        CHECK_INT(found.opened, 2); /* the lock files */
        CHECK_INT(found.written, 0);
    }
    int64_t echoed = target_says(&target, SAY_LOOK);
    CHECK(echoed > 0);
    CHECK_INT(target_says(&target, SAY_SHARE), 0);
    if (root) {
        struct attack_actor stranger = attack_begin(BOB, searcher_part, &other);
        struct found none = searched(&stranger);
        CHECK_INT(none.mappings, -EACCES);
        CHECK_INT(none.opened, 0);
        attack_kill(&stranger);
    }
    CHECK_INT(target_says(&target, SAY_SHARED), 0);
    struct found control = searched(&searcher);
    CHECK_INT(control.mappings, before + 1);
    CHECK_INT(control.written, 1);
    CHECK_INT(target_says(&target, SAY_SHARED), MARK);
    attack_kill(&searcher);
    CHECK_ERROR(target_says(&target, SAY_END), LEAT_OK);
    CHECK_ERROR(attack_hear(target.fd), LEAT_OK);
    attack_end(&target);
    attack_seen("L32",
                "leat shares no memory: looked for %u times by the same user, under %llu KiB: no "
                "shared mapping, and no descriptor that is memory%s",
                searches * same.rounds, (unsigned long long)echoed / 1024,
                root ? "; another user may not even look" : "");
    attack_world_end();
}
