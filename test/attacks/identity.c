/* SPDX-License-Identifier: MIT
 *
 * Attacks on who the peer is said to be: L14 to L18, L45, L46, L51.
 *
 * Happy path: the system's word of the moment of connecting decides, and nothing else.
 * Fails:      who has no number here, or another one, is denied and gets no byte.
 * Invariants: a pid decides nothing; a handle of a process never means another process.
 */
#include "attack_kit.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

/* A server in this process, of root, at a path that everybody reaches. */
struct own {
    struct leat_hub *hub;
    leat_listener listener;
};

static struct own own_server(const struct leat_listen_options *options)
{
    struct own own;
    attack_world();
    attack_folder(attack_path("house"), ROOT, 0711);
    REQUIRE_ERROR(leat_hub_create(NULL, &own.hub), LEAT_OK);
    REQUIRE_ERROR(
        leat_listen(own.hub, attack_name(attack_path("house/server")), options, &own.listener),
        LEAT_OK);
    REQUIRE(chmod(attack_path("house/server"), 0666) == 0);
    return own;
}

static leat_conn own_accept(const struct own *own)
{
    leat_conn conn;
    REQUIRE_ERROR(leat_wait_accepted(own->hub, own->listener, ATTACK_SOON_MS, &conn), LEAT_OK);
    return conn;
}

static void own_end(struct own *own)
{
    CHECK_ERROR(leat_hub_destroy(own->hub), LEAT_OK);
    attack_remove(attack_path("house"));
    attack_world_end();
}

static struct leat_peer peer_of(const struct own *own, leat_conn conn)
{
    struct leat_peer peer = {.size = sizeof peer};
    REQUIRE_ERROR(leat_peer_get(own->hub, conn, &peer), LEAT_OK);
    return peer;
}

/* The process that a handle means: -1 when it is gone. */
static int64_t process_meant(intptr_t handle)
{
    char path[64], line[128];
    long long pid = -2;
    (void)snprintf(path, sizeof path, "/proc/self/fdinfo/%d", (int)handle);
    FILE *file = fopen(path, "re");
    REQUIRE(file != NULL);
    while (fgets(line, sizeof line, file))
        if (sscanf(line, "Pid: %lld", &pid) == 1)
            break;
    REQUIRE(fclose(file) == 0);
    return pid;
}

static intptr_t process_handle(const struct own *own, leat_conn conn)
{
    intptr_t handle = -1;
    enum leat_error error = leat_peer_process(own->hub, conn, &handle);
    if (error == LEAT_E_UNSUPPORTED)
        SKIP_NEEDS("Linux 6.5");
    REQUIRE_ERROR(error, LEAT_OK);
    return handle;
}

/* ---- L14, L15, L16: processes that change ---------------------------------------------------- */

static void drop_part(int fd, void *argument)
{
    int conn = attack_raw_connect(argument);
    if (conn < 0 || fcntl(conn, F_SETFD, 0) != 0)
        _exit(80);
    (void)attack_hear(fd);
    if (setgroups(0, NULL) != 0 || setgid(ALICE) != 0 || setuid(ALICE) != 0)
        _exit(81);
    attack_say(fd, 1);
    if (dup2(fd, 0) != 0)
        _exit(82);
    (void)execl("/bin/cat", "cat", (char *)NULL); /* until the channel ends */
    _exit(83);
}

