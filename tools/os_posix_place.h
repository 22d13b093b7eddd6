/* SPDX-License-Identifier: MIT
 *
 * What leat doctor sees of a POSIX system's files and sockets.
 */
#ifndef LTI_TOOL_OS_POSIX_PLACE_H
#define LTI_TOOL_OS_POSIX_PLACE_H

#include "doctor.h"

#include <sys/socket.h>

#define LTI_TOOL_PLACE_BYTES 4096u
#define LTI_TOOL_OWNER_BYTES (LTI_TOOL_NAME_BYTES + 32)

enum lti_tool_node_kind {
    LTI_TOOL_NODE_OTHER = 0,
    LTI_TOOL_NODE_SOCKET,
    LTI_TOOL_NODE_FOLDER,
    LTI_TOOL_NODE_FILE,
    LTI_TOOL_NODE_LINK,
    LTI_TOOL_NODE_FIFO
};

struct lti_tool_node {
    enum lti_tool_node_kind kind;
    uint32_t uid, mode;
    uint64_t size, links, device, inode;
    char owner[LTI_TOOL_OWNER_BYTES]; /* "1000 (alice)" */
    char rights[8];                   /* "0755" */
};

/* 0 or errno. A link at the end is looked through only when `follow`. */
int lti_tool_node_look(const char *path, bool follow, struct lti_tool_node *node_out);
const char *lti_tool_node_kind(const struct lti_tool_node *node); /* "a folder" */
bool lti_tool_link_target(const char *path, char *target_out, size_t size);
/* The path with every link of its folders resolved. */
bool lti_tool_place_real(const char *path, char *real_out, size_t size);
/* Whether somebody has a lock on that file, as the system tells. */
bool lti_tool_lock_held(const struct lti_tool_node *node);
/* A process that has that file open, of those that we may look into; 0: none of them. */
int64_t lti_tool_opened_by(const struct lti_tool_node *node);
/* The type of a socket that is bound to the path, or "@name", in this network namespace; 0:
 * there is none. */
unsigned lti_tool_socket_type(const char *path);
/* The folder of the system's names. */
const char *lti_tool_scope_system(void);
/* The places where the folder of plain names can be, and a name in it; null: the folder. False:
 * this one there is not. */
#define LTI_TOOL_SCOPES 3u
bool lti_tool_scope_path(unsigned which, const char *name, char *path_out, size_t size);

#endif
