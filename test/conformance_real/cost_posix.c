/* SPDX-License-Identifier: MIT
 *
 * Processor time, as POSIX tells it.
 */
#include "conformance_real/cost.h"

#include "harness.h"

#include <sys/resource.h>

uint64_t cost_processor_us(void)
{
    struct rusage usage;
    REQUIRE(getrusage(RUSAGE_SELF, &usage) == 0);
    return (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000u +
           (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}
