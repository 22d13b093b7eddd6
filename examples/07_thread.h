/* SPDX-License-Identifier: MIT
 *
 * What lesson 7 needs of a system: a thread.
 */
#ifndef LESSON_THREAD_H
#define LESSON_THREAD_H

#include <stdbool.h>

#ifdef _WIN32
#include <windows.h>
typedef HANDLE thread;
#define THREAD_RESULT DWORD WINAPI
static bool thread_start(thread *out, DWORD(WINAPI *function)(void *))
{
    *out = CreateThread(NULL, 0, function, NULL, 0, NULL);
    return *out != NULL;
}
static bool thread_join(thread which)
{
    return WaitForSingleObject(which, INFINITE) == WAIT_OBJECT_0 && CloseHandle(which);
}
#else
#include <pthread.h>
typedef pthread_t thread;
#define THREAD_RESULT void *
static bool thread_start(thread *out, void *(*function)(void *))
{
    return pthread_create(out, NULL, function, NULL) == 0;
}
static bool thread_join(thread which)
{
    return pthread_join(which, NULL) == 0;
}
#endif

#endif
