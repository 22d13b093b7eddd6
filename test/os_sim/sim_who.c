/* SPDX-License-Identifier: MIT
 *
 * Simulated identities and security descriptors of Windows.
 *
 * Happy path: a descriptor's text is read, given to a new pipe, and asked when somebody opens it.
 * Fails:      with 1336 to 1338 for a text that is none, 1307 for an owner that one may not give,
 *             1299 for a label above one's own level, 1368 for a client of whom nothing was read.
 * Invariants: what is not allowed is denied; entries count in their order; an owner may always read
 *             and change the descriptor. A client is who it was when it opened the pipe.
 */
#include "sim_nt.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INVALID_LABEL 1299
#define INVALID_OWNER 1307
#define INVALID_ACL 1336
#define INVALID_SID 1337
#define INVALID_DESCRIPTOR 1338

#define SID_SYSTEM "S-1-5-18"
#define SID_EVERYBODY "S-1-1-0"
#define SID_ANONYMOUS "S-1-5-7"
#define SID_NETWORK "S-1-5-2"
#define SID_PACKAGES "S-1-15-2-1"
#define RIGHTS_ALL UINT32_C(0x001F01FF)
#define RIGHTS_OWNER UINT32_C(0x00060000) /* READ_CONTROL, WRITE_DAC */
#define SUBAUTHORITIES_MAX 15u
#define LEVEL_MEDIUM 8192u

static const struct {
    char alias[3];
    const char *sid;
} aliases[] = {
    {"SY", SID_SYSTEM},    {"BA", "S-1-5-32-544"}, {"BU", "S-1-5-32-545"}, {"NU", SID_NETWORK},
    {"AN", SID_ANONYMOUS}, {"IU", "S-1-5-4"},      {"AU", "S-1-5-11"},     {"WD", SID_EVERYBODY},
    {"OW", "S-1-3-4"},     {"CO", "S-1-3-0"},      {"AC", SID_PACKAGES},   {"LS", "S-1-5-19"},
    {"NS", "S-1-5-20"},    {"SU", "S-1-5-6"},      {"PS", "S-1-5-10"},     {"LW", "S-1-16-4096"},
    {"ME", "S-1-16-8192"}, {"MP", "S-1-16-8448"},  {"HI", "S-1-16-12288"}, {"SI", "S-1-16-16384"},
};

static const struct {
    char alias[3];
    uint32_t rights;
} rights_aliases[] = {
    {"GA", RIGHTS_ALL}, {"GR", SIM_RIGHT_READ}, {"GW", SIM_RIGHT_WRITE}, {"GX", 0x001200A0},
    {"FA", RIGHTS_ALL}, {"FR", SIM_RIGHT_READ}, {"FW", SIM_RIGHT_WRITE}, {"FX", 0x001200A0},
    {"RC", 0x00020000}, {"SD", 0x00010000},     {"WD", 0x00040000},      {"WO", 0x00080000},
};

/* ---- Who ------------------------------------------------------------------------------------- */

struct sim_who sim_who_now(void)
{
    const struct sim_process *process = sim_process_now();
    return (struct sim_who){process->uid, process->token, process->session, process->groups};
}

static void who_user(const struct sim_who *who, char sid_out[LTI_OS_SID_BYTES])
{
    if (who->uid == 0)
        (void)snprintf(sid_out, LTI_OS_SID_BYTES, SID_SYSTEM);
    else
        (void)snprintf(sid_out, LTI_OS_SID_BYTES, "S-1-5-21-0-0-0-%u", (unsigned)who->uid);
}

static bool who_in_group(const struct sim_who *who, const char *sid)
{
    char group[LTI_OS_SID_BYTES];
    for (uint32_t i = 0; i < who->groups.count; i++) {
        uint32_t number = who->groups.list[i];
        (void)snprintf(group, sizeof group, "%s-%u", number < 1000 ? "S-1-5-32" : "S-1-5-21-0-0-0",
                       (unsigned)number);
        if (strcmp(sid, group) == 0)
            return true;
    }
    return false;
}

