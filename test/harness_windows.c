/* SPDX-License-Identifier: MIT
 *
 * What the harness needs of Windows.
 *
 * Happy path: a job is a process that runs this program again, in a job object of its own, with a
 * file for what it prints; the parent waits for the processes and reads the file when one ended.
 *
 * Fails: a system call that the harness cannot do without ends it with 2.
 *
 * Invariants: a process is in its job object before its first instruction, so that whatever it
 * starts is in it too; a job object is emptied before it is closed.
 */
#include "harness_system.h"
#include "traps.h"

#include <fcntl.h>
#include <io.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>
/* These need windows.h before them. */
#include <bcrypt.h>
#include <winternl.h>

#define TRAP_ENV "LEAT_TEST_TRAP"
#define TRAP_LIMIT_MS 60000
/* What Windows itself gives a process that ends because it found itself broken. */
#define CODE_ABORTED 0xC0000409u

void lti_harness_die(const char *what)
{
    fprintf(stderr, "harness: %s: error %lu\n", what, GetLastError());
    exit(2);
}

void lti_harness_leave(int code)
{
    _exit(code);
}

/* A closing line that ends with \r\n would not be one. */
void lti_harness_prepare(void)
{
    _setmode(_fileno(stdout), _O_BINARY);
    _setmode(_fileno(stderr), _O_BINARY);
}

/* ---- Time, folder, program ------------------------------------------------------------------- */

uint64_t lti_test_now_ms(void)
{
    LARGE_INTEGER ticks, per_second;
    QueryPerformanceFrequency(&per_second);
    QueryPerformanceCounter(&ticks);
    return (uint64_t)(ticks.QuadPart / per_second.QuadPart) * 1000 +
           (uint64_t)(ticks.QuadPart % per_second.QuadPart) * 1000 / (uint64_t)per_second.QuadPart;
}

void lti_test_pause(void)
{
    Sleep(1);
}

bool lti_test_on_wine(void)
{
    HMODULE ntdll = GetModuleHandleA("ntdll.dll");
    return ntdll != NULL && GetProcAddress(ntdll, "wine_get_version") != NULL;
}

const char *lti_test_program(void)
{
    static char path[1024];
    DWORD size = GetModuleFileNameA(NULL, path, sizeof path);
    if (size == 0 || size == sizeof path)
        lti_harness_die("finding this program");
    return path;
}

void lti_harness_folder_make(char folder[LTI_HARNESS_PATH_BYTES])
{
    static unsigned number;
    char parent[LTI_HARNESS_PATH_BYTES - 40];
    DWORD size = GetTempPathA(sizeof parent, parent);
    if (size == 0 || size >= sizeof parent)
        lti_harness_die("finding a place for a folder");
    for (int tries = 0; tries < 1000; tries++) {
        snprintf(folder, LTI_HARNESS_PATH_BYTES, "%sleat-%lx-%x", parent, GetCurrentProcessId(),
                 number++);
        if (CreateDirectoryA(folder, NULL))
            return;
        if (GetLastError() != ERROR_ALREADY_EXISTS)
            break;
    }
    lti_harness_die("making a folder");
}

static void folder_empty(const char *folder, int depth)
{
    char path[2 * LTI_HARNESS_PATH_BYTES];
    WIN32_FIND_DATAA entry;
    snprintf(path, sizeof path, "%s\\*", folder);
    HANDLE search = FindFirstFileA(path, &entry);
    if (search == INVALID_HANDLE_VALUE)
        return;
    do {
        if (strcmp(entry.cFileName, ".") == 0 || strcmp(entry.cFileName, "..") == 0)
            continue;
        int size = snprintf(path, sizeof path, "%s\\%s", folder, entry.cFileName);
        printf("left behind: %s\n", path);
        if (size < 0 || (size_t)size >= sizeof path)
            continue;
        SetFileAttributesA(path, FILE_ATTRIBUTE_NORMAL);
        /* What is behind a link belongs to somebody else. */
        bool link = (entry.dwFileAttributes & FILE_ATTRIBUTE_REPARSE_POINT) != 0;
        if ((entry.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY) == 0) {
            DeleteFileA(path);
        } else {
            if (!link && depth < 16)
                folder_empty(path, depth + 1);
            RemoveDirectoryA(path);
        }
    } while (FindNextFileA(search, &entry));
    FindClose(search);
}

