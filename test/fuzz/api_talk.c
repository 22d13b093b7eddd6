/* SPDX-License-Identifier: MIT
 *
 * Scripts of API calls: what is done with one end of a connection.
 *
 * Happy path: what an end says is an endless pattern, or messages with a number; what it hears must
 *             be that, from the beginning and without a gap.
 * Fails:      an error that leat.h does not list, a byte that nobody said, or a view that changes
 *             while it is held, ends the program.
 * Invariants: each call may be made in each state of an end.
 */
#include "api.h"

#include "os_sim/sim.h"

#include <string.h>

#define NUMBER_BYTES 4u

static struct leat_hub *hub_of(const struct api_end *end)
{
    return api.hubs[end->hub];
}

void api_ended(struct api_end *end)
{
    end->dead = true;
    end->view = false;
}

static bool compared(const struct api_end *end)
{
    return !end->foreign && !api.mixed;
}

/* Errors of calls that are of another protocol, and of those that are not. */
static uint64_t set_for(const struct api_end *end, bool bytes, uint64_t set)
{
    return (end->protocol == LEAT_BYTES) == bytes ? set : API_BIT(STATE);
}

static size_t size_choose(void)
{
    static const size_t sizes[] = {0, 1, 3, 4, 5, 100, 1000, 5000, 65536, 70000, 131072, 200000};
    return sizes[fuzz_below(&api.input, sizeof sizes / sizeof sizes[0])];
}

/* ---- Hearing --------------------------------------------------------------------------------- */

static void heard_bytes(struct api_end *end, const void *data, size_t size)
{
    CHECK(size > 0);
    CHECK(!compared(end) || kit_pattern_is(data, size, end->heard));
    end->heard += size;
}

static void heard_message(struct api_end *end, const void *data, size_t size)
{
    const uint8_t *bytes = data;
    uint64_t number = end->heard++;
    if (size < NUMBER_BYTES || !compared(end))
        return;
    for (uint32_t i = 0; i < NUMBER_BYTES; i++)
        CHECK_INT(bytes[i], (uint8_t)(number >> (8 * i)));
    CHECK(kit_pattern_is(bytes + NUMBER_BYTES, size - NUMBER_BYTES, number));
}

void api_read(struct api_end *end)
{
    size_t size = 77;
    enum leat_error error;
    if (end->protocol == LEAT_BYTES) {
        size_t want = 1 + size_choose() / 2;
        error = leat_read(hub_of(end), end->conn, api_block, want, &size);
        api_allow_end("read", end, error, API_OK | API_ENDED | API_BIT(EMPTY));
        if (error == LEAT_OK)
            heard_bytes(end, api_block, size);
    } else {
        error = leat_receive(hub_of(end), end->conn, api_block, sizeof api_block, &size);
        uint64_t set = end->view ? API_BIT(STATE) : API_OK | API_ENDED | API_BIT(EMPTY);
        api_allow_end("receive", end, error, set);
        if (error == LEAT_OK)
            heard_message(end, api_block, size);
    }
    if (error != LEAT_OK && error != LEAT_E_TOO_BIG)
        CHECK_INT(size, 77);
}

static void act_peek(struct api_end *end)
{
    const void *data = NULL;
    size_t size = 0, part = size_choose();
    enum leat_error error = leat_peek(hub_of(end), end->conn, &data, &size);
    api_allow_end("peek", end, error, set_for(end, true, API_OK | API_ENDED | API_BIT(EMPTY)));
    if (error != LEAT_OK)
        return;
    CHECK(size > 0 && (!compared(end) || kit_pattern_is(data, size, end->heard)));
    error = leat_consume(hub_of(end), end->conn, part);
    CHECK_ERROR(error, part <= size ? LEAT_OK : LEAT_E_ARGUMENT);
    if (error == LEAT_OK)
        end->heard += part;
}

