/* SPDX-License-Identifier: MIT
 *
 * The Windows port's table of errors: each cause gives what the same cause gives on POSIX.
 */
#include "os_nt_code.h"
#include "port_windows.h"

#include "harness.h"

#include <stdio.h>

TEST(port_windows_error_rows)
{
    static const struct {
        uint32_t error;
        enum leat_error expected;
    } rows[] = {
        {1, LEAT_E_UNSUPPORTED},     {2, LEAT_E_NOT_FOUND},    {3, LEAT_E_NOT_FOUND},
        {4, LEAT_E_LIMIT},           {5, LEAT_E_DENIED},       {6, LEAT_E_HANDLE},
        {8, LEAT_E_MEMORY},          {14, LEAT_E_MEMORY},      {38, LEAT_E_CLOSED},
        {50, LEAT_E_UNSUPPORTED},    {87, LEAT_E_SYSTEM},      {109, LEAT_E_CLOSED},
        {121, LEAT_E_TIMEOUT},       {123, LEAT_E_SYSTEM},     {183, LEAT_E_IN_USE},
        {206, LEAT_E_NAME_TOO_LONG}, {230, LEAT_E_HANDLE},     {231, LEAT_E_BUSY},
        {232, LEAT_E_CLOSED},        {233, LEAT_E_BROKEN},     {258, LEAT_E_TIMEOUT},
        {535, LEAT_E_SYSTEM},        {536, LEAT_E_SYSTEM},     {995, LEAT_E_BROKEN},
        {997, LEAT_E_EMPTY},         {1168, LEAT_E_NOT_FOUND}, {1368, LEAT_E_SYSTEM},
        {1450, LEAT_E_MEMORY},       {1455, LEAT_E_MEMORY},    {1816, LEAT_E_MEMORY},
        {31, LEAT_E_SYSTEM},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct os_code code = {LTI_OS_NONE, 0};
        enum leat_error error = lti_port_error(lti_nt_fail(rows[i].error), &code);
        if (!CHECK_ERROR(error, rows[i].expected) || !CHECK_INT(code.raw, rows[i].error))
            printf("for the error %u\n", (unsigned)rows[i].error);
        CHECK_ERROR(lti_port_error(lti_nt_fail(rows[i].error), 0), rows[i].expected);
    }
}

TEST(port_windows_error_success)
{
    struct os_code code = {LTI_OS_OTHER, 7};
    CHECK_ERROR(lti_port_error(0, &code), LEAT_OK);
    CHECK_INT(code.kind, LTI_OS_NONE);
    CHECK_INT(code.raw, 0);
    CHECK_ERROR(lti_port_error(INT64_C(1) << 40, &code), LEAT_OK);
}
