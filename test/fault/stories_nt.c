/* SPDX-License-Identifier: MIT
 *
 * Stories that named pipes tell in their own way: handles to adopt, the pool of instances, somebody
 * else's instances, the waitable.
 *
 * Happy path: each tells one thing that a user does, to its end.
 * Fails:      a story stops at the first step that leaves nothing to go on with.
 * Invariants: what a story does below the library happens without faults, and is closed in it.
 */
#include "story.h"

#include "os_fault.h"
#include "os_nt.h"
#include "sync_pipe.h"

#include <stdio.h>
#include <string.h>

#define POOL_INSTANCES 2u
#define POOL_QUIET_MS 3000u /* longer than a listener pauses */
#define WAITABLE_TURNS_MAX 40

const char *lti_story_path(const struct lti_story *story, const char *file)
{
    static char paths[2][128];
    static unsigned turn;
    char *path = paths[turn++ % 2];
    (void)snprintf(path, sizeof paths[0], "%s\\%s", story->folder, file);
    return path;
}

/* ---- Below the library ----------------------------------------------------------------------- */

static void raw_name(const char *name, uint16_t units_out[LTI_OS_PIPE_UNITS_MAX + 1])
{
    size_t size = strlen(name);
    for (size_t i = 0; i <= size && i <= LTI_OS_PIPE_UNITS_MAX; i++)
        units_out[i] = (unsigned char)name[i];
}

static int64_t raw_open(const char *name)
{
    uint16_t units[LTI_OS_PIPE_UNITS_MAX + 1];
    raw_name(name, units);
    lti_fault_suspend();
    int64_t handle = lti_os_pipe_open(units);
    lti_fault_resume();
    return handle;
}

static int64_t raw_create(const char *name, uint32_t flags)
{
    uint16_t units[LTI_OS_PIPE_UNITS_MAX + 1];
    raw_name(name, units);
    lti_fault_suspend();
    int64_t handle = lti_os_pipe_create(units, flags, 8, 65536, NULL);
    lti_fault_resume();
    return handle;
}

static void raw_close(int64_t handle)
{
    lti_fault_suspend();
    if (handle >= 0)
        (void)lti_os_handle_close((intptr_t)handle);
    lti_fault_resume();
}

static uint32_t raw_instances(int64_t handle)
{
    struct lti_os_pipe_facts facts;
    lti_fault_suspend();
    bool known = handle >= 0 && lti_os_pipe_facts((intptr_t)handle, &facts) >= 0;
    lti_fault_resume();
    return known ? facts.instances : 0;
}

/* ---- Names ----------------------------------------------------------------------------------- */

void lti_story_of_plain_name(struct lti_story *story)
{
    char text[320] = "";
    size_t size = SIZE_MAX;
    enum leat_error error = leat_resolve("sweep", text, sizeof text, &size);
    if (error != LEAT_OK && size != SIZE_MAX)
        lti_story_complain(story, "leat_resolve failed and touched its output");
    if (error == LEAT_OK)
        lti_story_say(story, 0, "%s ", text);
    if (lti_story_note(story, 0, "leat_resolve", error))
        lti_story_serve(story, "sweep");
}

void lti_story_of_no_finish(struct lti_story *story)
{
    leat_conn a, b;
    if (!lti_story_pair(story, 1, 2, NULL, &a, &b))
        return;
    (void)lti_story_write(story, 1, a, "question");
    (void)lti_story_finish(story, 1, a);
    (void)lti_story_read(story, 2, b, 8);
    (void)lti_story_write(story, 2, b, "answer");
    (void)lti_story_read(story, 1, a, 6);
}

/* ---- Adopting -------------------------------------------------------------------------------- */

/* A refused handle must still be open, and is closed here. */
static bool adopt_one(struct lti_story *story, int lane, int64_t handle, leat_conn *conn_out)
{
    if (lti_story_adopt(story, lane, (intptr_t)handle, NULL, conn_out))
        return true;
    if (raw_instances(handle) == 0)
        lti_story_complain(story, "a refused handle was closed");
    raw_close(handle);
    return false;
}

