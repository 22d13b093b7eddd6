/* SPDX-License-Identifier: MIT
 *
 * What the conformance tests share, for the POSIX port: names, things at a path, raw peers.
 *
 * Happy path: plain names are pointed into the test's folder; a raw peer is a descriptor.
 * Fails:      a helper that cannot do its work ends the test.
 * Invariants: raw peers go through the system seam only, so that they live on either kernel.
 */
#include "kit_posix.h"
#include "kit_sim_posix.h"

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int64_t lti_test_descriptors_live(void) __attribute__((weak));

static int64_t descriptors_before;
static uint32_t folders_made;

/* Every row of the table has its test: else this does not link. */
#define ROW_CONFORMANCE(name) &kit_reason_##name,
#define ROW_CONFORMANCE_REAL(name)
#define KIT_POSIX_ONLY(suite, name, reason, instead) ROW_##suite(name)
static const char *const *const rows[] = {
#include "posix_only.def"
};
#undef KIT_POSIX_ONLY

/* ---- Beginning and end ----------------------------------------------------------------------- */

bool kit_simulated(void)
{
    return lti_sim_setenv != NULL;
}

void kit_system_begin(void)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        REQUIRE((*rows[i])[0] != '\0');
    (void)lti_os_now_ns(); /* a simulated world begins with its first call */
    if (lti_sim_setenv)
        lti_sim_setenv("XDG_RUNTIME_DIR", lti_test_folder());
    else
        REQUIRE(setenv("XDG_RUNTIME_DIR", lti_test_folder(), 1) == 0);
    if (lti_test_descriptors_live)
        descriptors_before = lti_test_descriptors_live();
    folders_made = 0;
}

void kit_system_end(void)
{
    char path[256];
    if (lti_test_descriptors_live)
        CHECK_INT(lti_test_descriptors_live(), descriptors_before);
    (void)snprintf(path, sizeof path, "%s/leat", lti_test_folder());
    if (kit_file_exists(path))
        kit_folder_remove(path);
    if (lti_sim_files)
        CHECK_INT(lti_sim_files(), folders_made);
}

/* The folder of plain names is the test's own already. */
const char *kit_plain(const char *name)
{
    return name;
}

const char *kit_path(const char *name)
{
    static char paths[16][256];
    static uint32_t next;
    char *path = paths[next++ % 16];
    int size = snprintf(path, sizeof paths[0], "unix:%s/%s", lti_test_folder(), name);
    REQUIRE(size > 0 && (size_t)size < sizeof paths[0]);
    return path;
}

uint32_t kit_user(void)
{
    return lti_os_euid();
}

const char *kit_user_text(void)
{
    static char text[16];
    (void)snprintf(text, sizeof text, "%u", (unsigned)kit_user());
    return text;
}

/* ---- Things at a path ------------------------------------------------------------------------ */

static const char *plain_path(const char *path)
{
    return strncmp(path, "unix:", 5) == 0 ? path + 5 : path;
}

void kit_file_make(const char *path)
{
    int64_t fd = lti_os_open_lock(plain_path(path));
    REQUIRE(fd >= 0);
    CHECK_INT(lti_os_close((int)fd), 0);
}

void kit_file_remove(const char *path)
{
    CHECK_INT(lti_os_unlink(plain_path(path)), 0);
}

void kit_folder_make(const char *path)
{
    REQUIRE_INT(lti_os_mkdir(plain_path(path), 0700), 0);
}

/* The seam has no call for it. The simulated kernel counts what is left instead. */
void kit_folder_remove(const char *path)
{
    if (kit_simulated())
        folders_made++;
    else
        CHECK_INT(rmdir(plain_path(path)), 0);
}

bool kit_file_exists(const char *path)
{
    struct lti_os_file file;
    return lti_os_lstat(plain_path(path), &file) >= 0;
}

/* A socket counts what each write costs it, so that single bytes fill it soon. */
struct kit_ends kit_pair_narrow(struct leat_hub *hub, const struct leat_conn_options *options)
{
    return kit_pair(hub, options);
}

/* ---- Raw peers ------------------------------------------------------------------------------- */

/* The bytes of sun_path that a name stands for. */
static size_t raw_address(const char *name, char address[LTI_OS_PATH_MAX + 8])
{
    size_t size = 0;
    REQUIRE_ERROR(leat_resolve(name, address, LTI_OS_PATH_MAX + 8, &size), LEAT_OK);
    size -= 5;
    memmove(address, address + 5, size + 1);
    if (address[0] == '@')
        address[0] = '\0';
    return size;
}

/* Lets empty packets be told from the end, and large ones be sent. */
static int raw_socket(bool packets)
{
    int64_t fd = lti_os_socket(packets);
    REQUIRE(fd >= 0);
    if (packets)
        REQUIRE(lti_os_packets((int)fd, KIT_MIB) > 0);
    return (int)fd;
}

static int raw_connect(const char *name, bool packets)
{
    char address[LTI_OS_PATH_MAX + 8];
    size_t size = raw_address(name, address);
    int fd = raw_socket(packets);
    REQUIRE_INT(lti_os_connect(fd, address, size), 0);
    return fd;
}

