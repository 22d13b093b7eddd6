/* SPDX-License-Identifier: MIT
 *
 * What leat.h promises of take_over: a server takes a path from another one of the same user, and
 * no client finds nobody there.
 *
 * Happy path: who comes from then on reaches the new server; who came before stays with the old.
 * Fails:      IN_USE for what is no server of ours, and it goes on as before.
 * Invariants: whoever closes, in whichever order, removes only what is its own; the last one leaves
 *             nothing: kit_end looks.
 */
#include "kit_sim_posix.h"
#include "paths_kit_posix.h"

#include <stdio.h>
#include <string.h>

static const struct leat_listen_options taking = {.size = sizeof taking, .take_over = true};

static leat_listener take(struct leat_hub *hub, const char *name)
{
    leat_listener listener = {0};
    REQUIRE_ERROR(leat_listen(hub, name, &taking, &listener), LEAT_OK);
    return listener;
}

/* Who connects now reaches this one. */
static struct kit_ends reaches(struct leat_hub *hub, leat_listener listener, const char *name)
{
    struct kit_ends ends = {{0}, {0}};
    leat_conn conn;
    REQUIRE_ERROR(leat_connect_wait(hub, name, NULL, &conn), LEAT_OK);
    REQUIRE_ERROR(leat_wait_accepted(hub, listener, KIT_SOON_MS, &ends.accepted), LEAT_OK);
    ends.dialled = conn;
    kit_write_text(hub, ends.dialled, "hello");
    kit_read_text(hub, ends.accepted, "hello");
    return ends;
}

static void nothing_stands(const char *name)
{
    char path[PATHS_BYTES_MAX + 20];
    CHECK(!kit_file_exists(name));
    (void)snprintf(path, sizeof path, "%s.leat-lock", name);
    CHECK(!kit_file_exists(path));
    (void)snprintf(path, sizeof path, "%s.leat-new", name);
    CHECK(!kit_file_exists(path));
}

TEST(take_over_where_nobody_is)
{
    struct leat_hub *hub = kit_begin();
    const char *name = kit_path("server");
    for (int dead = 0; dead < 2; dead++) {
        if (dead)
            kit_raw_close(kit_raw_listen(name, 5));
        leat_listener listener = take(hub, name);
        (void)reaches(hub, listener, name);
        CHECK_ERROR(leat_listener_close(hub, listener), LEAT_OK);
        nothing_stands(name);
    }
    kit_end(hub);
}

static void hand_over(struct leat_hub *hub, const char *name, bool old_first)
{
    char text[PATHS_BYTES_MAX + 6];
    size_t size = 0;
    leat_listener third = {77};
    leat_listener old = kit_listen(hub, name, NULL);
    REQUIRE_ERROR(leat_listener_name(hub, old, text, sizeof text, &size), LEAT_OK);
    struct kit_ends before = reaches(hub, old, name);
    leat_conn queued;
    REQUIRE_ERROR(leat_connect_wait(hub, name, NULL, &queued), LEAT_OK);
    leat_listener new = take(hub, name);
    struct kit_ends after = reaches(hub, new, name);
    /* The old one goes on with whom it has, in its backlog, too. */
    kit_write_text(hub, before.accepted, "still here");
    kit_read_text(hub, before.dialled, "still here");
    leat_conn accepted;
    CHECK_ERROR(leat_wait_accepted(hub, old, KIT_SOON_MS, &accepted), LEAT_OK);
    kit_write_text(hub, queued, "late");
    kit_read_text(hub, accepted, "late");
    CHECK_ERROR(leat_listen(hub, name, NULL, &third), LEAT_E_IN_USE);
    CHECK_ERROR(leat_listener_close(hub, old_first ? old : new), LEAT_OK);
    if (old_first) {
        CHECK(kit_file_exists(text));
        CHECK_ERROR(leat_listen(hub, name, NULL, &third), LEAT_E_IN_USE);
        (void)reaches(hub, new, name);
    } else {
        CHECK(!kit_file_exists(text));
    }
    CHECK_INT(third.id, 77);
    CHECK_ERROR(leat_listener_close(hub, old_first ? new : old), LEAT_OK);
    kit_write_text(hub, after.dialled, "on its own");
    kit_read_text(hub, after.accepted, "on its own");
    nothing_stands(text);
    third = kit_listen(hub, name, NULL);
    (void)reaches(hub, third, name);
    CHECK_ERROR(leat_listener_close(hub, third), LEAT_OK);
}

