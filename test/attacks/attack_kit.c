/* SPDX-License-Identifier: MIT
 *
 * What the attack tests share: the test's words, its world, raw sockets, and steps.
 *
 * Happy path: root makes folders of other users, and starts processes that become those users.
 * Fails:      a helper that cannot do its work ends the test.
 * Invariants: everything lies in the test's folder.
 */
#include "attack_kit.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* ---- The test -------------------------------------------------------------------------------- */

/* As the harness called it: PROGRAM --run NAME. Valid until the next call. */
static const char *test_name(void)
{
    static char words[8192];
    FILE *file = fopen("/proc/self/cmdline", "re");
    REQUIRE(file != NULL);
    size_t size = fread(words, 1, sizeof words - 1, file);
    REQUIRE(fclose(file) == 0 && size > 1 && words[size - 1] == '\0');
    const char *last = words + size - 1;
    while (last > words && last[-1] != '\0')
        last--;
    return last;
}

void attack_seen(const char *id, const char *format, ...)
{
    char line[512];
    int size = snprintf(line, sizeof line, "%s\t%s\t", id, test_name());
    va_list arguments;
    va_start(arguments, format);
    size += vsnprintf(line + size, sizeof line - (size_t)size - 1, format, arguments);
    va_end(arguments);
    REQUIRE(size > 0 && (size_t)size < sizeof line - 1);
    line[size++] = '\n';
    printf("%.*s", size, line);
    const char *path = getenv("LEAT_ATTACKS_SEEN");
    if (!path)
        return;
    int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
    REQUIRE(fd >= 0);
    REQUIRE(write(fd, line, (size_t)size) == size);
    REQUIRE(close(fd) == 0);
}

bool attack_deep(void)
{
    return getenv("LEAT_ATTACKS_DEEP") != NULL;
}

void attack_needs_root(void)
{
    if (geteuid() != 0)
        SKIP_NEEDS("root");
}

/* ---- The world ------------------------------------------------------------------------------- */

static const uint32_t others[] = {ALICE, BOB, NOBODY};

const char *attack_path(const char *format, ...)
{
    static char paths[32][256];
    static uint32_t next;
    char *path = paths[next++ % 32];
    int size = snprintf(path, sizeof paths[0], "%s/", lti_test_folder());
    va_list arguments;
    va_start(arguments, format);
    size += vsnprintf(path + size, sizeof paths[0] - (size_t)size, format, arguments);
    va_end(arguments);
    REQUIRE(size > 0 && (size_t)size < sizeof paths[0]);
    return path;
}

const char *attack_name(const char *path)
{
    static char names[8][300];
    static uint32_t next;
    char *name = names[next++ % 8];
    int size = snprintf(name, sizeof names[0], "unix:%s", path);
    REQUIRE(size > 0 && (size_t)size < sizeof names[0]);
    return name;
}

const char *attack_runtime(uint32_t user)
{
    return attack_path("run-%u", user);
}

void attack_folder(const char *path, uint32_t owner, uint32_t mode)
{
    REQUIRE(mkdir(path, 0700) == 0);
    REQUIRE(owner == geteuid() || chown(path, owner, owner) == 0);
    REQUIRE(chmod(path, mode) == 0);
}

void attack_remove(const char *path)
{
    if (!CHECK(remove(path) == 0))
        printf("%s: %s\n", path, strerror(errno));
}

bool attack_exists(const char *path)
{
    struct stat status;
    return lstat(path, &status) == 0;
}

void attack_world(void)
{
    uint32_t own = geteuid();
    REQUIRE(chmod(lti_test_folder(), 0711) == 0);
    attack_folder(attack_runtime(own), own, 0700);
    for (size_t i = 0; own == ROOT && i < sizeof others / sizeof others[0]; i++)
        attack_folder(attack_runtime(others[i]), others[i], 0700);
    REQUIRE(setenv("XDG_RUNTIME_DIR", attack_runtime(own), 1) == 0);
}

