/* SPDX-License-Identifier: MIT
 *
 * One system call at a time is refused by a filter, as by a kernel that does not have it (ENOSYS)
 * and by a sandbox that does not allow it (EPERM), to the server or to the client.
 *
 * Happy path: the library does without, or an error says so at once.
 * Fails:      with the outcomes of refused.def; one without a row there fails the test.
 * Invariants: nobody crashes, waits beyond a deadline, spins, or reads what was not sent. The calls
 *             are those that a followed run makes, so a new one fails the test until it has a row.
 */
#include "kill.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define REFUSED_PATIENCE_MS 400u
#define REFUSED_ENDS_MS 20000u /* a few calls that each wait as long as they may */
#define REFUSED_CPU_MS 300u    /* who spins needs all of that many times */
#define REFUSED_NUMBERS 1024
#define REFUSED_TEXT 128

struct refusal {
    int call, number; /* errno */
};

static const struct refused_row {
    const char *call, *who, *number, *outcomes;
} refused_rows[] = {
#define REFUSED(call, who, number, outcomes) {#call, #who, #number, outcomes},
#include "refused.def"
};

/* What the C library needs for itself, and what is never refused. */
static const char *const refused_never[] = {
#define REFUSED_NEVER(call, why) #call,
#include "refused.def"
};

static bool refused_is_exempt(const char *call)
{
    for (size_t i = 0; i < sizeof refused_never / sizeof refused_never[0]; i++)
        if (strcmp(refused_never[i], call) == 0)
            return true;
    return false;
}

/* ---- The filter ------------------------------------------------------------------------------ */

/* From here on the calling process is refused this call. */
static void refused_filter(const void *argument)
{
    const struct refusal *refusal = argument;
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)refusal->call, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (uint32_t)refusal->number),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
    const struct sock_fprog program = {sizeof code / sizeof code[0], code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
        _exit(8);
}

static bool refused_is_possible(void)
{
    return prctl(PR_GET_SECCOMP, 0, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, NULL) != 0 && errno == EFAULT;
}

/* ---- One refusal ----------------------------------------------------------------------------- */

struct refused_case {
    struct kill_world *world;
    enum leat_protocol protocol;
    enum kill_who who; /* who is refused */
    struct refusal refusal;
    uint64_t cpu_ms; /* of who is refused */
    bool ended;      /* all of them */
    int status;      /* of who is refused */
};

static pid_t refused_start(const struct refused_case *it, enum kill_who who)
{
    bool refused = who == it->who;
    const struct kill_part part = {.end = &it->world->ends[who],
                                   .path = kill_path(),
                                   .protocol = it->protocol,
                                   .patience_ms = (uint32_t)lti_test_scaled_ms(REFUSED_PATIENCE_MS),
                                   .serves = who == KILL_SERVER,
                                   .last = who != it->who,
                                   .mark = refused ? refused_filter : NULL,
                                   .argument = &it->refusal};
    return kill_start(&part, false);
}

static void refused_wait(struct refused_case *it, enum kill_who who, pid_t pid)
{
    int status = 0;
    it->ended = kill_wait(pid, REFUSED_ENDS_MS, &status) && it->ended;
    if (who == it->who) {
        it->cpu_ms = kill_cpu_ms();
        it->status = status;
    }
}

/* The server serves two: the second is there so that it need not wait in vain when the first cannot
 * come in. */
static void refused_play(struct refused_case *it)
{
    memset(it->world, 0, sizeof *it->world);
    it->ended = true;
    pid_t server = refused_start(it, KILL_SERVER);
    kill_wait_listening(&it->world->ends[KILL_SERVER], server);
    refused_wait(it, KILL_CLIENT, refused_start(it, KILL_CLIENT));
    const char *where = NULL;
    if (it->who == KILL_CLIENT || kill_end_error(&it->world->ends[KILL_CLIENT], &where) != LEAT_OK)
        refused_wait(it, KILL_NEXT_CLIENT, refused_start(it, KILL_NEXT_CLIENT));
    refused_wait(it, KILL_SERVER, server);
    (void)unlink(kill_path());
    char lock[160];
    (void)snprintf(lock, sizeof lock, "%s.leat-lock", kill_path());
    (void)unlink(lock);
}

/* "works", or what failed and how: of who was refused, else of whom it talked with. */
static void refused_outcome(const struct refused_case *it, char text[REFUSED_TEXT])
{
    const struct kill_end *own = &it->world->ends[it->who];
    const struct kill_end *other =
        &it->world->ends[it->who == KILL_SERVER ? KILL_CLIENT : KILL_SERVER];
    const char *where = NULL;
    enum leat_error error = kill_end_error(own, &where);
    const char *whose = "";
    if (error == LEAT_OK) {
        whose = "peer's ";
        error = kill_end_error(other, &where);
    }
    enum leat_error listener = (enum leat_error)atomic_load(&own->listener_error);
    if (error == LEAT_OK)
        (void)snprintf(text, REFUSED_TEXT, "works");
    else
        (void)snprintf(text, REFUSED_TEXT, "%s%s %s%s%s", whose, where, leat_error_name(error),
                       listener ? ", listener " : "", listener ? leat_error_name(listener) : "");
}

