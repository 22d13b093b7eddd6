/* SPDX-License-Identifier: MIT
 *
 * The POSIX port, listener side: claim a name, accept, give the name back.
 *
 * Happy path: look at the folder, take the lock beside the path, make the socket private before it
 *             has a name, bind, check what is there now, open it for those who may come in, listen
 *             last. One that takes over does all that beside the path, and is then renamed.
 * Fails:      a lock that another holds, or a path that is not a dead socket of ours, is IN_USE
 *             and stays untouched; every later failure removes what this call made, and nothing
 *             else: a lock file that was there before stays. A dead socket goes last before its
 *             place is taken, and is the only thing that a failure does not bring back. When no
 *             descriptor is left for a client, the one in reserve lets clients be turned away.
 * Invariants: adopted sockets and abstract names claim nothing but the reserve. Nobody can connect
 *             before the node has the mode it will have. A mode is set through the node that was
 *             verified; by its path only where nodes cannot be had.
 */
#include "access.h"
#include "lti_assert.h"
#include "port_posix.h"

#include <string.h>

#define BACKLOG_USUAL 64u
/* How many clients that nobody accepted are closed one by one. */
#define UNACCEPTED_MAX 256
#define NEW_SUFFIX ".leat-new"
#define NEW_SUFFIX_SIZE (sizeof NEW_SUFFIX - 1)

/* OK when the path is dead; IN_USE when a server answers, or when that cannot be ruled out. */
static enum leat_error path_probe(const struct lti_path *path, struct os_code *code_out)
{
    int64_t fd = lti_os_socket(false);
    if (fd < 0)
        return lti_port_error(fd, code_out);
    int64_t result = lti_path_connect((int)fd, path);
    (void)lti_os_close((int)fd);
    return lti_os_kind_of(result) == LTI_OS_REFUSED ? LEAT_OK : LEAT_E_IN_USE;
}

/* OK when nothing is at the path (*there_out false), or a socket of ours. */
static enum leat_error path_look(const struct lti_path *path, bool *there_out,
                                 struct os_code *code_out)
{
    struct lti_os_file file;
    int64_t result = lti_os_lstat(path->bytes, &file);
    *there_out = lti_os_kind_of(result) != LTI_OS_NOT_FOUND;
    if (!*there_out)
        return LEAT_OK;
    if (result < 0)
        return lti_port_error(result, code_out);
    bool ours = file.type == LTI_OS_FILE_SOCKET && file.uid == lti_os_euid();
    return ours ? LEAT_OK : LEAT_E_IN_USE;
}

/* What stands at the path: nothing, or a dead socket of ours, which is removed. */
static enum leat_error path_clear(const struct lti_path *path, struct os_code *code_out)
{
    bool there = false;
    enum leat_error error = path_look(path, &there, code_out);
    if (error == LEAT_OK && there)
        error = path_probe(path, code_out);
    if (error != LEAT_OK || !there)
        return error;
    return lti_port_error(lti_os_unlink(path->bytes), code_out);
}

/* Binds a socket that is private, and proves that the path is now this socket. */
static enum leat_error path_bind(int fd, const struct lti_path *path, struct lti_claim *claim,
                                 uint32_t *mode_out, struct os_code *code_out)
{
    int64_t result = lti_os_bind(fd, path->bytes, path->size);
    if (result < 0)
        return lti_port_error(result, code_out);
    struct lti_os_file file;
    result = lti_os_lstat(path->bytes, &file);
    if (result < 0) {
        /* Without proof that it is ours we may remove what we just made only while the lock is
         * held. */
        (void)lti_os_unlink(path->bytes);
        return lti_port_error(result, code_out);
    }
    if (file.type != LTI_OS_FILE_SOCKET || file.uid != lti_os_euid() || (file.mode & 0177))
        return LEAT_E_UNTRUSTED;
    claim->device = file.device;
    claim->inode = file.inode;
    *mode_out = file.mode;
    return LEAT_OK;
}

/* Who may connect is said by the mode, where it can say it, and judged after that. */
static uint32_t access_mode(const struct lti_access *access)
{
    switch (access->who) {
    case LEAT_WHO_INSECURE_ANYONE:
    case LEAT_WHO_LIST:
    case LEAT_WHO_ASK:
        return 0666;
    case LEAT_WHO_GROUP:
        return 0660;
    case LEAT_WHO_SAME_USER:
    case LEAT_WHO_ADMIN:
        break;
    }
    return 0600;
}

/* Through a descriptor of the node that was bound, so that nothing else can be meant; the umask has
 * no say in it. Where there are no such descriptors it is by the path: only we and root can put
 * something else there, because the folder was judged before. */
