/* SPDX-License-Identifier: MIT
 *
 * Processor time, as Windows tells it.
 */
#include "conformance_real/cost.h"

#include "harness.h"

#include <windows.h>

static uint64_t time_us(FILETIME time)
{
    return ((uint64_t)time.dwHighDateTime << 32 | time.dwLowDateTime) / 10;
}

uint64_t cost_processor_us(void)
{
    FILETIME begun, ended, kernel, user;
    REQUIRE(GetProcessTimes(GetCurrentProcess(), &begun, &ended, &kernel, &user));
    return time_us(kernel) + time_us(user);
}
