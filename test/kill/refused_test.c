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
#include <unistd.h>

#define REFUSED_NUMBERS 1024

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

/* True when the text is one of the row's outcomes, which " / " separates. */
static bool refused_matches(const char *outcomes, const char *text)
{
    size_t size = strlen(text);
    for (const char *at = outcomes; at; at = strstr(at, " / "), at = at ? at + 3 : NULL)
        if (strncmp(at, text, size) == 0 && (at[size] == '\0' || at[size] == ' '))
            return true;
    return false;
}

static void refused_judge(const struct kill_case *it, const struct refusal *refusal)
{
    char text[KILL_OUTCOME_BYTES];
    const char *call = kill_call_name(refusal->call);
    const char *who = it->who == KILL_SERVER ? "server" : "client";
    const char *number = refusal->number == ENOSYS ? "ENOSYS" : "EPERM";
    const char *outcomes = "";
    for (size_t i = 0; i < sizeof refused_rows / sizeof refused_rows[0]; i++) {
        const struct refused_row *row = &refused_rows[i];
        if (strcmp(row->call, call) == 0 && strcmp(row->who, who) == 0 &&
            strcmp(row->number, number) == 0)
            outcomes = row->outcomes;
    }
    kill_case_outcome(it, text);
    bool good = CHECK(refused_matches(outcomes, text));
    if (!kill_case_sound(it) || !good)
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
            const struct refusal refusal = {call, i == 0 ? ENOSYS : EPERM};
            struct kill_case it = {.world = world,
                                   .protocol = protocol,
                                   .who = who,
                                   .harm = refused_filter,
                                   .argument = &refusal,
                                   .may_not_close = strcmp(kill_call_name(call), "close") == 0};
            kill_case_play(&it);
            refused_judge(&it, &refusal);
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
