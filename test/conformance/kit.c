/* SPDX-License-Identifier: MIT
 *
 * What the conformance tests share: beginning and end, events, connections.
 *
 * Happy path: kit_begin makes a hub for which no other test's names exist; kit_end takes it back
 *             and looks at what is left.
 * Fails:      a helper that cannot do its work ends the test.
 * Invariants: the tests cannot tell on which kernel they run, save by asking KIT_PIPES.
 */
#include "kit.h"

#include "os_base.h"

#include <stdio.h>
#include <string.h>

const struct leat_conn_options kit_messages = {.size = sizeof kit_messages,
                                               .protocol = LEAT_MESSAGES};
const struct leat_conn_options kit_packets = {.size = sizeof kit_packets, .protocol = LEAT_PACKETS};
const struct leat_conn_options kit_roomy = {.size = sizeof kit_roomy,
                                            .outbox_bytes = KIT_ROOMY_BYTES};
const struct leat_conn_options kit_roomy_messages = {
    .size = sizeof kit_roomy_messages, .protocol = LEAT_MESSAGES, .outbox_bytes = KIT_ROOMY_BYTES};

/* ---- Beginning and end ----------------------------------------------------------------------- */

struct leat_hub *kit_hub(const struct leat_hub_options *options)
{
    struct leat_hub *hub = NULL;
    REQUIRE_ERROR(leat_hub_create(options, &hub), LEAT_OK);
    return hub;
}

struct leat_hub *kit_begin(void)
{
    kit_system_begin();
    return kit_hub(NULL);
}

void kit_end(struct leat_hub *hub)
{
    CHECK_ERROR(leat_hub_destroy(hub), LEAT_OK);
    kit_system_end();
}

uint64_t kit_now_ms(void)
{
    return lti_os_now_ns() / 1000000;
}

void kit_pass(uint32_t time_ms)
{
    struct leat_event event;
    struct leat_hub *clock = kit_hub(NULL);
    CHECK_ERROR(leat_next(clock, &event, time_ms), LEAT_E_TIMEOUT);
    CHECK_ERROR(leat_hub_destroy(clock), LEAT_OK);
}

static uint8_t pattern_byte(uint64_t at)
{
    return (uint8_t)(((at + 1) * UINT64_C(0x9E3779B97F4A7C15)) >> 56);
}

void kit_pattern(void *buffer, size_t size, uint64_t offset)
{
    for (size_t i = 0; i < size; i++)
        ((uint8_t *)buffer)[i] = pattern_byte(offset + i);
}

bool kit_pattern_is(const void *buffer, size_t size, uint64_t offset)
{
    for (size_t i = 0; i < size; i++) {
        if (((const uint8_t *)buffer)[i] != pattern_byte(offset + i))
            return false;
    }
    return true;
}

/* ---- Names ----------------------------------------------------------------------------------- */

void kit_listen_refused(struct leat_hub *hub, const char *name, enum leat_error error)
{
    leat_listener listener = {77};
    if (!CHECK_ERROR(leat_listen(hub, name, NULL, &listener), error))
        (void)printf("the name: %s\n", name);
    CHECK_INT(listener.id, 77);
}

void kit_name_refused(struct leat_hub *hub, const char *name, enum leat_error error)
{
    leat_conn conn = {77};
    char buffer[400] = "untouched";
    size_t size = 77;
    kit_listen_refused(hub, name, error);
    bool held = CHECK_ERROR(leat_connect(hub, name, NULL, &conn), error);
    held = CHECK_ERROR(leat_resolve(name, buffer, sizeof buffer, &size), error) && held;
    if (!held)
        (void)printf("the name: %s\n", name);
    CHECK_STR(buffer, "untouched");
    CHECK(conn.id == 77 && size == 77);
}

void kit_name_resolves(const char *name, const char *expected)
{
    char buffer[400];
    size_t size = 77, wanted = strlen(expected);
    REQUIRE(wanted < sizeof buffer);
    memset(buffer, '#', sizeof buffer);
    CHECK_ERROR(leat_resolve(name, NULL, 0, &size), LEAT_E_TOO_BIG);
    CHECK_INT(size, wanted);
    size = 77;
    CHECK_ERROR(leat_resolve(name, buffer, wanted, &size), LEAT_E_TOO_BIG);
    CHECK_INT(size, wanted);
    CHECK_INT(buffer[0], '#');
    size = 77;
    CHECK_ERROR(leat_resolve(name, buffer, wanted + 1, &size), LEAT_OK);
    CHECK_INT(size, wanted);
    CHECK_STR(buffer, expected);
    CHECK_INT(buffer[wanted + 1], '#');
}