static enum leat_error node_open_up(const struct lti_path *path, const struct lti_claim *claim,
                                    const struct lti_access *access, struct os_code *code_out)
{
    struct lti_os_file file;
    uint32_t group = 0;
    int64_t node = lti_os_open_node(path->bytes);
    bool by_path = lti_os_kind_of(node) == LTI_OS_UNSUPPORTED;
    if (node < 0 && !by_path)
        return lti_port_error(node, code_out);
    int64_t result = by_path ? lti_os_lstat(path->bytes, &file) : lti_os_fstat((int)node, &file);
    bool same = result >= 0 && file.device == claim->device && file.inode == claim->inode;
    if (same && access->who == LEAT_WHO_GROUP && lti_access_number(access->texts[0], &group))
        result =
            by_path ? lti_os_path_group(path->bytes, group) : lti_os_node_group((int)node, group);
    if (same && result >= 0)
        result = by_path ? lti_os_path_mode(path->bytes, access_mode(access))
                         : lti_os_node_mode((int)node, access_mode(access));
    if (!by_path)
        (void)lti_os_close((int)node);
    return result < 0 ? lti_port_error(result, code_out) : same ? LEAT_OK : LEAT_E_UNTRUSTED;
}

static enum leat_error socket_open(struct lti_link *link, bool packets, struct os_code *code_out)
{
    int64_t fd = lti_os_socket(packets);
    if (fd < 0)
        return lti_port_error(fd, code_out);
    link->handle = (intptr_t)fd;
    link->flags |= lti_os_sockets_plain() ? LTI_LINK_PLAIN : 0;
    return LEAT_OK;
}

static enum leat_error socket_listen(struct lti_port *port, struct lti_link *link, uint32_t backlog,
                                     struct os_code *code_out)
{
    enum leat_error error = lti_port_error(
        lti_os_listen(lti_link_fd(link), backlog ? backlog : BACKLOG_USUAL), code_out);
    return error == LEAT_OK ? lti_link_watch(port, link, code_out) : error;
}

/* At a path that nobody serves, or beside one that is taken over. */
static enum leat_error path_serve(struct lti_port *port, struct lti_link *link,
                                  struct lti_claim *claim, const struct lti_path *path,
                                  const struct lti_listen *listen, struct os_code *code_out)
{
    uint32_t mode = 0;
    enum leat_error error = socket_open(link, listen->packets, code_out);
    if (error == LEAT_OK)
        error = lti_port_error(lti_os_fchmod(lti_link_fd(link), 0600), code_out);
    if (error == LEAT_OK)
        error = path_clear(path, code_out);
    if (error == LEAT_OK)
        error = path_bind(lti_link_fd(link), path, claim, &mode, code_out);
    if (error == LEAT_OK && mode != access_mode(listen->access))
        error = node_open_up(path, claim, listen->access, code_out);
    if (error == LEAT_OK)
        error = socket_listen(port, link, listen->backlog, code_out);
    return error;
}

/* A place that is held is short: it fits an address, or is one name in a folder's descriptor. */
static void path_beside(const struct lti_path *path, struct lti_path *beside)
{
    LTI_ASSERT(path->size + NEW_SUFFIX_SIZE < sizeof beside->bytes);
    *beside = *path;
    memcpy(beside->bytes + beside->size, NEW_SUFFIX, NEW_SUFFIX_SIZE + 1);
    beside->size += NEW_SUFFIX_SIZE;
}

/* What one left that was killed while it took over. Who has the lock alone knows that nobody is at
 * it now; what is not a dead socket of ours is left alone, and is not in the way. */
static enum leat_error beside_clear(const struct lti_path *path, struct os_code *code_out)
{
    struct lti_path beside;
    path_beside(path, &beside);
    enum leat_error error = path_clear(&beside, code_out);
    return error == LEAT_E_IN_USE ? LEAT_OK : error;
}

/* At each moment one of the two servers is at the path, so every client finds one. */
static enum leat_error path_take_over(struct lti_port *port, struct lti_link *link,
                                      struct lti_claim *claim, const struct lti_path *path,
                                      const struct lti_listen *listen, struct os_code *code_out)
{
    struct lti_path beside;
    bool there = false;
    path_beside(path, &beside);
    enum leat_error error = path_serve(port, link, claim, &beside, listen, code_out);
    if (error == LEAT_OK)
        error = path_look(path, &there, code_out);
    if (error == LEAT_OK)
        error = lti_port_error(lti_os_rename(beside.bytes, path->bytes), code_out);
    if (error == LEAT_OK)
        (void)lti_os_turn_over((int)claim->lock);
    else
        lti_claim_remove(claim, &beside, false);
    return error;
}

