/* SPDX-License-Identifier: MIT
 *
 * The POSIX port, folders: in which of them nobody else can change what a path leads to.
 *
 * Happy path: a folder belongs to whom it should, and nobody else may write to it; or may, but not
 *             rename what is not his (the sticky bit).
 * Fails:      UNTRUSTED, with words for the log; what cannot be looked at is what the system says.
 * Invariants: a link is no folder. An owner always may; the administrator could read our memory
 *             anyway.
 */
#include "port_posix.h"

#define OTHERS_WRITE 0022u
#define STICKY 01000u

static const struct rule {
    bool by_us, by_root;                    /* whose it may be */
    bool sticky;                            /* which makes up for `closed` */
    uint32_t closed;                        /* permission bits that it may not have */
    const char *link, *type, *owner, *mode; /* what the log says of one that breaks the rule */
} rules[] = {
    [LTI_FOLDER_RUNTIME] = {true, false, false, 0077, "passed over: the runtime folder is a link",
                            "passed over: the runtime folder is no folder",
                            "passed over: the runtime folder is another user's",
                            "passed over: the runtime folder is open to other users"},
    [LTI_FOLDER_ABOVE] =
        {true, true, true, OTHERS_WRITE, "passed over: a folder above the runtime folder is a link",
         "passed over: a folder above the runtime folder is no folder",
         "passed over: a folder above the runtime folder is another user's",
         "passed over: a folder above the runtime folder may be changed by others"},
    [LTI_FOLDER_OWN] = {true, false, false, 0077, "the folder of plain names is a link",
                        "the folder of plain names is no folder",
                        "the folder of plain names is another user's",
                        "the folder of plain names is open to other users"},
    [LTI_FOLDER_TMP] = {true, true, true, OTHERS_WRITE, "the folder for everybody is a link",
                        "the folder for everybody is no folder",
                        "the folder for everybody is another user's",
                        "the folder for everybody may be changed by others"},
    [LTI_FOLDER_SYSTEM] = {false, true, false, OTHERS_WRITE,
                           "the folder of the system's names is a link",
                           "the folder of the system's names is no folder",
                           "the folder of the system's names is not root's",
                           "the folder of the system's names may be written to by others"},
};

static const char *folder_flaw(const struct lti_os_file *file, enum lti_folder_rule kept)
{
    const struct rule *rule = &rules[kept];
    if (file->type == LTI_OS_FILE_LINK)
        return rule->link;
    if (file->type != LTI_OS_FILE_DIR)
        return rule->type;
    bool ours = rule->by_us && file->uid == lti_os_euid();
    bool roots = rule->by_root && file->uid == 0;
    if (!ours && !roots)
        return rule->owner;
    if ((file->mode & rule->closed) && (!rule->sticky || !(file->mode & STICKY)))
        return rule->mode;
    return 0;
}

static enum leat_error folder_judge(int64_t result, const struct lti_os_file *file,
                                    enum lti_folder_rule rule, const char **reason_out,
                                    struct os_code *code_out)
{
    if (result < 0)
        return lti_port_error(result, code_out);
    const char *flaw = folder_flaw(file, rule);
    if (!flaw)
        return LEAT_OK;
    *reason_out = flaw;
    return LEAT_E_UNTRUSTED;
}

enum leat_error lti_folder_check(const char *path, enum lti_folder_rule rule,
                                 const char **reason_out, struct os_code *code_out)
{
    struct lti_os_file file;
    return folder_judge(lti_os_lstat(path, &file), &file, rule, reason_out, code_out);
}

enum leat_error lti_folder_check_open(int fd, enum lti_folder_rule rule, const char **reason_out,
                                      struct os_code *code_out)
{
    struct lti_os_file file;
    return folder_judge(lti_os_fstat(fd, &file), &file, rule, reason_out, code_out);
}

enum leat_error lti_folders_above(char *path, size_t size, const char **reason_out,
                                  struct os_code *code_out)
{
    enum leat_error error = lti_folder_check("/", LTI_FOLDER_ABOVE, reason_out, code_out);
    for (size_t i = 1; i < size && error == LEAT_OK; i++) {
        if (path[i] != '/' || path[i - 1] == '/')
            continue;
        path[i] = 0;
        error = lti_folder_check(path, LTI_FOLDER_ABOVE, reason_out, code_out);
        path[i] = '/';
    }
    return error;
}
