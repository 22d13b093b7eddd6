/* SPDX-License-Identifier: MIT
 *
 * The calls of seam 2 that can fail on Windows; os_fault.h includes it.
 */
#ifndef LTI_OS_FAULT_CALLS_NT_H
#define LTI_OS_FAULT_CALLS_NT_H

#define LTI_FAULT_CALLS(X)                                                                         \
    X(alloc)                                                                                       \
    X(random)                                                                                      \
    X(mutex_create)                                                                                \
    X(queue_create)                                                                                \
    X(queue_add)                                                                                   \
    X(queue_post)                                                                                  \
    X(queue_wait)                                                                                  \
    X(pipe_create)                                                                                 \
    X(pipe_listen)                                                                                 \
    X(pipe_open)                                                                                   \
    X(pipe_read_messages)                                                                          \
    X(pipe_read)                                                                                   \
    X(pipe_write)                                                                                  \
    X(pipe_cancel)                                                                                 \
    X(pipe_read_sync)                                                                              \
    X(pipe_write_sync)                                                                             \
    X(pipe_facts)                                                                                  \
    X(pipe_peer_pid)                                                                               \
    X(handle_close)                                                                                \
    X(identity)                                                                                    \
    X(pipe_client)                                                                                 \
    X(pipe_owner)                                                                                  \
    X(pipe_label)                                                                                  \
    X(security_create)                                                                             \
    X(process_open)                                                                                \
    X(process_began)                                                                               \
    X(signal_create)                                                                               \
    X(signal_set)                                                                                  \
    X(signal_clear)                                                                                \
    X(signal_wait)                                                                                 \
    X(thread_start)                                                                                \
    X(thread_cancel)

#endif
