/* SPDX-License-Identifier: MIT
 *
 * What tests of paths share: long ones, what the system knows of a file, and whose it is.
 */
#ifndef LTI_CONFORMANCE_PATHS_KIT_POSIX_H
#define LTI_CONFORMANCE_PATHS_KIT_POSIX_H

#include "kit_posix.h"

#define PATHS_BYTES_MAX 762u /* the longest path that a name can be */
#define PATHS_OTHER 4711u    /* a user and a group that are not ours */

/* Makes folders in the test's own, one in the other, so that the path of the last has exactly so
 * many bytes, and removes them again. */
void paths_deep(char *path, size_t size);
void paths_deep_remove(const char *path);
/* "FOLDER/xxx" of exactly `size` bytes, the last component of `name` bytes; folders are made. */
void paths_long(char *path, size_t size, size_t name);
void paths_long_remove(const char *path);

void paths_dead_socket(const char *path); /* that nobody listens on, at a path of any length */

struct lti_os_file paths_look(const char *path); /* what must be there */
void paths_mode(const char *path, uint32_t mode);
/* Gives it to another user and group. False: that needs root. */
bool paths_give(const char *path, uint32_t uid, uint32_t gid);
/* A listen's first look with lstat is at each folder on the way, and may fail; how many that is. */
uint64_t paths_looks(const char *path);
void paths_link(const char *path, const char *to);

/* On the simulated kernel: a client meets each of what can be at a path where two servers of ours
 * change places: one of them, nobody, and another one than it looked at, which is UNTRUSTED. */
void paths_change_meanwhile(void);

#endif