static void act_read_more(struct api_end *end, uint32_t act)
{
    size_t size = 0, want = 1 + size_choose();
    uint32_t timeout_ms = fuzz_byte(&api.input);
    char byte = (char)timeout_ms;
    uint64_t began_ns = lti_sim_time_ns(), set = API_OK | API_ENDED | API_BIT(EMPTY);
    enum leat_error error;
    if (want > sizeof api_block)
        want = sizeof api_block;
    if (act == 0) {
        error = leat_read_until(hub_of(end), end->conn, byte, api_block, want, &size);
    } else if (act == 1) {
        error = leat_skip(hub_of(end), end->conn, want, &size);
    } else if (act == 2) {
        error = leat_read_full(hub_of(end), end->conn, api_block, want, timeout_ms, &size);
        set |= API_WAITS | API_BIT(STATE);
    } else {
        error = leat_read_line(hub_of(end), end->conn, (char *)api_block, want, timeout_ms, &size);
        set |= API_WAITS | API_BIT(STATE);
    }
    api_waited("read", began_ns, act < 2 ? 0 : timeout_ms);
    api_allow_end("read", end, error, set_for(end, true, set));
    if (error == LEAT_E_WOKEN)
        api.wakes[end->hub] = 0;
    if (act == 1 && error == LEAT_OK)
        end->heard += size;
    else if ((error == LEAT_OK || act == 2) && size > 0)
        heard_bytes(end, api_block, size);
}

static void view_judge(const struct api_end *end)
{
    for (size_t i = 0; end->view && i < end->view_count; i++) {
        const uint8_t *bytes = end->views[i].data;
        size_t size = end->views[i].size;
        if (size > 0)
            CHECK(bytes[0] == end->view_first[i] && bytes[size - 1] == end->view_last[i]);
    }
}

/* How many are shown at most comes from what was heard, so that it costs no byte of the input. */
static void act_view(struct api_end *end)
{
    uint64_t set = end->view ? API_OK | API_BIT(STATE) : API_OK | API_ENDED | API_BIT(EMPTY);
    struct leat_slice views[API_VIEWS];
    size_t most = 1 + end->heard % API_VIEWS, count = 1;
    enum leat_error error;
    if (most == 1)
        error = leat_view(hub_of(end), end->conn, &views[0].data, &views[0].size);
    else
        error = leat_view_many(hub_of(end), end->conn, views, most, &count);
    api_allow_end("view", end, error, set_for(end, false, set));
    if (error != LEAT_OK || end->view)
        return;
    CHECK(count >= 1 && count <= (end->protocol == LEAT_PACKETS ? 1 : most));
    end->view = true;
    end->view_count = count;
    for (size_t i = 0; i < count; i++) {
        end->views[i] = views[i];
        if (views[i].size > 0) {
            end->view_first[i] = ((const uint8_t *)views[i].data)[0];
            end->view_last[i] = ((const uint8_t *)views[i].data)[views[i].size - 1];
        }
        heard_message(end, views[i].data, views[i].size);
    }
}

static void act_release(struct api_end *end)
{
    enum leat_error error = leat_release(hub_of(end), end->conn);
    api_allow_end("release", end, error, end->view ? API_OK : API_BIT(STATE));
    end->view = false;
}

static void act_receive_wait(struct api_end *end)
{
    size_t size = 0;
    uint32_t timeout_ms = fuzz_byte(&api.input);
    uint64_t began_ns = lti_sim_time_ns();
    enum leat_error error =
        leat_receive_wait(hub_of(end), end->conn, api_block, sizeof api_block, timeout_ms, &size);
    api_waited("receive_wait", began_ns, timeout_ms);
    api_allow_end("receive_wait", end, error,
                  set_for(end, false, API_OK | API_ENDED | API_WAITS | API_BIT(STATE)));
    if (error == LEAT_E_WOKEN)
        api.wakes[end->hub] = 0;
    if (error == LEAT_OK)
        heard_message(end, api_block, size);
}

/* ---- Saying ---------------------------------------------------------------------------------- */

#define SET_SAY (API_OK | API_ENDED | API_BIT(FULL) | API_BIT(STATE))

static void act_write(struct api_end *end, uint32_t act)
{
    size_t size = size_choose(), accepted = 0;
    uint32_t timeout_ms = fuzz_byte(&api.input);
    uint64_t began_ns = lti_sim_time_ns(), set = SET_SAY;
    enum leat_error error;
    kit_pattern(api_block, size, end->said);
    if (act == 0) {
        error = leat_write(hub_of(end), end->conn, api_block, size, &accepted);
    } else if (act == 1) {
        const struct leat_slice slices[3] = {
            {api_block, size / 3}, {api_block, 0}, {api_block + size / 3, size - size / 3}};
        error = leat_write_slices(hub_of(end), end->conn, slices, 3, &accepted);
    } else {
        error = leat_write_full(hub_of(end), end->conn, api_block, size, timeout_ms, &accepted);
        set |= API_WAITS;
    }
    api_waited("write", began_ns, act == 2 ? timeout_ms : 0);
    api_allow_end("write", end, error, set_for(end, true, set));
    CHECK(accepted <= size && (error != LEAT_OK || accepted > 0 || size == 0));
    CHECK(error == LEAT_OK || accepted == 0 || act == 2);
    if (error == LEAT_E_WOKEN)
        api.wakes[end->hub] = 0;
    end->said += accepted;
}

