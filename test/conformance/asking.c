/* SPDX-License-Identifier: MIT
 *
 * What leat.h promises of asking: state, statistics, options in force, names of things, hooks.
 *
 * Happy path: numbers are right, to the byte.
 * Fails:      OPTIONS for a struct of another size; unknown values have a name all the same.
 * Invariants: asking changes nothing.
 */
#include "kit.h"

#include <stdio.h>
#include <string.h>

TEST(asking_about_a_connection)
{
    struct leat_hub *hub = kit_begin();
    leat_listener listener = kit_listen(hub, kit_plain("server"), NULL);
    struct kit_ends ends = kit_open(hub, listener, kit_plain("server"), NULL);
    struct leat_conn_info dialled = kit_info(hub, ends.dialled);
    struct leat_conn_info accepted = kit_info(hub, ends.accepted);
    CHECK(dialled.dialled && !accepted.dialled);
    CHECK_INT(dialled.tag, 1);
    CHECK_INT(accepted.tag, 100);
    CHECK_INT(accepted.state, LEAT_STATE_OPEN);
    CHECK_INT(accepted.protocol, LEAT_BYTES);
    CHECK(!accepted.paused && !accepted.finished && !accepted.peer_finished && !accepted.hangup);
    CHECK_INT(accepted.error, LEAT_OK);
    CHECK_INT(accepted.os_code, 0);
    CHECK_INT(accepted.operation, LEAT_OP_NONE);
    CHECK(accepted.peer_known && dialled.peer_known);
    CHECK_INT(accepted.peer_uid, kit_user());
    CHECK_INT(dialled.peer_uid, kit_user());
    CHECK(accepted.peer_pid > 0);
    CHECK_ERROR(leat_set_tag(hub, ends.accepted, 12345), LEAT_OK);
    kit_write_text(hub, ends.dialled, "abc");
    CHECK_INT(KIT_NEXT(hub, LEAT_EVENT_READABLE).tag, 12345);
    CHECK_INT(kit_info(hub, ends.accepted).tag, 12345);
    CHECK_INT(kit_info(hub, ends.accepted).inbox_bytes, 3);
    CHECK_INT(kit_hub_info(hub).conns, 2);
    CHECK_INT(kit_hub_info(hub).listeners, 1);
    kit_end(hub);
}

TEST(asking_for_the_options_in_force)
{
    struct leat_hub *hub = kit_begin();
    struct leat_conn_options options = {.size = sizeof options,
                                        .inbox_bytes = 1000,
                                        .inbox_low_bytes = 10,
                                        .outbox_bytes = 2000,
                                        .outbox_stream_bytes = 200,
                                        .outbox_low_bytes = 20,
                                        .outbox_messages_max = 7,
                                        .handshake_ms = 100,
                                        .partial_frame_ms = 9,
                                        .write_stall_ms = 11,
                                        .keepalive_ms = 12};
    struct kit_ends ends = kit_pair(hub, &options);
    struct leat_conn_options in_force = kit_info(hub, ends.dialled).options;
    CHECK_INT(in_force.protocol, LEAT_BYTES);
    CHECK_INT(in_force.inbox_bytes, 1000);
    CHECK_INT(in_force.inbox_low_bytes, 10);
    CHECK_INT(in_force.outbox_bytes, 2000);
    CHECK_INT(in_force.outbox_stream_bytes, 200);
    CHECK_INT(in_force.outbox_low_bytes, 20);
    CHECK_INT(in_force.outbox_messages_max, 7);
    CHECK_INT(in_force.handshake_ms, 100);
    CHECK_INT(in_force.partial_frame_ms, 9);
    CHECK_INT(in_force.write_stall_ms, 11);
    CHECK_INT(in_force.keepalive_ms, 12);
    ends = kit_pair(hub, NULL);
    in_force = kit_info(hub, ends.dialled).options;
    CHECK_INT(in_force.size, sizeof in_force);
    CHECK_INT(in_force.inbox_bytes, 256 * 1024);
    CHECK_INT(in_force.inbox_low_bytes, 128 * 1024);
    CHECK_INT(in_force.outbox_bytes, 4 * KIT_MIB);
    CHECK_INT(in_force.outbox_stream_bytes, 128 * 1024);
    CHECK_INT(in_force.outbox_low_bytes, 64 * 1024);
    CHECK_INT(in_force.outbox_messages_max, 1024);
    CHECK_INT(in_force.frame_bytes_max, KIT_MIB);
    CHECK_INT(in_force.handshake_ms, 5000);
    CHECK_INT(in_force.partial_frame_ms, 30000);
    CHECK_INT(in_force.write_stall_ms, 30000);
    CHECK_INT(in_force.keepalive_ms, 0);
    ends = kit_pair(hub, &kit_messages);
    CHECK(kit_info(hub, ends.dialled).options.inbox_bytes >= KIT_MIB + 8);
    kit_end(hub);
}

