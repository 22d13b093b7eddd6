/* SPDX-License-Identifier: MIT
 *
 * A program that uses leat as its public header says and prints what it is told, one JSON line an
 * event, so that a test can compare errors and times.
 *
 * usage: windows_driver serve|connect NAME [OPTION...]
 *
 *   --messages            the message protocol
 *   --packets, --finish   packets; an empty one is the end
 *   --echo, --flood, --deaf   gives back what comes; writes for ever; never reads. Else: reads
 *   --hold                reads one byte of a connection, and then pauses it
 *   --backlog N, --handshake MS, --partial MS, --stall MS   as in leat.h
 *   --timeout MS, --wait  of connecting
 *   --count N             so many connections at once
 *   --again               a connection that ended is made again
 *   --quiet               counts connections, and prints only what is wrong
 *
 * A line "report" on standard input prints counts, memory, handles and the state of the last
 * connection; "close" closes that one at once; the end of input ends it.
 *
 * Happy path: one loop over leat_next; a thread reads standard input and wakes it.
 * Fails:      a call that fails without a reason that an event tells ends the program with 3.
 */
#include "leat/leat.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>
/* It needs windows.h before it. */
#include <psapi.h>

#define CONNS_MAX 4096u
#define FLOOD_BYTES 16384u
#define TAG_OPENED (UINT64_C(1) << 32)
#define HANDLES_UNUSED 1024 /* so many values in a row that mean nothing: there is no other */

enum role { READS, ECHOES, FLOODS, DEAF };

struct driver {
    struct leat_hub *hub;
    const char *name;
    bool serves, messages, packets, again, quiet, hold;
    leat_conn last;
    enum role role;
    uint32_t count;
    struct leat_conn_options conn;
    struct leat_listen_options listen;
    struct leat_connect_options connect;
    uint64_t next, open, opened, hung_up, ended, read;
    HANDLE taken; /* the command was done */
    atomic_int command;
};

enum command { NOTHING, REPORT, CLOSE, LEAVE };

static uint64_t now_ms(void)
{
    LARGE_INTEGER ticks, per_second;
    QueryPerformanceFrequency(&per_second);
    QueryPerformanceCounter(&ticks);
    return (uint64_t)(ticks.QuadPart / per_second.QuadPart) * 1000 +
           (uint64_t)(ticks.QuadPart % per_second.QuadPart) * 1000 / (uint64_t)per_second.QuadPart;
}

static void must(enum leat_error error, const char *what)
{
    if (error == LEAT_OK)
        return;
    printf("{\"at\":%" PRIu64 ",\"event\":\"failed\",\"call\":\"%s\",\"error\":\"%s\"}\n", now_ms(),
           what, leat_error_name(error));
    fflush(stdout);
    exit(3);
}

/* ---- What the process holds ------------------------------------------------------------------ */

/* Values are small multiples of four, so all are tried: wine counts no handles. */
static unsigned handles_count(void)
{
    unsigned found = 0;
    size_t unused = 0;
    for (size_t i = 1; unused < HANDLES_UNUSED; i++) {
        DWORD flags;
        unused++;
        if (GetHandleInformation((HANDLE)(uintptr_t)(i * 4), &flags)) {
            found++;
            unused = 0;
        }
    }
    return found;
}

static void report(const struct driver *driver)
{
    PROCESS_MEMORY_COUNTERS memory = {.cb = sizeof memory};
    struct leat_hub_info info = {.size = sizeof info};
    struct leat_conn_info last = {.size = sizeof last};
    GetProcessMemoryInfo(GetCurrentProcess(), &memory, sizeof memory);
    must(leat_hub_info_get(driver->hub, &info), "leat_hub_info_get");
    bool known = leat_conn_info_get(driver->hub, driver->last, &last) == LEAT_OK;
    printf("{\"at\":%" PRIu64 ",\"event\":\"report\",\"handles\":%u,\"memory\":%" PRIu64, now_ms(),
           handles_count(), (uint64_t)memory.PagefileUsage);
    printf(",\"hub_memory\":%" PRIu64 ",\"waits\":%" PRIu64, info.memory_bytes, info.waits);
    printf(",\"open\":%" PRIu64 ",\"opened\":%" PRIu64 ",\"hung_up\":%" PRIu64, driver->open,
           driver->opened, driver->hung_up);
    printf(",\"ended\":%" PRIu64 ",\"read\":%" PRIu64 ",\"last\":\"%s\"}\n", driver->ended,
           driver->read, known ? leat_state_name(last.state) : "none");
    fflush(stdout);
}

