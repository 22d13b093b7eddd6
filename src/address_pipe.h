/* SPDX-License-Identifier: MIT
 *
 * Names people write on Windows, judged and taken apart. Pure: where plain names live is told by
 * the caller.
 */
#ifndef LTI_ADDRESS_PIPE_H
#define LTI_ADDRESS_PIPE_H

#include "address.h"

#define LTI_PIPE_PREFIX "\\\\.\\pipe\\"
#define LTI_PIPE_PREFIX_BYTES 9u
#define LTI_PIPE_UNITS_MAX 256u /* of a whole name in UTF-16, prefix included */

/* Plain names as on every system (LTI_NAME_PLAIN); \\.\pipe\NAME, \\?\pipe\NAME, in any case, and
 * pipe:NAME (LTI_NAME_PATH, the text is what comes behind the prefix). Names of another host are
 * NAME. UNSUPPORTED: names of Unix. NAME, NAME_TOO_LONG. */
enum leat_error lti_pipe_name_parse(const char *name, size_t size, struct lti_name *name_out);

#endif