/* Both ends of one instance. */
static bool adopt_pair(struct lti_story *story, const char *name, uint32_t flags,
                       int64_t handles_out[2])
{
    handles_out[0] = raw_create(name, flags | LTI_OS_PIPE_FIRST);
    handles_out[1] = raw_open(name);
    if (handles_out[0] >= 0 && handles_out[1] >= 0)
        return true;
    lti_story_complain(story, "no pipe to adopt");
    raw_close(handles_out[0]);
    raw_close(handles_out[1]);
    return false;
}

void lti_story_of_adopt(struct lti_story *story)
{
    int64_t handles[2], messages[2];
    leat_conn a, b;
    if (!adopt_pair(story, lti_story_path(story, "given"), 0, handles))
        return;
    if (!adopt_one(story, 1, handles[0], &a)) {
        raw_close(handles[1]);
        return;
    }
    if (!adopt_one(story, 2, handles[1], &b))
        return;
    (void)lti_story_write(story, 1, a, "foster child");
    (void)lti_story_read(story, 2, b, 12);
    (void)lti_story_close_wait(story, 1, a, LTI_STORY_MS);
    (void)lti_story_wait_closed(story, 2, b);
    if (!adopt_pair(story, lti_story_path(story, "refused"), LTI_OS_PIPE_MESSAGE, messages))
        return;
    if (adopt_one(story, 3, messages[0], &a))
        lti_story_complain(story, "a pipe of messages was adopted");
    raw_close(messages[1]);
}

#ifndef _WIN32

/* In the time of the library's own threads; they look at least this often. */
#define SYNC_GRACE_NS INT64_C(50000000)
#define SYNC_TEXT_BYTES 20000

/* One end that waits in its calls, and one that does not. */
static bool sync_pair(struct lti_story *story, bool one_way, leat_conn *a_out, leat_conn *b_out)
{
    static uint32_t count;
    char file[32]; /* a thread closes its handle a moment later, and only then the name is free */
    intptr_t handles[2];
    (void)snprintf(file, sizeof file, "waits-%u", ++count);
    lti_fault_suspend();
    const struct lti_sync_kind kind = {.one_way = one_way, .quota = 4096};
    bool made = lti_sync_pipe(lti_story_path(story, file), kind, handles);
    lti_fault_resume();
    if (!made) {
        lti_story_complain(story, "no pipe to adopt");
        return false;
    }
    if (!adopt_one(story, 1, handles[0], a_out)) {
        raw_close(handles[1]);
        return false;
    }
    return adopt_one(story, 2, handles[1], b_out);
}

/* Handles that were opened for synchronous I/O: each has a thread. The simulated kernel runs it in
 * the same way each time, which no real one does. */
void lti_story_of_adopt_sync(struct lti_story *story)
{
    static char text[SYNC_TEXT_BYTES + 1];
    leat_conn a, b;
    memset(text, 'x', SYNC_TEXT_BYTES);
    lti_fault_grace(SYNC_GRACE_NS);
    if (!sync_pair(story, false, &a, &b))
        return;
    (void)lti_story_write(story, 1, a, "there");
    (void)lti_story_read(story, 2, b, 5);
    (void)lti_story_write(story, 2, b, "and back");
    (void)lti_story_read(story, 1, a, 8);
    /* Its thread waits in this write when the connection ends. */
    (void)lti_story_note(story, 2, "leat_pause", leat_pause(story->hub, b));
    (void)lti_story_write(story, 1, a, text);
    lti_sim_sleep(SYNC_GRACE_NS);
    (void)lti_story_abort(story, 1, a);
    (void)lti_story_wait_closed(story, 2, b);
    if (!sync_pair(story, true, &a, &b))
        return;
    (void)lti_story_write(story, 2, b, "one way");
    (void)lti_story_read(story, 1, a, 7);
    (void)lti_story_close_wait(story, 2, b, LTI_STORY_MS);
    (void)lti_story_wait_closed(story, 1, a);
}