TEST(asking_with_a_strange_size)
{
    struct leat_hub *hub = kit_begin();
    struct kit_ends ends = kit_pair(hub, NULL);
    leat_listener listener = kit_listen(hub, kit_plain("server"), NULL);
    struct {
        union {
            struct leat_conn_info conn;
            struct leat_conn_stats stats;
            struct leat_listener_info listener;
            struct leat_hub_info hub;
        } any;
        uint64_t tail[4];
    } later;
    memset(&later, 0x5A, sizeof later);
    later.any.conn.size = sizeof later.any.conn - 1;
    CHECK_ERROR(leat_conn_info_get(hub, ends.dialled, &later.any.conn), LEAT_E_OPTIONS);
    /* Nothing is cleared as far as a size that is none would have it. */
    later.any.conn.size = 4097;
    CHECK_ERROR(leat_conn_info_get(hub, ends.dialled, &later.any.conn), LEAT_E_OPTIONS);
    later.any.conn.size = 0;
    CHECK_ERROR(leat_conn_info_get(hub, ends.dialled, &later.any.conn), LEAT_E_OPTIONS);
    CHECK_ERROR(leat_conn_stats_get(hub, ends.dialled, &later.any.stats), LEAT_E_OPTIONS);
    CHECK_ERROR(leat_listener_info_get(hub, listener, &later.any.listener), LEAT_E_OPTIONS);
    CHECK_ERROR(leat_hub_info_get(hub, &later.any.hub), LEAT_E_OPTIONS);
    CHECK_INT(later.any.stats.bytes_received, 0x5A5A5A5A5A5A5A5A);
    CHECK_ERROR(leat_conn_info_get(hub, ends.dialled, NULL), LEAT_E_ARGUMENT);
    CHECK_ERROR(leat_conn_stats_get(hub, ends.dialled, NULL), LEAT_E_ARGUMENT);
    CHECK_ERROR(leat_listener_info_get(hub, listener, NULL), LEAT_E_ARGUMENT);
    CHECK_ERROR(leat_hub_info_get(hub, NULL), LEAT_E_ARGUMENT);
    struct leat_listener_info info = {.size = sizeof info};
    CHECK_ERROR(leat_listener_info_get(hub, (leat_listener){1}, &info), LEAT_E_STALE);
    /* A later version's struct is filled as far as this version knows it. */
    memset(&later, 0x5A, sizeof later);
    later.any.conn.size = sizeof later.any.conn + sizeof later.tail;
    CHECK_ERROR(leat_conn_info_get(hub, ends.dialled, &later.any.conn), LEAT_OK);
    CHECK_INT(later.any.conn.state, LEAT_STATE_OPEN);
    CHECK_INT(later.tail[0], 0);
    CHECK_INT(later.tail[3], 0);
    kit_end(hub);
}

TEST(asking_for_statistics)
{
    struct leat_hub *hub = kit_begin();
    struct kit_ends ends = kit_pair(hub, &kit_messages);
    struct leat_conn_stats before = kit_stats(hub, ends.dialled);
    CHECK_INT(before.bytes_sent, KIT_HELLO_BYTES);
    CHECK_INT(before.bytes_received, KIT_HELLO_BYTES);
    kit_send_text(hub, ends.dialled, "12345");
    kit_send_text(hub, ends.dialled, "");
    kit_receive_text(hub, ends.accepted, "12345");
    kit_receive_text(hub, ends.accepted, "");
    struct leat_conn_stats sent = kit_stats(hub, ends.dialled);
    struct leat_conn_stats received = kit_stats(hub, ends.accepted);
    CHECK_INT(sent.bytes_sent, 32 + 13 + 8);
    CHECK_INT(received.bytes_received, 32 + 13 + 8);
    CHECK_INT(sent.messages_sent, 2);
    CHECK_INT(received.messages_received, 2);
    CHECK_INT(sent.messages_received + received.messages_sent, 0);
    CHECK_INT(sent.writes - before.writes, 2);
    CHECK_INT(sent.full + sent.write_stalls + received.read_stalls, 0);
    CHECK_INT(received.inbox_bytes_high, 32 > 21 ? 32 : 21);
    kit_end(hub);
}

