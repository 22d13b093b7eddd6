/* SPDX-License-Identifier: MIT
 *
 * What the conformance tests share, for the Windows port: who this process is, and what follows.
 *
 * Happy path: the system says it; texts of it are valid until the next call.
 * Fails:      a helper that cannot do its work ends the test.
 * Invariants: none.
 */
#include "kit_nt.h"

#include "port_windows.h"

#include <stdio.h>

bool kit_greets_first(void)
{
    return false;
}

uint32_t kit_user(void)
{
    return LTI_NT_USER_SELF;
}

const char *kit_user_text(void)
{
    return kit_own_sid();
}

const char *kit_own_sid(void)
{
    static struct lti_os_identity own;
    REQUIRE_INT(lti_os_identity(&own), 0);
    return own.user;
}

const char *kit_sddl(const char *owner)
{
    static char text[5 * LTI_OS_SID_BYTES];
    struct lti_os_identity own;
    REQUIRE_INT(lti_os_identity(&own), 0);
    (void)snprintf(text, sizeof text, "O:%sG:%sD:P(A;;GA;;;%s)S:(ML;;NWNR;;;%s)", owner, owner,
                   own.user, own.integrity);
    return text;
}
