/* SPDX-License-Identifier: MIT
 *
 * Other programs: children with two pipes, and the one that wait-for becomes.
 *
 * Happy path: a child is made with exactly three handles, put into a job before its first
 * instruction, and noticed when it ends.
 *
 * Fails: with what GetLastError says, and nothing is left.
 *
 * Invariants: a child inherits its standard streams and nothing else, whoever else makes processes
 * meanwhile. A job holds a child and all that it starts, so that they end together.
 */
#include "os_windows.h"

#include <bcrypt.h>
#include <stdlib.h>
#include <string.h>

#define CHILDREN_MAX 128
#define PIPE_BYTES 65536u
#define ENDED_CODE 1u /* of a child that is ended by us */

struct child {
    HANDLE process; /* null: the slot is free */
    HANDLE job, wait;
};

static struct child children[CHILDREN_MAX];

static void handles_close(HANDLE *handles, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (handles[i] != NULL && handles[i] != INVALID_HANDLE_VALUE) {
            (void)CloseHandle(handles[i]);
        }
        handles[i] = NULL;
    }
}

static void hex_put(wchar_t *to, const unsigned char *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        *to++ = L"0123456789abcdef"[bytes[i] >> 4];
        *to++ = L"0123456789abcdef"[bytes[i] & 15];
    }
}

/* An anonymous pipe cannot be waited on and given up; so this one has a name, that nobody can guess
 * and only one client can open, which is us. */
static DWORD pipe_make(bool to_child, HANDLE *ours_out, HANDLE *theirs_out)
{
    wchar_t name[] = L"\\\\.\\pipe\\leat-exec-0123456789abcdef0123456789abcdef";
    SECURITY_ATTRIBUTES inherited = {.nLength = sizeof inherited, .bInheritHandle = TRUE};
    unsigned char random[16];
    DWORD mode = (to_child ? PIPE_ACCESS_OUTBOUND : PIPE_ACCESS_INBOUND) | FILE_FLAG_OVERLAPPED |
                 FILE_FLAG_FIRST_PIPE_INSTANCE;

    if (BCryptGenRandom(NULL, random, sizeof random, BCRYPT_USE_SYSTEM_PREFERRED_RNG) != 0) {
        return ERROR_GEN_FAILURE;
    }
    hex_put(wcsrchr(name, L'-') + 1, random, sizeof random);
    *ours_out = CreateNamedPipeW(name, mode, PIPE_TYPE_BYTE | PIPE_REJECT_REMOTE_CLIENTS, 1,
                                 PIPE_BYTES, PIPE_BYTES, 0, NULL);
    if (*ours_out == INVALID_HANDLE_VALUE) {
        return GetLastError();
    }
    *theirs_out = CreateFileW(name, to_child ? GENERIC_READ : GENERIC_WRITE, 0, &inherited,
                              OPEN_EXISTING, SECURITY_SQOS_PRESENT | SECURITY_IDENTIFICATION, NULL);
    return *theirs_out == INVALID_HANDLE_VALUE ? GetLastError() : 0;
}

/* A copy of a standard stream for a child; nothing to read or to write to where we have none. */
static HANDLE standard_copy(int number)
{
    SECURITY_ATTRIBUTES inherited = {.nLength = sizeof inherited, .bInheritHandle = TRUE};
    HANDLE file = lti_tool_windows_standard(number);
    HANDLE copy = NULL;

    if (file != NULL && DuplicateHandle(GetCurrentProcess(), file, GetCurrentProcess(), &copy, 0,
                                        TRUE, DUPLICATE_SAME_ACCESS)) {
        return copy;
    }
    return CreateFileW(L"NUL", number == 0 ? GENERIC_READ : GENERIC_WRITE,
                       FILE_SHARE_READ | FILE_SHARE_WRITE, &inherited, OPEN_EXISTING, 0, NULL);
}

