/* SPDX-License-Identifier: MIT
 *
 * Tables of users and policies: each cell is one case, with each protocol and several schedules.
 *
 * Happy path: the letter in the table is what happens.
 * Fails:      a case that goes otherwise is named.
 * Invariants: a row has a letter for each policy, and no more.
 */
#include "who.h"

#include <string.h>

#define SEEDS 4u /* the even ones: a rough world */

static const enum leat_protocol protocols[] = {LEAT_BYTES, LEAT_MESSAGES, LEAT_PACKETS};
static const struct who_policy anyone = {.what = "anyone", .who = LEAT_WHO_INSECURE_ANYONE};

static void cell_try(struct who_case it, char outcome)
{
    it.outcome = (enum who_outcome)outcome;
    for (size_t i = 0; i < sizeof protocols / sizeof protocols[0]; i++) {
        it.protocol = protocols[i];
        for (it.seed = 1; it.seed <= SEEDS; it.seed++)
            who_try(&it);
    }
}

void who_servers_table(const struct who_user *server, const struct who_policy *policies,
                       size_t policies_count, const struct who_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        REQUIRE_INT(strlen(rows[i].outcomes), policies_count);
        for (size_t j = 0; j < policies_count; j++)
            cell_try((struct who_case){.server = server,
                                       .client = &rows[i].user,
                                       .serves = &policies[j],
                                       .dials = &anyone},
                     rows[i].outcomes[j]);
    }
}

void who_clients_table(const struct who_user *client, const struct who_policy *policies,
                       size_t policies_count, const struct who_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        REQUIRE_INT(strlen(rows[i].outcomes), policies_count);
        for (size_t j = 0; j < policies_count; j++)
            cell_try((struct who_case){.server = &rows[i].user,
                                       .client = client,
                                       .serves = &anyone,
                                       .dials = &policies[j]},
                     rows[i].outcomes[j]);
    }
}
