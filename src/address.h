/* SPDX-License-Identifier: MIT
 *
 * Names people write, judged and taken apart. Pure: where plain names live is told by the caller.
 */
#ifndef LTI_ADDRESS_H
#define LTI_ADDRESS_H

#include "leat/leat.h"

#define LTI_NAME_BYTES_MAX 64u

enum lti_name_form {
    LTI_NAME_PLAIN = 1, /* [a-z0-9][a-z0-9._-]{0,63}, no ".." in it */
    LTI_NAME_PATH,      /* "/path" or "unix:/path": absolute, UTF-8, no ".." component */
    LTI_NAME_ABSTRACT   /* "unix:@x" */
};

struct lti_name {
    enum lti_name_form form;
    const char *text; /* points into the given name: plain name, path, or abstract name without
                       * '@' */
    size_t size;
};

/* NAME; NAME_TOO_LONG (a plain name above 64 bytes; a path or an abstract name above
 * `path_bytes_max`). */
enum leat_error lti_name_parse(const char *name, size_t size, size_t path_bytes_max,
                               struct lti_name *name_out);

/* "directory/name" as a path, no zero byte, into a buffer; NAME_TOO_LONG when it does not fit
 * path_bytes_max. */
enum leat_error lti_address_plain(const char *directory, const struct lti_name *name,
                                  size_t path_bytes_max, char *path_out, size_t *size_out);

bool lti_utf8_valid(const char *text, size_t size);

#endif
