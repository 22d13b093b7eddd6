/* SPDX-License-Identifier: MIT
 *
 * Rounds of the kill tests: a server and a client, one of whom is struck, and what must hold then.
 *
 * Happy path: the survivor is told of the other's end, has read all that the system had of it, and
 *             gives everything back; the name is free at once.
 * Fails:      the test does, with the place that repeats it.
 * Invariants: a client that was struck is followed by one that nobody strikes, whom the same server
 *             serves; a server that was struck by one at the same name.
 */
#include "kill.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#define ROUND_FAILURES_MAX 8u
#define ROUND_LOOKS_MAX 200u /* for a survivor to stand still, a millisecond each */

struct round_players {
    struct kill_round *round;
    struct kill_part parts[KILL_WHO_COUNT];
    pid_t pids[KILL_WHO_COUNT]; /* 0: was not started, or is waited for */
};

static const struct kill_round *round_now; /* the one under way */
static uint32_t round_failures;

bool kill_is_hopeless(void)
{
    return round_failures > ROUND_FAILURES_MAX;
}

bool kill_held(bool held)
{
    const struct kill_trace *trace = &round_now->trace;
    round_failures += !held;
    bool numbered = trace->count > 0 && trace->count <= KILL_CALLS_MAX;
    if (!held)
        (void)printf("    above: %s, the %s is %s at call %u, %s\n",
                     kill_protocol_name(round_now->protocol),
                     round_now->victim == KILL_SERVER ? "server" : "client",
                     trace->blow == KILL_BLOW_KILL ? "killed" : "stopped", trace->at,
                     numbered ? kill_call_name(trace->numbers[trace->count - 1]) : "none");
    return held;
}

static void players_start(struct round_players *players, enum kill_who who, bool followed)
{
    players->pids[who] = kill_start(&players->parts[who], followed);
}

static void players_set(struct round_players *players, struct kill_round *round)
{
    round_now = round;
    *players = (struct round_players){.round = round};
    memset(round->world, 0, sizeof *round->world);
    for (int who = 0; who < KILL_WHO_COUNT; who++)
        players->parts[who] =
            (struct kill_part){.end = &round->world->ends[who],
                               .path = kill_path(),
                               .protocol = round->protocol,
                               .patience_ms = KILL_PATIENCE_MS,
                               .serves = who == KILL_SERVER || who == KILL_NEXT_SERVER,
                               .last = true};
    players->parts[KILL_CLIENT].last = round->victim == KILL_SERVER;
}

/* A followed server listens: its client may come. */
static void players_client(void *argument)
{
    struct round_players *players = argument;
    if (players->pids[KILL_CLIENT] == 0 &&
        atomic_load(&players->round->world->ends[KILL_SERVER].listening))
        players_start(players, KILL_CLIENT, false);
}

static char process_state(pid_t pid)
{
    char path[64], line[512];
    (void)snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *file = fopen(path, "r");
    if (!file)
        return 'X';
    size_t size = fread(line, 1, sizeof line - 1, file);
    (void)fclose(file);
    line[size] = '\0';
    const char *name_end = strrchr(line, ')');
    return name_end && name_end[1] ? name_end[2] : 'X';
}

/* Until the process does nothing any more: it waits, or has ended. */
static void process_settle(pid_t pid)
{
    uint32_t still = 0;
    for (uint32_t i = 0; i < ROUND_LOOKS_MAX && still < 2; i++) {
        still = process_state(pid) == 'R' ? 0 : still + 1;
        lti_test_pause();
    }
}

static void players_go_on(struct round_players *players)
{
    enum kill_who victim = players->round->victim;
    pid_t other = players->pids[victim == KILL_SERVER ? KILL_CLIENT : KILL_SERVER];
    if (other != 0)
        process_settle(other);
    REQUIRE(kill(players->pids[victim], SIGCONT) == 0);
}

/* Each who was started comes to an end, soon. */
static void players_wait(struct round_players *players, enum kill_who who)
{
    struct kill_end *end = &players->round->world->ends[who];
    int status = 0;
    if (players->pids[who] == 0)
        return;
    bool ended = kill_wait(players->pids[who], KILL_SOON_MS, &status);
    players->pids[who] = 0;
    if (kill_held(CHECK(ended)))
        (void)kill_held(kill_end_tidy(end, status));
}

static void players_strike(struct round_players *players)
{
    struct kill_round *round = players->round;
    struct kill_trace *trace = &round->trace;
    trace->end = &round->world->ends[round->victim];
    trace->each = round->victim == KILL_SERVER ? players_client : NULL;
    trace->argument = players;
    players_start(players, round->victim, true);
    trace->pid = players->pids[round->victim];
    kill_follow(trace);
    bool lives = trace->struck && trace->blow == KILL_BLOW_STOP;
    if (lives)
        players_go_on(players);
    else
        players->pids[round->victim] = 0; /* waited for */
}

void kill_round(struct kill_round *round)
{
    struct round_players players;
    players_set(&players, round);
    const struct kill_end *server = &round->world->ends[KILL_SERVER];
    if (round->victim == KILL_SERVER) {
        players_strike(&players);
        if (players.pids[KILL_SERVER] != 0)
            kill_wait_listening(server, players.pids[KILL_SERVER]);
        /* Also when nobody is there: it must be told so. */
        if (players.pids[KILL_CLIENT] == 0)
            players_start(&players, KILL_CLIENT, false);
    } else {
        players_start(&players, KILL_SERVER, false);
        kill_wait_listening(server, players.pids[KILL_SERVER]);
        players_strike(&players);
        players_wait(&players, KILL_CLIENT);
        players_start(&players, KILL_NEXT_CLIENT, false);
        players_wait(&players, KILL_NEXT_CLIENT);
    }
    players_wait(&players, KILL_CLIENT);
    players_wait(&players, KILL_SERVER);
}

