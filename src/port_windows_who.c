/* SPDX-License-Identifier: MIT
 *
 * The Windows port: who may open a pipe of ours, who somebody is, and whether he may be there.
 *
 * Happy path: an instance's descriptor lets in whom the user of the library asked for. A server is
 *             judged by the owner of its pipe, and by the pipe's label, before the first byte; a
 *             client by its token once its first bytes were read, because the system cannot say
 *             before.
 * Fails:      what cannot be found out is a denial, never a default.
 * Invariants: a pid decides nothing. The network and the anonymous are denied first; nobody but
 *             this user may make instances.
 */
#include "access.h"
#include "port_windows.h"

#include <string.h>

/* The base, and for each of the listed one entry. */
#define SECURITY_BYTES ((LEAT_USERS_MAX + 4) * (LTI_OS_SID_BYTES + 24) + 256)
/* Read, write, attributes; not: make instances, change the descriptor. */
#define CLIENT_RIGHTS "0x12019b"

#define SID_SYSTEM "S-1-5-18"
#define SID_ADMINISTRATORS "S-1-5-32-544"
#define SID_ANONYMOUS "S-1-5-7"

/* Levels of integrity. */
#define SID_LEVEL "S-1-16-"
#define SID_MEDIUM SID_LEVEL "8192"
#define SID_HIGH SID_LEVEL "12288"
#define LEVEL_MEDIUM 8192u
#define LEVEL_SYSTEM 16384u

static bool text_same(const char *a, const char *b)
{
    size_t size = strlen(a);
    return size == strlen(b) && memcmp(a, b, size) == 0;
}

void lti_nt_put(struct lti_nt_text *text, const char *more, size_t size)
{
    if (size >= text->room - text->size) {
        text->size = text->room; /* shows that it did not fit */
        return;
    }
    memcpy(text->bytes + text->size, more, size);
    text->size += size;
    text->bytes[text->size] = 0;
}

bool lti_nt_put_all(struct lti_nt_text *text, const char *const *parts)
{
    for (; *parts && text->size < text->room; parts++)
        lti_nt_put(text, *parts, strlen(*parts));
    return text->size < text->room;
}

/* False when it is not known. */
static bool level_of(const char *sid, uint32_t *level_out)
{
    size_t prefix = strlen(SID_LEVEL), size = strlen(sid);
    if (size <= prefix || size > prefix + 9 || memcmp(sid, SID_LEVEL, prefix) != 0)
        return false;
    *level_out = 0;
    for (const char *at = sid + prefix; *at; at++) {
        if (*at < '0' || *at > '9')
            return false;
        *level_out = *level_out * 10 + (uint32_t)(*at - '0');
    }
    return true;
}

/* ---- Who may open a pipe --------------------------------------------------------------------- */

static void put_client(struct lti_nt_text *text, const char *sid)
{
    const char *const parts[] = {"(A;;" CLIENT_RIGHTS ";;;", sid, ")", 0};
    (void)lti_nt_put_all(text, parts);
}