static void tell(const struct driver *driver, const struct leat_event *event)
{
    struct leat_conn_info info = {.size = sizeof info};
    if (driver->quiet && event->type != LEAT_EVENT_LISTEN_ERROR)
        return;
    printf("{\"at\":%" PRIu64 ",\"event\":\"%s\",\"n\":%" PRIu64 ",\"error\":\"%s\"", now_ms(),
           leat_event_name(event->type), event->tag & ~TAG_OPENED, leat_error_name(event->error));
    if (event->conn.id != 0 && leat_conn_info_get(driver->hub, event->conn, &info) == LEAT_OK)
        printf(",\"os\":%" PRId64 ",\"operation\":\"%s\",\"inbox\":%" PRIu64 ",\"pid\":%" PRId64,
               info.os_code, leat_operation_name(info.operation), info.inbox_bytes, info.peer_pid);
    printf(",\"undelivered\":%" PRIu64 "}\n", event->bytes_undelivered);
    fflush(stdout);
}

/* ---- Standard input -------------------------------------------------------------------------- */

static DWORD WINAPI commands_read(void *argument)
{
    struct driver *driver = argument;
    char line[64];
    while (fgets(line, sizeof line, stdin) != NULL) {
        bool close = strncmp(line, "close", 5) == 0;
        if (!close && strncmp(line, "report", 6) != 0)
            break;
        atomic_store(&driver->command, close ? CLOSE : REPORT);
        must(leat_wake(driver->hub), "leat_wake");
        WaitForSingleObject(driver->taken, INFINITE);
    }
    atomic_store(&driver->command, LEAVE);
    must(leat_wake(driver->hub), "leat_wake");
    return 0;
}

/* ---- Connections ----------------------------------------------------------------------------- */

static void conn_dial(struct driver *driver)
{
    leat_conn conn;
    driver->connect.tag = ++driver->next;
    must(leat_connect(driver->hub, driver->name, &driver->connect, &conn), "leat_connect");
}

static void conn_flood(const struct driver *driver, leat_conn conn)
{
    static char bytes[FLOOD_BYTES];
    enum leat_error error = LEAT_OK;
    size_t taken;
    while (error == LEAT_OK)
        error = driver->messages ? leat_send(driver->hub, conn, bytes, sizeof bytes)
                                 : leat_write(driver->hub, conn, bytes, sizeof bytes, &taken);
}

static void conn_read(struct driver *driver, leat_conn conn)
{
    const void *data;
    size_t size;
    if (!driver->messages) {
        while (leat_skip(driver->hub, conn, SIZE_MAX, &size) == LEAT_OK)
            driver->read += size;
        return;
    }
    while (leat_view(driver->hub, conn, &data, &size) == LEAT_OK) {
        driver->read += size;
        (void)leat_release(driver->hub, conn);
    }
}