int kit_raw_connect(const char *name)
{
    return raw_connect(name, false);
}

int kit_raw_connect_packets(const char *name)
{
    return raw_connect(name, true);
}

static int raw_listen(const char *name, uint32_t backlog, bool packets)
{
    char address[LTI_OS_PATH_MAX + 8];
    size_t size = raw_address(name, address);
    int fd = raw_socket(packets);
    REQUIRE_INT(lti_os_bind(fd, address, size), 0);
    REQUIRE_INT(lti_os_listen(fd, backlog), 0);
    return fd;
}

int kit_raw_listen(const char *name, uint32_t backlog)
{
    return raw_listen(name, backlog, false);
}

int kit_raw_listen_packets(const char *name, uint32_t backlog)
{
    return raw_listen(name, backlog, true);
}

int kit_raw_accept(int listener)
{
    struct lti_os_socket_facts facts;
    int64_t fd = lti_os_accept(listener);
    REQUIRE(fd >= 0);
    REQUIRE_INT(lti_os_socket_facts((int)fd, &facts), 0);
    if (facts.unix_packets)
        REQUIRE(lti_os_packets((int)fd, KIT_MIB) > 0);
    return (int)fd;
}

void kit_raw_unlisten(int listener, const char *name)
{
    kit_raw_close(listener);
    kit_file_remove(name);
}

int kit_raw_pair(intptr_t *handle_out)
{
    int fds[2];
    REQUIRE_INT(lti_os_socketpair(false, fds), 0);
    *handle_out = fds[0];
    return fds[1];
}

int kit_raw_pair_packets(intptr_t *handle_out)
{
    int fds[2];
    REQUIRE_INT(lti_os_socketpair(true, fds), 0);
    REQUIRE(lti_os_packets(fds[1], KIT_MIB) > 0);
    *handle_out = fds[0];
    return fds[1];
}

void kit_raw_send(int fd, const void *data, size_t size)
{
    const struct leat_slice slice = {data, size};
    REQUIRE_INT(lti_os_send(fd, &slice, 1), size);
}

size_t kit_raw_try_send(int fd, const void *data, size_t size)
{
    const struct leat_slice slice = {data, size};
    int64_t result = lti_os_send(fd, &slice, 1);
    return result > 0 ? (size_t)result : 0;
}

int64_t kit_raw_recv(int fd, void *buffer, size_t size)
{
    uint32_t flags = 0;
    int64_t result = lti_os_recv(fd, buffer, size, NULL, &flags);
    if (result > 0)
        return result;
    if (result == 0)
        return -1;
    if (lti_os_kind_of(result) == LTI_OS_RESET)
        return -2;
    REQUIRE_INT(lti_os_kind_of(result), LTI_OS_AGAIN);
    return 0;
}

bool kit_raw_try_packet(int fd, const void *data, size_t size)
{
    const struct leat_slice slice = {data, size};
    return lti_os_send(fd, &slice, 1) >= 0;
}

int64_t kit_raw_recv_packet(int fd, void *buffer, size_t size)
{
    uint32_t flags = 0;
    int64_t result = lti_os_recv_packet(fd, buffer, size, NULL, &flags);
    if (result >= 0 && (flags & LTI_OS_PACKET_END))
        return KIT_RAW_END;
    REQUIRE(result <= (int64_t)size);
    if (result >= 0)
        return result;
    if (lti_os_kind_of(result) == LTI_OS_RESET)
        return KIT_RAW_RESET;
    REQUIRE_INT(lti_os_kind_of(result), LTI_OS_AGAIN);
    return KIT_RAW_NONE;
}

void kit_raw_close(int fd)
{
    CHECK_INT(lti_os_close(fd), 0);
}

bool kit_greets_first(void)
{
    return true;
}

void kit_raw_finish(int fd)
{
    CHECK_INT(lti_os_shutdown_write(fd), 0);
}

/* ---- Threads and foreign loops --------------------------------------------------------------- */

struct kit_thread {
    pthread_t native;
    void (*run)(void *argument);
    void *argument;
};

static void *thread_run(void *argument)
{
    const struct kit_thread *thread = argument;
    thread->run(thread->argument);
    return NULL;
}

struct kit_thread *kit_thread_start(void (*run)(void *argument), void *argument)
{
    struct kit_thread *thread = malloc(sizeof *thread);
    REQUIRE(thread != NULL);
    thread->run = run;
    thread->argument = argument;
    REQUIRE(pthread_create(&thread->native, NULL, thread_run, thread) == 0);
    return thread;
}

void kit_thread_join(struct kit_thread *thread)
{
    REQUIRE(pthread_join(thread->native, NULL) == 0);
    free(thread);
}

/* Only the poller that stands on poll has this function. */
void lti_real_looked(int fd) __attribute__((weak));

bool kit_waitable_there(void)
{
    return !lti_real_looked;
}

bool kit_waitable_ready(intptr_t waitable, uint32_t timeout_ms)
{
    struct pollfd entry = {.fd = (int)waitable, .events = POLLIN};
    int ready = poll(&entry, 1, (int)timeout_ms);
    REQUIRE(ready >= 0);
    return ready == 1;
}