enum leat_error lti_nt_security(const struct lti_access *access, void **security_out,
                                struct os_code *code_out)
{
    struct lti_os_identity own;
    char bytes[SECURITY_BYTES];
    struct lti_nt_text text = {bytes, 0, sizeof bytes};
    enum leat_error error = lti_port_error(lti_os_identity(&own), code_out);
    if (error != LEAT_OK)
        return error;
    /* Owner and group by name, because an administrator's are a group otherwise; network and
     * anonymous denied first; nothing inherited. */
    const char *const parts[] = {"O:",
                                 own.user,
                                 "G:",
                                 own.user,
                                 "D:P(D;;GA;;;NU)(D;;GA;;;AN)(A;;GA;;;",
                                 own.user,
                                 ")(A;;" CLIENT_RIGHTS ";;;SY)",
                                 0};
    (void)lti_nt_put_all(&text, parts);
    enum leat_who who = access ? access->who : LEAT_WHO_SAME_USER;
    if (who == LEAT_WHO_INSECURE_ANYONE || who == LEAT_WHO_ASK)
        put_client(&text, "WD");
    if (who == LEAT_WHO_ADMIN)
        put_client(&text, "BA");
    for (uint32_t i = 0; access && i < access->count; i++)
        put_client(&text, access->texts[i]);
    /* Keeps those out that are less trusted than this process; of other users, those that are less
     * trusted than usual. A label above our own level would not be ours to give. */
    bool others = who == LEAT_WHO_GROUP || who == LEAT_WHO_LIST;
    const char *level = own.integrity;
    uint32_t own_level = 0;
    if (others && (!level_of(level, &own_level) || own_level > LEVEL_MEDIUM))
        level = SID_MEDIUM;
    if (who == LEAT_WHO_ADMIN && level_of(level, &own_level) && own_level >= LEVEL_SYSTEM)
        level = SID_HIGH; /* an administrator never has the level of the system */
    if (who != LEAT_WHO_INSECURE_ANYONE && who != LEAT_WHO_ASK && level[0]) {
        const char *const label[] = {"S:(ML;;NWNR;;;", level, ")", 0};
        (void)lti_nt_put_all(&text, label);
    }
    if (text.size >= text.room)
        return LEAT_E_SYSTEM;
    return lti_port_error(lti_os_security_create(bytes, security_out), code_out);
}

enum leat_error lti_nt_security_given(const char *sddl, void **security_out,
                                      struct os_code *code_out)
{
    void *security;
    enum leat_error error = lti_port_error(lti_os_security_create(sddl, &security), code_out);
    if (error != LEAT_OK)
        return error == LEAT_E_MEMORY ? error : LEAT_E_OPTIONS;
    if (!lti_os_security_listed(security)) { /* left out, perhaps: nobody says "everybody" so */
        lti_os_security_free(security);
        return LEAT_E_OPTIONS;
    }
    *security_out = security;
    return LEAT_OK;
}

/* ---- Who somebody is ------------------------------------------------------------------------- */

static bool digits_skip(const char **at)
{
    const char *first = *at;
    while (**at >= '0' && **at <= '9')
        (*at)++;
    /* As the system writes it, since what it says of somebody is compared with it as text. */
    bool plain = *first != '0' || *at - first == 1;
    return *at > first && *at - first <= 15 && plain;
}

bool lti_port_user_valid(const char *text)
{
    size_t size = strlen(text);
    if (size < 4 || size >= LTI_OS_SID_BYTES || memcmp(text, "S-1-", 4) != 0)
        return false;
    const char *at = text + 4;
    if (!digits_skip(&at))
        return false;
    int parts = 0;
    while (*at == '-') {
        at++;
        parts++;
        if (!digits_skip(&at))
            return false;
    }
    return *at == 0 && parts > 0 && parts <= 15;
}

static bool text_listed(const struct lti_access *access, const char *sid)
{
    for (uint32_t i = 0; i < access->count; i++)
        if (text_same(access->texts[i], sid))
            return true;
    return false;
}

/* What the core is told of a user. */
static enum leat_error user_of(const char *sid, uint32_t *user_out, struct os_code *code_out)
{
    struct lti_os_identity own;
    enum leat_error error = lti_port_error(lti_os_identity(&own), code_out);
    if (error != LEAT_OK)
        return error;
    if (text_same(sid, own.user))
        *user_out = LTI_NT_USER_SELF;
    else if (text_same(sid, SID_SYSTEM) || text_same(sid, SID_ADMINISTRATORS))
        *user_out = LTI_NT_USER_SYSTEM;
    else
        *user_out = LTI_NT_USER_OTHER;
    return LEAT_OK;
}

/* ---- Whether he may be there ----------------------------------------------------------------- */

/* The group that a client may be a member of; null: none. */
static const char *group_of(const struct lti_access *access)
{
    switch (access->who) {
    case LEAT_WHO_ADMIN:
        return SID_ADMINISTRATORS;
    case LEAT_WHO_GROUP:
        return access->texts[0];
    default:
        return 0;
    }
}

