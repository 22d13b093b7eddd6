/* SPDX-License-Identifier: MIT
 *
 * L30, L31, L33: memory that a peer offers to share. leat shares none: there is no frame that says
 * so, a hello that requires it is refused, and a descriptor that comes along is one that nobody
 * asked for. When leat shares memory, what is refused here because of its kind or size will be
 * refused for that, and the rest will be mapped.
 *
 * Happy path: the frame is skipped as one of a kind not known, the descriptor is closed, and the
 *             next message arrives.
 * Fails:      UNSUPPORTED for who insists.
 * Invariants: nothing of it is ever mapped. Bytes are copied out of the socket once, so it makes no
 *             difference what becomes of the memory that they were sent from.
 */
#include "victim.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define REGION_BYTES 8192
#define FEATURE_MEMORY 2u /* the bit that docs/wire.md reserves for it */
#define FRAME_MESSAGE 1u
#define FRAME_OFFER 129u
#define HEADER_BYTES 8u

static const struct leat_conn_options messages = {.size = sizeof messages,
                                                  .protocol = LEAT_MESSAGES};

static void header_put(uint8_t *to, uint32_t size, uint8_t type)
{
    memset(to, 0, HEADER_BYTES);
    for (int i = 0; i < 4; i++)
        to[i] = (uint8_t)(size >> 8 * i);
    to[4] = type;
}

/* A connection of messages that lets descriptors through, and has heard the attacker's hello, whose
 * byte at `place` has the bit: 16 it offers memory, 24 it requires it. */
static struct victim offered_begin(size_t place)
{
    struct victim victim;
    uint8_t hello[ATTACK_HELLO_BYTES];
    int ends[2];
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0);
    REQUIRE_ERROR(leat_hub_create(NULL, &victim.hub), LEAT_OK);
    REQUIRE_ERROR(leat_adopt_conn(victim.hub, ends[0], 1, &messages, &victim.conn), LEAT_OK);
    victim_unprotect(ends[0]);
    victim.attacker = ends[1];
    memcpy(hello, attack_hello, sizeof hello);
    hello[place] |= FEATURE_MEMORY;
    CHECK_INT(write(ends[1], hello, sizeof hello), sizeof hello);
    return victim;
}

static void offered_connected(const struct victim *victim)
{
    struct leat_event event;
    REQUIRE_ERROR(leat_next(victim->hub, &event, ATTACK_SOON_MS), LEAT_OK);
    REQUIRE_INT(event.type, LEAT_EVENT_CONNECTED);
}

static void offered_end(struct victim *victim)
{
    CHECK_INT(close(victim->attacker), 0);
    CHECK_ERROR(leat_hub_destroy(victim->hub), LEAT_OK);
}

/* The next message, which must be this one. */
static void offered_says(const struct victim *victim, const void *data, size_t size)
{
    char bytes[4096];
    size_t got = 0;
    enum leat_error error =
        leat_receive_wait(victim->hub, victim->conn, bytes, sizeof bytes, ATTACK_SOON_MS, &got);
    CHECK_ERROR(error, LEAT_OK);
    CHECK(error != LEAT_OK || (got == size && memcmp(bytes, data, size) == 0));
}

/* A descriptor, a frame that says how large it is, and a message behind it. */
static void offer(int conn, int fd, uint64_t size)
{
    uint8_t bytes[2 * HEADER_BYTES + 16 + 2];
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec piece = {bytes, sizeof bytes};
    struct msghdr message = {.msg_iov = &piece,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof control.bytes};
    memset(bytes, 0, sizeof bytes);
    header_put(bytes, 16, FRAME_OFFER);
    memcpy(bytes + HEADER_BYTES, &size, sizeof size);
    header_put(bytes + HEADER_BYTES + 16, 2, FRAME_MESSAGE);
    memcpy(bytes + 2 * HEADER_BYTES + 16, "on", 2);
    memset(&control, 0, sizeof control);
    control.header.cmsg_level = SOL_SOCKET;
    control.header.cmsg_type = SCM_RIGHTS;
    control.header.cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(&control.header), &fd, sizeof fd);
    CHECK_INT(sendmsg(conn, &message, MSG_NOSIGNAL), sizeof bytes);
}

/* How many of this process's mappings are of something that is called so. */
static uint32_t mapped(const char *name)
{
    char line[512];
    uint32_t count = 0;
    FILE *file = fopen("/proc/self/maps", "re");
    REQUIRE(file != NULL);
    while (fgets(line, sizeof line, file))
        count += strstr(line, name) != NULL;
    REQUIRE(fclose(file) == 0);
    return count;
}

