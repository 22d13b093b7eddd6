/* SPDX-License-Identifier: MIT
 *
 * leat serve: a name, and for each client an echo, a command, or standard input and output.
 *
 * Happy path: listen; ACCEPTED gives a connection a slot, whose number is its tag; events go to the
 * slot; SIGINT, SIGTERM or SIGHUP close the listener, which removes the name, and end with code 0.
 *
 * Fails: what concerns one client is a note and the server goes on, but for standard input and
 * output, whose one client's end is the command's end.
 *
 * Invariants: at most LTI_TOOL_PUMPS_MAX clients and children, each with bounded memory.
 */
#include "ask.h"
#include "echo.h"
#include "loop.h"

#define LINGER_MS 30000u
/* A person takes longer than a peer that is to shake hands; more is not to be had. */
#define ASK_MS 60000u

struct serve {
    const struct lti_tool_options *o;
    struct lti_tool_loop loop;
    struct lti_tool_ask ask;
    leat_listener listener;
    bool listening;
    bool stdin_ended;
    bool done;
    int code;
    struct lti_tool_pump pumps[LTI_TOOL_PUMPS_MAX];
    struct lti_tool_echo echoes[LTI_TOOL_PUMPS_MAX];
    int64_t children[LTI_TOOL_PUMPS_MAX]; /* 0: none */
};

static bool serve_stdio(const struct serve *s)
{
    return !s->o->echo && s->o->exec == NULL;
}

static bool slot_free(const struct serve *s, size_t i)
{
    return s->pumps[i].state == LTI_TOOL_PUMP_IDLE && !s->echoes[i].used && s->children[i] == 0;
}

static void accept_command(struct serve *s, size_t i, leat_conn conn)
{
    struct lti_tool_pump *pump = &s->pumps[i];
    int64_t os_code = lti_tool_os_spawn(s->o->exec, &s->children[i], &pump->out, &pump->in);

    if (os_code != 0) {
        lti_tool_note(s->o, "cannot run the command", os_code);
        (void)leat_abort(s->loop.hub, conn);
        return;
    }
    pump->served = true;
    lti_tool_pump_open(pump, s->loop.hub, conn, LTI_TOOL_PUMP_OPEN);
}

static void accept_stdio(struct serve *s, leat_conn conn)
{
    struct lti_tool_pump *pump = &s->pumps[0];

    if (!s->o->keep_open) {
        (void)leat_listener_close(s->loop.hub, s->listener);
        s->listening = false;
        lti_tool_loop_progress_start(&s->loop);
    }
    pump->in = s->stdin_ended ? LTI_TOOL_NO_HANDLE : lti_tool_os_stdin();
    pump->out = lti_tool_os_stdout();
    pump->output_kept = s->o->keep_open;
    lti_tool_pump_open(pump, s->loop.hub, conn, LTI_TOOL_PUMP_OPEN);
}

static void serve_accept(struct serve *s, leat_conn conn)
{
    size_t i = 0;

    while (i < LTI_TOOL_PUMPS_MAX && !slot_free(s, i)) {
        i++;
    }
    if (s->done) {
        (void)leat_abort(s->loop.hub, conn);
        return;
    }
    if (i == LTI_TOOL_PUMPS_MAX) {
        lti_tool_note(s->o, "too many commands of earlier clients still run", 0);
        (void)leat_abort(s->loop.hub, conn);
        return;
    }
    (void)leat_set_tag(s->loop.hub, conn, i + 1);
    if (s->o->echo) {
        s->echoes[i] =
            (struct lti_tool_echo){.o = s->o, .hub = s->loop.hub, .conn = conn, .used = true};
    } else if (s->o->exec != NULL) {
        accept_command(s, i, conn);
    } else {
        accept_stdio(s, conn);
    }
}

static void child_streams_end(struct lti_tool_pump *pump)
{
    if (pump->in != LTI_TOOL_NO_HANDLE) {
        (void)lti_tool_os_end(pump->in);
    }
    if (pump->out != LTI_TOOL_NO_HANDLE) {
        (void)lti_tool_os_end(pump->out);
    }
    lti_tool_pump_close(pump);
}

/* A command that has ended, and whose output is on its way, ends its connection as inetd does. */
static void command_step(struct serve *s, size_t i)
{
    struct lti_tool_pump *pump = &s->pumps[i];

    if (s->children[i] != 0 && s->loop.signalled && lti_tool_os_reap(s->children[i])) {
        s->children[i] = 0;
    }
    if (pump->state == LTI_TOOL_PUMP_OPEN && pump->hangup && pump->in != LTI_TOOL_NO_HANDLE) {
        /* Nobody hears the command any more: it is to know, not to block. */
        (void)lti_tool_os_end(pump->in);
        pump->in = LTI_TOOL_NO_HANDLE;
        pump->in_ended = true;
    }
    if (pump->state == LTI_TOOL_PUMP_DONE) {
        child_streams_end(pump);
    } else if (pump->state == LTI_TOOL_PUMP_OPEN && s->children[i] == 0 &&
               (pump->finished || pump->hangup)) {
        (void)leat_close(s->loop.hub, pump->conn, LINGER_MS);
        child_streams_end(pump);
    }
}

static void stdio_step(struct serve *s)
{
    struct lti_tool_pump *pump = &s->pumps[0];

    if (pump->state != LTI_TOOL_PUMP_DONE) {
        return;
    }
    s->stdin_ended = pump->in_ended;
    s->done = !s->o->keep_open || pump->code == LTI_TOOL_EXIT_OTHER;
    if (s->done) {
        s->code = pump->code;
        lti_tool_loop_progress_end(&s->loop);
    }
    lti_tool_pump_close(pump);
}