/* Users are told apart by a number that is made of the SID (FNV-1a). Two who get the same one have
 * together what one may have, and never more; nobody chooses his SID to come to another's. */
static uint32_t user_number(const char *sid)
{
    uint32_t number = UINT32_C(2166136261);
    for (; *sid; sid++)
        number = (number ^ (uint8_t)*sid) * UINT32_C(16777619);
    return number;
}

/* Who it is, as far as it can be found out; UNTRUSTED, or why it cannot. */
static enum leat_error client_look(struct lti_nt_stream *stream, struct os_code *code_out)
{
    const struct lti_access *access = stream->access;
    struct lti_os_identity client;
    /* All of whom this stays true are one user together: who hides has no places of his own. */
    stream->user = LTI_NT_USER_OTHER;
    stream->number = user_number(SID_ANONYMOUS);
    stream->own = false;
    stream->other = true;
    int64_t result = lti_os_pipe_client(stream->handle, group_of(access), &client);
    if (result < 0) {
        (void)lti_port_error(result, code_out);
        return LEAT_E_UNTRUSTED;
    }
    enum leat_error error = user_of(client.user, &stream->user, code_out);
    if (error != LEAT_OK)
        return error;
    stream->number = user_number(client.user);
    if (client.level < 1 || client.container || text_same(client.user, SID_ANONYMOUS))
        return LEAT_E_UNTRUSTED;
    stream->other = stream->user == LTI_NT_USER_OTHER;
    stream->own = stream->user == LTI_NT_USER_SELF && !text_same(client.user, SID_SYSTEM);
    if (stream->own) /* his packages have his SID as well, and are counted by that */
        stream->number = LTI_NT_USER_SELF;
    bool let = !stream->other || access->who == LEAT_WHO_ASK ||
               (group_of(access) && client.member) ||
               (access->who == LEAT_WHO_LIST && text_listed(access, client.user));
    return let ? LEAT_OK : LEAT_E_UNTRUSTED;
}

enum leat_error lti_nt_client_judge(struct lti_nt_stream *stream, struct os_code *code_out)
{
    enum leat_error error = client_look(stream, code_out);
    /* Looked at only to be counted. */
    return stream->access->who == LEAT_WHO_INSECURE_ANYONE ? LEAT_OK : error;
}

enum leat_error lti_nt_peer_ask(intptr_t handle, char owner_out[LTI_OS_SID_BYTES],
                                struct lti_peer *peer_out, struct os_code *code_out)
{
    struct lti_os_pipe_facts facts;
    int64_t result = lti_os_pipe_facts(handle, &facts);
    if (result < 0)
        return lti_port_error(result, code_out);
    int64_t pid = lti_os_pipe_peer_pid(handle, !facts.server);
    *peer_out = (struct lti_peer){.known = true, .uid = LTI_NT_USER_SELF};
    peer_out->pid = pid > 0 ? pid : 0;
    owner_out[0] = 0;
    if (facts.server)
        return LEAT_OK;
    enum leat_error error = lti_port_error(lti_os_pipe_owner(handle, owner_out), code_out);
    if (error == LEAT_OK)
        error = user_of(owner_out, &peer_out->uid, code_out);
    peer_out->known = error == LEAT_OK;
    return error;
}

static enum leat_error denied(struct lti_peer *peer, const char *reason)
{
    peer->reason = reason;
    return LEAT_E_UNTRUSTED;
}

/* The owner of a pipe may be somebody of this user who is less trusted than we are, such as a
 * program in a sandbox: that shows in the pipe's label, which nobody can put above his own level.
 * Who is trusted for his own sake serves many, and is asked for the usual level only. */
