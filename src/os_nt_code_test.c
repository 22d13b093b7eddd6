/* SPDX-License-Identifier: MIT
 *
 * The numbers of Windows: each of them keeps its number and has the kind that the port relies on.
 */
#include "os_nt_code.h"

#include "harness.h"

#include <stddef.h>
#include <stdio.h>

TEST(os_nt_code_rows)
{
    static const struct {
        uint32_t error;
        enum lti_os_kind kind;
    } rows[] = {
        {1, LTI_OS_UNSUPPORTED},      {2, LTI_OS_NOT_FOUND},      {3, LTI_OS_NOT_FOUND},
        {4, LTI_OS_DESCRIPTORS},      {5, LTI_OS_ACCESS},         {6, LTI_OS_NOT_SOCKET},
        {8, LTI_OS_MEMORY},           {14, LTI_OS_MEMORY},        {38, LTI_OS_PIPE},
        {50, LTI_OS_UNSUPPORTED},     {87, LTI_OS_INVALID},       {109, LTI_OS_PIPE},
        {121, LTI_OS_TIMED_OUT},      {123, LTI_OS_INVALID},      {161, LTI_OS_INVALID},
        {183, LTI_OS_EXISTS},         {206, LTI_OS_TOO_LONG},     {230, LTI_OS_WRONG_TYPE},
        {231, LTI_OS_BUSY},           {232, LTI_OS_PIPE},         {233, LTI_OS_RESET},
        {258, LTI_OS_TIMED_OUT},      {535, LTI_OS_IS_CONNECTED}, {536, LTI_OS_NOT_CONNECTED},
        {995, LTI_OS_CANCELLED},      {997, LTI_OS_IN_PROGRESS},  {1168, LTI_OS_NOT_FOUND},
        {1368, LTI_OS_NOT_CONNECTED}, {1450, LTI_OS_MEMORY},      {1455, LTI_OS_MEMORY},
        {1816, LTI_OS_MEMORY},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct os_code code = lti_os_code_of(lti_nt_fail(rows[i].error));
        if (!CHECK_INT(code.kind, rows[i].kind) || !CHECK_INT(code.raw, rows[i].error))
            printf("for the error %u\n", (unsigned)rows[i].error);
    }
}

TEST(os_nt_code_unknown)
{
    static const uint32_t unknown[] = {0, 7, 234, 999, 65536 + 109, UINT32_MAX};
    for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++) {
        int64_t result = lti_nt_fail(unknown[i]);
        CHECK(result < 0);
        CHECK_INT(lti_os_code_of(result).kind, LTI_OS_OTHER);
        CHECK_INT((uint32_t)lti_os_code_of(result).raw, unknown[i]);
    }
}
