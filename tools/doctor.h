/* SPDX-License-Identifier: MIT
 *
 * leat doctor: what was found, and what a system has to look at.
 */
#ifndef LTI_TOOL_DOCTOR_H
#define LTI_TOOL_DOCTOR_H

#include "identity.h"

#define LTI_TOOL_FOUND_MAX 64u
#define LTI_TOOL_ARGS 4u
#define LTI_TOOL_ARG_BYTES 1024u

enum lti_tool_weight { LTI_TOOL_FINE = 0, LTI_TOOL_REMARK, LTI_TOOL_FAULT };

struct lti_tool_finding {
    const char *id;
    enum lti_tool_weight weight;
    const char *words, *advice;
};

enum lti_tool_finding_name {
#define FINDING(name, id, weight, words, advice) LTI_TOOL_F_##name,
#include "findings.def"
#undef FINDING
    LTI_TOOL_FINDINGS
};
extern const struct lti_tool_finding lti_tool_findings[LTI_TOOL_FINDINGS];

struct lti_tool_found {
    enum lti_tool_finding_name name;
    char args[LTI_TOOL_ARGS][LTI_TOOL_ARG_BYTES];
};

struct lti_tool_doctor {
    const struct lti_tool_options *o;
    const char *address; /* in leat's explicit form; empty: the name does not resolve */
    unsigned faults;
    size_t count;
    struct lti_tool_found found[LTI_TOOL_FOUND_MAX];
};

/* doctor_found.c. Null arguments are empty ones; what is found twice is kept once. */
void lti_tool_found(struct lti_tool_doctor *d, enum lti_tool_finding_name name, const char *one,
                    const char *two, const char *three, const char *four);
/* The first of that name; null: none was found. */
const struct lti_tool_found *lti_tool_found_find(const struct lti_tool_doctor *d,
                                                 enum lti_tool_finding_name name);
void lti_tool_found_print(const struct lti_tool_doctor *d);
void lti_tool_found_json(const struct lti_tool_doctor *d);
/* How the policy in force is spelled. */
const char *lti_tool_policy_words(const struct lti_tool_policy *policy);

/* The system's part, in os_posix_doctor.c and os_windows_doctor.c. None of them changes anything or
 * sends a byte. */
/* The name does not resolve: UNTRUSTED, DENIED, SYSTEM. */
void lti_tool_os_doctor_scope(struct lti_tool_doctor *d);
/* Before a connect: what stands at the address, and on the way to it. */
void lti_tool_os_doctor_place(struct lti_tool_doctor *d);
/* After a connect that worked, while it is open. */
void lti_tool_os_doctor_connected(struct lti_tool_doctor *d);
/* After a connect that failed, and that nothing found explains yet. */
void lti_tool_os_doctor_failed(struct lti_tool_doctor *d, enum leat_error error, int64_t os_code);
/* What leat looks at before it connects at all: whether a policy lets in what stands there. Lets
 * SELF when there is nothing to look at. */
enum lti_tool_verdict lti_tool_os_place_judge(const struct lti_tool_options *o,
                                              const struct lti_tool_policy *policy,
                                              const char *address);

#endif