/* True when the somebody is the user, or in the group, of that SID. */
static bool who_is(const struct sim_who *who, const char *sid)
{
    char user[LTI_OS_SID_BYTES];
    who_user(who, user);
    if (strcmp(sid, user) == 0 || strcmp(sid, SID_EVERYBODY) == 0 || strcmp(sid, "S-1-5-11") == 0)
        return true;
    if (strcmp(sid, SID_NETWORK) == 0)
        return who->token.network;
    if (strcmp(sid, "S-1-5-4") == 0 || strcmp(sid, "S-1-5-32-545") == 0)
        return who->uid != 0 && !who->token.network;
    return who_in_group(who, sid) || (who->uid == 0 && strcmp(sid, "S-1-5-32-544") == 0);
}

static void who_tell(const struct sim_who *who, struct lti_os_identity *identity_out)
{
    *identity_out = (struct lti_os_identity){.level = 3,
                                             .container = who->token.container,
                                             .session_known = true,
                                             .session = who->session};
    who_user(who, identity_out->user);
    uint32_t integrity = who->token.integrity;
    (void)snprintf(identity_out->integrity, LTI_OS_SID_BYTES, "S-1-16-%u", (unsigned)integrity);
}

int64_t lti_os_identity(struct lti_os_identity *identity_out)
{
    sim_enter();
    const struct sim_who who = sim_who_now();
    who_tell(&who, identity_out);
    return sim_leave("nt_identity", 0, 0, 0);
}

static int64_t who_client(const struct sim_object *end, const char *group,
                          struct lti_os_identity *identity_out)
{
    const struct sim_instance *instance = end->nt->pipe.instance;
    if (end->nt->pipe.side != SIM_SERVER)
        return sim_nt_fail(LTI_NT_INVALID_FUNCTION);
    if (!instance->client_read)
        return sim_nt_fail(LTI_NT_CANNOT_IMPERSONATE);
    if (instance->client.token.level == 0) {
        *identity_out = (struct lti_os_identity){.user = SID_ANONYMOUS};
        return 0;
    }
    who_tell(&instance->client, identity_out);
    identity_out->level = instance->client.token.level;
    identity_out->member = group && who_is(&instance->client, group);
    return 0;
}

int64_t lti_os_pipe_client(intptr_t handle, const char *group, struct lti_os_identity *identity_out)
{
    sim_enter();
    int64_t result = 0;
    const struct sim_object *end = sim_pipe_find(handle, &result);
    if (end)
        result = who_client(end, group, identity_out);
    return sim_leave("nt_client", handle, 0, result);
}

/* ---- Texts ----------------------------------------------------------------------------------- */

static bool text_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Reads a SID, by alias or number; null when there is none. */
static const char *text_sid(const char *at, char sid_out[LTI_OS_SID_BYTES])
{
    for (size_t i = 0; i < sizeof aliases / sizeof aliases[0]; i++) {
        if (strncmp(at, aliases[i].alias, 2) == 0) {
            (void)snprintf(sid_out, LTI_OS_SID_BYTES, "%s", aliases[i].sid);
            return at + 2;
        }
    }
    if (strncmp(at, "S-1-", 4) != 0)
        return NULL;
    const char *end = at + 3;
    uint32_t parts = 0;
    while (*end == '-' && text_digit(end[1])) {
        end++;
        while (text_digit(*end))
            end++;
        parts++;
    }
    size_t size = (size_t)(end - at);
    if (parts < 2 || parts > SUBAUTHORITIES_MAX + 1 || size >= LTI_OS_SID_BYTES)
        return NULL;
    memcpy(sid_out, at, size);
    sid_out[size] = '\0';
    return end;
}