/* Closes; the lock last, then what it is in. */
static void claim_end(struct lti_claim *claim, struct lti_link *link)
{
    if (link->handle >= 0)
        (void)lti_os_close(lti_link_fd(link));
    if (claim && claim->reserve >= 0)
        (void)lti_os_close((int)claim->reserve);
    if (claim && claim->lock >= 0)
        (void)lti_os_close((int)claim->lock);
    if (claim && claim->folder >= 0)
        (void)lti_os_close((int)claim->folder);
    if (claim)
        lti_claim_none(claim);
    lti_link_clear(link);
}

static enum leat_error path_listen(struct lti_port *port, struct lti_link *link,
                                   struct lti_claim *claim, const struct lti_path *path,
                                   const struct lti_listen *listen, struct os_code *code_out)
{
    bool made = false, taken_over = false;
    enum leat_error error =
        lti_claim_take(path, listen->take_over, claim, &made, &taken_over, code_out);
    if (error != LEAT_OK)
        return error;
    if (taken_over) {
        error = path_take_over(port, link, claim, path, listen, code_out);
    } else {
        error = beside_clear(path, code_out);
        if (error == LEAT_OK)
            error = path_serve(port, link, claim, path, listen, code_out);
        if (error == LEAT_OK)
            error = lti_claim_settle(claim, code_out);
    }
    if (error != LEAT_OK)
        lti_claim_remove(claim, path, made);
    return error;
}

static enum leat_error name_listen(struct lti_port *port, struct lti_link *link,
                                   const struct lti_path *path, const struct lti_listen *listen,
                                   struct os_code *code_out)
{
    enum leat_error error = socket_open(link, listen->packets, code_out);
    if (error == LEAT_OK)
        error = lti_port_error(lti_os_bind(lti_link_fd(link), path->bytes, path->size), code_out);
    if (error == LEAT_OK)
        error = socket_listen(port, link, listen->backlog, code_out);
    return error;
}

enum leat_error lti_port_listen(struct lti_port *port, struct lti_link *link,
                                struct lti_claim *claim_out, const struct lti_address *address,
                                const struct lti_listen *listen, struct os_code *code_out)
{
    struct lti_path path;
    enum leat_error error = LEAT_OK;
    lti_path_of(address, &path);
    lti_claim_none(claim_out);
    if (listen->sddl)
        return LEAT_E_UNSUPPORTED;
    if (lti_path_is_abstract(&path)) {
        error = listen->take_over ? LEAT_E_UNSUPPORTED
                                  : name_listen(port, link, &path, listen, code_out);
    } else {
        size_t room = listen->take_over ? NEW_SUFFIX_SIZE : 0;
        error = lti_place_hold(&path, address->guarded, room, &claim_out->folder, code_out);
        if (error == LEAT_OK)
            error = path_listen(port, link, claim_out, &path, listen, code_out);
    }
    if (error != LEAT_OK)
        claim_end(claim_out, link);
    return error;
}

/* Who else has an adopted one may let accepting wait, and be faster than we are. */
static int64_t listener_accept(const struct lti_link *listener)
{
    int fd = lti_link_fd(listener);
    if ((listener->flags & LTI_LINK_ADOPTED) && !lti_os_accept_ready(fd))
        return lti_os_fail(LTI_OS_AGAIN, 0);
    return lti_os_accept(fd);
}

/* An accept in vain costs the system as much as any, so it is asked first. */
static bool accept_next(struct lti_port *port, const struct lti_link *listener,
                        enum lti_accept_next next)
{
    int fd = lti_link_fd(listener);
    if (next == LTI_ACCEPT_LATER)
        return lti_os_poller_modify(port->poller, fd, LTI_OS_IN, listener->cookie) < 0;
    return next == LTI_ACCEPT_TRY || lti_os_accept_more(fd);
}

/* One that was interrupted, or whose client was gone already, is tried again. */
static int64_t listener_accept_again(const struct lti_link *listener)
{
    int64_t fd = listener_accept(listener);
    for (int i = 0; i < LTI_RETRIES_MAX && (lti_os_kind_of(fd) == LTI_OS_INTERRUPTED ||
                                            lti_os_kind_of(fd) == LTI_OS_ABORTED);
         i++)
        fd = listener_accept(listener);
    return fd;
}

/* Nobody waits here for what a client may have sent along: then its end is another thread's, and
 * the descriptor is not there for the next one. */
static void client_turn_away(struct lti_unasked *unasked, int fd)
{
    if (!unasked || !lti_os_recv_over(fd) || !lti_unasked_put(unasked, fd))
        (void)lti_os_close(fd);
}

