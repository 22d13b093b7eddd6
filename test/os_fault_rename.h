/* SPDX-License-Identifier: MIT
 *
 * Force-included when the os_real_* files (or the simulated kernel) are compiled for the fault
 * object: they then provide lti_real_*, to which the fault object's lti_os_* forward.
 */
#ifndef LTI_OS_FAULT_RENAME_H
#define LTI_OS_FAULT_RENAME_H

#define lti_os_alloc lti_real_alloc
#define lti_os_free lti_real_free
#define lti_os_now_ns lti_real_now_ns
#define lti_os_random lti_real_random
#define lti_os_mutex_create lti_real_mutex_create
#define lti_os_mutex_destroy lti_real_mutex_destroy
#define lti_os_mutex_lock lti_real_mutex_lock
#define lti_os_mutex_unlock lti_real_mutex_unlock
#define lti_os_thread_id lti_real_thread_id
#define lti_os_fork_count lti_real_fork_count
#define lti_os_socket lti_real_socket
#define lti_os_socketpair lti_real_socketpair
#define lti_os_bind lti_real_bind
#define lti_os_listen lti_real_listen
#define lti_os_connect lti_real_connect
#define lti_os_connect_node lti_real_connect_node
#define lti_os_accept lti_real_accept
#define lti_os_shutdown_write lti_real_shutdown_write
#define lti_os_close lti_real_close
#define lti_os_recv lti_real_recv
#define lti_os_sockets_plain lti_real_sockets_plain
#define lti_os_send lti_real_send
#define lti_os_packets lti_real_packets
#define lti_os_recv_packet lti_real_recv_packet
#define lti_os_peer lti_real_peer
#define lti_os_peer_groups lti_real_peer_groups
#define lti_os_peer_label lti_real_peer_label
#define lti_os_peer_process lti_real_peer_process
#define lti_os_socket_facts lti_real_socket_facts
#define lti_os_set_flags lti_real_set_flags
#define lti_os_lstat lti_real_lstat
#define lti_os_fstat lti_real_fstat
#define lti_os_fchmod lti_real_fchmod
#define lti_os_open_node lti_real_open_node
#define lti_os_open_folder lti_real_open_folder
#define lti_os_folder_path lti_real_folder_path
#define lti_os_node_group lti_real_node_group
#define lti_os_node_mode lti_real_node_mode
#define lti_os_unlink lti_real_unlink
#define lti_os_rename lti_real_rename
#define lti_os_mkdir lti_real_mkdir
#define lti_os_make_lock lti_real_make_lock
#define lti_os_open_lock lti_real_open_lock
#define lti_os_lock lti_real_lock
#define lti_os_share lti_real_share
#define lti_os_turn lti_real_turn
#define lti_os_turn_over lti_real_turn_over
#define lti_os_share_over lti_real_share_over
#define lti_os_turn_share lti_real_turn_share
#define lti_os_unlock lti_real_unlock
#define lti_os_euid lti_real_euid
#define lti_os_privileged lti_real_privileged
#define lti_os_getenv lti_real_getenv
#define lti_os_poller_create lti_real_poller_create
#define lti_os_poller_add lti_real_poller_add
#define lti_os_poller_modify lti_real_poller_modify
#define lti_os_poller_remove lti_real_poller_remove
#define lti_os_poller_wait lti_real_poller_wait
#define lti_os_event_create lti_real_event_create
#define lti_os_event_set lti_real_event_set
#define lti_os_event_clear lti_real_event_clear

#define lti_os_queue_create lti_real_queue_create
#define lti_os_queue_add lti_real_queue_add
#define lti_os_queue_post lti_real_queue_post
#define lti_os_queue_wait lti_real_queue_wait
#define lti_os_pipe_create lti_real_pipe_create
#define lti_os_pipe_listen lti_real_pipe_listen
#define lti_os_pipe_open lti_real_pipe_open
#define lti_os_pipe_read_messages lti_real_pipe_read_messages
#define lti_os_pipe_read lti_real_pipe_read
#define lti_os_pipe_write lti_real_pipe_write
#define lti_os_pipe_cancel lti_real_pipe_cancel
#define lti_os_pipe_read_sync lti_real_pipe_read_sync
#define lti_os_pipe_write_sync lti_real_pipe_write_sync
#define lti_os_pipe_facts lti_real_pipe_facts
#define lti_os_pipe_peer_pid lti_real_pipe_peer_pid
#define lti_os_handle_close lti_real_handle_close
#define lti_os_identity lti_real_identity
#define lti_os_pipe_client lti_real_pipe_client
#define lti_os_pipe_owner lti_real_pipe_owner
#define lti_os_pipe_label lti_real_pipe_label
#define lti_os_security_create lti_real_security_create
#define lti_os_security_free lti_real_security_free
#define lti_os_security_listed lti_real_security_listed
#define lti_os_signal_create lti_real_signal_create
#define lti_os_signal_set lti_real_signal_set
#define lti_os_signal_clear lti_real_signal_clear
#define lti_os_signal_wait lti_real_signal_wait
#define lti_os_thread_start lti_real_thread_start
#define lti_os_thread_cancel lti_real_thread_cancel
#define lti_os_thread_join lti_real_thread_join

/* The simulated kernel counts for itself, too. */
#define lti_test_allocations_live lti_real_allocations_live
#define lti_test_descriptors_live lti_real_descriptors_live

#endif
