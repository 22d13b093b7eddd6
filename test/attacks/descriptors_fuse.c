/* SPDX-License-Identifier: MIT
 *
 * L25: a file of a file system whose server does not answer, sent to who did not ask for it.
 *
 * Happy path: root mounts such a file system where only the attacker sees it, opens a file, and
 *             sends it over the way that an older kernel leaves open. The thread that closes it
 *             stands until the file system is gone, and nobody else.
 * Fails:      where there is no FUSE, the test is skipped.
 * Invariants: the file system ends with its server; nothing of it is seen outside.
 */
#include "attack_kit.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define FILE_NODE 2u
#define REQUEST_BYTES 65536u
#define STALL_MS 1000u

/* ---- A file system of one file, "x" ---------------------------------------------------------- */

static void answer(int device, const struct fuse_in_header *request, int error, const void *data,
                   size_t size)
{
    struct fuse_out_header header = {
        .len = (uint32_t)(sizeof header + size), .error = error, .unique = request->unique};
    union {
        const void *read_only;
        void *plain;
    } body = {.read_only = data};
    struct iovec pieces[2] = {{&header, sizeof header}, {body.plain, size}};
    ssize_t ignored = writev(device, pieces, 2);
    (void)ignored;
}

static struct fuse_attr attributes(uint64_t node)
{
    return (struct fuse_attr){
        .ino = node, .nlink = 1, .mode = node == FILE_NODE ? S_IFREG | 0644 : S_IFDIR | 0755};
}

/* The attacker may close its file; for everybody else a flush never ends. */
static void request_serve(int device, const struct fuse_in_header *request, uint32_t attacker)
{
    const struct fuse_init_out init = {.major = 7, .minor = 31, .max_write = 4096};
    const struct fuse_attr_out status = {.attr_valid = 3600, .attr = attributes(request->nodeid)};
    const struct fuse_entry_out entry = {.nodeid = FILE_NODE,
                                         .entry_valid = 3600,
                                         .attr_valid = 3600,
                                         .attr = attributes(FILE_NODE)};
    const struct fuse_open_out opened = {.fh = 1};
    switch (request->opcode) {
    case FUSE_INIT:
        answer(device, request, 0, &init, sizeof init);
        break;
    case FUSE_GETATTR:
        answer(device, request, 0, &status, sizeof status);
        break;
    case FUSE_LOOKUP:
        answer(device, request, 0, &entry, sizeof entry);
        break;
    case FUSE_OPEN:
        answer(device, request, 0, &opened, sizeof opened);
        break;
    case FUSE_FLUSH:
        if (request->pid == attacker)
            answer(device, request, 0, NULL, 0);
        break;
    case FUSE_RELEASE:
    case FUSE_FORGET:
    case FUSE_BATCH_FORGET:
    case FUSE_INTERRUPT:
        break;
    default:
        answer(device, request, -ENOSYS, NULL, 0);
        break;
    }
}

static void file_system_run(int device, uint32_t attacker)
{
    static union {
        struct fuse_in_header header;
        char bytes[REQUEST_BYTES];
    } request;
    for (;;) {
        ssize_t size = read(device, request.bytes, sizeof request.bytes);
        if (size < (ssize_t)sizeof request.header)
            _exit(0);
        request_serve(device, &request.header, attacker);
    }
}

/* The process that serves it; 0 when there is no such thing here. */
static pid_t file_system_begin(const char *folder)
{
    char options[128];
    int device = open("/dev/fuse", O_RDWR | O_CLOEXEC);
    (void)snprintf(options, sizeof options, "fd=%d,rootmode=40000,user_id=0,group_id=0", device);
    if (device < 0 || unshare(CLONE_NEWNS) != 0 ||
        mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("attack", folder, "fuse", MS_NOSUID | MS_NODEV, options) != 0)
        return 0;
    uint32_t attacker = (uint32_t)getpid();
    pid_t pid = fork();
    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        file_system_run(device, attacker);
    }
    (void)close(device);
    return pid > 0 ? pid : 0;
}

/* ---- The attack ------------------------------------------------------------------------------ */

