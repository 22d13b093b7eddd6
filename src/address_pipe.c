/* SPDX-License-Identifier: MIT
 *
 * Names people write on Windows: which of the forms of address.h this system has.
 *
 * Happy path: plain names, those of the system and pipes are as address.c says; a name of Qt
 *             becomes the pipe it stands for.
 * Fails:      what address.c refuses; UNSUPPORTED for names of Unix that are none here; NAME for a
 *             name of Qt that the system would change or misread.
 * Invariants: nothing is changed or cut; no byte behind the given size is looked at.
 */
#include "address_pipe.h"

#include <string.h>

/* Qt knows a whole pipe name by this spelling of the prefix only, and puts it before any other:
 * what begins like a pipe in another way is then none. */
static enum leat_error qt_pipe(const struct lti_name *name, struct lti_name *name_out)
{
    struct lti_name pipe = {LTI_NAME_PIPE, name->text, name->size};
    if (name->text[0] == '/')
        return LEAT_E_UNSUPPORTED; /* Qt's word for a path of Unix */
    if (pipe.size >= LTI_PIPE_PREFIX_BYTES &&
        memcmp(pipe.text, LTI_PIPE_PREFIX, LTI_PIPE_PREFIX_BYTES) == 0) {
        pipe.text += LTI_PIPE_PREFIX_BYTES;
        pipe.size -= LTI_PIPE_PREFIX_BYTES;
    }
    if (!lti_pipe_valid(pipe.text, pipe.size))
        return LEAT_E_NAME;
    if (!lti_pipe_fits(pipe.text, pipe.size))
        return LEAT_E_NAME_TOO_LONG;
    *name_out = pipe;
    return LEAT_OK;
}

enum leat_error lti_pipe_name_parse(const char *name, size_t size, struct lti_name *name_out)
{
    struct lti_name parsed;
    enum leat_error error = lti_name_parse(name, size, SIZE_MAX / 2, &parsed);
    if (error != LEAT_OK)
        return error;
    if (parsed.form == LTI_NAME_QT)
        return qt_pipe(&parsed, name_out);
    if (parsed.form == LTI_NAME_PATH || parsed.form == LTI_NAME_ABSTRACT)
        return LEAT_E_UNSUPPORTED;
    *name_out = parsed;
    return LEAT_OK;
}