TEST(take_over_from_a_server_that_lives)
{
    struct leat_hub *hub = kit_begin();
    char path[301];
    paths_long(path, 300, 20);
    const char *names[] = {kit_path("server"), kit_plain("server"), path};
    for (size_t i = 0; i < 6; i++)
        hand_over(hub, names[i / 2], i % 2 != 0);
    paths_long_remove(path);
    kit_end(hub);
}

TEST(take_over_many_times)
{
    struct leat_hub *hub = kit_begin();
    const char *name = kit_path("server");
    leat_listener listeners[6];
    for (size_t i = 0; i < 6; i++) {
        listeners[i] = take(hub, name);
        (void)reaches(hub, listeners[i], name);
    }
    /* In no order. */
    static const size_t order[] = {2, 0, 4, 1, 5, 3};
    for (size_t i = 0; i < 6; i++) {
        CHECK_ERROR(leat_listener_close(hub, listeners[order[i]]), LEAT_OK);
        CHECK(kit_file_exists(name) == (i < 4));
        if (i < 4)
            (void)reaches(hub, listeners[5], name);
    }
    nothing_stands(name);
    kit_end(hub);
}

/* One that closed already has left its place; the next one needs nobody to take it from. */
TEST(take_over_after_the_name_was_given_up)
{
    struct leat_hub *hub = kit_begin();
    const char *name = kit_path("server");
    leat_listener old = kit_listen(hub, name, NULL);
    leat_listener new = take(hub, name);
    CHECK_ERROR(leat_listener_close(hub, new), LEAT_OK);
    /* The old one lives: its lock stays. Taking over is possible, plain listening is not. */
    kit_listen_refused(hub, name, LEAT_E_IN_USE);
    new = take(hub, name);
    (void)reaches(hub, new, name);
    CHECK_ERROR(leat_listener_close(hub, old), LEAT_OK);
    (void)reaches(hub, new, name);
    CHECK_ERROR(leat_listener_close(hub, new), LEAT_OK);
    nothing_stands(name);
    kit_end(hub);
}

static void take_refused(struct leat_hub *hub, const char *name, enum leat_error error)
{
    leat_listener listener = {77};
    CHECK_ERROR(leat_listen(hub, name, &taking, &listener), error);
    CHECK_INT(listener.id, 77);
}

TEST(take_over_only_from_our_own)
{
    struct leat_hub *hub = kit_begin();
    const char *name = kit_path("server");
    /* A server that is not of this library has no lock, and may not know that it lost its name. */
    int fd = kit_raw_listen(name, 5);
    take_refused(hub, name, LEAT_E_IN_USE);
    kit_raw_unlisten(fd, name);
    kit_file_make(name);
    take_refused(hub, name, LEAT_E_IN_USE);
    kit_file_remove(name);
    take_refused(hub, "unix:@leat-conformance-taken", LEAT_E_UNSUPPORTED);
    /* Something else has come to the place of a server that lives. */
    leat_listener listener = kit_listen(hub, name, NULL);
    kit_file_remove(name);
    kit_file_make(name);
    take_refused(hub, name, LEAT_E_IN_USE);
    CHECK_INT(paths_look(name).type, LTI_OS_FILE_REGULAR);
    CHECK(!kit_file_exists(kit_path("server.leat-new")));
    CHECK_ERROR(leat_listener_close(hub, listener), LEAT_OK);
    kit_file_remove(name);
    nothing_stands(name);
    kit_end(hub);
}