static void attacker_part(int fd, void *argument)
{
    const char *const *words = argument; /* folder, file, server */
    pid_t file_system = file_system_begin(words[0]);
    attack_say(fd, file_system > 0);
    if (file_system == 0)
        return;
    int conn = attack_raw_connect(words[2]);
    for (;;) {
        if (attack_hear(fd) == 0)
            break;
        int file = open(words[1], O_RDONLY | O_CLOEXEC);
        int64_t result = file < 0 ? -errno : attack_raw_send_fds(conn, &file, 1);
        (void)close(file); /* now the victim's is the last one */
        attack_say(fd, result);
    }
    (void)kill(file_system, SIGKILL);
    (void)waitpid(file_system, NULL, 0);
    attack_say(fd, 0);
}

/* False when the kernel refused it for us. */
static bool attacker_sends(const struct attack_actor *actor)
{
    attack_say(actor->fd, 1);
    int64_t result = attack_hear(actor->fd);
    REQUIRE(result == 0 || result == -EPERM);
    return result == 0;
}

TEST(attack_l25_file_whose_flush_never_ends)
{
    attack_needs_root();
    attack_world();
    attack_folder(attack_path("mount"), ROOT, 0700);
    char paths[3][200], byte;
    struct leat_hub *hub = NULL;
    leat_listener listener;
    leat_conn conn;
    size_t size = 0;
    (void)snprintf(paths[0], sizeof paths[0], "%s", attack_path("mount"));
    (void)snprintf(paths[1], sizeof paths[1], "%s", attack_path("mount/x"));
    (void)snprintf(paths[2], sizeof paths[2], "%s", attack_path("server"));
    const char *words[3] = {paths[0], paths[1], paths[2]};
    int fd = attack_raw_listen(paths[2], 1);
    REQUIRE(fd >= 0);
    struct attack_actor actor = attack_begin(ROOT, attacker_part, words);
    if (attack_hear(actor.fd) == 0)
        SKIP_NEEDS("FUSE");
    REQUIRE_ERROR(leat_hub_create(NULL, &hub), LEAT_OK);
    /* What an adopted listener accepts lets descriptors through. */
    REQUIRE_ERROR(leat_adopt_listener(hub, fd, NULL, &listener), LEAT_OK);
    REQUIRE_ERROR(leat_wait_accepted(hub, listener, ATTACK_SOON_MS, &conn), LEAT_OK);
    uint32_t open_before = attack_descriptors();
    bool sent = attacker_sends(&actor);
    uint64_t begin_ms = lti_test_now_ms();
    CHECK_ERROR(leat_read_full(hub, conn, &byte, sent, ATTACK_SOON_MS, &size), LEAT_OK);
    uint64_t read_ms = lti_test_now_ms() - begin_ms;
    sent = attacker_sends(&actor) && sent;
    begin_ms = lti_test_now_ms();
    CHECK_ERROR(leat_abort(hub, conn), LEAT_OK);
    uint64_t close_ms = lti_test_now_ms() - begin_ms;
    struct leat_hub_info info = {.size = sizeof info};
    REQUIRE_ERROR(leat_hub_info_get(hub, &info), LEAT_OK);
    CHECK_INT(info.threads, sent);
    begin_ms = lti_test_now_ms();
    CHECK_ERROR(leat_hub_destroy(hub), LEAT_OK);
    uint64_t end_ms = lti_test_now_ms() - begin_ms;
    CHECK(read_ms < STALL_MS && close_ms < STALL_MS && end_ms < STALL_MS);
    attack_seen("L25", "%s: %llu ms to read it, %llu ms to close over it, %llu ms to end the hub",
                sent ? "a thread stands" : "EPERM", (unsigned long long)read_ms,
                (unsigned long long)close_ms, (unsigned long long)end_ms);
    attack_say(actor.fd, 0);
    CHECK_INT(attack_hear(actor.fd), 0);
    attack_end(&actor);
    /* The hub, its listener and the connection are gone, and now what the thread stood for, too. */
    CHECK_WITHIN(ATTACK_SOON_MS,
                 attack_descriptors() < open_before && lti_test_allocations_live() == 0);
    attack_remove(paths[2]);
    attack_remove(paths[0]);
    attack_world_end();
}
