/* SPDX-License-Identifier: MIT
 *
 * Tests of who may be at the other end: a server, a client of another user, and a witness, each a
 * simulated process that uses the library. Read from the top: users, policies, one case, tables.
 */
#ifndef LTI_SIM_WHO_H
#define LTI_SIM_WHO_H

#include "harness.h"
#include "leat/leat.h"
#include "os_sim/sim.h"

struct who_user {
    const char *what;
    uint32_t uid, gid;
    uint32_t groups[2], groups_count; /* beside gid */
    struct lti_sim_token token;       /* Windows; all zero is the usual one */
};

struct who_policy {
    const char *what;
    enum leat_who who;
    const char *group;
    const char *const *users;
    uint32_t users_count;
    bool allows;      /* ASK: what the server answers */
    const char *sddl; /* Windows: a server's own descriptor */
};

enum who_outcome {
    WHO_IN = '+',         /* it talks with the server */
    WHO_REFUSED = '-',    /* the server ended it, without a byte and without a reason */
    WHO_UNASKED = 'n',    /* the same, where the server asks: nobody was asked about it */
    WHO_FOUND_OUT = 'l',  /* Windows: refused, too, but a server of bytes had heard of it: what the
                             system says of it comes with its first byte */
    WHO_SHUT_OUT = 'x',   /* Windows: the system did not let it open the name */
    WHO_MISTRUSTED = 'u', /* the client did not trust the server, and said nothing; nor did the
                             server trust it, unless it lets everybody in */
    WHO_SPURNED = 's'     /* the client did not trust the server, which would have let it in */
};

struct who_case {
    const struct who_user *server, *client;
    const struct who_policy *serves, *dials;
    enum leat_protocol protocol;
    enum who_outcome outcome;
    uint64_t seed;
};

/* Runs it in a world of its own and checks all that is to be seen, at both ends and by the
 * witness. */
void who_try(const struct who_case *it);

/* One row of a table: an outcome, as its letter, for each of the policies. */
struct who_row {
    struct who_user user;
    const char *outcomes;
};
/* Clients of these users come to a server; each policy of it with each protocol. */
void who_servers_table(const struct who_user *server, const struct who_policy *policies,
                       size_t policies_count, const struct who_row *rows, size_t count);
/* A client meets servers of these users, which let everybody in. */
void who_clients_table(const struct who_user *client, const struct who_policy *policies,
                       size_t policies_count, const struct who_row *rows, size_t count);

/* What differs by personality. */
extern const char *const who_name; /* that all users may reach */
/* The user as leat_peer_get tells it. */
void who_text(const struct who_user *user, char text_out[LEAT_PEER_TEXT_BYTES]);

#endif
