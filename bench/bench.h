/* SPDX-License-Identifier: MIT
 *
 * What all peers of the benchmark share: the command line, the two processes, the clock, the bytes
 * that are sent and checked, and the one line of JSON at the end.
 *
 * Each peer is a program of its own that includes this file once; so it has no .c file.
 */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define BENCH_BLOCK 65536u
#define BENCH_PHASES 4093u /* so many different messages of a size */
#define BENCH_SAMPLES_MAX (1u << 20)
#define BENCH_SECONDS_MAX 60u /* whoever hangs is ended by the system */

enum bench_kind { BENCH_ECHO, BENCH_STREAM, BENCH_CONNECT, BENCH_IDLE };

/* What one process of leat says about itself, or 0. */
struct bench_side {
    uint64_t waits, reads, writes;
    uint64_t hub_bytes;
    uint64_t dirty_before, dirty_after; /* private memory of the process */
    atomic_bool over;                   /* BENCH_CONNECT: the client closes for the last time */
};

/* One request that is under way on one connection. */
struct bench_flow {
    uint64_t sent_ns;
    size_t got;
    uint32_t seq, index;
};

struct bench {
    const char *kind_name;
    enum bench_kind kind;
    size_t size;
    uint32_t conns;
    uint64_t run_ns, count_max; /* a run ends by time, or after so many operations if not 0 */
    bool check_all, one_core, two_cores, messages, single_thread;
    char role;       /* 's', 'c', or 0: both */
    char folder[96]; /* the run's own, or the one given for a role */
    char path[112];
    int ready_fd;
    cpu_set_t cores;
    pid_t server;
    struct bench_side *served; /* shared with the server's process */
    struct bench_side client;
    struct bench_flow *flows;
    unsigned char *pattern, *buffer;
    uint32_t *samples;
    size_t sample_count;
    uint64_t operations, stream_bytes;
    uint64_t begin_ns, end_at_ns, end_ns, cpu_client_ns, cpu_server_ns;
    bool over;
};

/* Null: this peer does not take part in that case. */
struct bench_peer {
    const char *name;
    void (*serve)(struct bench *b);
    void (*client[BENCH_IDLE + 1])(struct bench *b);
};

static const char *const bench_kinds[] = {"echo", "stream", "connect", "idle"};

_Noreturn static inline void bench_die(const char *what)
{
    fprintf(stderr, "bench: %s (%s)\n", what, strerror(errno));
    exit(1);
}

static inline void bench_need(bool good, const char *what)
{
    if (!good)
        bench_die(what);
}

/* ---- Time ------------------------------------------------------------------------------------ */