enum leat_error lti_port_accept(struct lti_port *port, struct lti_link *listener,
                                struct lti_link *link, const struct lti_access *access,
                                enum lti_accept_next next, bool *more_out, struct os_code *code_out)
{
    (void)access;
    *more_out = false;
    bool many = port->unasked && lti_unasked_many(port->unasked);
    int64_t fd = many ? lti_os_fail(LTI_OS_DESCRIPTORS, 0) : listener_accept_again(listener);
    enum leat_error error = lti_port_error(fd, code_out);
    /* Systems look for a descriptor first, and for a client with it in hand. */
    if ((error == LEAT_E_LIMIT || error == LEAT_E_MEMORY) &&
        !lti_os_accept_more(lti_link_fd(listener)))
        error = LEAT_E_EMPTY;
    if (error == LEAT_E_LIMIT && port->unasked && !many)
        lti_unasked_scarce(port->unasked);
    if (error != LEAT_OK)
        return error;
    *more_out = accept_next(port, listener, next);
    link->handle = (intptr_t)fd;
    link->flags |= listener->flags & LTI_LINK_PLAIN; /* inherited */
    error = lti_link_watch(port, link, code_out);
    if (error != LEAT_OK) {
        client_turn_away(lti_link_unasked(link), (int)fd);
        link->handle = -1;
    }
    return error;
}

void lti_port_reserve(struct lti_claim *claim)
{
    int64_t fd = claim->reserve < 0 ? lti_os_socket(false) : -1;
    if (fd >= 0)
        claim->reserve = (intptr_t)fd;
}

uint32_t lti_port_turn_away(struct lti_link *listener, struct lti_claim *claim, uint32_t most)
{
    uint32_t count = 0;
    const struct lti_unasked *unasked = lti_link_unasked(listener);
    if (claim->reserve < 0 || (unasked && lti_unasked_many(unasked)))
        return 0;
    (void)lti_os_close((int)claim->reserve);
    claim->reserve = -1;
    for (int64_t fd = 0; count < most && (fd = listener_accept_again(listener)) >= 0; count++)
        client_turn_away(lti_link_unasked(listener), (int)fd);
    lti_port_reserve(claim);
    return count;
}

/* What was not received may have descriptors in it, and closing it closes them. */
static void link_end_unasked(struct lti_port *port, struct lti_link *link)
{
    int fd = lti_link_fd(link);
    if (fd < 0 || (link->flags & LTI_LINK_REFUSES) || !lti_os_recv_over(fd))
        return;
    (void)lti_os_poller_remove(port->poller, fd);
    if (lti_unasked_put(port->unasked, fd))
        link->handle = -1;
}

/* Closes one client elsewhere that nobody accepted. AGAIN: there is none. */
static enum lti_os_kind unaccepted_end(struct lti_port *port, int listener)
{
    int64_t fd = lti_os_accept(listener);
    if (fd >= 0 && !lti_unasked_put(port->unasked, (int)fd))
        (void)lti_os_close((int)fd); /* there is no memory */
    return lti_os_kind_of(fd);
}

/* Clients that nobody accepted may have sent descriptors, which go with the listener. So they are
 * accepted, and closed elsewhere: then the listener goes at once, and an abstract name with it. One
 * that others have, too, is not emptied; it goes elsewhere as it is, and so does one whose clients
 * cannot be accepted. */
static void listener_end_unasked(struct lti_port *port, struct lti_link *link)
{
    int fd = lti_link_fd(link);
    LTI_ASSERT(fd >= 0);
    if (link->flags & LTI_LINK_REFUSES)
        return;
    bool there = lti_os_accept_ready(fd);
    if (!(link->flags & LTI_LINK_ADOPTED)) {
        lti_os_listen_over(fd);
        enum lti_os_kind kind = LTI_OS_NONE;
        for (int i = 0; i < UNACCEPTED_MAX && kind == LTI_OS_NONE; i++)
            kind = unaccepted_end(port, fd);
        there = kind == LTI_OS_NONE || (there && kind != LTI_OS_AGAIN);
    }
    if (!there)
        return;
    (void)lti_os_poller_remove(port->poller, fd);
    if (lti_unasked_put(port->unasked, fd))
        link->handle = -1;
}

bool lti_port_end(struct lti_port *port, struct lti_link *link, struct lti_claim *claim,
                  const struct lti_address *address, bool forked)
{
    if (claim && claim->lock >= 0 && !forked) {
        struct lti_path path;
        lti_path_of(address, &path);
        if (lti_place_again(&path, claim->folder))
            lti_claim_remove(claim, &path, true);
    }
    if (!claim && !forked && link->handle >= 0 && !(link->flags & LTI_LINK_ADOPTED))
        lti_os_end_copies(lti_link_fd(link));
    if (port->ring)
        lti_ring_forget(port->ring, link);
    if (lti_link_unasked(link) && !forked) {
        if (claim)
            listener_end_unasked(port, link);
        else
            link_end_unasked(port, link);
    }
    claim_end(claim, link);
    return true;
}
