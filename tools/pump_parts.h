/* SPDX-License-Identifier: MIT
 *
 * What the files of the pump share, and nobody else.
 */
#ifndef LTI_TOOL_PUMP_PARTS_H
#define LTI_TOOL_PUMP_PARTS_H

#include "pump.h"

/* pump.c */
void lti_tool_pump_opened(struct lti_tool_pump *p);
void lti_tool_pump_fail(struct lti_tool_pump *p, int code, const char *what, int64_t os_code);
void lti_tool_pump_fail_leat(struct lti_tool_pump *p, enum leat_error error);

/* pump_end.c */
void lti_tool_pump_over(struct lti_tool_pump *p, const struct leat_event *event); /* CLOSED came */
/* While `end_awaited`: the input can be read; how long to wait for that; it took too long. */
void lti_tool_pump_end_look(struct lti_tool_pump *p);
uint32_t lti_tool_pump_end_due_ms(const struct lti_tool_pump *p, uint64_t now_ms);
void lti_tool_pump_end_given_up(struct lti_tool_pump *p);

/* pump_in.c */
void lti_tool_pump_take(struct lti_tool_pump *p); /* reads the input once */
void lti_tool_pump_push(struct lti_tool_pump *p); /* from the stage to the outbox */

/* pump_out.c */
void lti_tool_pump_pull(struct lti_tool_pump *p);  /* from the inbox to the output */
void lti_tool_pump_drain(struct lti_tool_pump *p); /* what comes after the last byte */
void lti_tool_pump_last_line(struct lti_tool_pump *p);
void lti_tool_pump_out_gone(struct lti_tool_pump *p);

#endif