static bool runs(pid_t pid, const char *name)
{
    char path[64], text[64] = "";
    (void)snprintf(path, sizeof path, "/proc/%d/comm", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    REQUIRE(fd >= 0 && read(fd, text, sizeof text - 1) > 0 && close(fd) == 0);
    return strncmp(text, name, strlen(name)) == 0;
}

TEST(attack_l14_root_that_drops_and_execs)
{
    attack_needs_root();
    struct own own = own_server(NULL);
    char path[256];
    (void)snprintf(path, sizeof path, "%s", attack_path("house/server"));
    struct attack_actor actor = attack_begin(ROOT, drop_part, path);
    leat_conn conn = own_accept(&own);
    intptr_t handle = process_handle(&own, conn);
    CHECK_INT(peer_of(&own, conn).uid, 0);
    attack_say(actor.fd, 1);
    CHECK_INT(attack_hear(actor.fd), 1);
    CHECK_WITHIN(ATTACK_SOON_MS, runs(actor.pid, "cat"));
    CHECK_INT(peer_of(&own, conn).uid, 0); /* as it was when it connected: documented */
    CHECK_INT(peer_of(&own, conn).pid, actor.pid);
    CHECK_INT(process_meant(handle), actor.pid);
    CHECK_INT(close((int)handle), 0);
    attack_end(&actor);
    attack_seen("L14", "uid 0, as when it connected; the handle means the same process");
    own_end(&own);
}

static void leave_part(int fd, void *argument)
{
    int conn = attack_raw_connect(argument);
    if (conn < 0)
        _exit(80);
    (void)attack_hear(fd);
    if (fork() > 0)
        _exit(0);
    char byte;
    struct pollfd wait = {fd, POLLIN, 0};
    (void)poll(&wait, 1, -1); /* until the test has seen the end of the other one */
    if (write(conn, "orphan", 6) != 6 || fcntl(conn, F_SETFL, 0) != 0)
        _exit(81);
    ssize_t ignored = read(conn, &byte, 1);
    (void)ignored;
    _exit(0);
}

TEST(attack_l15_connection_that_outlives_its_process)
{
    attack_needs_root();
    static const char *const listed[] = {"60101"};
    const struct leat_listen_options options = {
        .size = sizeof options, .who = LEAT_WHO_LIST, .users = listed, .users_count = 1};
    struct own own = own_server(&options);
    char path[256], bytes[8];
    size_t size = 0;
    intptr_t handle = -1;
    (void)snprintf(path, sizeof path, "%s", attack_path("house/server"));
    struct attack_actor actor = attack_begin(ALICE, leave_part, path);
    leat_conn conn = own_accept(&own);
    pid_t pid = actor.pid;
    intptr_t before = process_handle(&own, conn);
    CHECK_INT(process_meant(before), pid);
    attack_say(actor.fd, 1);
    attack_end(&actor);
    CHECK_ERROR(leat_read_full(own.hub, conn, bytes, 6, ATTACK_SOON_MS, &size), LEAT_OK);
    CHECK_INT(peer_of(&own, conn).uid, ALICE);
    CHECK_INT(peer_of(&own, conn).pid, pid);
    CHECK_INT(process_meant(before), -1);
    enum leat_error error = leat_peer_process(own.hub, conn, &handle);
    if (error == LEAT_OK) {
        CHECK_INT(process_meant(handle), -1);
        CHECK_INT(close((int)handle), 0);
    } else {
        CHECK_ERROR(error, LEAT_E_NOT_FOUND);
    }
    CHECK_INT(close((int)before), 0);
    attack_seen("L15", "served by its user; the handle means nobody (asked again: %s)",
                leat_error_name(error));
    own_end(&own);
}

/* A new process with a number of our choice; -errno. */
static pid_t process_numbered(pid_t pid)
{
    struct clone_args arguments = {
        .exit_signal = SIGCHLD, .set_tid = (uintptr_t)&pid, .set_tid_size = 1};
    long made = syscall(SYS_clone3, &arguments, sizeof arguments);
    if (made == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;)
            (void)pause();
    }
    return made < 0 ? -errno : (pid_t)made;
}

static void connect_part(int fd, void *argument)
{
    int conn = attack_raw_connect(argument);
    if (conn < 0)
        _exit(80);
    attack_say(fd, 1);
    (void)attack_hear(fd);
}

