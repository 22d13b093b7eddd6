/* SPDX-License-Identifier: MIT
 *
 * Names people write, judged and taken apart: one grammar for every system. Pure: where names live
 * is told by the caller, and which forms a system has is his to say.
 */
#ifndef LTI_ADDRESS_H
#define LTI_ADDRESS_H

#include "leat/leat.h"

#define LTI_NAME_BYTES_MAX 64u
#define LTI_QT_PATH_BYTES_MAX 106u /* Qt wants two bytes of sun_path for itself */

#define LTI_PIPE_PREFIX "\\\\.\\pipe\\"
#define LTI_PIPE_PREFIX_BYTES 9u
#define LTI_PIPE_UNITS_MAX 256u /* of a whole name in UTF-16, prefix included */

enum lti_name_form {
    LTI_NAME_PLAIN = 1, /* [a-z0-9][a-z0-9._-]{0,63}, no ".." in it */
    LTI_NAME_SYSTEM,    /* "system:x", x as a plain name */
    LTI_NAME_QT,        /* "qt:x", x by the rules of paths, absolute or not */
    LTI_NAME_PATH,      /* "/path" or "unix:/path": absolute, UTF-8, no ".." component */
    LTI_NAME_ABSTRACT,  /* "unix:@x" */
    LTI_NAME_PIPE       /* \\.\pipe\x, \\?\pipe\x, "pipe:x", in any case */
};

struct lti_name {
    enum lti_name_form form;
    const char *text; /* points into the given name, behind what says the form ('@' included) */
    size_t size;
};

/* NAME; NAME_TOO_LONG (a plain name above 64 bytes; a path or an abstract name above
 * `path_bytes_max`; a pipe above LTI_PIPE_UNITS_MAX; names of Qt have no limit here). */
enum leat_error lti_name_parse(const char *name, size_t size, size_t path_bytes_max,
                               struct lti_name *name_out);

/* "directory/name" as a path, no zero byte, into a buffer; NAME_TOO_LONG when it does not fit
 * path_bytes_max. */
enum leat_error lti_address_plain(const char *directory, const struct lti_name *name,
                                  size_t path_bytes_max, char *path_out, size_t *size_out);

/* Where QLocalServer listens: the name itself when it begins with '/', else in Qt's folder of
 * temporary files, which is `tmpdir` tidied up, or /tmp when that is null or empty. UNSUPPORTED:
 * `tmpdir` is no absolute path that a name of ours could have. NAME_TOO_LONG. */
enum leat_error lti_address_qt(const char *tmpdir, const struct lti_name *name,
                               size_t path_bytes_max, char *path_out, size_t *size_out);

/* An absolute path by the rules of LTI_NAME_PATH. */
bool lti_path_valid(const char *text, size_t size);
/* What may follow the prefix of a pipe: nothing that the system changes or shows badly. */
bool lti_pipe_valid(const char *text, size_t size);
bool lti_pipe_fits(const char *text, size_t size); /* with its prefix, in the system's units */
bool lti_utf8_valid(const char *text, size_t size);

#endif