void kill_next_pair(struct kill_world *world, enum leat_protocol protocol)
{
    struct kill_round round = {.world = world, .protocol = protocol, .victim = KILL_SERVER};
    struct round_players players;
    players_set(&players, &round);
    players_start(&players, KILL_NEXT_SERVER, false);
    kill_wait_listening(&world->ends[KILL_NEXT_SERVER], players.pids[KILL_NEXT_SERVER]);
    players_start(&players, KILL_NEXT_CLIENT, false);
    players_wait(&players, KILL_NEXT_CLIENT);
    players_wait(&players, KILL_NEXT_SERVER);
    for (enum kill_who who = KILL_NEXT_SERVER; who <= KILL_NEXT_CLIENT; who++) {
        const char *where = NULL;
        (void)kill_held(CHECK_ERROR(kill_end_error(&world->ends[who], &where), LEAT_OK));
        (void)kill_held(CHECK(kill_talk_whole(&world->ends[who].talks[0], protocol)));
    }
}

/* ---- Judging --------------------------------------------------------------------------------- */

bool kill_end_tidy(const struct kill_end *end, int status)
{
    bool tidy = CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    return CHECK(atomic_load(&end->over)) && CHECK_INT(atomic_load(&end->descriptors), 0) && tidy;
}

bool kill_talk_whole(const struct kill_talk *talk, enum leat_protocol protocol)
{
    uint32_t all = kill_messages(protocol);
    return atomic_load(&talk->whole) && !atomic_load(&talk->where) &&
           atomic_load(&talk->sent) == all && atomic_load(&talk->received) == all &&
           atomic_load(&talk->wrong) == 0;
}

/* What a peer that is suddenly gone may look like. */
static bool error_is_of_the_gone(enum leat_error error)
{
    return error == LEAT_OK || error == LEAT_E_BROKEN || error == LEAT_E_CLOSED ||
           error == LEAT_E_FINISHED || error == LEAT_E_NOT_FOUND || error == LEAT_E_REFUSED;
}

/* A survivor has read what the system had of the dead one, and nothing else. */
static void judge_survivor(const struct kill_end *end, const struct kill_end *dead,
                           enum leat_protocol protocol)
{
    const struct kill_talk *talk = &end->talks[0], *said = &dead->talks[0];
    const char *where = NULL;
    (void)kill_held(CHECK(error_is_of_the_gone(kill_end_error(end, &where))));
    (void)kill_held(CHECK_INT(atomic_load(&talk->wrong), 0));
    (void)kill_held(CHECK(atomic_load(&talk->received) >= atomic_load(&said->taken)));
    /* One call more than it could note. */
    (void)kill_held(CHECK(atomic_load(&talk->received) <= atomic_load(&said->sent) + 1));
    (void)kill_held(CHECK(where != NULL || kill_talk_whole(talk, protocol)));
}

void kill_round_judge(struct kill_round *round)
{
    struct kill_end *ends = round->world->ends;
    const struct kill_trace *trace = &round->trace;
    bool dead = trace->struck && trace->blow == KILL_BLOW_KILL;
    const char *where = NULL;
    if (dead)
        (void)kill_held(CHECK(WIFSIGNALED(trace->status) && WTERMSIG(trace->status) == SIGKILL));
    if (!dead) {
        uint32_t talks = round->victim == KILL_SERVER ? 1 : 2;
        (void)kill_held(CHECK_INT(atomic_load(&ends[KILL_SERVER].talks_count), talks));
        for (uint32_t i = 0; i < talks; i++)
            (void)kill_held(CHECK(kill_talk_whole(&ends[KILL_SERVER].talks[i], round->protocol)));
        (void)kill_held(CHECK_ERROR(kill_end_error(&ends[KILL_CLIENT], &where), LEAT_OK));
        (void)kill_held(CHECK(kill_talk_whole(&ends[KILL_CLIENT].talks[0], round->protocol)));
    } else if (round->victim == KILL_SERVER) {
        judge_survivor(&ends[KILL_CLIENT], &ends[KILL_SERVER], round->protocol);
    } else {
        uint32_t talks = atomic_load(&ends[KILL_SERVER].talks_count);
        (void)kill_held(CHECK(!atomic_load(&ends[KILL_SERVER].where)));
        (void)kill_held(CHECK(talks == 1 || talks == 2));
        (void)kill_held(
            CHECK(kill_talk_whole(&ends[KILL_SERVER].talks[talks - 1], round->protocol)));
        if (talks == 2)
            judge_survivor(&ends[KILL_SERVER], &ends[KILL_CLIENT], round->protocol);
        else /* never told of: it had said nothing */
            (void)kill_held(CHECK_INT(atomic_load(&ends[KILL_CLIENT].talks[0].taken), 0));
    }
    if (round->victim == KILL_CLIENT) {
        (void)kill_held(CHECK_ERROR(kill_end_error(&ends[KILL_NEXT_CLIENT], &where), LEAT_OK));
        (void)kill_held(CHECK(kill_talk_whole(&ends[KILL_NEXT_CLIENT].talks[0], round->protocol)));
    }
    if (dead && round->victim == KILL_SERVER)
        kill_next_pair(round->world, round->protocol);
    (void)kill_held(CHECK(kill_folder_is_empty()));
}
