/* SPDX-License-Identifier: MIT
 *
 * Names and texts of everything that the interface numbers.
 *
 * Happy path: a value goes in, static text comes out.
 * Fails:      never; a value that is not known gives "UNKNOWN" or "unknown error".
 * Invariants: no result is null; errors come from error.def alone.
 */
#include "leat/leat.h"

#define TEXT_OF(value) #value
#define TEXT(value) TEXT_OF(value)

const char *leat_error_name(enum leat_error error)
{
    switch (error) {
    case LEAT_OK:
        return "OK";
#define LEAT_ERROR(name, value, text)                                                              \
    case LEAT_E_##name:                                                                            \
        return #name;
#include "leat/error.def"
#undef LEAT_ERROR
    }
    return "UNKNOWN";
}

const char *leat_error_text(enum leat_error error)
{
    switch (error) {
    case LEAT_OK:
        return "no error";
#define LEAT_ERROR(name, value, text)                                                              \
    case LEAT_E_##name:                                                                            \
        return text;
#include "leat/error.def"
#undef LEAT_ERROR
    }
    return "unknown error";
}

const char *leat_operation_name(enum leat_operation operation)
{
    switch (operation) {
    case LEAT_OP_NONE:
        return "none";
    case LEAT_OP_LISTEN:
        return "listen";
    case LEAT_OP_ACCEPT:
        return "accept";
    case LEAT_OP_CONNECT:
        return "connect";
    case LEAT_OP_IDENTIFY:
        return "identify";
    case LEAT_OP_HANDSHAKE:
        return "handshake";
    case LEAT_OP_READ:
        return "read";
    case LEAT_OP_WRITE:
        return "write";
    case LEAT_OP_FINISH:
        return "finish";
    case LEAT_OP_CLOSE:
        return "close";
    case LEAT_OP_WAIT:
        return "wait";
    case LEAT_OP_ADOPT:
        return "adopt";
    }
    return "UNKNOWN";
}

const char *leat_state_name(enum leat_state state)
{
    switch (state) {
    case LEAT_STATE_CONNECTING:
        return "CONNECTING";
    case LEAT_STATE_HANDSHAKE:
        return "HANDSHAKE";
    case LEAT_STATE_OPEN:
        return "OPEN";
    case LEAT_STATE_ENDED:
        return "ENDED";
    }
    return "UNKNOWN";
}

const char *leat_event_name(enum leat_event_type type)
{
    switch (type) {
    case LEAT_EVENT_CONNECTED:
        return "CONNECTED";
    case LEAT_EVENT_ACCEPTED:
        return "ACCEPTED";
    case LEAT_EVENT_READABLE:
        return "READABLE";
    case LEAT_EVENT_WRITABLE:
        return "WRITABLE";
    case LEAT_EVENT_FINISHED:
        return "FINISHED";
    case LEAT_EVENT_HANGUP:
        return "HANGUP";
    case LEAT_EVENT_CLOSED:
        return "CLOSED";
    case LEAT_EVENT_CLOSE_REPORT:
        return "CLOSE_REPORT";
    case LEAT_EVENT_LISTEN_ERROR:
        return "LISTEN_ERROR";
    case LEAT_EVENT_TIMER:
        return "TIMER";
    case LEAT_EVENT_WOKEN:
        return "WOKEN";
    case LEAT_EVENT_ASKED:
        return "ASKED";
    }
    return "UNKNOWN";
}

const char *leat_version(void)
{
    return TEXT(LEAT_VERSION_MAJOR) "." TEXT(LEAT_VERSION_MINOR) "." TEXT(LEAT_VERSION_PATCH);
}