#endif

/* ---- The pool of instances ------------------------------------------------------------------- */

/* Once the faults are over, as many instances wait as ever. */
static void pool_check(struct lti_story *story, const char *name)
{
    lti_fault_suspend();
    lti_story_rest(story, POOL_QUIET_MS);
    int64_t handle = raw_open(name);
    uint32_t instances = raw_instances(handle);
    if (instances != POOL_INSTANCES)
        lti_story_complain(story, "%u instances are left of %u (%d)", instances, POOL_INSTANCES,
                           handle < 0 ? (int)lti_os_code_of(handle).raw : 0);
    raw_close(handle);
    lti_story_settle(story);
    lti_fault_resume();
}

void lti_story_of_pool(struct lti_story *story)
{
    leat_listener listener;
    leat_conn client, server;
    const char *name = lti_story_path(story, "pool");
    struct leat_listen_options options = {
        .size = sizeof options, .tag = 5, .backlog = POOL_INSTANCES};
    if (!lti_story_listen(story, 0, name, &options, &listener))
        return;
    for (int i = 0; i < 3; i++) {
        if (!lti_story_connect_wait(story, 1, name, NULL, &client))
            break;
        if (lti_story_accept(story, 2, listener, &server)) {
            (void)lti_story_write(story, 1, client, "in");
            (void)lti_story_read(story, 2, server, 2);
            (void)lti_story_abort(story, 2, server);
        }
        (void)lti_story_abort(story, 1, client);
        /* Who comes and goes before anybody looks takes an instance, too. */
        raw_close(raw_open(name));
        if (lti_story_accept(story, 3, listener, &server)) {
            (void)lti_story_read(story, 3, server, 1);
            (void)lti_story_abort(story, 3, server);
        }
    }
    pool_check(story, name);
    (void)lti_story_listener_close(story, 0, listener);
}

/* Somebody of this user makes an instance of our name: he is noticed, and serves on nothing of
 * ours. */
void lti_story_of_squatter(struct lti_story *story)
{
    leat_listener listener;
    leat_conn client;
    const char *name = lti_story_path(story, "cuckoo");
    struct leat_listen_options options = {.size = sizeof options, .tag = 5};
    if (!lti_story_listen(story, 0, name, &options, &listener))
        return;
    int64_t squatter = raw_create(name, 0);
    if (squatter < 0)
        lti_story_complain(story, "no second instance of the name");
    for (int i = 0; i < 3; i++)
        (void)lti_story_connect_wait(story, 1, name, NULL, &client);
    (void)lti_story_events(story, LEAT_EVENT_LISTEN_ERROR, 1);
    (void)lti_story_events(story, LEAT_EVENT_ACCEPTED, 3);
    raw_close(squatter);
    (void)lti_story_listener_close(story, 0, listener);
}

/* ---- The waitable ---------------------------------------------------------------------------- */

/* A loop of the user's own: waits for the handle, then takes what is there. */
static void waitable_loop(struct lti_story *story, intptr_t waitable, leat_conn conn, size_t size)
{
    char got[64];
    size_t have = 0;
    enum leat_error error = LEAT_E_EMPTY;
    for (int i = 0; i < WAITABLE_TURNS_MAX && have < size; i++) {
        uint32_t patience_ms = 0;
        struct leat_event event;
        size_t part = 0;
        error = leat_hub_deadline(story->hub, &patience_ms);
        if (error != LEAT_OK)
            break;
        if (patience_ms > LTI_STORY_MS)
            patience_ms = LTI_STORY_MS;
        lti_fault_suspend();
        (void)lti_os_signal_wait(waitable, (int64_t)patience_ms * 1000000);
        lti_fault_resume();
        while ((error = leat_next(story->hub, &event, 0)) == LEAT_OK) {
            if (event.type == LEAT_EVENT_CLOSED) {
                error = event.error;
                break;
            }
            if (leat_read(story->hub, conn, got + have, sizeof got - have, &part) == LEAT_OK)
                have += part;
        }
        if (error != LEAT_E_TIMEOUT)
            break;
    }
    if (have == size && error == LEAT_E_TIMEOUT)
        error = LEAT_OK;
    lti_story_say(story, 2, "\"%.*s\" ", (int)have, got);
    (void)lti_story_note(story, 2, "the loop", error);
}

