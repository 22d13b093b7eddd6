/* SPDX-License-Identifier: MIT
 *
 * Consoles: text that is typed, text that is shown, and Ctrl-C.
 *
 * Happy path: what is shown is UTF-8 because the console is told so, and told back at the end; what
 * is typed is read as UTF-16 and given on as UTF-8, with line ends as in every stream of leat.
 *
 * Fails: a console that cannot be told shows what is not ASCII badly.
 *
 * Invariants: the console's code page is ours only as long as we run. One reader.
 */
#include "os_windows.h"

#include <stdlib.h>

#define TYPED_UNITS 2048u
#define CLOSE_WAIT_MS 4000u /* Windows ends us after 5 s whatever we do */
#define CTRL_Z 0x1a

static UINT code_page; /* of the console before us, 0: not changed */
static HANDLE ended;   /* set when the process is about to end */
static bool watching;  /* Ctrl-C is ours */

static struct {
    wchar_t units[TYPED_UNITS];
    DWORD count, used;
    bool line_begun; /* Ctrl-Z means the end only at the begin of a line */
} typed;

void lti_tool_windows_console_restore(void)
{
    if (code_page != 0) {
        (void)SetConsoleOutputCP(code_page);
        code_page = 0;
    }
    if (ended != NULL) {
        (void)SetEvent(ended);
    }
}

static BOOL WINAPI control_arrived(DWORD kind)
{
    if (!watching) {
        lti_tool_windows_console_restore();
        return FALSE;
    }
    lti_tool_windows_signal(true);
    if (kind != CTRL_C_EVENT && kind != CTRL_BREAK_EVENT && ended != NULL) {
        /* The process ends as soon as this returns. */
        (void)WaitForSingleObject(ended, CLOSE_WAIT_MS);
    }
    return TRUE;
}

int64_t lti_tool_os_signals_open(intptr_t *handle_out)
{
    ended = CreateEventW(NULL, TRUE, FALSE, NULL);
    if (ended == NULL) {
        return GetLastError();
    }
    watching = true;
    *handle_out = LTI_TOOL_SIGNALS;
    return 0;
}

bool lti_tool_windows_console(HANDLE file)
{
    DWORD mode;

    return file != NULL && GetConsoleMode(file, &mode);
}

void lti_tool_windows_console_start(void)
{
    bool shown = lti_tool_windows_console(lti_tool_windows_standard(1)) ||
                 lti_tool_windows_console(lti_tool_windows_standard(2));

    (void)SetConsoleCtrlHandler(control_arrived, TRUE);
    if (shown && GetConsoleOutputCP() != CP_UTF8) {
        code_page = GetConsoleOutputCP();
        (void)SetConsoleOutputCP(CP_UTF8);
    }
}

/* The units that are there, up to what the buffer takes. Line ends lose their carriage return. */
static size_t typed_take(char *buffer, size_t size)
{
    size_t done = 0;

    while (typed.used < typed.count && size - done >= 4) {
        wchar_t unit = typed.units[typed.used];
        int units = IS_HIGH_SURROGATE(unit) && typed.used + 1 < typed.count ? 2 : 1;

        if (unit != L'\r') {
            done += (size_t)WideCharToMultiByte(CP_UTF8, 0, typed.units + typed.used, units,
                                                buffer + done, 4, NULL, NULL);
        }
        typed.used += (DWORD)units;
        typed.line_begun = unit != L'\n';
    }
    return done;
}

DWORD lti_tool_windows_console_read(HANDLE file, char *buffer, size_t size, size_t *size_out,
                                    bool *end_out)
{
    DWORD kept = 0;

    *size_out = 0;
    *end_out = false;
    if (typed.used == typed.count) {
        typed.used = typed.count = 0;
        if (!ReadConsoleW(file, typed.units, TYPED_UNITS - 1, &typed.count, NULL)) {
            return GetLastError();
        }
        /* A pair that was cut in the middle. */
        if (typed.count > 0 && IS_HIGH_SURROGATE(typed.units[typed.count - 1]) &&
            ReadConsoleW(file, typed.units + typed.count, 1, &kept, NULL)) {
            typed.count += kept;
        }
    }
    if (!typed.line_begun && typed.count > 0 && typed.units[typed.used] == CTRL_Z) {
        typed.used = typed.count;
        *end_out = true;
        return 0;
    }
    *size_out = typed_take(buffer, size);
    return 0;
}

void lti_tool_windows_console_forget(void)
{
    typed.used = typed.count = 0;
    typed.line_begun = false;
}

size_t lti_tool_windows_whole(const char *text, size_t size)
{
    const unsigned char *at = (const unsigned char *)text;
    size_t back = 1;

    while (back <= 3 && back <= size && (at[size - back] & 0xc0) == 0x80) {
        back++;
    }
    if (back > size || back > 3 || at[size - back] < 0xc0) {
        return size; /* ASCII, or nothing that a rest would make whole */
    }
    return back < (at[size - back] < 0xe0   ? 2u
                   : at[size - back] < 0xf0 ? 3u
                                            : 4u)
               ? size - back
               : size;
}
