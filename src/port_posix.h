/* SPDX-License-Identifier: MIT
 *
 * What the files of the POSIX port share.
 */
#ifndef LTI_PORT_POSIX_H
#define LTI_PORT_POSIX_H

#include "os_posix.h"
#include "port.h"

/* An interrupted call is tried again; a system that interrupts it this often in a row has
 * failed. */
#define LTI_RETRIES_MAX 64

#define LTI_LINK_WATCHED 1u /* the poller knows the descriptor */
/* The peer sends no more, or has sent out-of-band data: a short read does not mean "drained". */
#define LTI_LINK_UNSURE 2u
#define LTI_LINK_HANGUP 4u  /* HANGUP was told */
#define LTI_LINK_WRITING 8u /* a write_start is under way */
#define LTI_LINK_OUT 16u    /* the poller watches for room */
#define LTI_LINK_PLAIN 32u  /* nobody can send descriptors */
#define LTI_LINK_BROKEN 64u /* packets: the peer broke it; what he sent before may still be there */

struct lti_port {
    int poller;
    int event;
    struct lti_os_ready ready[LTI_DONE_MAX];
};

/* The one table of system codes: what the core calls it. `code_out` gets the raw fact. */
enum leat_error lti_port_error(int64_t result, struct os_code *code_out);
/* The same for calls on the poller, whose failures never are about the connection: MEMORY, LIMIT,
 * SYSTEM. */
enum leat_error lti_poller_error(int64_t result, struct os_code *code_out);

static inline int lti_link_fd(const struct lti_link *link)
{
    return (int)link->handle;
}

/* Lets the poller watch a link's descriptor. */
enum leat_error lti_link_watch(struct lti_port *port, struct lti_link *link,
                               struct os_code *code_out);

/* The path or abstract name, as the system wants it, that an address text stands for. */
struct lti_path {
    size_t size;
    char bytes[LTI_OS_PATH_MAX + 2]; /* with a zero byte behind it */
};
void lti_path_of(const struct lti_address *address, struct lti_path *path_out);

#endif