TEST(take_over_beside_something)
{
    struct leat_hub *hub = kit_begin();
    const char *name = kit_path("server"), *beside = kit_path("server.leat-new");
    leat_listener old = kit_listen(hub, name, NULL);
    kit_file_make(beside);
    take_refused(hub, name, LEAT_E_IN_USE);
    CHECK_INT(paths_look(beside).type, LTI_OS_FILE_REGULAR);
    kit_file_remove(beside);
    int fd = kit_raw_listen(beside, 5);
    take_refused(hub, name, LEAT_E_IN_USE);
    (void)reaches(hub, old, name);
    /* What one that was killed on the way has left. */
    kit_raw_close(fd);
    leat_listener new = take(hub, name);
    (void)reaches(hub, new, name);
    CHECK_ERROR(leat_listener_close(hub, old), LEAT_OK);
    CHECK_ERROR(leat_listener_close(hub, new), LEAT_OK);
    nothing_stands(name);
    kit_end(hub);
}

/* Who closes while another takes the place over does not look at what stands there, or it might
 * remove what has come between its look and its hand. */
TEST(close_leaves_what_is_being_taken_over)
{
    struct leat_hub *hub = kit_begin();
    const char *name = kit_path("server"), *lock = kit_path("server.leat-lock");
    leat_listener listener = kit_listen(hub, name, NULL);
    int64_t other = lti_os_open_lock(lock + 5);
    REQUIRE(other >= 0);
    CHECK_INT(lti_os_share((int)other), 0);
    CHECK_INT(lti_os_turn((int)other), 0);
    take_refused(hub, name, LEAT_E_IN_USE);
    (void)reaches(hub, listener, name);
    CHECK_ERROR(leat_listener_close(hub, listener), LEAT_OK);
    CHECK(kit_file_exists(name) && kit_file_exists(lock));
    kit_listen_refused(hub, name, LEAT_E_IN_USE);
    CHECK_INT(lti_os_close((int)other), 0);
    listener = kit_listen(hub, name, NULL);
    (void)reaches(hub, listener, name);
    CHECK_ERROR(leat_listener_close(hub, listener), LEAT_OK);
    nothing_stands(name);
    kit_end(hub);
}

TEST(take_over_has_the_mode_of_its_own_policy)
{
    struct leat_hub *hub = kit_begin();
    const char *name = kit_path("server");
    struct leat_listen_options open = {
        .size = sizeof open, .who = LEAT_WHO_INSECURE_ANYONE, .take_over = true};
    leat_listener old = kit_listen(hub, name, NULL), new, last;
    CHECK_INT(paths_look(name).mode, 0600);
    CHECK_ERROR(leat_listen(hub, name, &open, &new), LEAT_OK);
    CHECK_INT(paths_look(name).mode, 0666);
    last = take(hub, name);
    CHECK_INT(paths_look(name).mode, 0600);
    CHECK_ERROR(leat_listener_close(hub, new), LEAT_OK);
    CHECK_ERROR(leat_listener_close(hub, last), LEAT_OK);
    CHECK_ERROR(leat_listener_close(hub, old), LEAT_OK);
    nothing_stands(name);
    kit_end(hub);
}

/* ---- In every order, on the simulated kernel ------------------------------------------------- */

#define MANY 4
static struct {
    char name[200];
    uint32_t seed, taken, missed, busy;
    uint32_t ready;   /* have taken it once */
    uint32_t through; /* only close now */
    uint32_t alone, there;
    bool over;
} many;

