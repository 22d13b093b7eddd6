/* SPDX-License-Identifier: MIT
 *
 * Names and texts: each value has one, no two the same, unknown ones have theirs.
 */
#include "leat/leat.h"

#include "harness.h"

#include <stdio.h>
#include <string.h>

/* Enumerations must be able to hold a value of a later version. */
static const int unknown[] = {-1, 29, 100, 1000000};

TEST(error_names)
{
    CHECK_STR(leat_error_name(LEAT_OK), "OK");
    CHECK_STR(leat_error_text(LEAT_OK), "no error");
#define LEAT_ERROR(name, value, text)                                                              \
    CHECK_STR(leat_error_name(LEAT_E_##name), #name);                                              \
    CHECK_STR(leat_error_text(LEAT_E_##name), text);                                               \
    CHECK_STR(leat_error_name((enum leat_error)value), #name);
#include "leat/error.def"
#undef LEAT_ERROR
    CHECK_INT(LEAT_E_STALE, 1);
    CHECK_INT(LEAT_E_TIMEOUT, 4);
    CHECK_INT(LEAT_E_SYSTEM, 27);
    CHECK_INT(LEAT_E_SQUATTED, 28);
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++) {
        CHECK_STR(leat_error_name((enum leat_error)unknown[i]), "UNKNOWN");
        CHECK_STR(leat_error_text((enum leat_error)unknown[i]), "unknown error");
    }
}

TEST(error_texts_differ)
{
    for (int a = 0; a <= 28; a++) {
        CHECK(strlen(leat_error_text((enum leat_error)a)) > 0);
        for (int b = a + 1; b <= 28; b++) {
            CHECK(strcmp(leat_error_name((enum leat_error)a),
                         leat_error_name((enum leat_error)b)) != 0);
            CHECK(strcmp(leat_error_text((enum leat_error)a),
                         leat_error_text((enum leat_error)b)) != 0);
        }
    }
}

TEST(error_operation_names)
{
    static const char *const names[] = {"none",     "listen",    "accept", "connect",
                                        "identify", "handshake", "read",   "write",
                                        "finish",   "close",     "wait",   "adopt"};
    for (int i = 0; i < 12; i++)
        CHECK_STR(leat_operation_name((enum leat_operation)i), names[i]);
    CHECK_INT(LEAT_OP_ADOPT, 11);
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++)
        CHECK_STR(leat_operation_name((enum leat_operation)unknown[i]), "UNKNOWN");
}

TEST(error_state_names)
{
    static const char *const names[] = {"UNKNOWN", "CONNECTING", "HANDSHAKE",
                                        "OPEN",    "ENDED",      "UNKNOWN"};
    for (int i = 0; i < 6; i++)
        CHECK_STR(leat_state_name((enum leat_state)i), names[i]);
    CHECK_INT(LEAT_STATE_ENDED, 4);
}

TEST(error_event_names)
{
    static const char *const names[] = {
        "UNKNOWN", "CONNECTED",    "ACCEPTED",     "READABLE", "WRITABLE", "FINISHED", "HANGUP",
        "CLOSED",  "CLOSE_REPORT", "LISTEN_ERROR", "TIMER",    "WOKEN",    "ASKED",    "UNKNOWN"};
    for (int i = 0; i < 14; i++)
        CHECK_STR(leat_event_name((enum leat_event_type)i), names[i]);
    CHECK_INT(LEAT_EVENT_WOKEN, 11);
}

TEST(error_version)
{
    char text[40];
    snprintf(text, sizeof text, "%d.%d.%d", LEAT_VERSION_MAJOR, LEAT_VERSION_MINOR,
             LEAT_VERSION_PATCH);
    CHECK_STR(leat_version(), text);
}
