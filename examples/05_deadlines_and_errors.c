/* SPDX-License-Identifier: MIT
 *
 * Lesson 5: nothing waits for ever, and every failure has a name. This program provokes some.
 */
#include <leat/leat.h>

#include <stdio.h>
#include <stdlib.h>

static void expect(const char *what, enum leat_error got, enum leat_error wanted)
{
    printf("%-34s %-10s %s\n", what, leat_error_name(got), leat_error_text(got));
    if (got != wanted) {
        fprintf(stderr, "%s was expected\n", leat_error_name(wanted));
        exit(1);
    }
}

int main(void)
{
    struct leat_connect_options patient = {
        .size = sizeof patient, .timeout_ms = 100, .absent = LEAT_ABSENT_WAIT};
    struct leat_hub_options wrong = {.size = 3};
    struct leat_hub *hub;
    leat_conn a;
    leat_conn b;
    leat_conn none;
    char byte;
    size_t size;

    expect("a hub", leat_hub_create(NULL, &hub), LEAT_OK);
    expect("options of an unknown size", leat_hub_create(&wrong, &hub), LEAT_E_OPTIONS);
    expect("a name with a slash", leat_connect(hub, "a/b", NULL, &none), LEAT_E_NAME);
    expect("nobody is there", leat_connect_wait(hub, "leat-lesson-5", NULL, &none),
           LEAT_E_NOT_FOUND);
    expect("nobody comes within 100 ms", leat_connect_wait(hub, "leat-lesson-5", &patient, &none),
           LEAT_E_TIMEOUT);

    expect("two connected ends", leat_pair(hub, hub, NULL, &a, &b), LEAT_OK);
    expect("a byte, now: not there", leat_read(hub, b, &byte, 1, &size), LEAT_E_EMPTY);
    expect("a byte within 50 ms", leat_read_full(hub, b, &byte, 1, 50, &size), LEAT_E_TIMEOUT);
    expect("the connection survives that", leat_write_full(hub, a, "x", 1, 1000, &size), LEAT_OK);
    expect("and here is the byte", leat_read_full(hub, b, &byte, 1, 1000, &size), LEAT_OK);
    expect("a message on a byte stream", leat_send(hub, a, "x", 1), LEAT_E_STATE);
    expect("close", leat_close(hub, a, 1000), LEAT_OK);
    expect("a closed handle is stale", leat_write(hub, a, "x", 1, &size), LEAT_E_STALE);
    expect("the other end reads the end", leat_read_full(hub, b, &byte, 1, 1000, &size),
           LEAT_E_FINISHED);
    expect("the end", leat_hub_destroy(hub), LEAT_OK);
    return 0;
}