bool lti_harness_folder_remove(const char *folder)
{
    if (RemoveDirectoryA(folder))
        return true;
    folder_empty(folder, 0);
    RemoveDirectoryA(folder);
    return false;
}

void lti_harness_folder_tell(const char *folder)
{
    if (_putenv_s(LTI_HARNESS_FOLDER_ENV, folder) != 0)
        lti_harness_die("telling the folder");
}

/* ---- The test's process ---------------------------------------------------------------------- */

/* No dialogue and no debugger: the exit code says what happened. */
static LONG WINAPI crash_end(EXCEPTION_POINTERS *crash)
{
    TerminateProcess(GetCurrentProcess(), crash->ExceptionRecord->ExceptionCode);
    return EXCEPTION_CONTINUE_SEARCH;
}

static void abort_end(int number)
{
    (void)number;
    TerminateProcess(GetCurrentProcess(), CODE_ABORTED);
}

static DWORD WINAPI thread_empty(void *argument)
{
    (void)argument;
    return 0;
}

/* The system opens handles of its own when something is used for the first time, and keeps them. So
 * the first time is before the counting. */
static void system_warm_up(void)
{
    unsigned char random;
    char name[2];
    HANDLE token = NULL;
    BCryptGenRandom(NULL, &random, sizeof random, BCRYPT_USE_SYSTEM_PREFERRED_RNG);
    if (OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY, &token))
        CloseHandle(token);
    HANDLE thread = CreateThread(NULL, 0, thread_empty, NULL, 0, NULL);
    if (thread != NULL) {
        WaitForSingleObject(thread, INFINITE);
        CloseHandle(thread);
    }
    GetFileAttributesA(lti_test_folder() != NULL ? lti_test_folder() : ".");
    GetEnvironmentVariableA("TEMP", name, sizeof name);
    lti_test_now_ms();
}

/* The C library here has no buffer by lines; without any, nothing is lost in a crash. */
void lti_harness_child_prepare(void)
{
    setvbuf(stdout, NULL, _IONBF, 0);
    SetErrorMode(SEM_FAILCRITICALERRORS | SEM_NOGPFAULTERRORBOX | SEM_NOOPENFILEERRORBOX);
    SetUnhandledExceptionFilter(crash_end);
    signal(SIGABRT, abort_end);
    system_warm_up();
}

int64_t lti_harness_process(void)
{
    return GetCurrentProcessId();
}

#define HANDLES_MAX 16384 /* their values are multiples of four */
struct handles {
    uint8_t open[HANDLES_MAX];
};
static struct handles open_before;

/* Values are small, so all are tried, until as many are found as there are and a long run of values
 * means nothing. (wine does not count handles, so the run has to do there.) */
static void handles_note(struct handles *handles)
{
    DWORD count = 0;
    DWORD found = 0;
    size_t unused = 0;
    memset(handles, 0, sizeof *handles);
    GetProcessHandleCount(GetCurrentProcess(), &count);
    for (size_t i = 1; i < HANDLES_MAX && (found < count || unused < 1024); i++) {
        DWORD flags;
        unused++;
        if (GetHandleInformation((HANDLE)(uintptr_t)(i * 4), &flags)) {
            handles->open[i] = 1;
            found++;
            unused = 0;
        }
    }
}

