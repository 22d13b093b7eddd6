/* SPDX-License-Identifier: MIT
 *
 * A process that uses leat forks: its children hold nothing of it, and take nothing with them.
 *
 * Happy path: a child that execs has no descriptor of leat's, at whatever moment it was forked; one
 *             that does not exec has copies, and whatever becomes of it, names and connections of
 *             its parent go on, and end when the parent ends them.
 * Fails:      never by design.
 * Invariants: children that were started are waited for, and only those.
 */
#include "stress_posix.h"

#include "harness_fds.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- Exec ------------------------------------------------------------------------------------ */

#define OPEN_ENV "LEAT_STRESS_OPEN"

/* The numbers of all open descriptors, with a blank before and after each. */
static void open_list(char *text, size_t size)
{
    static struct fds fds;
    size_t at = (size_t)snprintf(text, size, " ");
    fds_note(&fds);
    for (int fd = 0; fd < FDS_MAX; fd++) {
        if (fds.open[fd / 8] >> (fd % 8) & 1)
            at += (size_t)snprintf(text + at, size - at, "%d ", fd);
        REQUIRE(at + 8 < size);
    }
}

/* What the parent had before its first hub, or less. */
TEST_ON_DEMAND(stress_exec_child, 60)
{
    char mine[4096], one[16];
    const char *given = getenv(OPEN_ENV);
    REQUIRE(given != NULL);
    open_list(mine, sizeof mine);
    for (char *at = mine; at[1] != '\0'; at = strchr(at + 1, ' ')) {
        (void)snprintf(one, sizeof one, " %d ", (int)strtol(at, NULL, 10));
        if (!CHECK(strstr(given, one) != NULL))
            (void)printf("descriptor%sis open; given were:%s\n", one, given);
    }
}

struct churn {
    uint32_t number;
    atomic_bool *over;
    uint64_t turns;
};

/* Makes and ends whatever has descriptors. */
static void churn_run(void *argument)
{
    struct churn *churn = argument;
    char name[32];
    (void)snprintf(name, sizeof name, "churn%u", churn->number);
    while (!atomic_load(churn->over)) {
        struct leat_hub *hub = stress_hub();
        leat_listener listener;
        leat_conn dialled, accepted, a, b;
        intptr_t waitable = -1;
        REQUIRE_ERROR(leat_listen(hub, name, NULL, &listener), LEAT_OK);
        REQUIRE_ERROR(leat_hub_waitable(hub, &waitable), LEAT_OK);
        REQUIRE_ERROR(leat_connect(hub, name, NULL, &dialled), LEAT_OK);
        REQUIRE_ERROR(leat_wait_accepted(hub, listener, STRESS_SOON_MS, &accepted), LEAT_OK);
        REQUIRE_ERROR(leat_pair(hub, hub, NULL, &a, &b), LEAT_OK);
        REQUIRE_ERROR(leat_hub_destroy(hub), LEAT_OK);
        churn->turns++;
    }
}

static void exec_child(const char *program)
{
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) { /* other threads were in the middle of something: nothing but exec is safe */
        (void)execl(program, program, "--run", "stress_exec_child", (char *)NULL);
        _exit(127);
    }
    stress_child_good(child);
}

TEST_TIMEOUT(stress_exec_at_any_moment, 300)
{
    char list[4096];
    const char *program = lti_test_program();
    atomic_bool over;
    struct churn churns[3];
    struct stress_thread *threads[3];
    stress_begin();
    open_list(list, sizeof list);
    REQUIRE(setenv(OPEN_ENV, list, 1) == 0);
    atomic_init(&over, false);
    for (uint32_t i = 0; i < 3; i++) {
        churns[i] = (struct churn){i, &over, 0};
        threads[i] = stress_thread_start(churn_run, &churns[i]);
    }
    uint64_t count = stress_count(20, 1000);
    for (uint64_t i = 0; i < count; i++)
        exec_child(program);
    atomic_store(&over, true);
    for (uint32_t i = 0; i < 3; i++) {
        stress_thread_join(threads[i]);
        CHECK(churns[i].turns > 0);
    }
    stress_end();
}

/* ---- Fork without exec ----------------------------------------------------------------------- */

enum fate {
    FATE_DESTROY, /* the child destroys its copies, and ends */
    FATE_EXIT,    /* it ends without a word */
    FATE_KILLED,
    FATE_STAY, /* it lives until all is over */
    FATES
};

struct family {
    struct stress_tale *tale;
    struct leat_hub *hub, *peers;
    leat_listener listener;
    struct stress_end ends[2]; /* the dialled one is on `peers` */
};