/* Everything that can be given back at once; what is left comes with WRITABLE. */
static void conn_echo(struct driver *driver, leat_conn conn)
{
    const void *data;
    size_t size, taken = 0;
    enum leat_error error = LEAT_OK;
    while (error == LEAT_OK) {
        error = driver->messages ? leat_view(driver->hub, conn, &data, &size)
                                 : leat_peek(driver->hub, conn, &data, &size);
        if (error != LEAT_OK)
            break;
        taken = size;
        error = driver->messages ? leat_send(driver->hub, conn, data, size)
                                 : leat_write(driver->hub, conn, data, size, &taken);
        if (driver->messages)
            (void)leat_release(driver->hub, conn);
        if (error == LEAT_E_FULL)
            must(leat_pause(driver->hub, conn), "leat_pause"); /* until WRITABLE */
        else if (error != LEAT_OK)
            conn_read(driver, conn); /* to nobody any more */
        if (error != LEAT_OK)
            break;
        driver->read += taken;
        if (!driver->messages)
            error = leat_consume(driver->hub, conn, taken);
    }
}

static void conn_readable(struct driver *driver, leat_conn conn)
{
    char byte;
    size_t size;
    if (driver->hold) {
        must(leat_read(driver->hub, conn, &byte, 1, &size), "leat_read");
        must(leat_pause(driver->hub, conn), "leat_pause");
    } else if (driver->role == ECHOES)
        conn_echo(driver, conn);
    else
        conn_read(driver, conn);
}

static void conn_opened(struct driver *driver, struct leat_event *event)
{
    driver->open++;
    driver->opened++;
    driver->last = event->conn;
    uint64_t number = driver->serves ? ++driver->next : event->tag;
    must(leat_set_tag(driver->hub, event->conn, number | TAG_OPENED), "leat_set_tag");
    event->tag = number;
    tell(driver, event);
    if (driver->role == DEAF)
        must(leat_pause(driver->hub, event->conn), "leat_pause");
    if (driver->role == FLOODS)
        conn_flood(driver, event->conn);
}

static void handle(struct driver *driver, struct leat_event *event)
{
    switch (event->type) {
    case LEAT_EVENT_CONNECTED:
    case LEAT_EVENT_ACCEPTED:
        conn_opened(driver, event);
        break;
    case LEAT_EVENT_READABLE:
        conn_readable(driver, event->conn);
        break;
    case LEAT_EVENT_WRITABLE:
        if (driver->role == FLOODS)
            conn_flood(driver, event->conn);
        else if (driver->role == ECHOES && leat_resume(driver->hub, event->conn) == LEAT_OK)
            conn_echo(driver, event->conn);
        break;
    case LEAT_EVENT_HANGUP:
        driver->hung_up++;
        tell(driver, event);
        break;
    case LEAT_EVENT_FINISHED:
        tell(driver, event);
        (void)leat_finish(driver->hub, event->conn);
        break;
    case LEAT_EVENT_CLOSED:
        tell(driver, event);
        driver->ended++;
        driver->open -= (event->tag & TAG_OPENED) != 0;
        if (driver->again)
            conn_dial(driver);
        break;
    default:
        tell(driver, event);
        break;
    }
}

/* ---- The program ----------------------------------------------------------------------------- */

static bool option_number(struct driver *driver, const char *word, uint32_t value)
{
    const struct {
        const char *word;
        uint32_t *place;
    } numbers[] = {
        {"--backlog", &driver->listen.backlog},        {"--handshake", &driver->conn.handshake_ms},
        {"--partial", &driver->conn.partial_frame_ms}, {"--stall", &driver->conn.write_stall_ms},
        {"--timeout", &driver->connect.timeout_ms},    {"--count", &driver->count}};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        if (strcmp(word, numbers[i].word) == 0) {
            *numbers[i].place = value;
            return true;
        }
    }
    return false;
}

static bool option_word(struct driver *driver, const char *word)
{
    if (strcmp(word, "--messages") == 0)
        driver->messages = true;
    else if (strcmp(word, "--packets") == 0)
        driver->messages = driver->packets = true;
    else if (strcmp(word, "--finish") == 0)
        driver->conn.empty_is_finish = true;
    else if (strcmp(word, "--echo") == 0)
        driver->role = ECHOES;
    else if (strcmp(word, "--flood") == 0)
        driver->role = FLOODS;
    else if (strcmp(word, "--deaf") == 0)
        driver->role = DEAF;
    else if (strcmp(word, "--wait") == 0)
        driver->connect.absent = LEAT_ABSENT_WAIT;
    else if (strcmp(word, "--again") == 0)
        driver->again = true;
    else if (strcmp(word, "--hold") == 0)
        driver->hold = true;
    else if (strcmp(word, "--quiet") == 0)
        driver->quiet = true;
    else
        return false;
    return true;
}