TEST(asking_about_a_listener)
{
    struct leat_hub *hub = kit_begin();
    leat_listener listener = kit_listen(hub, kit_plain("server"), NULL);
    struct leat_listener_info info = kit_listener_info(hub, listener);
    CHECK_INT(info.tag, 100);
    CHECK_INT(info.conns + info.handshakes + info.error, 0);
    struct kit_ends ends = kit_open(hub, listener, kit_plain("server"), NULL);
    (void)kit_open(hub, listener, kit_plain("server"), NULL);
    info = kit_listener_info(hub, listener);
    CHECK_INT(info.conns, 2);
    CHECK_INT(info.accepted, 2);
    CHECK_INT(info.denied + info.handshakes_failed + info.accept_errors, 0);
    CHECK_ERROR(leat_abort(hub, ends.accepted), LEAT_OK);
    info = kit_listener_info(hub, listener);
    CHECK_INT(info.conns, 1);
    CHECK_INT(info.accepted, 2);
    kit_end(hub);
}

/* ---- Hooks ----------------------------------------------------------------------------------- */

struct traced {
    uint64_t received, sent;
    uint32_t states, lines;
    enum leat_state last_state;
    enum leat_error last_error;
    leat_conn conn; /* only this one */
    char line[256];
};

static void trace_take(void *context, const struct leat_trace *record)
{
    struct traced *traced = context;
    if (record->conn.id != traced->conn.id)
        return;
    CHECK(record->time_ns > 0);
    if (record->kind == LEAT_TRACE_STATE) {
        traced->states++;
        traced->last_state = record->state;
        traced->last_error = record->error;
        return;
    }
    CHECK(record->data != NULL && record->size > 0);
    CHECK_INT(record->tag, 9);
    if (record->kind == LEAT_TRACE_RECEIVED)
        traced->received += record->size;
    else
        traced->sent += record->size;
}

static void log_take(void *context, const char *text)
{
    struct traced *traced = context;
    traced->lines++;
    (void)snprintf(traced->line, sizeof traced->line, "%s", text);
    CHECK(strchr(text, '\n') == NULL);
}

TEST(hooks_trace_agrees_with_statistics)
{
    struct leat_hub *base = kit_begin();
    struct traced traced = {0};
    struct leat_hub_options options = {
        .size = sizeof options, .trace = trace_take, .log = log_take, .hook_context = &traced};
    struct leat_hub *hub = kit_hub(&options);
    struct kit_ends ends = kit_pair(hub, NULL);
    traced.conn = ends.dialled;
    CHECK_ERROR(leat_set_tag(hub, ends.dialled, 9), LEAT_OK);
    uint64_t total = kit_fill(hub, ends.dialled, 0);
    uint64_t read = 0;
    kit_write_text(hub, ends.accepted, "back");
    while (read < total) {
        size_t size = 0;
        REQUIRE_ERROR(leat_wait_readable(hub, ends.accepted, KIT_SOON_MS), LEAT_OK);
        REQUIRE_ERROR(leat_skip(hub, ends.accepted, SIZE_MAX, &size), LEAT_OK);
        read += size;
    }
    kit_read_text(hub, ends.dialled, "back");
    struct leat_conn_stats stats = kit_stats(hub, ends.dialled);
    CHECK_INT(traced.sent, total);
    CHECK_INT(traced.sent, stats.bytes_sent);
    CHECK_INT(traced.received, 4);
    CHECK_INT(traced.received, stats.bytes_received);
    CHECK_INT(traced.states, 0);
    CHECK_ERROR(leat_abort(hub, ends.accepted), LEAT_OK);
    CHECK_ERROR(KIT_UNTIL(hub, LEAT_EVENT_CLOSED).error, LEAT_E_CLOSED);
    CHECK_INT(traced.states, 1);
    CHECK_INT(traced.last_state, LEAT_STATE_ENDED);
    CHECK_ERROR(traced.last_error, LEAT_E_CLOSED);
    CHECK_ERROR(leat_hub_destroy(hub), LEAT_OK);
    kit_end(base);
}

