/* SPDX-License-Identifier: MIT
 *
 * Connected sockets of the simulated kernel, of bytes and of packets: what the rest of the kernel
 * may do with one.
 */
#ifndef LTI_SIM_STREAM_H
#define LTI_SIM_STREAM_H

#include "sim_kernel.h"

void sim_stream_join(struct sim_object *a, struct sim_object *b);
void sim_stream_close(struct sim_object *stream, bool unaccepted);
/* True when what happens to the object now is to be seen later; draws the fault if it is not yet
 * so. */
bool sim_stream_delays(struct sim_object *object);
void sim_stream_reveal(struct sim_object *stream);     /* what was put off, all or a part */
void sim_stream_reveal_all(struct sim_object *stream); /* ends the delay */
uint32_t sim_stream_mask(const struct sim_object *stream);
bool sim_stream_plain(const struct sim_object *stream); /* its bytes are counted without overhead */

/* Finds an open socket; *result_out says why not. */
struct sim_object *sim_socket_find(int fd, int64_t *result_out);
/* Finds a connected one. `otherwise` is for a stream that is not
 * connected; of packets that always is ENOTCONN. */
struct sim_object *sim_stream_find(int fd, int64_t *result_out, int otherwise);
/* Puts a segment of `size` bytes, which the caller fills, into the peer's queue. */
struct sim_segment *sim_stream_append(struct sim_object *stream, uint32_t size, uint32_t charge);
/* Takes the first segment out; true when the peer has room again. */
bool sim_stream_remove_first(struct sim_object *stream);

/* What comes along with a segment: taken by who receives it, or dropped: false. */
bool sim_stream_came(struct sim_segment *segment, struct lti_os_came *came);

/* sim_packet.c: what lti_os_recv and lti_os_send do to a socket of packets. */
int64_t sim_packet_recv(struct sim_object *stream, void *buffer, size_t size, uint32_t *flags);
int64_t sim_packet_send(struct sim_object *stream, const struct leat_slice *slices, size_t count);

#endif
