/* SPDX-License-Identifier: MIT
 *
 * One case of the kill tests: a server or a client under some harm, and whom it talks with.
 *
 * Happy path: the harm is done before the first call of the library; then all play their parts.
 * Fails:      nothing here judges but what must hold whatever the harm is.
 * Invariants: a second client comes when the first one could not be served, so that a server need
 *             not wait in vain. What a harmed server could not remove is removed here.
 */
#include "kill.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define CASE_PATIENCE_MS 400u
#define CASE_ENDS_MS 20000u /* a few calls that each wait as long as they may */
#define CASE_CPU_MS 300u    /* who spins needs all of that many times */

static pid_t case_start(const struct kill_case *it, enum kill_who who)
{
    bool harmed = who == it->who;
    const struct kill_part part = {.end = &it->world->ends[who],
                                   .path = kill_path(),
                                   .protocol = it->protocol,
                                   .patience_ms = (uint32_t)lti_test_scaled_ms(CASE_PATIENCE_MS),
                                   .serves = who == KILL_SERVER,
                                   .last = who != it->who,
                                   .mark = harmed ? it->harm : NULL,
                                   .argument = it->argument};
    return kill_start(&part, false);
}

static void case_wait(struct kill_case *it, enum kill_who who, pid_t pid)
{
    int status = 0;
    it->ended = kill_wait(pid, CASE_ENDS_MS, &status) && it->ended;
    if (who == it->who) {
        it->cpu_ms = kill_cpu_ms();
        it->status = status;
    }
}

void kill_case_play(struct kill_case *it)
{
    char lock[160];
    const char *where = NULL;
    memset(it->world, 0, sizeof *it->world);
    it->ended = true;
    pid_t server = case_start(it, KILL_SERVER);
    kill_wait_listening(&it->world->ends[KILL_SERVER], server);
    case_wait(it, KILL_CLIENT, case_start(it, KILL_CLIENT));
    if (it->who == KILL_CLIENT || kill_end_error(&it->world->ends[KILL_CLIENT], &where) != LEAT_OK)
        case_wait(it, KILL_NEXT_CLIENT, case_start(it, KILL_NEXT_CLIENT));
    case_wait(it, KILL_SERVER, server);
    (void)unlink(kill_path());
    (void)snprintf(lock, sizeof lock, "%s.leat-lock", kill_path());
    (void)unlink(lock);
}

void kill_case_outcome(const struct kill_case *it, char text[KILL_OUTCOME_BYTES])
{
    enum kill_who peer = it->who == KILL_SERVER ? KILL_CLIENT : KILL_SERVER;
    const struct kill_end *own = &it->world->ends[it->who], *other = &it->world->ends[peer];
    const char *where = NULL, *whose = "";
    enum leat_error error = kill_end_error(own, &where);
    enum leat_error listener = (enum leat_error)atomic_load(&own->listener_error);
    if (error == LEAT_OK) {
        whose = "peer's ";
        error = kill_end_error(other, &where);
    }
    if (error == LEAT_OK)
        (void)snprintf(text, KILL_OUTCOME_BYTES, "works");
    else
        (void)snprintf(text, KILL_OUTCOME_BYTES, "%s%s %s%s%s", whose, where,
                       leat_error_name(error), listener ? ", listener " : "",
                       listener ? leat_error_name(listener) : "");
}

bool kill_case_sound(const struct kill_case *it)
{
    const struct kill_end *own = &it->world->ends[it->who];
    bool sound = CHECK(it->ended);
    sound = CHECK(WIFEXITED(it->status) && WEXITSTATUS(it->status) == 0) && sound;
    sound = CHECK(it->cpu_ms < lti_test_scaled_ms(CASE_CPU_MS)) && sound;
    sound = CHECK(atomic_load(&own->over)) && sound;
    for (int i = 0; i < KILL_WHO_COUNT; i++)
        for (uint32_t k = 0; k < KILL_CLIENTS_MAX; k++)
            sound = CHECK_INT(atomic_load(&it->world->ends[i].talks[k].wrong), 0) && sound;
    if (!it->may_not_close)
        sound = CHECK_INT(atomic_load(&own->descriptors), 0) && sound;
    return sound;
}