static void message_make(uint8_t *bytes, size_t size, uint64_t number)
{
    for (uint32_t i = 0; i < NUMBER_BYTES && i < size; i++)
        bytes[i] = (uint8_t)(number >> (8 * i));
    if (size > NUMBER_BYTES)
        kit_pattern(bytes + NUMBER_BYTES, size - NUMBER_BYTES, number);
}

/* The message in the block, between small ones. */
static enum leat_error send_many(struct api_end *end, size_t size)
{
    uint8_t before[20], behind[9];
    const struct leat_slice slices[3] = {
        {before, sizeof before}, {api_block, size}, {behind, sizeof behind}};
    size_t sent = 77;
    message_make(before, sizeof before, end->said);
    message_make(api_block, size, end->said + 1);
    message_make(behind, sizeof behind, end->said + 2);
    enum leat_error error = leat_send_many(hub_of(end), end->conn, slices, 3, &sent);
    CHECK(error == LEAT_OK ? sent >= 1 && sent <= 3 : sent == 77);
    end->said += error == LEAT_OK ? sent - 1 : 0;
    return error;
}

static void act_send(struct api_end *end, uint32_t act)
{
    size_t size = size_choose();
    uint32_t timeout_ms = fuzz_byte(&api.input);
    uint64_t began_ns = lti_sim_time_ns(), set = SET_SAY | API_BIT(TOO_BIG);
    enum leat_error error;
    message_make(api_block, size, end->said);
    if (act == 0 && timeout_ms % 2) {
        error = send_many(end, size);
    } else if (act == 0) {
        error = leat_send(hub_of(end), end->conn, api_block, size);
    } else if (act == 1) {
        const struct leat_slice slices[2] = {{api_block, size / 2},
                                             {api_block + size / 2, size - size / 2}};
        error = leat_send_slices(hub_of(end), end->conn, slices, 2);
    } else {
        error = leat_send_wait(hub_of(end), end->conn, api_block, size, timeout_ms);
        set |= API_WAITS;
    }
    api_waited("send", began_ns, act == 2 ? timeout_ms : 0);
    if (end->protocol == LEAT_PACKETS && size == 0)
        set |= API_BIT(ARGUMENT);
    api_allow_end("send", end, error, set_for(end, false, set));
    if (error == LEAT_E_WOKEN)
        api.wakes[end->hub] = 0;
    if (error == LEAT_OK)
        end->said++;
}

/* ---- Waiting and ending ---------------------------------------------------------------------- */

static void act_wait(struct api_end *end, uint32_t act)
{
    static enum leat_error (*const waits[])(struct leat_hub *, leat_conn, uint32_t) = {
        leat_wait_connected, leat_wait_readable, leat_wait_writable, leat_wait_sent,
        leat_wait_closed};
    uint32_t timeout_ms = fuzz_byte(&api.input) * 4u;
    uint64_t began_ns = lti_sim_time_ns();
    enum leat_error error = waits[act](hub_of(end), end->conn, timeout_ms);
    api_waited("wait", began_ns, timeout_ms);
    uint64_t set = API_OK | API_ENDED | API_WAITS;
    api_allow_end("wait", end, error, act == 1 ? set | API_BIT(STATE) : set);
    if (error == LEAT_E_WOKEN)
        api.wakes[end->hub] = 0;
    if (act == 0 && error == LEAT_OK)
        end->connected = true;
    if (act == 4 && error != LEAT_E_STALE) {
        end->foreign = true; /* what was unread is dropped */
        end->paused = kit_info(hub_of(end), end->conn).paused;
        api_allow("release", leat_release(hub_of(end), end->conn), API_OK | API_BIT(STATE));
        end->view = false;
    }
}

