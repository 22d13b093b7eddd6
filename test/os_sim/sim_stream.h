/* SPDX-License-Identifier: MIT
 *
 * Connected streams of the simulated kernel: what the rest of the kernel may do with one.
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

#endif
