/* SPDX-License-Identifier: MIT
 *
 * What the tests of names' folders share: environment and user, things at a path, refusals.
 *
 * Happy path: a folder with any owner and mode is made, on either kernel.
 * Fails:      what only root can make is not made, and that is told.
 * Invariants: the folders of this machine are not touched: what is below /run is the simulated
 *             kernel's, or this process's own.
 */
#include "names_world_posix.h"

#include "kit_sim_posix.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define OTHER_USER 4242u

/* ---- The world ------------------------------------------------------------------------------- */

void names_environment(const char *name, const char *value)
{
    if (kit_simulated())
        lti_sim_setenv(name, value);
    else
        REQUIRE((value ? setenv(name, value, 1) : unsetenv(name)) == 0);
}

void names_become(uint32_t uid)
{
    if (kit_simulated())
        lti_sim_set_user(lti_sim_process(), uid, uid);
    else
        REQUIRE(seteuid(uid) == 0);
}

void names_run_begin(void)
{
    if (kit_simulated()) {
        lti_sim_begin(NULL);
        return;
    }
    static bool done;
    bool own = done || (geteuid() == 0 && unshare(CLONE_NEWNS) == 0 &&
                        mount("none", "/", "none", MS_REC | MS_PRIVATE, "") == 0 &&
                        mount("none", "/run", "tmpfs", 0, "mode=0755") == 0);
    if (!own)
        SKIP_NEEDS("root, with mounts of its own");
    done = true;
}

bool names_make(const char *path, const struct names_thing *thing)
{
    uint32_t uid = thing->other ? OTHER_USER : lti_os_euid();
    if (kit_simulated()) {
        REQUIRE(lti_sim_file_add(path, thing->type, uid, thing->mode));
        return true;
    }
    if (thing->other && geteuid() != 0)
        return false;
    if (thing->type == 'l') {
        REQUIRE(symlink(lti_test_folder(), path) == 0); /* a good one stands behind it */
        return true;
    }
    if (thing->type == 'f')
        kit_file_make(path);
    else
        kit_folder_make(path);
    REQUIRE(chmod(path, thing->mode) == 0);
    REQUIRE(!thing->other || chown(path, uid, uid) == 0);
    return true;
}

void names_remove(const char *path, const struct names_thing *thing)
{
    if (thing->type == 'd')
        kit_folder_remove(path);
    else
        kit_file_remove(path);
}

/* ---- What is refused, and what the log says of it -------------------------------------------- */

static void line_take(void *context, const char *text)
{
    struct names_log *log = context;
    log->count++;
    (void)snprintf(log->last, sizeof log->last, "%s", text);
}

struct leat_hub *names_hub(struct names_log *log_out)
{
    const struct leat_hub_options options = {
        .size = sizeof options, .log = line_take, .hook_context = log_out};
    *log_out = (struct names_log){.count = 0};
    return kit_hub(&options);
}

void names_refused(const char *name, enum leat_error error, const char *reason)
{
    struct names_log log;
    struct leat_hub *hub = names_hub(&log);
    char expected[sizeof log.last];
    kit_name_refused(hub, name, error);
    int size = snprintf(expected, sizeof expected, "%s: %s, %s", reason, leat_error_name(error),
                        leat_error_text(error));
    REQUIRE(size > 0 && (size_t)size < sizeof expected);
    CHECK_INT(log.count, 2);
    CHECK_STR(log.last, expected);
    CHECK_ERROR(leat_hub_destroy(hub), LEAT_OK);
}