/* Reads a mask, as a number or by aliases, up to a semicolon. */
static const char *text_rights(const char *at, uint32_t *rights_out)
{
    *rights_out = 0;
    if (at[0] == '0' && (at[1] == 'x' || at[1] == 'X')) {
        char *end = NULL;
        *rights_out = (uint32_t)strtoul(at, &end, 16);
        return *end == ';' ? end : NULL;
    }
    while (*at && *at != ';') {
        size_t i = 0;
        size_t count = sizeof rights_aliases / sizeof rights_aliases[0];
        while (i < count && strncmp(at, rights_aliases[i].alias, 2) != 0)
            i++;
        if (i == count)
            return NULL;
        *rights_out |= rights_aliases[i].rights;
        at += 2;
    }
    return *at == ';' ? at : NULL;
}

static const char *text_label_rights(const char *at, uint32_t *denies_out)
{
    *denies_out = 0;
    for (; *at && *at != ';'; at += 2) {
        if (strncmp(at, "NW", 2) == 0)
            *denies_out |= SIM_RIGHT_WRITE & ~SIM_RIGHT_READ;
        else if (strncmp(at, "NR", 2) == 0)
            *denies_out |= SIM_RIGHT_READ & ~SIM_RIGHT_WRITE;
        else if (strncmp(at, "NX", 2) != 0)
            return NULL;
    }
    return *at == ';' ? at : NULL;
}

/* What stands between a type and a right, or between a right and a SID: no inheritance and no type
 * of object means anything for a pipe. */
static const char *text_skip(const char *at, uint32_t fields)
{
    while (fields > 0 && at && *at) {
        if (*at == ')' || *at == '(')
            return NULL;
        if (*at++ == ';')
            fields--;
    }
    return fields == 0 ? at : NULL;
}

/* Reads "(type;flags;rights;object;inherited;sid)". */
static const char *text_ace(const char *at, struct sim_security *security, bool labels)
{
    char sid[LTI_OS_SID_BYTES];
    uint32_t rights = 0;
    bool deny = strncmp(at, "(D;", 3) == 0;
    bool label = strncmp(at, "(ML;", 4) == 0;
    if (labels ? !label : !deny && strncmp(at, "(A;", 3) != 0)
        return NULL;
    at = text_skip(at + (label ? 4 : 3), 1);
    if (at)
        at = labels ? text_label_rights(at, &rights) : text_rights(at, &rights);
    if (at)
        at = text_skip(at, 3);
    if (at)
        at = text_sid(at, sid);
    if (!at || *at != ')')
        return NULL;
    if (labels) {
        if (strncmp(sid, "S-1-16-", 7) != 0)
            return NULL;
        security->label = (uint32_t)strtoul(sid + 7, NULL, 10);
        security->label_denies = rights;
        return at + 1;
    }
    if (security->count == SIM_ACES_MAX)
        return NULL;
    struct sim_ace *ace = &security->aces[security->count++];
    *ace = (struct sim_ace){.deny = deny, .rights = rights};
    memcpy(ace->sid, sid, sizeof sid);
    return at + 1;
}

static const char *text_list(const char *at, struct sim_security *security, bool labels)
{
    while (*at == 'P' || *at == 'A') /* P, AI, AR: nothing is inherited here anyway */
        at += *at == 'P' ? 1 : 2;
    while (at && *at == '(')
        at = text_ace(at, security, labels);
    return at;
}

static uint32_t text_parse(const char *at, struct sim_security *security)
{
    char group[LTI_OS_SID_BYTES];
    *security = (struct sim_security){.listed = false};
    if (!*at)
        return INVALID_DESCRIPTOR;
    while (*at) {
        char part = *at;
        if (at[1] != ':')
            return INVALID_DESCRIPTOR;
        at += 2;
        if (part == 'O')
            at = text_sid(at, security->owner);
        else if (part == 'G')
            at = text_sid(at, group);
        else if (part == 'D' || part == 'S')
            at = text_list(at, security, part == 'S');
        else
            return INVALID_DESCRIPTOR;
        security->listed = security->listed || part == 'D';
        if (!at)
            return part == 'O' || part == 'G' ? INVALID_SID : INVALID_ACL;
    }
    return 0;
}