static void handle_kind(size_t i, char kind[64])
{
    union {
        PUBLIC_OBJECT_TYPE_INFORMATION info;
        char room[1024];
    } type;
    ULONG size;
    snprintf(kind, 64, "unknown");
    if (NtQueryObject((HANDLE)(uintptr_t)(i * 4), ObjectTypeInformation, &type, sizeof type,
                      &size) != 0)
        return;
    size_t length = type.info.TypeName.Length / sizeof(WCHAR);
    for (size_t at = 0; at < length && at < 63; at++) {
        kind[at] = (char)type.info.TypeName.Buffer[at];
        kind[at + 1] = '\0';
    }
}

void lti_harness_open_note(void)
{
    handles_note(&open_before);
}

/* The system's own libraries keep such handles for later; neither leat nor a test opens any. */
static bool kind_is_the_systems(const char *kind)
{
    static const char *const kinds[] = {
        "ALPC Port", "Desktop",   "Directory",       "EtwRegistration",      "IRTimer",
        "Key",       "Section",   "TpWorkerFactory", "WaitCompletionPacket", "WindowStation",
        "Semaphore", "KeyedEvent"};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(kind, kinds[i]) == 0)
            return true;
    return false;
}

bool lti_harness_open_same(void)
{
    static struct handles after;
    bool same = true;
    handles_note(&after);
    for (size_t i = 0; i < HANDLES_MAX; i++) {
        char kind[64] = "";
        if (open_before.open[i] == after.open[i])
            continue;
        if (after.open[i] != 0) {
            handle_kind(i, kind);
            if (kind_is_the_systems(kind))
                continue;
        }
        printf("handle 0x%zx %s%s\n", i * 4,
               after.open[i] != 0 ? "left open: " : "closed, but not opened", kind);
        same = false;
    }
    return same;
}

/* ---- Traps ----------------------------------------------------------------------------------- */

static unsigned traps_seen;

/* In a process that was started for one trap: is it this one? */
bool lti_test_trap_chosen(void)
{
    const char *text = getenv(TRAP_ENV);
    return text != NULL && strtoul(text, NULL, 10) == ++traps_seen;
}

void lti_test_trap_survived(void)
{
    lti_harness_leave(LTI_HARNESS_PASSED);
}

static bool process_start(const char *test, HANDLE output, PROCESS_INFORMATION *process);

/* Runs this test once more, in a process of its own, as far as this trap. */
bool lti_test_trap_held(const char *test)
{
    char number[16];
    PROCESS_INFORMATION process;
    DWORD code = 0;
    if (getenv(TRAP_ENV) != NULL)
        return true;
    snprintf(number, sizeof number, "%u", ++traps_seen);
    SetEnvironmentVariableA(TRAP_ENV, number);
    bool started = process_start(test, GetStdHandle(STD_OUTPUT_HANDLE), &process);
    SetEnvironmentVariableA(TRAP_ENV, NULL);
    if (!started)
        lti_harness_die("starting a process");
    ResumeThread(process.hThread);
    if (WaitForSingleObject(process.hProcess, TRAP_LIMIT_MS) != WAIT_OBJECT_0)
        TerminateProcess(process.hProcess, 0);
    GetExitCodeProcess(process.hProcess, &code);
    CloseHandle(process.hThread);
    CloseHandle(process.hProcess);
    return code >= 0xC0000000u;
}

/* ---- The parent ------------------------------------------------------------------------------ */

static HANDLE stop_event;
static volatile LONG interrupted;

static BOOL WINAPI stop_note(DWORD kind)
{
    (void)kind;
    InterlockedExchange(&interrupted, 2);
    SetEvent(stop_event);
    return TRUE;
}

void lti_harness_parent_prepare(void)
{
    stop_event = CreateEventA(NULL, TRUE, FALSE, NULL);
    if (stop_event == NULL || !SetConsoleCtrlHandler(stop_note, TRUE))
        lti_harness_die("catching a signal");
}

int lti_harness_interrupted(void)
{
    return (int)interrupted;
}