static void options_read(struct driver *driver, int argc, char **argv)
{
    bool good = argc >= 3;
    for (int i = 3; i < argc && good; i++) {
        if (option_word(driver, argv[i]))
            continue;
        good = i + 1 < argc &&
               option_number(driver, argv[i], (uint32_t)strtoul(argv[i + 1], NULL, 10));
        i++;
    }
    if (!good) {
        fprintf(stderr, "usage: windows_driver serve|connect NAME [OPTION...]\n");
        exit(2);
    }
    driver->serves = strcmp(argv[1], "serve") == 0;
    driver->name = argv[2];
    driver->conn.protocol = driver->packets    ? LEAT_PACKETS
                            : driver->messages ? LEAT_MESSAGES
                                               : LEAT_BYTES;
}

static void begin(struct driver *driver)
{
    leat_listener listener;
    char address[1024];
    size_t size;
    if (!driver->serves) {
        for (uint32_t i = 0; i < driver->count; i++)
            conn_dial(driver);
        return;
    }
    must(leat_listen(driver->hub, driver->name, &driver->listen, &listener), "leat_listen");
    must(leat_listener_name(driver->hub, listener, address, sizeof address, &size), "name");
    printf("{\"at\":%" PRIu64 ",\"event\":\"listening\",\"name\":\"", now_ms());
    for (const char *at = address; *at; at++)
        printf(*at == '\\' ? "\\\\" : "%c", *at);
    printf("\"}\n");
    fflush(stdout);
}

static void loop(struct driver *driver)
{
    struct leat_event event;
    for (;;) {
        must(leat_next(driver->hub, &event, LEAT_FOREVER), "leat_next");
        if (event.type != LEAT_EVENT_WOKEN) {
            handle(driver, &event);
            continue;
        }
        switch (atomic_exchange(&driver->command, NOTHING)) {
        case REPORT:
            report(driver);
            SetEvent(driver->taken);
            break;
        case CLOSE:
            must(leat_close_report(driver->hub, driver->last, 0, driver->next),
                 "leat_close_report");
            SetEvent(driver->taken);
            break;
        case LEAVE:
            return;
        default:
            break;
        }
    }
}

int main(int argc, char **argv)
{
    static struct driver driver;
    driver.count = 1;
    driver.conn.size = sizeof driver.conn;
    driver.listen = (struct leat_listen_options){
        .size = sizeof driver.listen, .conns_max = CONNS_MAX, .conn = &driver.conn};
    driver.connect =
        (struct leat_connect_options){.size = sizeof driver.connect, .conn = &driver.conn};
    options_read(&driver, argc, argv);
    must(leat_hub_create(NULL, &driver.hub), "leat_hub_create");
    printf("{\"at\":%" PRIu64 ",\"event\":\"pid\",\"pid\":%lu}\n", now_ms(), GetCurrentProcessId());
    fflush(stdout);
    begin(&driver);
    driver.taken = CreateEventA(NULL, FALSE, FALSE, NULL);
    HANDLE thread = CreateThread(NULL, 0, commands_read, &driver, 0, NULL);
    if (driver.taken == NULL || thread == NULL)
        return 3;
    loop(&driver);
    WaitForSingleObject(thread, INFINITE);
    must(leat_hub_destroy(driver.hub), "leat_hub_destroy");
    printf("{\"at\":%" PRIu64 ",\"event\":\"end\"}\n", now_ms());
    CloseHandle(thread);
    CloseHandle(driver.taken);
    return 0;
}
