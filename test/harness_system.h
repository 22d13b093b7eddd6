/* SPDX-License-Identifier: MIT
 *
 * What the harness needs of the system: harness_posix.c and harness_windows.c have it, harness.c
 * uses it. No test includes this.
 */
#ifndef LTI_TEST_HARNESS_SYSTEM_H
#define LTI_TEST_HARNESS_SYSTEM_H

#include "harness.h"

#define LTI_HARNESS_JOBS_MAX 16
#define LTI_HARNESS_OUTPUT_BYTES_MAX 65536
#define LTI_HARNESS_PATH_BYTES 260
#define LTI_HARNESS_FOLDER_ENV "LEAT_TEST_FOLDER"

/* Exit codes of a test's process. */
enum lti_harness_outcome {
    LTI_HARNESS_PASSED = 0,
    LTI_HARNESS_SKIPPED = 77,
    LTI_HARNESS_FAILED = 100
};

/* One test in a process of its own, as its parent sees it. */
struct lti_harness_job {
    const struct lti_test *test; /* null: free */
    intptr_t process, output;    /* the system's */
    intptr_t tree;               /* the process and all that it started, where that is a thing */
    uint64_t start_ms, limit_ms;
    bool timed_out;
    size_t size; /* of text; what comes above its end is dropped, and said so */
    bool dropped;
    char folder[LTI_HARNESS_PATH_BYTES];
    char text[LTI_HARNESS_OUTPUT_BYTES_MAX];
};

/* How the process of a job ended. */
struct lti_harness_end {
    bool crashed;
    bool alone;     /* no process that it started was left */
    int code;       /* when it did not crash */
    char words[96]; /* when it did */
};

/* ---- Both sides ------------------------------------------------------------------------------ */

void lti_harness_prepare(void); /* first thing in main */
__attribute__((noreturn)) void lti_harness_die(const char *what);
__attribute__((noreturn)) void lti_harness_leave(int code); /* at once; exit handlers do not run */
void lti_harness_folder_make(char folder[LTI_HARNESS_PATH_BYTES]);
/* True when it was empty; else its content is told and removed too. */
bool lti_harness_folder_remove(const char *folder);
void lti_harness_folder_tell(const char *folder); /* to this process and what it starts */

/* ---- The test's process ---------------------------------------------------------------------- */

void lti_harness_child_prepare(void);
int64_t lti_harness_process(void); /* changes in a forked process */
void lti_harness_open_note(void);  /* which descriptors or handles are open now */
bool lti_harness_open_same(void);  /* are the same still open? tells what differs */

/* ---- The parent ------------------------------------------------------------------------------ */

void lti_harness_parent_prepare(void);
int lti_harness_interrupted(void);                       /* 0, or why we shall stop */
void lti_harness_job_begin(struct lti_harness_job *job); /* test and folder are set */
bool lti_harness_job_ended(struct lti_harness_job *job); /* takes what was printed, too */
void lti_harness_job_kill(struct lti_harness_job *job);  /* the whole tree; it will have ended */
void lti_harness_job_finish(struct lti_harness_job *job, struct lti_harness_end *end_out);
/* Until one of them ends or prints, the time is over, or we are interrupted. */
void lti_harness_jobs_wait(struct lti_harness_job *jobs, size_t count, uint64_t wait_ms);

#endif