/* Wine, on a busy machine, now and then says that something within it went wrong, and does it the
 * next time. */
#define CREATE_TRIES 5

static BOOL process_create(char *command, STARTUPINFOA *start, PROCESS_INFORMATION *process)
{
    for (int i = 1;; i++) {
        if (CreateProcessA(NULL, command, NULL, NULL, TRUE,
                           CREATE_SUSPENDED | EXTENDED_STARTUPINFO_PRESENT, NULL, NULL, start,
                           process))
            return TRUE;
        if (i == CREATE_TRIES || GetLastError() != ERROR_INTERNAL_ERROR)
            return FALSE;
    }
}

/* Starts this program for one test, standing still. It inherits its three handles and no others. */
static bool process_start(const char *test, HANDLE output, PROCESS_INFORMATION *process)
{
    SECURITY_ATTRIBUTES inherit = {sizeof inherit, NULL, TRUE};
    char command[2048];
    SIZE_T size = 0;
    BOOL good = FALSE;
    int length = snprintf(command, sizeof command, "\"%s\" --run %s", lti_test_program(), test);
    HANDLE input = CreateFileA("NUL", GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_WRITE, &inherit,
                               OPEN_EXISTING, 0, NULL);
    HANDLE handles[2] = {input, output};
    STARTUPINFOEXA start = {.StartupInfo = {.cb = sizeof start,
                                            .dwFlags = STARTF_USESTDHANDLES,
                                            .hStdInput = input,
                                            .hStdOutput = output,
                                            .hStdError = output}};
    InitializeProcThreadAttributeList(NULL, 1, 0, &size);
    start.lpAttributeList = malloc(size);
    if (length > 0 && (size_t)length < sizeof command && input != INVALID_HANDLE_VALUE &&
        start.lpAttributeList != NULL &&
        InitializeProcThreadAttributeList(start.lpAttributeList, 1, 0, &size)) {
        good =
            UpdateProcThreadAttribute(start.lpAttributeList, 0, PROC_THREAD_ATTRIBUTE_HANDLE_LIST,
                                      handles, sizeof handles, NULL, NULL) &&
            process_create(command, &start.StartupInfo, process);
        DeleteProcThreadAttributeList(start.lpAttributeList);
    }
    free(start.lpAttributeList);
    if (input != INVALID_HANDLE_VALUE)
        CloseHandle(input);
    return good;
}

void lti_harness_job_begin(struct lti_harness_job *job)
{
    SECURITY_ATTRIBUTES inherit = {sizeof inherit, NULL, TRUE};
    JOBOBJECT_EXTENDED_LIMIT_INFORMATION limits = {
        .BasicLimitInformation = {.LimitFlags = JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE}};
    PROCESS_INFORMATION process;
    char path[LTI_HARNESS_PATH_BYTES + 8];
    /* Beside the test's folder, which is the test's alone. */
    snprintf(path, sizeof path, "%s.out", job->folder);
    HANDLE output = CreateFileA(
        path, GENERIC_READ | GENERIC_WRITE, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE,
        &inherit, CREATE_NEW, FILE_ATTRIBUTE_TEMPORARY | FILE_FLAG_DELETE_ON_CLOSE, NULL);
    HANDLE tree = CreateJobObjectA(NULL, NULL);
    if (output == INVALID_HANDLE_VALUE || tree == NULL ||
        !SetInformationJobObject(tree, JobObjectExtendedLimitInformation, &limits, sizeof limits))
        lti_harness_die("preparing a process");
    SetEnvironmentVariableA(LTI_HARNESS_FOLDER_ENV, job->folder);
    bool started = process_start(job->test->name, output, &process);
    SetEnvironmentVariableA(LTI_HARNESS_FOLDER_ENV, NULL);
    if (!started)
        lti_harness_die("starting a process");
    if (!AssignProcessToJobObject(tree, process.hProcess)) {
        TerminateProcess(process.hProcess, 2);
        lti_harness_die("making a process tree");
    }
    ResumeThread(process.hThread);
    CloseHandle(process.hThread);
    job->process = (intptr_t)process.hProcess;
    job->output = (intptr_t)output;
    job->tree = (intptr_t)tree;
}