/* Takes the place again and again, and then closes its older self: so it always is somebody's. */
static void many_take(void *argument)
{
    struct leat_hub *hub = NULL;
    leat_listener mine = {0};
    (void)argument;
    REQUIRE_ERROR(leat_hub_create(NULL, &hub), LEAT_OK);
    for (int i = 0; i < 12; i++) {
        leat_listener next = {0};
        enum leat_error error = leat_listen(hub, many.name, &taking, &next);
        many.taken += error == LEAT_OK;
        many.busy += error == LEAT_E_IN_USE;
        if (!CHECK(error == LEAT_OK || error == LEAT_E_IN_USE) || error != LEAT_OK)
            continue;
        many.ready++;
        if (mine.id)
            CHECK_ERROR(leat_listener_close(hub, mine), LEAT_OK);
        mine = next;
    }
    many.through++;
    /* All close at about the same time, each in its own process. */
    for (int i = 0; i < 100000 && !many.over; i++)
        lti_sim_yield();
    if (mine.id)
        CHECK_ERROR(leat_listener_close(hub, mine), LEAT_OK);
    /* One at a time may be there now. */
    for (int i = 0; i < 6; i++) {
        enum leat_error error = leat_listen(hub, many.name, NULL, &mine);
        CHECK(error == LEAT_OK || error == LEAT_E_IN_USE);
        if (error != LEAT_OK)
            continue;
        many.alone++;
        CHECK_INT(++many.there, 1);
        lti_sim_yield();
        many.there--;
        CHECK_ERROR(leat_listener_close(hub, mine), LEAT_OK);
    }
    CHECK_ERROR(leat_hub_destroy(hub), LEAT_OK);
}

static void many_visit(void *argument)
{
    struct leat_hub *hub = NULL;
    (void)argument;
    REQUIRE_ERROR(leat_hub_create(NULL, &hub), LEAT_OK);
    for (int i = 0; i < 100000 && many.ready == 0; i++)
        lti_sim_yield();
    for (int i = 0; i < 40; i++) {
        leat_conn conn;
        enum leat_error error = leat_connect_wait(hub, many.name, NULL, &conn);
        if (error == LEAT_OK)
            CHECK_ERROR(leat_abort(hub, conn), LEAT_OK);
        many.missed += error == LEAT_E_NOT_FOUND || error == LEAT_E_REFUSED;
    }
    for (int i = 0; i < 100000 && many.through < MANY; i++)
        lti_sim_yield();
    many.over = true;
    CHECK_ERROR(leat_hub_destroy(hub), LEAT_OK);
}

TEST_TIMEOUT(take_over_in_every_order, 120)
{
    if (!kit_simulated())
        SKIP_NEEDS("the simulated kernel, whose processes run in every order");
    uint32_t taken = 0, busy = 0, alone = 0;
    for (uint32_t seed = 1; seed <= 300; seed++) {
        struct lti_sim_options options = {.seed = seed, .yield_one_in = 2 + seed % 3};
        lti_sim_begin(&options);
        (void)memset(&many, 0, sizeof many);
        (void)snprintf(many.name, sizeof many.name, "/home/user/served");
        for (int i = 0; i < MANY; i++)
            (void)lti_sim_spawn("server", many_take, NULL);
        (void)lti_sim_spawn("visitor", many_visit, NULL);
        CHECK_INT(lti_sim_run(4000000), LTI_SIM_DONE);
        CHECK_INT(many.missed, 0);
        if (!CHECK_INT(lti_sim_files(), 0))
            (void)printf("seed %u\n", seed);
        taken += many.taken;
        busy += many.busy;
        alone += many.alone;
    }
    CHECK(taken > 1000 && busy > 100 && alone > 300);
    lti_sim_begin(NULL);
}

/* "PATH.leat-new" must fit, too. */
TEST(take_over_of_a_name_that_has_no_room_beside)
{
    struct leat_hub *hub = kit_begin();
    char path[201];
    for (size_t name = 73; name < 75; name++) {
        paths_long(path, 200, name);
        leat_listener old = kit_listen(hub, path, NULL);
        if (name == 73) {
            leat_listener new = take(hub, path);
            (void)reaches(hub, new, path);
            CHECK_ERROR(leat_listener_close(hub, new), LEAT_OK);
        } else {
            take_refused(hub, path, LEAT_E_NAME_TOO_LONG);
            (void)reaches(hub, old, path);
        }
        CHECK_ERROR(leat_listener_close(hub, old), LEAT_OK);
        paths_long_remove(path);
    }
    kit_end(hub);
}
