/* SPDX-License-Identifier: MIT
 *
 * Put before tools/report.c for the target `command`: what it prints goes into memory.
 */
#ifndef LTI_FUZZ_COMMAND_STREAMS_H
#define LTI_FUZZ_COMMAND_STREAMS_H

#include <stdio.h>

extern FILE *lti_fuzz_stdout, *lti_fuzz_stderr;
#undef stdout
#undef stderr
#define stdout lti_fuzz_stdout
#define stderr lti_fuzz_stderr
#define printf(...) fprintf(lti_fuzz_stdout, __VA_ARGS__)

#endif