void kit_names_meet(struct leat_hub *hub, const char *one, const char *other)
{
    leat_listener listener = {0};
    if (!CHECK_ERROR(leat_listen(hub, one, NULL, &listener), LEAT_OK)) {
        (void)printf("the name: %s\n", one);
        return;
    }
    struct kit_ends ends = kit_open(hub, listener, other, NULL);
    kit_write_text(hub, ends.dialled, "hi");
    kit_read_text(hub, ends.accepted, "hi");
    CHECK_ERROR(leat_abort(hub, ends.dialled), LEAT_OK);
    CHECK_ERROR(leat_abort(hub, ends.accepted), LEAT_OK);
    CHECK_ERROR(leat_listener_close(hub, listener), LEAT_OK);
    CHECK_ERROR(leat_listener_close(hub, listener), LEAT_E_STALE);
}

/* ---- Events ---------------------------------------------------------------------------------- */

struct leat_event kit_next(struct leat_hub *hub, enum leat_event_type type, const char *file,
                           int line)
{
    struct leat_event event = {0};
    LTI_TEST_REQUIRE(lti_test_check_error((int)leat_next(hub, &event, KIT_SOON_MS), LEAT_OK,
                                          leat_event_name(type), file, line));
    LTI_TEST_REQUIRE(lti_test_check_str(leat_event_name(event.type), leat_event_name(type),
                                        "the next event", file, line));
    return event;
}

struct leat_event kit_until(struct leat_hub *hub, enum leat_event_type type, const char *file,
                            int line)
{
    struct leat_event event = {0};
    for (uint32_t i = 0; i < 1000000 && event.type != type; i++)
        LTI_TEST_REQUIRE(lti_test_check_error((int)leat_next(hub, &event, KIT_SOON_MS), LEAT_OK,
                                              leat_event_name(type), file, line));
    LTI_TEST_REQUIRE(lti_test_check(event.type == type, leat_event_name(type), file, line));
    return event;
}

void kit_quiet(struct leat_hub *hub, const char *file, int line)
{
    struct leat_event event = {0};
    enum leat_error error = leat_next(hub, &event, 0);
    lti_test_check_str(error == LEAT_OK ? leat_event_name(event.type) : leat_error_name(error),
                       "TIMEOUT", "no event", file, line);
}

void kit_closed(struct leat_hub *hub, leat_conn conn, enum leat_error error, const char *file,
                int line)
{
    struct leat_event event = kit_next(hub, LEAT_EVENT_CLOSED, file, line);
    lti_test_check(event.conn.id == conn.id, "CLOSED of the right connection", file, line);
    lti_test_check_error((int)event.error, (int)error, "CLOSED", file, line);
    lti_test_check_int((int64_t)event.bytes_undelivered, 0, "undelivered", file, line);
}

void kit_stale(struct leat_hub *hub, leat_conn conn, const char *file, int line)
{
    struct leat_conn_info info = {.size = sizeof info};
    struct leat_conn_stats stats = {.size = sizeof stats};
    char buffer[8];
    const void *data = NULL;
    size_t size = 77;
    uint64_t undelivered = 77;
    const enum leat_error errors[] = {
        leat_conn_info_get(hub, conn, &info),
        leat_conn_stats_get(hub, conn, &stats),
        leat_conn_name(hub, conn, buffer, sizeof buffer, &size),
        leat_set_tag(hub, conn, 1),
        leat_read(hub, conn, buffer, sizeof buffer, &size),
        leat_peek(hub, conn, &data, &size),
        leat_consume(hub, conn, 0),
        leat_read_until(hub, conn, '\n', buffer, sizeof buffer, &size),
        leat_skip(hub, conn, 1, &size),
        leat_write(hub, conn, "x", 1, &size),
        leat_send(hub, conn, "x", 1),
        leat_receive(hub, conn, buffer, sizeof buffer, &size),
        leat_view(hub, conn, &data, &size),
        leat_release(hub, conn),
        leat_pause(hub, conn),
        leat_resume(hub, conn),
        leat_finish(hub, conn),
        leat_close(hub, conn, 0),
        leat_close_report(hub, conn, 0, 0),
        leat_abort(hub, conn),
        leat_wait_connected(hub, conn, 0),
        leat_wait_readable(hub, conn, 0),
        leat_wait_writable(hub, conn, 0),
        leat_wait_sent(hub, conn, 0),
        leat_wait_closed(hub, conn, 0),
        leat_read_line(hub, conn, buffer, sizeof buffer, 0, &size),
        leat_send_wait(hub, conn, "x", 1, 0),
        leat_receive_wait(hub, conn, buffer, sizeof buffer, 0, &size),
        leat_close_wait(hub, conn, 0, &undelivered),
    };
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        if (!lti_test_check_error((int)errors[i], LEAT_E_STALE, "a dead handle", file, line))
            (void)printf("call number %zu\n", i);
    }
    lti_test_check(data == NULL && size == 77, "outputs are untouched", file, line);
    lti_test_check_error((int)leat_read_full(hub, conn, buffer, 1, 0, &size), LEAT_E_STALE,
                         "read_full", file, line);
    lti_test_check_error((int)leat_write_full(hub, conn, "x", 1, 0, &size), LEAT_E_STALE,
                         "write_full", file, line);
}

