/* SPDX-License-Identifier: MIT
 *
 * What only tests of the POSIX port share: things at a path.
 */
#ifndef LTI_CONFORMANCE_KIT_POSIX_H
#define LTI_CONFORMANCE_KIT_POSIX_H

#include "kit.h"

#include "os_posix.h"

/* Things that are no socket, at a path with or without "unix:". They are removed by kit_file_remove
 * and kit_folder_remove. */
void kit_file_make(const char *path);
void kit_file_remove(const char *path);
void kit_folder_make(const char *path);
void kit_folder_remove(const char *path);
bool kit_file_exists(const char *path);

#endif
