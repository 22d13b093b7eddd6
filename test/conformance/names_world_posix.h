/* SPDX-License-Identifier: MIT
 *
 * What the tests of names' folders share: environment and user, things at a path, refusals.
 */
#ifndef LTI_CONFORMANCE_NAMES_WORLD_POSIX_H
#define LTI_CONFORMANCE_NAMES_WORLD_POSIX_H

#include "kit_posix.h"

void names_environment(const char *name, const char *value); /* null: unset */
void names_become(uint32_t uid);
/* Before kit_begin: an empty /run that nobody else sees. It ends the test where that needs root. */
void names_run_begin(void);

/* What stands at a path: a folder, a file, or a link; ours, or another user's. */
struct names_thing {
    char type; /* d f l */
    bool other;
    uint32_t mode;
};

/* False: only root can make that. */
bool names_make(const char *path, const struct names_thing *thing);
void names_remove(const char *path, const struct names_thing *thing);

/* A hub whose lines are kept. */
struct names_log {
    uint32_t count;
    char last[200];
};
struct leat_hub *names_hub(struct names_log *log_out);

/* Listening, connecting and asking are refused with this error; the log has a line with this reason
 * of who listens and one of who connects, while who asks has no hub. */
void names_refused(const char *name, enum leat_error error, const char *reason);

#endif