/* One event, if there is one. */
static bool drain_one(struct leat_hub *hub, uint32_t counts[KIT_EVENT_TYPES])
{
    struct leat_event event = {0};
    if (hub == NULL || leat_next(hub, &event, 0) != LEAT_OK)
        return false;
    if (counts != NULL)
        counts[event.type]++;
    return true;
}

void kit_drain(struct leat_hub *a, struct leat_hub *b, uint32_t counts[KIT_EVENT_TYPES])
{
    /* What one hub does without an event, such as a hello, may give the other something to do. */
    uint32_t quiet = 0;
    for (uint32_t i = 0; i < 200000 && quiet < 8; i++) {
        bool first = drain_one(a, counts);
        bool second = drain_one(b, counts);
        quiet = first || second ? 0 : quiet + 1;
    }
    CHECK_INT(quiet, 8);
}

bool kit_somebody_waits(struct leat_hub *hub)
{
    struct leat_event event;
    return leat_next(hub, &event, 0) == LEAT_E_BUSY;
}

/* ---- Connections ----------------------------------------------------------------------------- */

leat_listener kit_listen(struct leat_hub *hub, const char *name,
                         const struct leat_conn_options *options)
{
    struct leat_listen_options listen = {.size = sizeof listen, .tag = 100, .conn = options};
    leat_listener listener = {0};
    REQUIRE_ERROR(leat_listen(hub, name, &listen, &listener), LEAT_OK);
    return listener;
}

leat_conn kit_connect(struct leat_hub *hub, const char *name, uint64_t tag,
                      const struct leat_conn_options *options)
{
    struct leat_connect_options connect = {.size = sizeof connect, .tag = tag, .conn = options};
    leat_conn conn = {0};
    REQUIRE_ERROR(leat_connect(hub, name, &connect, &conn), LEAT_OK);
    return conn;
}

struct kit_ends kit_open(struct leat_hub *hub, leat_listener listener, const char *name,
                         const struct leat_conn_options *options)
{
    struct kit_ends ends = {.dialled = kit_connect(hub, name, 1, options)};
    REQUIRE_ERROR(leat_wait_accepted(hub, listener, KIT_SOON_MS, &ends.accepted), LEAT_OK);
    REQUIRE_ERROR(leat_wait_connected(hub, ends.dialled, KIT_SOON_MS), LEAT_OK);
    return ends;
}

struct kit_ends kit_pair(struct leat_hub *hub, const struct leat_conn_options *options)
{
    struct kit_ends ends;
    REQUIRE_ERROR(leat_pair(hub, hub, options, &ends.dialled, &ends.accepted), LEAT_OK);
    REQUIRE_ERROR(leat_wait_connected(hub, ends.dialled, KIT_SOON_MS), LEAT_OK);
    REQUIRE_ERROR(leat_wait_connected(hub, ends.accepted, KIT_SOON_MS), LEAT_OK);
    return ends;
}

struct leat_conn_info kit_info(struct leat_hub *hub, leat_conn conn)
{
    struct leat_conn_info info = {.size = sizeof info};
    REQUIRE_ERROR(leat_conn_info_get(hub, conn, &info), LEAT_OK);
    return info;
}

struct leat_conn_stats kit_stats(struct leat_hub *hub, leat_conn conn)
{
    struct leat_conn_stats stats = {.size = sizeof stats};
    REQUIRE_ERROR(leat_conn_stats_get(hub, conn, &stats), LEAT_OK);
    return stats;
}

struct leat_listener_info kit_listener_info(struct leat_hub *hub, leat_listener listener)
{
    struct leat_listener_info info = {.size = sizeof info};
    REQUIRE_ERROR(leat_listener_info_get(hub, listener, &info), LEAT_OK);
    return info;
}

struct leat_hub_info kit_hub_info(struct leat_hub *hub)
{
    struct leat_hub_info info = {.size = sizeof info};
    REQUIRE_ERROR(leat_hub_info_get(hub, &info), LEAT_OK);
    return info;
}