/* Offers it to that connection; afterwards it is neither open nor mapped here. */
static void offer_is_refused(const struct victim *victim, int fd, uint64_t size)
{
    uint32_t open_before = attack_descriptors();
    offer(victim->attacker, fd, size);
    offered_says(victim, "on", 2);
    victim_closed(victim, open_before);
    CHECK_INT(mapped("offered"), 0);
}

/* ---- L30, L33 -------------------------------------------------------------------------------- */

enum { KIND_PLAIN, KIND_SEALED, KIND_HUGE, KIND_SECRET, KIND_SHM, KIND_DISK };

struct kind {
    int kind, seals;
};

/* -1: there is no such thing here. */
static int region_of(struct kind kind)
{
    const char *path = attack_path("offered");
    char shm[64];
    int fd = -1;
    off_t size = REGION_BYTES;
    switch (kind.kind) {
    case KIND_PLAIN:
        fd = memfd_create("offered", MFD_CLOEXEC);
        break;
    case KIND_SEALED:
        fd = memfd_create("offered", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        break;
    case KIND_HUGE:
        fd = memfd_create("offered", MFD_CLOEXEC | MFD_HUGETLB);
        size = (off_t)2 * 1024 * 1024;
        break;
    case KIND_SECRET:
#ifdef SYS_memfd_secret
        fd = (int)syscall(SYS_memfd_secret, O_CLOEXEC);
#endif
        break;
    case KIND_SHM:
        (void)snprintf(shm, sizeof shm, "/dev/shm/leat-offered-%d", (int)getpid());
        fd = open(shm, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        CHECK(fd < 0 || unlink(shm) == 0);
        break;
    default:
        fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        CHECK(fd >= 0 && unlink(path) == 0);
        break;
    }
    if (fd >= 0)
        CHECK(ftruncate(fd, size) == 0);
    if (fd >= 0 && kind.seals)
        CHECK(fcntl(fd, F_ADD_SEALS, kind.seals) == 0);
    return fd;
}

/* What finds nothing must be able to find something. */
static void look_is_sharp(void)
{
    int fd = memfd_create("offered", MFD_CLOEXEC);
    void *at = fd < 0 ? MAP_FAILED : mmap(NULL, REGION_BYTES, PROT_READ, MAP_SHARED, fd, 0);
    REQUIRE(at != MAP_FAILED);
    CHECK_INT(mapped("offered"), 1);
    CHECK(munmap(at, REGION_BYTES) == 0 && close(fd) == 0);
}

TEST(attack_l30_memory_of_each_kind)
{
    const struct kind kinds[] = {
        {KIND_PLAIN, 0},
        {KIND_SEALED, 0},
        {KIND_SEALED, F_SEAL_SEAL},
        {KIND_SEALED, F_SEAL_GROW | F_SEAL_SEAL},
        {KIND_SEALED, F_SEAL_GROW | F_SEAL_SHRINK},
        {KIND_SEALED, F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL},
        {KIND_HUGE, 0},
        {KIND_SECRET, 0},
        {KIND_SHM, 0},
        {KIND_DISK, 0},
    };
    uint32_t tried = 0, sealed = 0;
    attack_world();
    look_is_sharp();
    struct victim victim = offered_begin(16);
    offered_connected(&victim);
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        int fd = region_of(kinds[i]);
        if (fd < 0)
            continue;
        offer_is_refused(&victim, fd, REGION_BYTES);
        tried++;
        /* The system's word: nobody has it mapped for writing. */
        if (kinds[i].kind == KIND_SEALED && !(kinds[i].seals & F_SEAL_SEAL)) {
            CHECK_INT(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), 0);
            sealed++;
        }
        CHECK_INT(close(fd), 0);
    }
    CHECK(tried >= 8 && sealed == 2); /* a machine may lack a kind or two */
    offered_end(&victim);
    attack_seen("L30",
                "leat shares no memory: %u kinds, unsealed, half sealed, sealed, files: each "
                "is closed, none mapped, the connection lives",
                tried);
    attack_world_end();
}

TEST(attack_l30_memory_is_required)
{
    struct leat_event event;
    attack_world();
    struct victim victim = offered_begin(24);
    REQUIRE_ERROR(leat_next(victim.hub, &event, ATTACK_SOON_MS), LEAT_OK);
    CHECK_INT(event.type, LEAT_EVENT_CLOSED);
    CHECK_ERROR(event.error, LEAT_E_UNSUPPORTED);
    offered_end(&victim);
    attack_seen("L30", "a hello that requires shared memory: UNSUPPORTED");
    attack_world_end();
}