int64_t lti_os_security_create(const char *sddl, void **security_out)
{
    sim_enter();
    struct sim_security read;
    uint32_t error = text_parse(sddl, &read);
    if (error != 0)
        return sim_leave("nt_security", 0, 0, sim_nt_fail(error));
    struct sim_security *security = lti_os_alloc(sizeof *security);
    if (!security)
        return sim_leave("nt_security", 0, 0, sim_nt_fail(LTI_NT_NOT_ENOUGH_MEMORY));
    *security = read;
    *security_out = security;
    return sim_leave("nt_security", 0, 0, 0);
}

void lti_os_security_free(void *security)
{
    lti_os_free(security);
}

bool lti_os_security_listed(const void *security)
{
    return ((const struct sim_security *)security)->listed;
}

/* ---- Access ---------------------------------------------------------------------------------- */

int64_t sim_security_assign(const void *security, struct sim_security *assigned_out)
{
    const struct sim_who who = sim_who_now();
    char user[LTI_OS_SID_BYTES];
    who_user(&who, user);
    if (security)
        *assigned_out = *(const struct sim_security *)security;
    else /* as Windows: others may only read, which is too little to open it */
        (void)text_parse("D:(A;;GA;;;SY)(A;;GA;;;BA)(A;;GR;;;WD)(A;;GR;;;AN)", assigned_out);
    if (assigned_out->owner[0] && strcmp(assigned_out->owner, user) != 0 && who.uid != 0 &&
        !sim_world.privileged)
        return sim_nt_fail(INVALID_OWNER);
    if (assigned_out->label > who.token.integrity && !sim_world.privileged)
        return sim_nt_fail(INVALID_LABEL);
    if (!assigned_out->label && who.token.integrity < LEVEL_MEDIUM) {
        assigned_out->label = who.token.integrity; /* else it would pass for more than it is */
        assigned_out->label_denies = SIM_RIGHT_WRITE & ~SIM_RIGHT_READ;
    }
    if (!assigned_out->owner[0])
        memcpy(assigned_out->owner, user, sizeof user);
    if (!security) {
        struct sim_ace *ace = &assigned_out->aces[assigned_out->count++];
        *ace = (struct sim_ace){.rights = RIGHTS_ALL};
        memcpy(ace->sid, user, sizeof user);
    }
    return 0;
}

/* True when the entries for these SIDs grant all the rights. `packages`: only what is said of all
 * packages counts. */
static bool security_grants(const struct sim_security *security, const struct sim_who *who,
                            uint32_t wanted, bool packages)
{
    for (uint32_t i = 0; i < security->count && wanted != 0; i++) {
        const struct sim_ace *ace = &security->aces[i];
        if (packages ? strcmp(ace->sid, SID_PACKAGES) != 0 : !who_is(who, ace->sid))
            continue;
        if (ace->deny && (ace->rights & wanted))
            return false;
        if (!ace->deny)
            wanted &= ~ace->rights;
    }
    return wanted == 0;
}

bool sim_security_allows(const struct sim_security *security, const struct sim_who *who,
                         uint32_t rights)
{
    char user[LTI_OS_SID_BYTES];
    /* An object without a label is of medium integrity, and protected from being written. */
    uint32_t label = security->label ? security->label : LEVEL_MEDIUM;
    uint32_t denies = security->label ? security->label_denies : SIM_RIGHT_WRITE & ~SIM_RIGHT_READ;
    if (who->token.integrity < label && (rights & denies))
        return false;
    if (!security->listed)
        return true;
    who_user(who, user);
    if (strcmp(security->owner, user) == 0)
        rights &= ~RIGHTS_OWNER;
    return security_grants(security, who, rights, false) &&
           (!who->token.container || security_grants(security, who, rights, true));
}