static void act_end(struct api_end *end, uint32_t act)
{
    uint32_t linger_ms = fuzz_byte(&api.input) * 10u;
    uint64_t began_ns = lti_sim_time_ns(), undelivered = 0, set = API_OK;
    enum leat_error error;
    if (act == 0) {
        error = leat_close(hub_of(end), end->conn, linger_ms);
    } else if (act == 1) {
        error = leat_close_report(hub_of(end), end->conn, linger_ms, 1);
        api.reports[end->hub] += error == LEAT_OK;
    } else if (act == 2) {
        error = leat_abort(hub_of(end), end->conn);
    } else {
        error = leat_close_wait(hub_of(end), end->conn, linger_ms, &undelivered);
        set |= API_ENDED | API_WAITS;
        if (error == LEAT_E_WOKEN)
            api.wakes[end->hub] = 0;
    }
    api_waited("close", began_ns, act == 3 ? linger_ms : 0);
    api_allow_end("close", end, error, set);
    api_ended(end);
}

static void act_finish(struct api_end *end)
{
    bool said = end->protocol == LEAT_MESSAGES || (end->protocol == LEAT_PACKETS && KIT_PIPES);
    uint64_t set = API_OK | API_ENDED | API_BIT(STATE) | API_BIT(FULL);
    enum leat_error error = leat_finish(hub_of(end), end->conn);
    api_allow_end("finish", end, error, set);
    CHECK(error != LEAT_OK || said || !KIT_PIPES);
}

static void act_pause(struct api_end *end, bool pause)
{
    enum leat_error error =
        pause ? leat_pause(hub_of(end), end->conn) : leat_resume(hub_of(end), end->conn);
    api_allow_end("pause", end, error, API_OK);
    end->paused = pause;
}

/* ---- Asking ---------------------------------------------------------------------------------- */

static void act_ask(struct api_end *end)
{
    struct leat_conn_info info = {.size = sizeof info};
    struct leat_conn_stats stats = {.size = sizeof stats};
    struct leat_peer peer = {.size = sizeof peer};
    char buffer[300];
    size_t size = 0;
    enum leat_error error = leat_conn_info_get(hub_of(end), end->conn, &info);
    api_allow_end("conn_info_get", end, error, API_OK);
    if (error == LEAT_OK) {
        CHECK_INT(info.protocol, end->protocol);
        CHECK_INT(info.paused, end->paused);
        CHECK(info.options.inbox_bytes >= 1 && info.os_code >= 0);
    }
    error = leat_conn_stats_get(hub_of(end), end->conn, &stats);
    api_allow_end("conn_stats_get", end, error, API_OK);
    if (error == LEAT_OK && end->protocol == LEAT_BYTES)
        CHECK(stats.bytes_received >= end->heard && stats.bytes_sent <= end->said);
    error = leat_conn_name(hub_of(end), end->conn, buffer, sizeof buffer, &size);
    api_allow_end("conn_name", end, error, API_OK);
    error = leat_peer_get(hub_of(end), end->conn, &peer);
    api_allow_end("peer_get", end, error,
                  API_OK | API_ENDED | API_BIT(STATE) | API_BIT(UNTRUSTED) | API_BIT(UNSUPPORTED));
    error = leat_set_tag(hub_of(end), end->conn, 3);
    api_allow_end("set_tag", end, error, API_OK);
}

static void act_allow(struct api_end *end)
{
    bool refuse = fuzz_byte(&api.input) & 1;
    enum leat_error error =
        refuse ? leat_refuse(hub_of(end), end->conn) : leat_allow(hub_of(end), end->conn);
    bool asking = end->asked && !end->connected;
    api_allow_end("allow", end, error, asking ? API_OK | API_BIT(STATE) : API_BIT(STATE));
    if (refuse && error == LEAT_OK)
        api_ended(end);
}

void api_act_talk(uint32_t act)
{
    struct api_end *end = api_end_choose();
    if (end == NULL)
        return;
    view_judge(end);
    if (act < 3)
        act_write(end, act);
    else if (act < 6)
        act_send(end, act - 3);
    else if (act < 8)
        api_read(end);
    else if (act == 8)
        act_peek(end);
    else if (act < 13)
        act_read_more(end, act - 9);
    else if (act == 13)
        act_view(end);
    else if (act == 14)
        act_release(end);
    else if (act == 15)
        act_receive_wait(end);
    else if (act < 21)
        act_wait(end, act - 16);
    else if (act < 25)
        act_end(end, act - 21);
    else if (act == 25)
        act_finish(end);
    else if (act < 28)
        act_pause(end, act == 26);
    else if (act == 28)
        act_ask(end);
    else
        act_allow(end);
}