static inline uint64_t bench_clock(clockid_t clock)
{
    struct timespec time;
    bench_need(clock_gettime(clock, &time) == 0, "clock");
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static inline uint64_t bench_now(void)
{
    return bench_clock(CLOCK_MONOTONIC);
}

static inline uint64_t bench_server_cpu(const struct bench *b)
{
    clockid_t clock;
    if (b->server == 0)
        return 0;
    bench_need(clock_getcpuclockid(b->server, &clock) == 0, "the server's clock");
    return bench_clock(clock);
}

static inline void bench_begin(struct bench *b)
{
    b->cpu_server_ns = bench_server_cpu(b);
    b->cpu_client_ns = bench_clock(CLOCK_PROCESS_CPUTIME_ID);
    b->begin_ns = bench_now();
    b->end_at_ns = b->begin_ns + b->run_ns;
}

static inline void bench_end(struct bench *b)
{
    b->end_ns = bench_now();
    b->cpu_client_ns = bench_clock(CLOCK_PROCESS_CPUTIME_ID) - b->cpu_client_ns;
    b->cpu_server_ns = bench_server_cpu(b) - b->cpu_server_ns;
}

/* One operation is over. All peers read the clock here, once an operation, and nowhere else. */
static inline uint64_t bench_done(struct bench *b, uint64_t began_ns)
{
    uint64_t now = bench_now();
    uint64_t took = now - began_ns;
    b->samples[b->sample_count++ % BENCH_SAMPLES_MAX] =
        took < UINT32_MAX ? (uint32_t)took : UINT32_MAX;
    b->operations++;
    b->over = b->count_max ? b->operations >= b->count_max : now >= b->end_at_ns;
    return now;
}

/* ---- Bytes ----------------------------------------------------------------------------------- */

/* The present message of a flow: each is different from the one before. */
static inline const unsigned char *bench_message(const struct bench *b,
                                                 const struct bench_flow *flow)
{
    return b->pattern + (flow->seq * UINT32_C(61) + flow->index * UINT32_C(7)) % BENCH_PHASES;
}

/* Takes a piece of an echo; true when the whole came, which ends the operation. */
static inline bool bench_got(struct bench *b, struct bench_flow *flow, const void *data,
                             size_t size)
{
    bench_need(size <= b->size - flow->got, "more came back than was sent");
    bench_need(memcmp(bench_message(b, flow) + flow->got, data, size) == 0, "a wrong echo");
    flow->got += size;
    if (flow->got < b->size)
        return false;
    flow->got = 0;
    flow->seq++;
    flow->sent_ns = bench_done(b, flow->sent_ns);
    return true;
}

/* Takes a piece of the stream, which repeats one block. In a timed run its ends are checked, so
 * that the check does not hide what the peers cost; with --check every byte is. */
static inline void bench_stream_got(struct bench *b, const void *data, size_t size)
{
    const unsigned char *bytes = data;
    size_t at = (size_t)(b->stream_bytes % BENCH_BLOCK);
    if (b->check_all) {
        for (size_t done = 0; done < size;) {
            size_t part = BENCH_BLOCK - at < size - done ? BENCH_BLOCK - at : size - done;
            bench_need(memcmp(b->pattern + at, bytes + done, part) == 0, "a wrong stream");
            done += part;
            at = 0;
        }
    } else if (size > 0) {
        size_t last = (size_t)((b->stream_bytes + size - 1) % BENCH_BLOCK);
        bench_need(bytes[0] == b->pattern[at] && bytes[size - 1] == b->pattern[last],
                   "a wrong stream");
    }
    b->stream_bytes += size;
}

/* ---- Memory ---------------------------------------------------------------------------------- */

static inline uint64_t bench_private_dirty(pid_t pid)
{
    char path[64], line[128];
    unsigned long long kilobytes = 0;
    bool found = false;
    if (pid == 0)
        return 0;
    snprintf(path, sizeof path, "/proc/%d/smaps_rollup", (int)pid);
    FILE *file = fopen(path, "re");
    bench_need(file != NULL, path);
    while (!found && fgets(line, sizeof line, file))
        found = sscanf(line, "Private_Dirty: %llu", &kilobytes) == 1;
    fclose(file);
    bench_need(found, "no Private_Dirty");
    return kilobytes * 1024;
}

/* Before the first connection: all that grows from here on is theirs. */
static inline void bench_idle_begin(struct bench *b)
{
    b->served->dirty_before = bench_private_dirty(b->server);
    b->client.dirty_before = bench_private_dirty(getpid());
    bench_begin(b);
}

static inline void bench_idle_end(struct bench *b)
{
    bench_end(b);
    b->served->dirty_after = bench_private_dirty(b->server);
    b->client.dirty_after = bench_private_dirty(getpid());
}

/* ---- The two processes ----------------------------------------------------------------------- */

/* Whether the server, which saw so many connections end, goes on. */
static inline bool bench_serving(const struct bench *b, uint64_t ended)
{
    return b->kind == BENCH_CONNECT ? !atomic_load(&b->served->over) : ended < b->conns;
}

/* In BENCH_CONNECT each client says this before it closes, so that the server ends with it. */
static inline void bench_closing(const struct bench *b)
{
    if (b->over)
        atomic_store(&b->served->over, true);
}

/* The server listens: the client may begin. */
static inline void bench_ready(const struct bench *b)
{
    bench_need(write(b->ready_fd, "ready\n", 6) == 6, "ready");
}

static inline uint64_t bench_number(const char *text)
{
    char *end;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    bench_need(errno == 0 && end != text && *end == 0, "a number is wanted");
    return number;
}

static inline void bench_parse(struct bench *b, int argc, char **argv)
{
    size_t kind = 0;
    bench_need(argc > 1, "usage: PEER echo|stream|connect|idle [--size N] [--conns N] ...");
    while (kind <= BENCH_IDLE && strcmp(argv[1], bench_kinds[kind]) != 0)
        kind++;
    bench_need(kind <= BENCH_IDLE, "no such case");
    b->kind = (enum bench_kind)kind;
    b->kind_name = bench_kinds[kind];
    for (int i = 2; i < argc; i++) {
        const char *option = argv[i];
        if (strcmp(option, "--check") == 0)
            b->check_all = true;
        else if (strcmp(option, "--one-core") == 0)
            b->one_core = true;
        else if (strcmp(option, "--two-cores") == 0)
            b->two_cores = true;
        else if (strcmp(option, "--messages") == 0)
            b->messages = true;
        else if (strcmp(option, "--single-thread") == 0)
            b->single_thread = true;
        else if (++i == argc)
            bench_die(option);
        else if (strcmp(option, "--size") == 0)
            b->size = bench_number(argv[i]);
        else if (strcmp(option, "--conns") == 0)
            b->conns = (uint32_t)bench_number(argv[i]);
        else if (strcmp(option, "--ms") == 0)
            b->run_ns = bench_number(argv[i]) * 1000000;
        else if (strcmp(option, "--count") == 0)
            b->count_max = bench_number(argv[i]);
        else if (strcmp(option, "--role") == 0)
            b->role = argv[i][0];
        else if (strcmp(option, "--folder") == 0)
            snprintf(b->folder, sizeof b->folder, "%s", argv[i]);
        else
            bench_die(option);
    }
    bench_need(b->size > 0 && b->size <= BENCH_BLOCK && b->conns > 0, "out of range");
}

static inline void *bench_alloc(size_t size)
{
    void *memory = malloc(size);
    bench_need(memory != NULL, "memory");
    memset(memory, 0x55, size); /* touched now, so that it is in no measurement */
    return memory;
}

/* Runs on one core only: the first or the second of those that this process may use. */
static inline void bench_pin(const cpu_set_t *allowed, unsigned number)
{
    cpu_set_t one;
    size_t core = 0;
    for (unsigned seen = 0; core < CPU_SETSIZE; core++)
        if (CPU_ISSET(core, allowed) && seen++ == number)
            break;
    bench_need(core < CPU_SETSIZE, "too few cores");
    CPU_ZERO(&one);
    CPU_SET(core, &one);
    bench_need(sched_setaffinity(0, sizeof one, &one) == 0, "affinity");
}

static inline void bench_prepare(struct bench *b)
{
    struct rlimit files;
    uint32_t random = 1;
    bench_need(sched_getaffinity(0, sizeof b->cores, &b->cores) == 0, "affinity");
    if (b->one_core || b->two_cores)
        bench_pin(&b->cores, 0);
    bench_need(getrlimit(RLIMIT_NOFILE, &files) == 0, "limit");
    files.rlim_cur = files.rlim_max;
    bench_need(setrlimit(RLIMIT_NOFILE, &files) == 0, "limit");
    signal(SIGPIPE, SIG_IGN);
    alarm(BENCH_SECONDS_MAX);
    b->pattern = bench_alloc(BENCH_BLOCK + BENCH_PHASES);
    for (size_t i = 0; i < BENCH_BLOCK + BENCH_PHASES; i++) {
        random = random * UINT32_C(1664525) + UINT32_C(1013904223);
        b->pattern[i] = (unsigned char)(random >> 24);
    }
    b->buffer = bench_alloc(BENCH_BLOCK);
    b->samples = bench_alloc(BENCH_SAMPLES_MAX * sizeof *b->samples);
    b->flows = bench_alloc(b->conns * sizeof *b->flows);
    for (uint32_t i = 0; i < b->conns; i++)
        b->flows[i] = (struct bench_flow){.index = i};
    b->served =
        mmap(NULL, sizeof *b->served, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    bench_need(b->served != MAP_FAILED, "mmap");
}

static inline int bench_order(const void *left, const void *right)
{
    uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
    return (a > b) - (a < b);
}

static inline void bench_side_print(const char *name, const struct bench_side *side)
{
    printf(", \"%s\": {\"waits\": %llu, \"reads\": %llu, \"writes\": %llu, \"hub_bytes\": %llu, "
           "\"dirty\": %lld}",
           name, (unsigned long long)side->waits, (unsigned long long)side->reads,
           (unsigned long long)side->writes, (unsigned long long)side->hub_bytes,
           (long long)(side->dirty_after - side->dirty_before));
}

static inline void bench_print(struct bench *b, const char *peer)
{
    size_t count = b->sample_count < BENCH_SAMPLES_MAX ? b->sample_count : BENCH_SAMPLES_MAX;
    uint64_t sum = 0;
    qsort(b->samples, count, sizeof *b->samples, bench_order);
    for (size_t i = 0; i < count; i++)
        sum += b->samples[i];
    bench_need(b->operations > 0 && count > 0, "nothing was done");
    printf("{\"peer\": \"%s\", \"case\": \"%s\", \"operations\": %llu, \"wall_ns\": %llu, "
           "\"p50_ns\": %u, \"p99_ns\": %u, \"mean_ns\": %llu, \"cpu_client_ns\": %llu, "
           "\"cpu_server_ns\": %llu",
           peer, b->kind_name, (unsigned long long)b->operations,
           (unsigned long long)(b->end_ns - b->begin_ns), b->samples[count / 2],
           b->samples[count - 1 - count / 100], (unsigned long long)(sum / count),
           (unsigned long long)b->cpu_client_ns, (unsigned long long)b->cpu_server_ns);
    bench_side_print("client", &b->client);
    bench_side_print("server", b->served);
    printf("}\n");
}

/* The server in a process of its own, which ends with this one. */
static inline void bench_fork(struct bench *b, const struct bench_peer *peer)
{
    int ready[2];
    char answer[8];
    const char *tmp = getenv("TMPDIR");
    snprintf(b->folder, sizeof b->folder, "%s/leat-bench-XXXXXX", tmp ? tmp : "/tmp");
    bench_need(mkdtemp(b->folder) != NULL, "mkdtemp");
    snprintf(b->path, sizeof b->path, "%s/s", b->folder);
    bench_need(pipe(ready) == 0, "pipe");
    b->ready_fd = ready[1];
    b->server = fork();
    bench_need(b->server >= 0, "fork");
    if (b->server == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        alarm(BENCH_SECONDS_MAX);
        close(ready[0]);
        if (b->two_cores)
            bench_pin(&b->cores, 1);
        peer->serve(b);
        _exit(0);
    }
    close(ready[1]);
    bench_need(read(ready[0], answer, sizeof answer) == 6, "the server did not start");
    close(ready[0]);
}

static inline void bench_join(const struct bench *b)
{
    int status = 0;
    bench_need(waitpid(b->server, &status, 0) == b->server, "waitpid");
    unlink(b->path);
    rmdir(b->folder);
    bench_need(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the server failed");
}

static inline int bench_main(const struct bench_peer *peer, int argc, char **argv)
{
    struct bench b = {.size = 64, .conns = 1, .run_ns = 150000000, .ready_fd = STDOUT_FILENO};
    bench_parse(&b, argc, argv);
    bench_need(peer->client[b.kind] != NULL, "not a case of this peer");
    bench_prepare(&b);
    snprintf(b.path, sizeof b.path, "%s/s", b.folder);
    if (b.role == 's') {
        peer->serve(&b);
        return 0;
    }
    if (b.role == 0)
        bench_fork(&b, peer);
    peer->client[b.kind](&b);
    if (b.role == 0)
        bench_join(&b);
    bench_print(&b, peer->name);
    return 0;
}

#endif