/* True when the text is one of the row's outcomes, which " / " separates. */
static bool refused_matches(const char *outcomes, const char *text)
{
    size_t size = strlen(text);
    for (const char *at = outcomes; at; at = strstr(at, " / "), at = at ? at + 3 : NULL)
        if (strncmp(at, text, size) == 0 && (at[size] == '\0' || at[size] == ' '))
            return true;
    return false;
}

static void refused_judge(const struct refused_case *it)
{
    char text[REFUSED_TEXT];
    const char *call = kill_call_name(it->refusal.call);
    const char *who = it->who == KILL_SERVER ? "server" : "client";
    const char *number = it->refusal.number == ENOSYS ? "ENOSYS" : "EPERM";
    const struct kill_end *own = &it->world->ends[it->who];
    const char *outcomes = "";
    refused_outcome(it, text);
    for (size_t i = 0; i < sizeof refused_rows / sizeof refused_rows[0]; i++) {
        const struct refused_row *row = &refused_rows[i];
        if (strcmp(row->call, call) == 0 && strcmp(row->who, who) == 0 &&
            strcmp(row->number, number) == 0)
            outcomes = row->outcomes;
    }
    bool good = CHECK(refused_matches(outcomes, text)) & CHECK(it->ended) &
                CHECK(WIFEXITED(it->status) && WEXITSTATUS(it->status) == 0) &
                CHECK(it->cpu_ms < lti_test_scaled_ms(REFUSED_CPU_MS)) &
                CHECK(atomic_load(&own->over));
    for (int i = 0; i < KILL_WHO_COUNT; i++)
        for (uint32_t k = 0; k < KILL_CLIENTS_MAX; k++)
            good = CHECK_INT(atomic_load(&it->world->ends[i].talks[k].wrong), 0) && good;
    /* Only who may not close cannot give descriptors back. */
    if (strcmp(call, "close") != 0)
        good = CHECK_INT(atomic_load(&own->descriptors), 0) && good;
    if (!good)
        (void)printf("    above: %s, REFUSED(%s, %s, %s, \"%s\") status %d\n",
                     kill_protocol_name(it->protocol), call, who, number, text, it->status);
}

/* ---- All of them ----------------------------------------------------------------------------- */

/* Which calls the part makes, in a run that nothing happens to. */
static void refused_find(struct kill_world *world, enum leat_protocol protocol, enum kill_who who,
                         bool made[REFUSED_NUMBERS])
{
    static struct kill_round round;
    round = (struct kill_round){.world = world, .protocol = protocol, .victim = who};
    kill_round(&round);
    kill_round_judge(&round);
    for (uint32_t i = 0; i < round.trace.count && i < KILL_CALLS_MAX; i++)
        if (CHECK(round.trace.numbers[i] >= 0 && round.trace.numbers[i] < REFUSED_NUMBERS))
            made[round.trace.numbers[i]] = true;
}

static void refused_sweep(enum leat_protocol protocol, enum kill_who who)
{
    if (!refused_is_possible())
        SKIP_NEEDS("filters of system calls");
    struct kill_world *world = kill_world_begin();
    bool made[REFUSED_NUMBERS] = {false};
    uint32_t tried = 0;
    refused_find(world, protocol, who, made);
    for (int call = 0; call < REFUSED_NUMBERS; call++) {
        if (!made[call] || refused_is_exempt(kill_call_name(call)))
            continue;
        for (int i = 0; i < 2; i++) {
            struct refused_case it = {.world = world,
                                      .protocol = protocol,
                                      .who = who,
                                      .refusal = {call, i == 0 ? ENOSYS : EPERM}};
            refused_play(&it);
            refused_judge(&it);
            tried++;
        }
    }
    CHECK(tried > 20);
    kill_world_end(world);
}

TEST_TIMEOUT(refused_calls_of_a_server_of_bytes, 300)
{
    refused_sweep(LEAT_BYTES, KILL_SERVER);
}

TEST_TIMEOUT(refused_calls_of_a_server_of_messages, 300)
{
    refused_sweep(LEAT_MESSAGES, KILL_SERVER);
}

TEST_TIMEOUT(refused_calls_of_a_server_of_packets, 300)
{
    refused_sweep(LEAT_PACKETS, KILL_SERVER);
}

TEST_TIMEOUT(refused_calls_of_a_client_of_bytes, 300)
{
    refused_sweep(LEAT_BYTES, KILL_CLIENT);
}

TEST_TIMEOUT(refused_calls_of_a_client_of_messages, 300)
{
    refused_sweep(LEAT_MESSAGES, KILL_CLIENT);
}

TEST_TIMEOUT(refused_calls_of_a_client_of_packets, 300)
{
    refused_sweep(LEAT_PACKETS, KILL_CLIENT);
}