/* Starts a suspended process that has these three standard streams. `line` is written to. */
static DWORD process_make(const wchar_t *program, wchar_t *line, HANDLE streams[3], DWORD flags,
                          PROCESS_INFORMATION *made)
{
    STARTUPINFOEXW start = {.StartupInfo = {.cb = sizeof start, .dwFlags = STARTF_USESTDHANDLES}};
    SIZE_T size = 0;
    DWORD error = 0;

    start.StartupInfo.hStdInput = streams[0];
    start.StartupInfo.hStdOutput = streams[1];
    start.StartupInfo.hStdError = streams[2];
    (void)InitializeProcThreadAttributeList(NULL, 1, 0, &size);
    start.lpAttributeList = malloc(size);
    if (start.lpAttributeList == NULL) {
        return ERROR_NOT_ENOUGH_MEMORY;
    }
    if (!InitializeProcThreadAttributeList(start.lpAttributeList, 1, 0, &size)) {
        error = GetLastError();
        free(start.lpAttributeList);
        return error;
    }
    if (!UpdateProcThreadAttribute(start.lpAttributeList, 0, PROC_THREAD_ATTRIBUTE_HANDLE_LIST,
                                   streams, 3 * sizeof streams[0], NULL, NULL) ||
        !CreateProcessW(program, line, NULL, NULL, TRUE,
                        flags | CREATE_SUSPENDED | EXTENDED_STARTUPINFO_PRESENT, NULL, NULL,
                        &start.StartupInfo, made)) {
        error = GetLastError();
    }
    DeleteProcThreadAttributeList(start.lpAttributeList);
    free(start.lpAttributeList);
    return error;
}

/* Puts a suspended process into a job and lets it run; without a job it is ended again. */
static DWORD process_run(PROCESS_INFORMATION *made, DWORD limits, HANDLE *job_out)
{
    JOBOBJECT_EXTENDED_LIMIT_INFORMATION limit = {.BasicLimitInformation = {.LimitFlags = limits}};
    HANDLE job = CreateJobObjectW(NULL, NULL);
    DWORD error = 0;

    if (job == NULL ||
        !SetInformationJobObject(job, JobObjectExtendedLimitInformation, &limit, sizeof limit) ||
        !AssignProcessToJobObject(job, made->hProcess) ||
        ResumeThread(made->hThread) == (DWORD)-1) {
        error = GetLastError();
        (void)TerminateProcess(made->hProcess, ENDED_CODE);
        handles_close(&job, 1);
        handles_close(&made->hProcess, 1);
    }
    handles_close(&made->hThread, 1);
    *job_out = job;
    return error;
}

/* cmd.exe of the system folder. It takes what stands between the outer quotation marks as it is. */
static wchar_t *shell_line(const char *command, wchar_t shell[MAX_PATH + 16])
{
    static const wchar_t before[] = L"cmd.exe /d /s /c \"";
    UINT size = GetSystemDirectoryW(shell, MAX_PATH);
    wchar_t *wide = lti_tool_windows_wide(command);
    wchar_t *line = NULL;

    if (size > 0 && size < MAX_PATH && wide != NULL) {
        memcpy(shell + size, L"\\cmd.exe", sizeof L"\\cmd.exe");
        line = malloc((wcslen(before) + wcslen(wide) + 2) * sizeof *line);
    }
    if (line != NULL) {
        (void)wcscpy(line, before);
        (void)wcscat(line, wide);
        (void)wcscat(line, L"\"");
    }
    free(wide);
    return line;
}

static void CALLBACK child_ended(void *context, BOOLEAN timed_out)
{
    (void)context;
    (void)timed_out;
    lti_tool_windows_signal(false);
}

static DWORD child_start(struct child *c, const char *command, HANDLE streams[3])
{
    PROCESS_INFORMATION made = {0};
    wchar_t shell[MAX_PATH + 16];
    wchar_t *line = shell_line(command, shell);
    DWORD error = ERROR_NOT_ENOUGH_MEMORY;

    if (line != NULL) {
        /* A group of its own: Ctrl-C at the console is for us, and we end our children. Without a
         * console none is opened for them. */
        error = process_make(
            shell, line, streams,
            CREATE_NEW_PROCESS_GROUP | (GetConsoleCP() == 0 ? CREATE_NO_WINDOW : 0), &made);
        free(line);
    }
    if (error == 0) {
        error = process_run(&made, 0, &c->job);
    }
    if (error == 0) {
        c->process = made.hProcess;
        if (!RegisterWaitForSingleObject(&c->wait, c->process, child_ended, NULL, INFINITE,
                                         WT_EXECUTEONLYONCE)) {
            error = GetLastError();
            c->wait = NULL;
            (void)TerminateJobObject(c->job, ENDED_CODE);
            handles_close(&c->job, 1);
            handles_close(&c->process, 1);
        }
    }
    return error;
}