TEST(hooks_log_is_one_line_and_limited)
{
    struct leat_hub *base = kit_begin();
    struct traced traced = {0};
    struct leat_hub_options options = {
        .size = sizeof options, .log = log_take, .hook_context = &traced};
    struct leat_hub *hub = kit_hub(&options);
    struct leat_listen_options listen = {.size = sizeof listen, .conn = &kit_messages};
    leat_listener listener;
    REQUIRE_ERROR(leat_listen(hub, kit_plain("server"), &listen, &listener), LEAT_OK);
    for (int i = 0; i < 25; i++) {
        int fd = kit_raw_connect(kit_plain("server"));
        kit_raw_send(fd, "GET / HTTP/1.1\r\n", 16);
        KIT_QUIET(hub);
        kit_raw_close(fd);
    }
    kit_drain(hub, NULL, NULL);
    CHECK_INT(kit_listener_info(hub, listener).handshakes_failed, 25);
    CHECK(traced.lines >= 1 && traced.lines <= 20);
    CHECK(strstr(traced.line, "PROTOCOL") != NULL);
    CHECK(strstr(traced.line, "GET") == NULL);
    CHECK_ERROR(leat_hub_destroy(hub), LEAT_OK);
    kit_end(base);
}

/* ---- Names of things ------------------------------------------------------------------------- */

TEST(names_of_errors_operations_states_and_events)
{
    static const struct {
        enum leat_error error;
        const char *name, *text;
    } errors[] = {
        {LEAT_OK, "OK", "no error"},
#define LEAT_ERROR(name, value, text) {LEAT_E_##name, #name, text},
#include "leat/error.def"
#undef LEAT_ERROR
    };
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        CHECK_STR(leat_error_name(errors[i].error), errors[i].name);
        CHECK_STR(leat_error_text(errors[i].error), errors[i].text);
    }
    CHECK_STR(leat_error_name((enum leat_error)1000), "UNKNOWN");
    CHECK_STR(leat_error_text((enum leat_error)1000), "unknown error");
    CHECK_STR(leat_operation_name(LEAT_OP_LISTEN), "listen");
    CHECK_STR(leat_operation_name(LEAT_OP_ADOPT), "adopt");
    CHECK_STR(leat_operation_name((enum leat_operation)77), "UNKNOWN");
    CHECK_STR(leat_state_name(LEAT_STATE_CONNECTING), "CONNECTING");
    CHECK_STR(leat_state_name(LEAT_STATE_ENDED), "ENDED");
    CHECK_STR(leat_state_name((enum leat_state)0), "UNKNOWN");
    CHECK_STR(leat_event_name(LEAT_EVENT_CONNECTED), "CONNECTED");
    CHECK_STR(leat_event_name(LEAT_EVENT_WOKEN), "WOKEN");
    CHECK_STR(leat_event_name((enum leat_event_type)0), "UNKNOWN");
    char version[32];
    (void)snprintf(version, sizeof version, "%d.%d.%d", LEAT_VERSION_MAJOR, LEAT_VERSION_MINOR,
                   LEAT_VERSION_PATCH);
    CHECK_STR(leat_version(), version);
}

/* ---- Handles --------------------------------------------------------------------------------- */

TEST(handles_made_up_are_stale)
{
    struct leat_hub *hub = kit_begin();
    struct leat_hub *other = kit_hub(NULL);
    struct kit_ends ends = kit_pair(hub, NULL);
    KIT_STALE(hub, (leat_conn){0});
    KIT_STALE(other, ends.dialled);
    for (int i = 0; i < 64; i++)
        KIT_STALE(hub, (leat_conn){ends.dialled.id ^ (UINT64_C(1) << i) ^
                                   ((ends.dialled.id ^ ends.accepted.id) == UINT64_C(1) << i
                                        ? UINT64_C(1) << 63 | UINT64_C(1) << 30
                                        : 0)});
    leat_listener listener = kit_listen(hub, kit_plain("server"), NULL);
    KIT_STALE(hub, (leat_conn){listener.id});
    kit_write_text(hub, ends.dialled, "fine");
    kit_read_text(hub, ends.accepted, "fine");
    /* A slot that is used again has another id. */
    CHECK_ERROR(leat_abort(hub, ends.dialled), LEAT_OK);
    for (int i = 0; i < 100; i++) {
        struct kit_ends again = kit_pair(hub, NULL);
        CHECK(again.dialled.id != ends.dialled.id && again.accepted.id != ends.dialled.id);
        KIT_STALE(hub, ends.dialled);
        CHECK_ERROR(leat_abort(hub, again.dialled), LEAT_OK);
        CHECK_ERROR(leat_abort(hub, again.accepted), LEAT_OK);
    }
    CHECK_ERROR(leat_hub_destroy(other), LEAT_OK);
    kit_end(hub);
}
