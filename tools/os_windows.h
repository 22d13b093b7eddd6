/* SPDX-License-Identifier: MIT
 *
 * What the files of the command's Windows side share, and nobody else.
 *
 * A stream has a thread that does its blocking calls, and a bounded buffer between it and the loop.
 * Handles of os.h are numbers: 0 to 2 are the standard streams, the rest are streams of children.
 */
#ifndef LTI_TOOL_OS_WINDOWS_H
#define LTI_TOOL_OS_WINDOWS_H

#include "os.h"

#include <windows.h>

#define LTI_TOOL_SIGNALS ((intptr_t)-2) /* what lti_tool_os_signals_open gives */

/* os_windows.c */
extern SRWLOCK lti_tool_windows_lock;         /* guards streams, children, and who is to be woken */
void lti_tool_windows_wake(void);             /* with the lock held */
void lti_tool_windows_signal(bool end);       /* a child has ended, or we are to end */
HANDLE lti_tool_windows_standard(int number); /* null: there is none */

/* os_windows_stream.c */
/* The slot of a new stream, which owns `file` then; LTI_TOOL_NO_HANDLE: no memory or no room. */
intptr_t lti_tool_windows_stream_open(HANDLE file, bool reading);
void lti_tool_windows_stream_look(struct lti_tool_wait *item);
void lti_tool_windows_streams_drain(void); /* before the process ends */
/* Drops what was read from a console, and the line that is being read. */
void lti_tool_windows_stream_forget(intptr_t handle);

/* os_windows_console.c */
void lti_tool_windows_console_start(void);
void lti_tool_windows_console_restore(void);
bool lti_tool_windows_console(HANDLE file);
/* Text that was typed, as UTF-8; 0 with *end_out: no more comes. At least 4 bytes of room. */
DWORD lti_tool_windows_console_read(HANDLE file, char *buffer, size_t size, size_t *size_out,
                                    bool *end_out);
/* Drops what was typed and read, but not given on. */
void lti_tool_windows_console_forget(void);
/* How many of these bytes end with a whole character. */
size_t lti_tool_windows_whole(const char *text, size_t size);

/* os_windows_user.c */
bool lti_tool_windows_sid_text(void *sid, char *text_out, size_t size);

/* os_windows_words.c */
char **lti_tool_windows_words(int *count_out); /* the command line as UTF-8; null: no memory */
wchar_t *lti_tool_windows_wide(const char *text);
/* One command line that the other program takes apart into the same words; null: no memory. */
wchar_t *lti_tool_windows_command_line(char **words);

#endif