void lti_story_of_waitable(struct lti_story *story)
{
    intptr_t waitable = -2;
    leat_conn a, b;
    enum leat_error error = leat_hub_waitable(story->hub, &waitable);
    if (error != LEAT_OK && waitable != -2)
        lti_story_complain(story, "leat_hub_waitable failed and touched its output");
    if (!lti_story_note(story, 0, "leat_hub_waitable", error) ||
        !lti_story_pair(story, 1, 2, NULL, &a, &b))
        return;
    (void)lti_story_write(story, 1, a, "first");
    waitable_loop(story, waitable, b, 5);
    (void)lti_story_write(story, 1, a, "second");
    waitable_loop(story, waitable, b, 6);
    (void)lti_story_close_wait(story, 1, a, LTI_STORY_MS);
    (void)lti_story_wait_closed(story, 2, b);
}

/* ---- Who is there ---------------------------------------------------------------------------- */

static void process_ask(struct lti_story *story, int lane, leat_conn conn)
{
    intptr_t process = -2;
    enum leat_error error = leat_peer_process(story->hub, conn, &process);
    if (error != LEAT_OK && process != -2)
        lti_story_complain(story, "leat_peer_process failed and touched its output");
    if (lti_story_note(story, lane, "leat_peer_process", error))
        raw_close(process);
}

void lti_story_of_process(struct lti_story *story)
{
    leat_conn a, b;
    if (!lti_story_pair(story, 1, 2, NULL, &a, &b))
        return;
    process_ask(story, 1, a);
    process_ask(story, 2, b);
    (void)lti_story_abort(story, 1, a);
    (void)lti_story_wait_closed(story, 2, b);
}

#ifndef _WIN32

/* A client of another user, which its first byte shows. */
static int64_t stranger_open(const char *name)
{
    struct lti_os_op op = {{0}};
    lti_sim_set_user(lti_sim_process(), 2000, 2000);
    int64_t handle = raw_open(name);
    lti_sim_set_user(lti_sim_process(), 1000, 1000);
    lti_fault_suspend();
    if (handle >= 0)
        (void)lti_os_pipe_write((intptr_t)handle, "one", 3, &op);
    lti_fault_resume();
    return handle;
}

/* The second one of the same user is one too many. */
void lti_story_of_strangers(struct lti_story *story)
{
    leat_listener listener;
    leat_conn first, second;
    const char *name = lti_story_path(story, "s");
    const char *const users[] = {"S-1-5-21-0-0-0-2000"};
    struct leat_listen_options listen = {.size = sizeof listen,
                                         .who = LEAT_WHO_LIST,
                                         .users = users,
                                         .users_count = 1,
                                         .per_user_max = 1};
    if (!lti_story_listen(story, 0, name, &listen, &listener))
        return;
    int64_t client = stranger_open(name), late = -1;
    if (lti_story_accept(story, 1, listener, &first) && lti_story_read(story, 1, first, 3)) {
        late = stranger_open(name);
        if (lti_story_accept(story, 2, listener, &second))
            (void)lti_story_read(story, 2, second, 3);
        (void)lti_story_write(story, 1, first, "two");
        (void)lti_story_wait_sent(story, 1, first);
    }
    raw_close(client);
    raw_close(late);
}

#endif
