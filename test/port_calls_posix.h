/* SPDX-License-Identifier: MIT
 *
 * What the POSIX port is told by the seam, changed: the linker leads its calls here (--wrap), and a
 * test says what some of them answer.
 */
#ifndef LTI_PORT_CALLS_POSIX_H
#define LTI_PORT_CALLS_POSIX_H

#include "os_posix.h"

/* What is changed of a file that lstat or fstat found. */
enum lti_file_change {
    LTI_FILE_TYPE = 1,
    LTI_FILE_USER,
    LTI_FILE_MODE,
    LTI_FILE_DEVICE,
    LTI_FILE_INODE,
    LTI_FILE_CHANGES
};

/* From the nth call of this function of the seam on (or of may_come: whether there is room for
 * descriptors), so many are not made and give this result. */
void lti_answer(const char *function, int nth, int times, int64_t result);
/* The flags that such a recv or recv_packet gives beside it. */
void lti_answer_flags(uint32_t flags);
/* From the nth file that is looked at on, so many are changed so; a name as for lti_answer, or null
 * for lstat and fstat both. */
void lti_answer_file(const char *function, int nth, int times, enum lti_file_change change);
/* The folder of the system's names, or of this user; null: what it is. */
void lti_answer_place(enum lti_os_place place, const char *folder);
void lti_answers_clear(void);
/* Something of the above was asked for and never came to be. */
int lti_answers_left(void);

#endif