static void runtime_remove(uint32_t user)
{
    if (attack_exists(attack_path("run-%u/leat", user)))
        attack_remove(attack_path("run-%u/leat", user));
    attack_remove(attack_runtime(user));
}

void attack_world_end(void)
{
    uint32_t own = geteuid();
    runtime_remove(own);
    for (size_t i = 0; own == ROOT && i < sizeof others / sizeof others[0]; i++)
        runtime_remove(others[i]);
}

uint64_t attack_cpu_ms(void)
{
    struct timespec used;
    REQUIRE(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used) == 0);
    return (uint64_t)used.tv_sec * 1000 + (uint64_t)used.tv_nsec / 1000000;
}

uint32_t attack_descriptors(void)
{
    uint32_t count = 0;
    DIR *folder = opendir("/proc/self/fd");
    REQUIRE(folder != NULL);
    while (readdir(folder))
        count++;
    REQUIRE(closedir(folder) == 0);
    return count;
}

uint64_t attack_resident_bytes(void)
{
#if LTI_TEST_SANITIZED
    return 0;
#else
    unsigned long long pages = 0, all = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    REQUIRE(file != NULL);
    REQUIRE_INT(fscanf(file, "%llu %llu", &all, &pages), 2);
    REQUIRE(fclose(file) == 0);
    return (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
#endif
}

/* ---- Raw sockets ----------------------------------------------------------------------------- */

const uint8_t attack_hello[ATTACK_HELLO_BYTES] = {0x6C, 0x65, 0x61, 0x74, 0x0D, 0x0A, 0x1A, 0x0A,
                                                  1,    0,    32,   0,    0,    0,    16,   0};

static socklen_t raw_address(const char *path, struct sockaddr_un *address)
{
    size_t size = strlen(path);
    memset(address, 0, sizeof *address);
    address->sun_family = AF_UNIX;
    if (size >= sizeof address->sun_path) {
        errno = ENAMETOOLONG;
        return 0;
    }
    memcpy(address->sun_path, path, size);
    if (path[0] == '@')
        address->sun_path[0] = '\0';
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size + (path[0] != '@'));
}

int attack_raw_connect(const char *path)
{
    struct sockaddr_un address;
    socklen_t length = raw_address(path, &address);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || length == 0 || connect(fd, (struct sockaddr *)&address, length) != 0) {
        int error = errno;
        if (fd >= 0)
            (void)close(fd);
        return -error;
    }
    return fd;
}

int attack_raw_listen(const char *path, int backlog)
{
    struct sockaddr_un address;
    socklen_t length = raw_address(path, &address);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || length == 0 || bind(fd, (struct sockaddr *)&address, length) != 0 ||
        (path[0] != '@' && chmod(path, 0666) != 0) || listen(fd, backlog) != 0) {
        int error = errno;
        if (fd >= 0)
            (void)close(fd);
        return -error;
    }
    return fd;
}

int64_t attack_raw_drain(int fd, uint32_t within_ms)
{
    char bytes[4096];
    int64_t total = 0;
    uint64_t until = lti_test_now_ms() + lti_test_scaled_ms(within_ms);
    for (;;) {
        uint64_t now = lti_test_now_ms();
        struct pollfd wait = {fd, POLLIN, 0};
        if (now >= until || poll(&wait, 1, (int)(until - now)) < 1)
            return -1;
        ssize_t size = read(fd, bytes, sizeof bytes);
        if (size == 0 || (size < 0 && errno == ECONNRESET))
            return total;
        if (size < 0 && errno != EAGAIN && errno != EINTR)
            return -1;
        total += size > 0 ? size : 0;
    }
}

int64_t attack_listen_in(void *argument)
{
    int fd = attack_raw_connect(argument);
    if (fd < 0)
        return fd;
    ssize_t sent = send(fd, "let me in", 9, MSG_NOSIGNAL);
    (void)sent; /* the end may have been faster */
    return attack_raw_drain(fd, ATTACK_SOON_MS);
}