TEST(attack_l16_number_of_the_process_is_used_again)
{
    attack_needs_root();
    struct own own = own_server(NULL);
    char path[256];
    intptr_t handle = -1;
    pid_t again = -EEXIST;
    (void)snprintf(path, sizeof path, "%s", attack_path("house/server"));
    for (int i = 0; i < 20 && again == -EEXIST; i++) {
        struct attack_actor actor = attack_begin(ROOT, connect_part, path);
        CHECK_INT(attack_hear(actor.fd), 1);
        leat_conn conn = own_accept(&own);
        intptr_t before = process_handle(&own, conn);
        pid_t pid = actor.pid;
        attack_end(&actor);
        again = process_numbered(pid);
        if (again == -EPERM || again == -ENOSYS)
            SKIP_NEEDS("the right to choose the number of a process");
        CHECK_INT(process_meant(before), -1);
        CHECK_INT(close((int)before), 0);
        if (again > 0) {
            REQUIRE_INT(again, pid);
            enum leat_error error = leat_peer_process(own.hub, conn, &handle);
            if (error == LEAT_OK) {
                CHECK_INT(process_meant(handle), -1);
                CHECK_INT(close((int)handle), 0);
            } else {
                CHECK(error == LEAT_E_NOT_FOUND || error == LEAT_E_STATE);
            }
            CHECK(kill(again, SIGKILL) == 0 && waitpid(again, NULL, 0) == again);
            attack_seen("L16", "the handle means nobody; asked again: %s", leat_error_name(error));
        }
    }
    CHECK(again > 0);
    own_end(&own);
}

/* ---- L17, L18: user namespaces --------------------------------------------------------------- */

TEST(attack_l17_users_that_have_no_number)
{
    attack_needs_root();
    attack_world();
    attack_folder(attack_path("house"), ALICE, 0711);
    static const char *const listed[] = {"65534"};
    const struct leat_listen_options list = {
        .size = sizeof list, .who = LEAT_WHO_LIST, .users = listed, .users_count = 1};
    const struct leat_listen_options ask = {.size = sizeof ask, .who = LEAT_WHO_ASK};
    const struct leat_listen_options *const options[3] = {NULL, &list, &ask};
    char path[256];
    (void)snprintf(path, sizeof path, "%s", attack_path("house/server"));
    for (size_t i = 0; i < 3; i++) {
        const struct attack_server server = {
            .name = attack_name(path), .options = options[i], .greeting = "hello"};
        attack_own_namespace(ALICE);
        struct attack_actor actor = attack_serve(ALICE, &server, LEAT_OK);
        attack_own_namespace(ATTACK_NO_NAMESPACE);
        REQUIRE(chmod(path, 0666) == 0);
        CHECK_INT(attack_as(BOB, attack_listen_in, path), 0);
        CHECK_INT(attack_as(NOBODY, attack_listen_in, path), 0);
        CHECK_INT(attack_as(ROOT, attack_listen_in, path), 0); /* not even root has one there */
        CHECK_INT(attack_server_facts(&actor).denied, 3);
        CHECK_INT(attack_server_facts(&actor).accepted, 0);
        attack_server_end(&actor);
    }
    attack_seen("L17", "0 bytes to 3 users (same user, a list with 65534, ask)");
    attack_remove(attack_path("house"));
    attack_world_end();
}

TEST(attack_l18_root_of_a_namespace)
{
    attack_needs_root();
    attack_world();
    attack_folder(attack_path("house"), ROOT, 0711);
    char path[256];
    (void)snprintf(path, sizeof path, "%s", attack_path("house/server"));
    const struct leat_listen_options admin = {.size = sizeof admin, .who = LEAT_WHO_ADMIN};
    const struct attack_server server = {
        .name = attack_name(path), .options = &admin, .greeting = "hello"};
    const struct attack_client client = {.name = attack_name(path)};
    struct attack_actor actor = attack_serve(ROOT, &server, LEAT_OK);
    REQUIRE(chmod(path, 0666) == 0);
    attack_own_namespace(0);
    CHECK_INT(attack_as(ALICE, attack_listen_in, path), 0);
    /* To it, the server's user has no number. */
    CHECK_ERROR(attack_dial(ALICE, &client), LEAT_E_UNTRUSTED);
    attack_own_namespace(ATTACK_NO_NAMESPACE);
    CHECK(attack_server_facts(&actor).denied >= 1);
    CHECK_INT(attack_server_facts(&actor).accepted, 0);
    CHECK_INT(attack_server_facts(&actor).bytes, 0);
    attack_seen("L18", "seen as %u: denied, 0 bytes either way", ALICE);
    attack_server_end(&actor);
    attack_remove(attack_path("house"));
    attack_world_end();
}