static enum leat_error label_judge(intptr_t handle, bool as_us, struct lti_peer *peer_out,
                                   struct os_code *code_out)
{
    struct lti_os_identity own;
    char label[LTI_OS_SID_BYTES];
    uint32_t wanted, level = LEVEL_MEDIUM; /* what has no label counts as medium */
    label[0] = 0;
    enum leat_error error = lti_port_error(lti_os_identity(&own), code_out);
    if (error == LEAT_OK)
        error = lti_port_error(lti_os_pipe_label(handle, label), code_out);
    if (error != LEAT_OK || !level_of(own.integrity, &wanted) ||
        (label[0] && !level_of(label, &level)))
        return denied(peer_out, "the system does not say how far the peer is trusted");
    if (!as_us && wanted > LEVEL_MEDIUM)
        wanted = LEVEL_MEDIUM;
    if (level >= wanted)
        return LEAT_OK;
    return denied(peer_out, as_us ? "the peer's level of integrity is below ours"
                                  : "the peer's level of integrity is below medium");
}

static enum leat_error server_judge(intptr_t handle, const struct lti_access *access,
                                    const char *owner, struct lti_peer *peer_out,
                                    struct os_code *code_out)
{
    /* By name, or as one who could read our memory anyway. */
    bool named = text_listed(access, owner) || text_same(owner, SID_SYSTEM) ||
                 text_same(owner, SID_ADMINISTRATORS);
    if (!named && peer_out->uid == LTI_NT_USER_OTHER)
        return denied(peer_out, "the peer is another user");
    return label_judge(handle, !named, peer_out, code_out);
}

enum leat_error lti_port_judge(struct lti_link *link, const struct lti_access *access,
                               struct lti_peer *peer_out, struct os_code *code_out)
{
    struct lti_nt_stream *stream = link->state;
    char owner[LTI_OS_SID_BYTES] = "";
    if (stream->sync) { /* adopted; its thread may be busy with the handle */
        *peer_out = *lti_nt_sync_peer(stream->sync);
        return LEAT_OK;
    }
    enum leat_error error = lti_nt_peer_ask(stream->handle, owner, peer_out, code_out);
    bool anyone = !access || access->who == LEAT_WHO_INSECURE_ANYONE;
    if (error != LEAT_OK && !anyone)
        return denied(peer_out, "the system does not say who the peer is");
    /* A client was let in by the pipe's security descriptor; who it is can be asked only after its
     * first bytes were read. */
    if (stream->family)
        return LEAT_E_EMPTY;
    return anyone ? LEAT_OK : server_judge(stream->handle, access, owner, peer_out, code_out);
}

enum leat_error lti_port_hear(struct lti_link *link, struct lti_peer *peer,
                              struct os_code *code_out)
{
    struct lti_nt_stream *stream = link->state;
    if (lti_nt_stream_fetch(stream) == LEAT_E_MEMORY)
        return LEAT_E_MEMORY;
    *code_out = stream->end_code;
    if (stream->end == LEAT_E_UNTRUSTED)
        return denied(peer, stream->end_code.kind == LTI_OS_NONE
                                ? "the peer is another user, or hides who it is"
                                : "the system does not say who the peer is");
    if (stream->end != LEAT_OK)
        return LEAT_E_BROKEN;
    if (stream->judge)
        return LEAT_E_EMPTY;
    peer->known = true;
    peer->uid = stream->user;
    peer->own = stream->own;
    peer->other = stream->other;
    peer->user = stream->number;
    return LEAT_OK;
}

/* ---- What is known of him -------------------------------------------------------------------- */

_Static_assert(LTI_OS_SID_BYTES <= LEAT_PEER_TEXT_BYTES, "a SID finds room");

static void text_copy(char to[LEAT_PEER_TEXT_BYTES], const char *from)
{
    memcpy(to, from, strlen(from) + 1);
}

/* The level of a server is at least that of its pipe. */
static void label_tell(intptr_t handle, struct leat_peer *peer_out)
{
    char label[LTI_OS_SID_BYTES];
    if (lti_os_pipe_label(handle, label) < 0)
        return;
    peer_out->known |= LEAT_PEER_LABEL;
    text_copy(peer_out->label, label[0] ? label : SID_MEDIUM);
}