int attack_raw_send_fds(int fd, const int *fds, size_t count)
{
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(256 * sizeof(int))];
    } control;
    char byte = 'x';
    struct iovec piece = {&byte, 1};
    struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1, .msg_control = control.bytes};
    REQUIRE(count <= 256);
    memset(&control, 0, sizeof control);
    message.msg_controllen = CMSG_SPACE(count * sizeof(int));
    control.header.cmsg_level = SOL_SOCKET;
    control.header.cmsg_type = SCM_RIGHTS;
    control.header.cmsg_len = CMSG_LEN(count * sizeof(int));
    memcpy(CMSG_DATA(&control.header), fds, count * sizeof(int));
    ssize_t size = sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    return size == 1 ? 0 : -errno;
}

/* ---- Steps ----------------------------------------------------------------------------------- */

void attack_steps_from_here(void)
{
    (void)raise(SIGSTOP);
}

static pid_t steps_begin(const struct attack_steps *steps)
{
    pid_t pid = fork();
    REQUIRE(pid >= 0);
    if (pid == 0) {
        if (!attack_become(steps->user))
            _exit(99);
        if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
            _exit(98);
        _exit(steps->act(steps->argument));
    }
    return pid;
}

static int wait_for(pid_t pid)
{
    int status = 0;
    pid_t waited;
    do
        waited = waitpid(pid, &status, 0);
    while (waited < 0 && errno == EINTR);
    REQUIRE(waited == pid);
    return status;
}

#ifdef SYS_fcntl64
#define STEP_FCNTL SYS_fcntl64
#else
#define STEP_FCNTL SYS_fcntl
#endif

/* On older kernels a hub asks of hundreds of descriptors whether they are there. That changes
 * nothing, so nobody acts in between, where the system says which call it is. */
static bool step_is_look(pid_t pid, bool *inside)
{
    bool entered = false;
#ifdef PTRACE_GET_SYSCALL_INFO
    struct __ptrace_syscall_info info = {.op = PTRACE_SYSCALL_INFO_NONE};
    if (!*inside &&
        ptrace(PTRACE_GET_SYSCALL_INFO, pid, (void *)(uintptr_t)sizeof info, &info) > 0 &&
        info.op == PTRACE_SYSCALL_INFO_ENTRY)
        entered = info.entry.nr == STEP_FCNTL && info.entry.args[1] == F_GETFD;
#else
    (void)pid;
#endif
    bool look = entered || *inside;
    *inside = entered;
    return look;
}

uint32_t attack_stepwise(const struct attack_steps *steps, int *code_out)
{
    bool inside = false;
    uint32_t count = 0;
    enum attack_step next = STEP_ON;
    pid_t pid = steps_begin(steps);
    int status = wait_for(pid);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 98)
        SKIP_NEEDS("ptrace");
    REQUIRE(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
    REQUIRE(ptrace(PTRACE_SETOPTIONS, pid, NULL, (void *)(intptr_t)PTRACE_O_TRACESYSGOOD) == 0);
    while (WIFSTOPPED(status)) {
        int number = WSTOPSIG(status);
        bool call = number == (SIGTRAP | 0x80);
        if (call && next == STEP_ON && !step_is_look(pid, &inside))
            next = steps->look(steps->context, count++);
        if (next == STEP_KILL) {
            REQUIRE(kill(pid, SIGKILL) == 0);
            status = wait_for(pid);
            break;
        }
        intptr_t hand_on = call || number == SIGSTOP || number == SIGTRAP ? 0 : number;
        REQUIRE(ptrace(next == STEP_RUN ? PTRACE_CONT : PTRACE_SYSCALL, pid, NULL,
                       (void *)hand_on) == 0);
        status = wait_for(pid);
    }
    *code_out = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    return count;
}