int64_t lti_tool_os_spawn(const char *command, int64_t *pid_out, intptr_t *to_child_out,
                          intptr_t *from_child_out)
{
    HANDLE ours[2] = {NULL, NULL};
    HANDLE theirs[3] = {NULL, NULL, NULL};
    DWORD error;
    int i = 0;

    while (i < CHILDREN_MAX && children[i].process != NULL) {
        i++;
    }
    if (i == CHILDREN_MAX) {
        return ERROR_TOO_MANY_OPEN_FILES;
    }
    error = pipe_make(true, &ours[0], &theirs[0]);
    if (error == 0) {
        error = pipe_make(false, &ours[1], &theirs[1]);
    }
    if (error == 0) {
        theirs[2] = standard_copy(2);
        error = child_start(&children[i], command, theirs);
    }
    handles_close(theirs, 3);
    if (error == 0) {
        *to_child_out = lti_tool_windows_stream_open(ours[0], false);
        *from_child_out = lti_tool_windows_stream_open(ours[1], true);
        *pid_out = i + 1;
    } else {
        handles_close(ours, 2);
    }
    return error;
}

bool lti_tool_os_reap(int64_t pid)
{
    struct child *c = &children[pid - 1];

    if (WaitForSingleObject(c->process, 0) != WAIT_OBJECT_0) {
        return false;
    }
    (void)UnregisterWaitEx(c->wait, INVALID_HANDLE_VALUE);
    handles_close(&c->process, 1);
    handles_close(&c->job, 1);
    return true;
}

void lti_tool_os_terminate(int64_t pid)
{
    (void)TerminateJobObject(children[pid - 1].job, ENDED_CODE);
}

/* Ctrl-C is for the program that we have become. */
static BOOL WINAPI control_ignored(DWORD kind)
{
    return kind == CTRL_C_EVENT || kind == CTRL_BREAK_EVENT;
}

/* CreateProcess would run a batch file by a shell, which takes its words apart by other rules: they
 * could run commands. */
static bool is_batch_file(const char *word)
{
    size_t size = strlen(word);

    while (size > 0 && (word[size - 1] == ' ' || word[size - 1] == '.')) {
        size--;
    }
    return size >= 4 && (_strnicmp(word + size - 4, ".bat", 4) == 0 ||
                         _strnicmp(word + size - 4, ".cmd", 4) == 0);
}

/* Windows cannot replace a process: we stay, as the shell of one program, and end as it ends. Who
 * ends us ends it. */
int64_t lti_tool_os_become(char **words)
{
    HANDLE streams[3];
    HANDLE job;
    PROCESS_INFORMATION made = {0};
    DWORD error = ERROR_NOT_ENOUGH_MEMORY;
    DWORD code = 0;
    wchar_t *line;

    if (is_batch_file(words[0])) {
        return ERROR_BAD_EXE_FORMAT;
    }
    line = lti_tool_windows_command_line(words);
    for (int i = 0; i < 3; i++) {
        streams[i] = standard_copy(i);
    }
    if (line != NULL) {
        error = process_make(NULL, line, streams, 0, &made);
    }
    handles_close(streams, 3);
    free(line);
    if (error == 0) {
        (void)SetConsoleCtrlHandler(control_ignored, TRUE);
        error = process_run(
            &made, JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE | JOB_OBJECT_LIMIT_SILENT_BREAKAWAY_OK, &job);
    }
    if (error != 0) {
        return error;
    }
    (void)WaitForSingleObject(made.hProcess, INFINITE);
    (void)GetExitCodeProcess(made.hProcess, &code);
    exit((int)code);
}