TEST(attack_l33_sizes_that_are_not_so)
{
    const uint64_t sizes[] = {0,
                              1,
                              REGION_BYTES - 1,
                              REGION_BYTES + 1,
                              REGION_BYTES + 4096,
                              UINT32_MAX,
                              (uint64_t)1 << 63,
                              UINT64_MAX - 4095,
                              UINT64_MAX};
    const struct kind kind = {KIND_SEALED, F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL};
    const uint32_t count = sizeof sizes / sizeof sizes[0];
    attack_world();
    look_is_sharp();
    struct victim victim = offered_begin(16);
    offered_connected(&victim);
    uint64_t resident = attack_resident_bytes();
    for (uint32_t i = 0; i < count; i++) {
        int fd = region_of(kind);
        REQUIRE(fd >= 0);
        offer_is_refused(&victim, fd, sizes[i]);
        CHECK_INT(close(fd), 0);
    }
    uint64_t after = attack_resident_bytes();
    CHECK(after < resident + (uint64_t)1024 * 1024);
    offered_end(&victim);
    attack_seen("L33",
                "leat shares no memory: %u sizes, 0 to 2^64-1: closed, not mapped, the "
                "connection lives",
                count);
    attack_world_end();
}

/* ---- L31 ------------------------------------------------------------------------------------- */

#define PAGE_BYTES 4096u

/* Waits for room, and sends the whole page. */
static void page_send(int conn, int memory)
{
    off_t at = 0;
    while (at < (off_t)PAGE_BYTES) {
        struct pollfd room = {conn, POLLOUT, 0};
        ssize_t sent = -1;
        if (poll(&room, 1, -1) == 1)
            sent = sendfile(conn, memory, &at, PAGE_BYTES - (size_t)at);
        if (sent < 0 && errno != EAGAIN && errno != EINTR)
            _exit(90);
    }
}

/* Offers a page, and then sends messages out of it: the socket's queue holds the page itself, of
 * which the attacker takes away what it can. */
static void shrinker_part(int fd, void *argument)
{
    const uint32_t *rounds = argument;
    uint8_t page[PAGE_BYTES];
    int conn = attack_hear_fd(fd);
    int memory = memfd_create("offered", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (memory < 0 || ftruncate(memory, PAGE_BYTES) != 0)
        _exit(91);
    offer(conn, memory, PAGE_BYTES);
    header_put(page, PAGE_BYTES - HEADER_BYTES, FRAME_MESSAGE);
    for (uint32_t i = 0; i < *rounds; i++) {
        memset(page + HEADER_BYTES, (int)(i % 251), PAGE_BYTES - HEADER_BYTES);
        if (pwrite(memory, page, PAGE_BYTES, 0) != PAGE_BYTES)
            _exit(92);
        page_send(conn, memory);
        int punch = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
        if ((i % 2 && fallocate(memory, punch, 0, PAGE_BYTES) != 0) || ftruncate(memory, 0) != 0 ||
            ftruncate(memory, PAGE_BYTES) != 0)
            _exit(93);
    }
    attack_say(fd, 0);
}

TEST_TIMEOUT(attack_l31_memory_taken_away, 240)
{
    uint32_t rounds = attack_deep() ? 100000 : 2000;
    uint8_t expected[PAGE_BYTES - HEADER_BYTES];
    attack_world();
    struct victim victim = offered_begin(16);
    offered_connected(&victim);
    uint32_t open_before = attack_descriptors();
    struct attack_actor shrinker = attack_begin(geteuid(), shrinker_part, &rounds);
    CHECK_INT(attack_raw_send_fds(shrinker.fd, &victim.attacker, 1), 0);
    offered_says(&victim, "on", 2);
    for (uint32_t i = 0; i < rounds; i++) {
        memset(expected, (int)(i % 251), sizeof expected);
        offered_says(&victim, expected, sizeof expected);
    }
    CHECK_INT(attack_hear(shrinker.fd), 0);
    attack_end(&shrinker);
    victim_closed(&victim, open_before);
    CHECK_INT(mapped("offered"), 0);
    offered_end(&victim);
    attack_seen("L31",
                "leat shares no memory: offered, made shorter and punched %u times while messages "
                "are sent out of it: each arrives as it was sent, no signal",
                rounds);
    attack_world_end();
}
