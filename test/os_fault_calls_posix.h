/* SPDX-License-Identifier: MIT
 *
 * The calls of seam 2 that can fail on a POSIX system; os_fault.h includes it. A send to a socket
 * of packets is a call of its own: it moves all or nothing, and fails in other ways. So is a look
 * at a packet, or whoever looks before each receive would never get one when every second call
 * fails.
 */
#ifndef LTI_OS_FAULT_CALLS_POSIX_H
#define LTI_OS_FAULT_CALLS_POSIX_H

#define LTI_FAULT_CALLS(X)                                                                         \
    X(alloc)                                                                                       \
    X(random)                                                                                      \
    X(mutex_create)                                                                                \
    X(socket)                                                                                      \
    X(socketpair)                                                                                  \
    X(bind)                                                                                        \
    X(listen)                                                                                      \
    X(connect)                                                                                     \
    X(connect_node)                                                                                \
    X(accept)                                                                                      \
    X(shutdown_write)                                                                              \
    X(close)                                                                                       \
    X(recv)                                                                                        \
    X(send)                                                                                        \
    X(packets)                                                                                     \
    X(peek_packet)                                                                                 \
    X(recv_packet)                                                                                 \
    X(send_packet)                                                                                 \
    X(peer)                                                                                        \
    X(peer_groups)                                                                                 \
    X(peer_label)                                                                                  \
    X(peer_process)                                                                                \
    X(socket_facts)                                                                                \
    X(set_flags)                                                                                   \
    X(lstat)                                                                                       \
    X(fstat)                                                                                       \
    X(fchmod)                                                                                      \
    X(open_node)                                                                                   \
    X(open_folder)                                                                                 \
    X(folder_path)                                                                                 \
    X(node_group)                                                                                  \
    X(node_mode)                                                                                   \
    X(unlink)                                                                                      \
    X(rename)                                                                                      \
    X(mkdir)                                                                                       \
    X(make_lock)                                                                                   \
    X(open_lock)                                                                                   \
    X(lock)                                                                                        \
    X(share)                                                                                       \
    X(turn)                                                                                        \
    X(turn_over)                                                                                   \
    X(share_over)                                                                                  \
    X(turn_share)                                                                                  \
    X(unlock)                                                                                      \
    X(poller_create)                                                                               \
    X(poller_add)                                                                                  \
    X(poller_modify)                                                                               \
    X(poller_remove)                                                                               \
    X(poller_wait)                                                                                 \
    X(ring_create)                                                                                 \
    X(ring_recv)                                                                                   \
    X(event_create)                                                                                \
    X(event_set)                                                                                   \
    X(event_clear)                                                                                 \
    X(thread_run)

#endif