bool lti_harness_job_ended(struct lti_harness_job *job)
{
    return WaitForSingleObject((HANDLE)job->process, 0) == WAIT_OBJECT_0;
}

void lti_harness_job_kill(struct lti_harness_job *job)
{
    TerminateJobObject((HANDLE)job->tree, 9);
}

static void job_read(struct lti_harness_job *job)
{
    HANDLE output = (HANDLE)job->output;
    LARGE_INTEGER begin = {.QuadPart = 0};
    LARGE_INTEGER whole = {.QuadPart = 0};
    DWORD got = 0;
    SetFilePointerEx(output, begin, NULL, FILE_BEGIN);
    GetFileSizeEx(output, &whole);
    if (!ReadFile(output, job->text, sizeof job->text, &got, NULL))
        got = 0;
    job->size = got;
    job->dropped = whole.QuadPart > (LONGLONG)got;
}

static bool tree_empty(const struct lti_harness_job *job)
{
    JOBOBJECT_BASIC_ACCOUNTING_INFORMATION facts = {.ActiveProcesses = 0};
    return !QueryInformationJobObject((HANDLE)job->tree, JobObjectBasicAccountingInformation,
                                      &facts, sizeof facts, NULL) ||
           facts.ActiveProcesses == 0;
}

static const char *crash_name(DWORD code)
{
    switch (code) {
    case EXCEPTION_ACCESS_VIOLATION:
        return "access violation";
    case EXCEPTION_BREAKPOINT:
        return "breakpoint";
    case EXCEPTION_ILLEGAL_INSTRUCTION:
        return "illegal instruction, as of a failed assertion";
    case EXCEPTION_INT_DIVIDE_BY_ZERO:
        return "division by zero";
    case EXCEPTION_STACK_OVERFLOW:
        return "stack overflow";
    case 0xC0000374u: /* STATUS_HEAP_CORRUPTION */
        return "broken heap";
    case CODE_ABORTED:
        return "abort";
    default:
        return "no name";
    }
}

void lti_harness_job_finish(struct lti_harness_job *job, struct lti_harness_end *end_out)
{
    DWORD code = 0;
    /* A process that the test ended itself may need a moment to be gone. */
    uint64_t until_ms = lti_test_now_ms() + (job->timed_out ? 0 : 1000);
    bool ended = lti_harness_job_ended(job);
    *end_out = (struct lti_harness_end){.alone = tree_empty(job)};
    while (ended && !end_out->alone && lti_test_now_ms() < until_ms) {
        lti_test_pause();
        end_out->alone = tree_empty(job);
    }
    lti_harness_job_kill(job);
    WaitForSingleObject((HANDLE)job->process, INFINITE);
    GetExitCodeProcess((HANDLE)job->process, &code);
    job_read(job);
    CloseHandle((HANDLE)job->process);
    CloseHandle((HANDLE)job->output);
    CloseHandle((HANDLE)job->tree);
    end_out->crashed = code >= 0x80000000u;
    if (end_out->crashed)
        snprintf(end_out->words, sizeof end_out->words, "0x%lx, %s", code, crash_name(code));
    else
        end_out->code = (int)code;
}

void lti_harness_jobs_wait(struct lti_harness_job *jobs, size_t count, uint64_t wait_ms)
{
    HANDLE handles[LTI_HARNESS_JOBS_MAX + 1] = {stop_event};
    DWORD used = 1;
    for (size_t i = 0; i < count; i++)
        if (jobs[i].test != NULL)
            handles[used++] = (HANDLE)jobs[i].process;
    WaitForMultipleObjects(used, handles, FALSE, (DWORD)wait_ms);
}
