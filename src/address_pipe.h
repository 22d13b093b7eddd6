/* SPDX-License-Identifier: MIT
 *
 * Names people write on Windows: which of the forms of address.h this system has. Pure: where plain
 * names live is told by the caller.
 */
#ifndef LTI_ADDRESS_PIPE_H
#define LTI_ADDRESS_PIPE_H

#include "address.h"

/* A name for Windows, by the one grammar: PLAIN and SYSTEM as everywhere, and PIPE, whose text is
 * what comes behind the prefix. A name of Qt comes out as the pipe that QLocalServer listens at:
 * its name, behind \\.\pipe\ unless it begins with just that. UNSUPPORTED: names of Unix. NAME,
 * NAME_TOO_LONG. */
enum leat_error lti_pipe_name_parse(const char *name, size_t size, struct lti_name *name_out);

#endif
