/* SPDX-License-Identifier: MIT
 *
 * What the leat command needs from the system beside leat itself: standard streams, waiting on
 * several handles, children, signals, clock, users. os_posix*.c and os_windows*.c provide it. Codes
 * are the system's own (errno, GetLastError), 0 is success.
 */
#ifndef LTI_TOOL_OS_H
#define LTI_TOOL_OS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LTI_TOOL_NO_HANDLE ((intptr_t)-1)
#define LTI_TOOL_WAIT_MAX 300u

/* Result of a transfer. */
enum lti_tool_io {
    LTI_TOOL_IO_DONE = 0, /* at least one byte moved */
    LTI_TOOL_IO_LATER,    /* nothing possible now: wait */
    LTI_TOOL_IO_END,      /* reading: end of input; writing: the reader is gone */
    LTI_TOOL_IO_FAILED    /* *os_code_out says why */
};

struct lti_tool_wait {
    intptr_t handle;
    bool want_read, want_write;
    bool can_read, can_write, gone;
};

/* Prepares the process: standard streams that are missing stay missing, a broken pipe is an error
 * and no signal, the words are UTF-8. */
int64_t lti_tool_os_start(int *count, char ***words);
/* Makes standard output safe for a loop. */
void lti_tool_os_output_prepare(void);
intptr_t lti_tool_os_stdin(void);
intptr_t lti_tool_os_stdout(void);
bool lti_tool_os_is_terminal(intptr_t handle);
/* Whether both are terminals, and one. */
bool lti_tool_os_same_terminal(intptr_t one, intptr_t other);

enum lti_tool_io lti_tool_os_read(intptr_t handle, void *buffer, size_t size, size_t *size_out,
                                  int64_t *os_code_out);
/* Never blocks for long: what does not fit now is LATER or a short count. */
enum lti_tool_io lti_tool_os_write(intptr_t handle, const void *data, size_t size, size_t *size_out,
                                   int64_t *os_code_out);
/* Whether all that was written is with the system. LATER: wait until it can be written to. END,
 * FAILED: an earlier write was in vain. */
enum lti_tool_io lti_tool_os_flush(intptr_t handle, int64_t *os_code_out);
/* Ends a stream; nothing can be written to standard output any more. */
int64_t lti_tool_os_end(intptr_t handle);

/* How the loop learns that a stream or a signal has something for it. True: any thread calls
 * `wake`, and lti_tool_os_wait only looks. False: lti_tool_os_wait waits. Null: no more. */
bool lti_tool_os_wake_by(void (*wake)(void *context), void *context);
/* LEAT_FOREVER waits without a limit. An interrupting signal counts as success. */
int64_t lti_tool_os_wait(struct lti_tool_wait *items, size_t count, uint32_t timeout_ms);
uint64_t lti_tool_os_now_ms(void);

/* After this, SIGINT, SIGTERM and, unless it is ignored, SIGHUP (Ctrl-C and Ctrl-Break, or the
 * console's end) ask for an end and ended children are noticed: the handle is readable then. */
int64_t lti_tool_os_signals_open(intptr_t *handle_out);
bool lti_tool_os_signals_take(void);

/* Runs `command` by the shell, in a process group of its own; our ends do not block. *pid_out is
 * what the next two want, never 0. */
int64_t lti_tool_os_spawn(const char *command, int64_t *pid_out, intptr_t *to_child_out,
                          intptr_t *from_child_out);
/* Whether that child has ended; it is gone then. */
bool lti_tool_os_reap(int64_t pid);
void lti_tool_os_terminate(int64_t pid);
/* Becomes another program, or stays until it ends and ends as it does; returns only when it cannot
 * be run. */
int64_t lti_tool_os_become(char **words);

/* The terminal at which somebody can be asked; LTI_TOOL_NO_HANDLE: there is none. It is read as a
 * stream, a line at a time. */
intptr_t lti_tool_os_terminal_open(void);
/* Drops what was typed and not read, so that no answer is older than its question. Where a line
 * that was begun can be dropped only when it is complete, the next read is done without a byte
 * then. */
void lti_tool_os_terminal_forget(intptr_t handle);

/* Users and groups are texts as leat has them: "1000", "S-1-5-...". */
bool lti_tool_os_user_find(const char *name, bool group, char *text_out, size_t size);
/* The name for a text; empty when it has none. */
void lti_tool_os_user_name(const char *text, bool group, char *name_out, size_t size);
enum lti_tool_user {
    LTI_TOOL_USER_OTHER = 0,
    LTI_TOOL_USER_SELF,
    LTI_TOOL_USER_ADMIN,
    LTI_TOOL_USER_ANYBODY /* the system shows it for users that it does not know here */
};
enum lti_tool_user lti_tool_os_user_standing(const char *text);
/* Whether a peer of this label may be there: where labels have an order, it must not be below ours;
 * of one who was named, or is an administrator, not below the usual one either. */
bool lti_tool_os_label_fits(const char *label, bool as_us);
/* This process's user as such a text. */
void lti_tool_os_own_user(char *text_out, size_t size);
/* A name that is a place written out, for advice. */
const char *lti_tool_os_name_example(void);
/* The program that a process runs, as far as we may know; else empty. */
void lti_tool_os_program(int64_t pid, char *program_out, size_t size);
/* Whether the process of such a handle has ended. Ends the handle. */
bool lti_tool_os_process_gone(intptr_t process);

/* A word as somebody types it at this system's shell, not ended by a zero; 0: there is no room. */
size_t lti_tool_os_quote(const char *text, char *to, size_t room);
/* A text for an OS code, in a buffer of the caller's. */
void lti_tool_os_text(int64_t os_code, char *buffer, size_t size);

#endif