/* ---- L45, L46: what strangers learn ---------------------------------------------------------- */

/* How many lines of /proc/net/unix are of this folder and not of this path. */
static int64_t paths_shown(void *argument)
{
    const char *const *words = argument; /* folder, path */
    char line[1024];
    int64_t wrong = 0;
    FILE *file = fopen("/proc/net/unix", "re");
    if (!file)
        return -1;
    while (fgets(line, sizeof line, file)) {
        const char *at = strstr(line, words[0]);
        line[strcspn(line, "\n")] = '\0';
        wrong += at && strcmp(at, words[1]) != 0;
    }
    return fclose(file) == 0 ? wrong : -1;
}

TEST(attack_l45_what_the_system_shows)
{
    attack_needs_root();
    attack_world();
    char path[256];
    const char *words[2] = {lti_test_folder(), path};
    struct sockaddr_un address = {.sun_family = AF_UNSPEC};
    socklen_t length = sizeof address;
    (void)snprintf(path, sizeof path, "%s", attack_path("run-0/leat/server"));
    const struct attack_server server = {.name = "server", .greeting = "secret"};
    const struct attack_client client = {.name = "server", .greeting = "secret"};
    struct attack_actor actor = attack_serve(ROOT, &server, LEAT_OK);
    CHECK_ERROR(attack_dial(ROOT, &client), LEAT_OK);
    int fd = attack_raw_connect(path);
    REQUIRE(fd >= 0);
    CHECK_INT(attack_as(NOBODY, paths_shown, words), 0);
    CHECK_INT(getpeername(fd, (struct sockaddr *)&address, &length), 0);
    CHECK_STR(address.sun_path, path);
    CHECK_INT(close(fd), 0);
    attack_seen("L45", "the path of the name, and no other");
    attack_server_end(&actor);
    attack_world_end();
}

static uint32_t log_lines;

static void log_count(void *context, const char *text)
{
    (void)context;
    (void)text;
    log_lines++;
}

struct knocking {
    const char *path;
    uint32_t count;
};

static int64_t knock(void *argument)
{
    const struct knocking *knocking = argument;
    int64_t bytes = 0;
    for (uint32_t i = 0; i < knocking->count; i++) {
        int fd = attack_raw_connect(knocking->path);
        int64_t got = fd >= 0 ? attack_raw_drain(fd, ATTACK_SOON_MS / 2) : fd;
        if (got < 0)
            return got;
        bytes += got;
        (void)close(fd);
    }
    return bytes;
}

static void knock_part(int fd, void *argument)
{
    attack_say(fd, knock(argument));
}