static void serve_step(struct serve *s)
{
    if (serve_stdio(s)) {
        stdio_step(s);
    } else if (s->o->exec != NULL) {
        for (size_t i = 0; i < LTI_TOOL_PUMPS_MAX; i++) {
            command_step(s, i);
        }
    }
}

static void serve_event(struct serve *s, const struct leat_event *event)
{
    if (lti_tool_ask_event(&s->ask, event)) {
        return;
    }
    if (event->type == LEAT_EVENT_ACCEPTED) {
        /* Slots of clients that left in this round are free for this one. */
        serve_step(s);
        serve_accept(s, event->conn);
    } else if (event->type == LEAT_EVENT_LISTEN_ERROR) {
        lti_tool_note(s->o, leat_error_text(event->error), 0);
    } else if (event->tag >= 1 && event->tag <= LTI_TOOL_PUMPS_MAX) {
        size_t i = (size_t)event->tag - 1;

        if (s->echoes[i].used && s->echoes[i].conn.id == event->conn.id) {
            lti_tool_echo_event(&s->echoes[i], event);
        } else if (s->pumps[i].conn.id == event->conn.id) {
            lti_tool_pump_event(&s->pumps[i], event);
        }
    }
}

static void serve_run(struct serve *s)
{
    while (!s->done && s->code == LTI_TOOL_EXIT_OK) {
        struct leat_event event;
        unsigned taken = 0;

        while (lti_tool_loop_event(&s->loop, &taken, &event)) {
            serve_event(s, &event);
        }
        serve_step(s);
        if (!s->done) {
            s->code = lti_tool_loop_wait(&s->loop);
            lti_tool_ask_step(&s->ask);
        }
        if (s->loop.signalled && lti_tool_os_signals_take()) {
            s->done = true;
        } else {
            serve_step(s);
        }
    }
}

/* Says goodbye to those that are connected, within a second. */
static void serve_end(struct serve *s)
{
    if (s->listening) {
        (void)leat_listener_close(s->loop.hub, s->listener);
    }
    for (size_t i = 0; i < LTI_TOOL_PUMPS_MAX; i++) {
        if (s->echoes[i].used) {
            (void)leat_close(s->loop.hub, s->echoes[i].conn, LTI_TOOL_GOODBYE_MS);
        }
        if (s->pumps[i].state == LTI_TOOL_PUMP_OPEN) {
            (void)leat_close(s->loop.hub, s->pumps[i].conn, LTI_TOOL_GOODBYE_MS);
        }
        if (s->children[i] != 0) {
            lti_tool_os_terminate(s->children[i]);
        }
        lti_tool_pump_close(&s->pumps[i]);
    }
    lti_tool_loop_goodbye(&s->loop);
}

static int serve_listen(struct serve *s)
{
    struct leat_conn_options conn_options;
    struct leat_listen_options options = {.size = sizeof options, .conn = &conn_options};
    enum leat_error error;
    int64_t os_code = lti_tool_os_signals_open(&s->loop.signals);

    if (os_code != 0) {
        return lti_tool_fail_text(s->o, LTI_TOOL_EXIT_OTHER, "cannot watch signals", os_code);
    }
    lti_tool_conn_options(s->o, &conn_options);
    lti_tool_policy_listen(&s->o->policy, &options);
    if (s->o->policy.who == LEAT_WHO_ASK) {
        conn_options.handshake_ms = ASK_MS;
    }
    options.sddl = s->o->sddl;
    options.conns_max = serve_stdio(s) ? 1 : LTI_TOOL_PUMPS_MAX;
    error = leat_listen(s->loop.hub, s->o->name, &options, &s->listener);
    if (error != LEAT_OK) {
        struct leat_hub_info info = {.size = sizeof info};
        enum leat_error asked = leat_hub_info_get(s->loop.hub, &info);
        return lti_tool_fail(s->o, error, asked == LEAT_OK ? info.os_code : 0);
    }
    s->listening = true;
    if (lti_tool_os_is_terminal(2)) {
        lti_tool_note(s->o, "listening", 0);
    }
    return LTI_TOOL_EXIT_OK;
}

int lti_tool_serve(const struct lti_tool_options *o)
{
    static struct serve s;

    s.o = o;
    s.code = lti_tool_loop_open(&s.loop, o);
    if (s.code == LTI_TOOL_EXIT_OK) {
        s.loop.pumps = s.pumps;
        s.loop.pumps_count = serve_stdio(&s) ? 1 : LTI_TOOL_PUMPS_MAX;
        for (size_t i = 0; i < LTI_TOOL_PUMPS_MAX; i++) {
            s.pumps[i].o = o;
            lti_tool_pump_close(&s.pumps[i]);
        }
        lti_tool_os_output_prepare();
        s.ask.loop = &s.loop;
        if (o->policy.who == LEAT_WHO_ASK) {
            s.code = lti_tool_ask_open(&s.ask, &s.loop);
        }
    }
    if (s.code == LTI_TOOL_EXIT_OK) {
        s.code = serve_listen(&s);
    }
    if (s.code == LTI_TOOL_EXIT_OK) {
        serve_run(&s);
        serve_end(&s);
    }
    lti_tool_loop_close(&s.loop);
    return s.code;
}