static void family_child(struct family *family, enum fate fate, const int gate[2])
{
    char byte;
    (void)close(gate[1]);
    switch (fate) {
    case FATE_DESTROY:
        if (leat_hub_destroy(family->hub) != LEAT_OK || leat_hub_destroy(family->peers) != LEAT_OK)
            _exit(1);
        break;
    case FATE_KILLED:
        (void)raise(SIGKILL);
        break;
    case FATE_STAY:
        if (read(gate[0], &byte, 1) != 0)
            _exit(2);
        break;
    case FATE_EXIT:
    case FATES:
        break;
    }
    _exit(0);
}

static void family_wait(pid_t child, enum fate fate)
{
    int status = 0;
    if (fate != FATE_KILLED) {
        stress_child_good(child);
        return;
    }
    while (waitpid(child, &status, 0) < 0)
        REQUIRE(errno == EINTR);
    CHECK(WIFSIGNALED(status));
}

/* Both ends say something more, and both hear it. */
static void family_talk(struct family *family)
{
    for (uint32_t i = 0; i < 2; i++) {
        struct stress_end *end = &family->ends[i];
        end->to_send += 1000;
        stress_pour(end);
        REQUIRE_INT(end->sent, end->to_send);
    }
    for (uint32_t i = 0; i < 2; i++) {
        struct stress_end *end = &family->ends[i];
        while (end->received < family->ends[i ^ 1].sent) {
            REQUIRE_ERROR(leat_wait_readable(end->hub, end->conn, STRESS_SOON_MS), LEAT_OK);
            stress_drink(end, UINT32_MAX);
        }
    }
}

static void family_connect(struct family *family)
{
    for (uint32_t i = 0; i < 2; i++)
        family->ends[i] = (struct stress_end){.tale = family->tale,
                                              .hub = i == 0 ? family->peers : family->hub,
                                              .end = i,
                                              .piece_max = 1000};
    REQUIRE_ERROR(leat_connect_wait(family->peers, "family", NULL, &family->ends[0].conn), LEAT_OK);
    REQUIRE_ERROR(
        leat_wait_accepted(family->hub, family->listener, STRESS_SOON_MS, &family->ends[1].conn),
        LEAT_OK);
}

/* One end goes, the other hears of it: whatever copies there are. */
static void family_part(struct family *family, uint32_t first)
{
    struct stress_end *gone = &family->ends[first], *other = &family->ends[first ^ 1];
    struct leat_event event;
    stress_abort(gone);
    while (!other->over) {
        REQUIRE_ERROR(leat_next(other->hub, &event, STRESS_SOON_MS), LEAT_OK);
        if (event.conn.id != other->conn.id)
            continue;
        stress_event(other, &event);
        if (event.type == LEAT_EVENT_FINISHED)
            stress_abort(other);
    }
    struct lti_history_result result = stress_tale_judge(family->tale);
    CHECK_INT(result.lost, 0);
}

static void family_once(struct family *family, enum fate fate, struct prng *random)
{
    leat_listener second;
    int gate[2];
    REQUIRE(pipe(gate) == 0);
    REQUIRE_ERROR(leat_listen(family->hub, "family", NULL, &family->listener), LEAT_OK);
    family_connect(family);
    family_talk(family);
    (void)fflush(stdout);
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0)
        family_child(family, fate, gate);
    REQUIRE(close(gate[0]) == 0);
    if (fate != FATE_STAY)
        family_wait(child, fate);
    /* All is as it was: the connection, the name, and that it is ours. */
    family_talk(family);
    CHECK_ERROR(leat_listen(family->peers, "family", NULL, &second), LEAT_E_IN_USE);
    family_part(family, (uint32_t)prng_below(random, 2));
    family_connect(family);
    family_talk(family);
    family_part(family, (uint32_t)prng_below(random, 2));
    /* What the parent gives up is free for others. */
    CHECK_ERROR(leat_listener_close(family->hub, family->listener), LEAT_OK);
    CHECK_ERROR(leat_listen(family->peers, "family", NULL, &second), LEAT_OK);
    CHECK_ERROR(leat_listener_close(family->peers, second), LEAT_OK);
    REQUIRE(close(gate[1]) == 0);
    if (fate == FATE_STAY)
        family_wait(child, fate);
}

TEST_TIMEOUT(stress_fork_without_exec, 300)
{
    stress_begin();
    struct prng random = stress_random();
    struct family family = {.tale = stress_tale_begin(10, 1000)};
    uint64_t rounds = stress_count(10, 500);
    for (uint64_t i = 0; i < rounds * FATES; i++) {
        family.hub = stress_hub();
        family.peers = stress_hub();
        family_once(&family, (enum fate)(i % FATES), &random);
        CHECK_ERROR(leat_hub_destroy(family.hub), LEAT_OK);
        CHECK_ERROR(leat_hub_destroy(family.peers), LEAT_OK);
    }
    stress_tale_end(family.tale);
    stress_end();
}