TEST(attack_l46_denied_clients_hear_nothing)
{
    attack_needs_root();
    struct leat_conn_options conn = {.size = sizeof conn};
    const struct leat_hub_options options = {.size = sizeof options, .log = log_count};
    const enum leat_protocol protocols[] = {LEAT_BYTES, LEAT_MESSAGES};
    attack_world();
    attack_folder(attack_path("house"), ROOT, 0711);
    char path[256];
    (void)snprintf(path, sizeof path, "%s", attack_path("house/server"));
    for (size_t i = 0; i < 2; i++) {
        struct own own;
        struct leat_event event;
        conn.protocol = protocols[i];
        const struct leat_listen_options listen = {.size = sizeof listen, .conn = &conn};
        struct knocking knocking = {.path = path, .count = 100};
        struct leat_listener_info info = {.size = sizeof info};
        log_lines = 0;
        REQUIRE_ERROR(leat_hub_create(&options, &own.hub), LEAT_OK);
        REQUIRE_ERROR(leat_listen(own.hub, attack_name(path), &listen, &own.listener), LEAT_OK);
        REQUIRE(chmod(path, 0666) == 0);
        uint64_t begin = lti_test_now_ms();
        struct attack_actor actor = attack_begin(NOBODY, knock_part, &knocking);
        for (int turn = 0; turn < 10000 && info.denied < knocking.count; turn++) {
            enum leat_error error = leat_next(own.hub, &event, 10);
            CHECK_ERROR(error, LEAT_E_TIMEOUT);
            REQUIRE_ERROR(leat_listener_info_get(own.hub, own.listener, &info), LEAT_OK);
        }
        CHECK_INT(attack_hear(actor.fd), 0);
        attack_end(&actor);
        CHECK_INT(info.denied, knocking.count);
        CHECK(log_lines >= 1);
        CHECK(log_lines <= 10 * ((lti_test_now_ms() - begin) / 1000 + 1));
        attack_seen("L46", "%s: 0 bytes to 100 denied clients, %u lines in the log",
                    protocols[i] == LEAT_BYTES ? "bytes" : "messages", log_lines);
        CHECK_ERROR(leat_hub_destroy(own.hub), LEAT_OK);
    }
    attack_remove(attack_path("house"));
    attack_world_end();
}

/* ---- L51: one user takes all places ---------------------------------------------------------- */

/* By default. */
#define PER_USER_MAX 16
#define OWN_USER_MAX 64

static void crowd_part(int fd, void *argument)
{
    const struct knocking *knocking = argument;
    int64_t connected = 0;
    for (uint32_t i = 0; i < knocking->count; i++) {
        int conn = attack_raw_connect(knocking->path); /* open until this process ends */
        connected += conn >= 0;
        if (conn == -EAGAIN)
            lti_test_pause(); /* the backlog is full: the server takes from it, or does not */
    }
    attack_say(fd, connected);
    (void)attack_hear(fd);
}

/* How many places the crowd gets; somebody else is served all the same. */
static uint32_t crowd_takes(uint32_t server_user, uint32_t crowd_user)
{
    char path[256];
    attack_folder(attack_path("house"), server_user, 0711);
    (void)snprintf(path, sizeof path, "%s", attack_path("house/server"));
    const struct leat_listen_options anyone = {.size = sizeof anyone,
                                               .who = LEAT_WHO_INSECURE_ANYONE};
    const struct attack_server server = {
        .name = attack_name(path), .options = &anyone, .greeting = "hello"};
    const struct attack_client client = {.name = attack_name(path),
                                         .greeting = "hello",
                                         .who = LEAT_WHO_INSECURE_ANYONE,
                                         .timeout_ms = 2000};
    struct knocking crowd = {.path = path, .count = 500};
    struct attack_actor actor = attack_serve(server_user, &server, LEAT_OK);
    REQUIRE(chmod(path, 0666) == 0);
    struct attack_actor attacker = attack_begin(crowd_user, crowd_part, &crowd);
    CHECK(attack_hear(attacker.fd) > 0);
    struct attack_facts facts = attack_server_facts(&actor);
    CHECK_ERROR(attack_dial(BOB, &client), LEAT_OK);
    attack_end(&attacker);
    attack_server_end(&actor);
    attack_remove(attack_path("house"));
    return (uint32_t)facts.conns;
}

TEST(attack_l51_one_user_takes_all_places)
{
    attack_needs_root();
    attack_world();
    uint32_t other = crowd_takes(ROOT, ALICE), own = crowd_takes(ALICE, ALICE);
    CHECK(other > 0 && other <= PER_USER_MAX);
    CHECK(own > PER_USER_MAX && own <= OWN_USER_MAX);
    attack_seen("L51",
                "of 500 tries one user has %u places, the server's own user %u; "
                "another one is served",
                other, own);
    attack_world_end();
}