enum leat_error lti_port_identity(const struct lti_link *link, struct leat_peer *peer_out,
                                  struct os_code *code_out)
{
    const struct lti_nt_stream *stream = link->state;
    struct lti_os_identity client = {0};
    struct lti_peer peer = {0};
    char owner[LTI_OS_SID_BYTES] = "";
    if (stream->sync)
        return LEAT_E_UNSUPPORTED; /* asking could wait for what its thread does */
    enum leat_error error = lti_nt_peer_ask(stream->handle, owner, &peer, code_out);
    if (error != LEAT_OK)
        return LEAT_E_UNTRUSTED;
    peer_out->known = LEAT_PEER_USER;
    peer_out->uid = peer.uid;
    if (peer.pid) {
        peer_out->known |= LEAT_PEER_PROCESS;
        peer_out->pid = peer.pid;
    }
    if (owner[0]) {
        text_copy(peer_out->user, owner);
        label_tell(stream->handle, peer_out);
        return LEAT_OK;
    }
    int64_t result = lti_os_pipe_client(stream->handle, 0, &client);
    if (result < 0) {
        (void)lti_port_error(result, code_out);
        return LEAT_E_UNTRUSTED;
    }
    error = user_of(client.user, &peer_out->uid, code_out);
    text_copy(peer_out->user, client.user);
    if (client.integrity[0]) {
        peer_out->known |= LEAT_PEER_LABEL;
        text_copy(peer_out->label, client.integrity);
    }
    peer_out->known |= LEAT_PEER_CONTAINER;
    peer_out->container = client.container;
    if (client.session_known) {
        peer_out->known |= LEAT_PEER_SESSION;
        peer_out->session = client.session;
    }
    return error == LEAT_OK ? LEAT_OK : LEAT_E_UNTRUSTED;
}

enum leat_error lti_port_groups(const struct lti_link *link, uint32_t *groups_out, size_t count,
                                size_t *count_out, struct os_code *code_out)
{
    (void)link;
    (void)groups_out;
    (void)count;
    (void)count_out;
    (void)code_out;
    return LEAT_E_UNSUPPORTED; /* groups are no numbers here */
}

/* The process that has the pid now may be another one than the one that the pipe was opened by. One
 * that began after we met the peer surely is. */
static enum leat_error process_check(intptr_t process, int64_t met, struct os_code *code_out)
{
    int64_t began = lti_os_process_began(process);
    if (began < 0)
        return lti_port_error(began, code_out);
    return began <= met ? LEAT_OK : LEAT_E_NOT_FOUND;
}

enum leat_error lti_port_process(const struct lti_link *link, intptr_t *handle_out,
                                 struct os_code *code_out)
{
    const struct lti_nt_stream *stream = link->state;
    struct lti_os_pipe_facts facts;
    if (stream->sync)
        return LEAT_E_UNSUPPORTED; /* asking could wait for what its thread does */
    enum leat_error error = lti_port_error(lti_os_pipe_facts(stream->handle, &facts), code_out);
    int64_t pid = error == LEAT_OK ? lti_os_pipe_peer_pid(stream->handle, !facts.server) : 0;
    if (pid < 0)
        error = lti_port_error(pid, code_out);
    if (error != LEAT_OK || pid == 0)
        return LEAT_E_UNTRUSTED;
    int64_t process = lti_os_process_open(pid);
    error = lti_port_error(process, code_out);
    if (lti_os_kind_of(process) == LTI_OS_INVALID)
        return LEAT_E_NOT_FOUND; /* nobody has the pid */
    if (error != LEAT_OK)
        return error;
    error = process_check((intptr_t)process, stream->met, code_out);
    if (error == LEAT_OK)
        *handle_out = (intptr_t)process;
    else
        (void)lti_os_handle_close((intptr_t)process);
    return error;
}
