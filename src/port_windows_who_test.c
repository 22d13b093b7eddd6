/* SPDX-License-Identifier: MIT
 *
 * The Windows port and a client that was not judged yet: what the contract of seam 1 says of
 * lti_port_judge, lti_port_hear and lti_port_read. And what can name a user.
 */
#include "access.h"
#include "port_windows.h"

#include "harness.h"

#include <stdio.h>
#include <string.h>

#define TURNS_MAX 2000
#define TURN_NS INT64_C(5000000)

enum who { WHO_LISTENER, WHO_SERVER, WHO_CLIENT, WHO_COUNT };

struct stage {
    struct lti_port *port;
    struct lti_link links[WHO_COUNT];
    struct lti_claim claim;
    struct lti_address address;
    uint32_t news[WHO_COUNT];
};

static struct lti_access access_same = {.who = LEAT_WHO_SAME_USER};

static void stage_turn(struct stage *stage)
{
    struct lti_done done[LTI_DONE_MAX];
    struct os_code code;
    for (int pass = 0; pass < 2; pass++) {
        int count = pass == 0 ? lti_port_prepare(stage->port, done)
                              : lti_port_wait(stage->port, done, TURN_NS, &code);
        REQUIRE(count >= 0);
        for (int i = 0; i < count; i++) {
            uint64_t cookie = done[i].cookie;
            REQUIRE(cookie < WHO_COUNT);
            stage->news[cookie] |= lti_port_take(stage->port, &stage->links[cookie], &done[i]);
        }
    }
}

static void stage_until(struct stage *stage, enum who who, uint32_t news)
{
    for (int i = 0; i < TURNS_MAX && !(stage->news[who] & news); i++)
        stage_turn(stage);
    REQUIRE((stage->news[who] & news) != 0);
}

/* A server and its client, connected; neither has said anything. */
static void stage_begin(struct stage *stage)
{
    struct os_code code;
    const struct lti_listen listen = {.access = &access_same};
    bool more;
    char name[64];
    const char *reason;
    memset(stage, 0, sizeof *stage);
    (void)snprintf(name, sizeof name, "port-%llu", (unsigned long long)lti_os_now_ns());
    for (uint64_t i = 0; i < WHO_COUNT; i++) {
        lti_link_init(&stage->links[i]);
        stage->links[i].cookie = i;
    }
    REQUIRE_ERROR(lti_port_create(&stage->port, &code), LEAT_OK);
    REQUIRE_ERROR(lti_port_resolve(name, true, &stage->address, &reason, &code), LEAT_OK);
    REQUIRE_ERROR(lti_port_listen(stage->port, &stage->links[WHO_LISTENER], &stage->claim,
                                  &stage->address, &listen, &code),
                  LEAT_OK);
    REQUIRE_ERROR(lti_port_connect(stage->port, &stage->links[WHO_CLIENT], &stage->address,
                                   &access_same, false, &code),
                  LEAT_OK);
    stage_until(stage, WHO_LISTENER, LTI_DONE_READABLE);
    REQUIRE_ERROR(lti_port_accept(stage->port, &stage->links[WHO_LISTENER],
                                  &stage->links[WHO_SERVER], &access_same, LTI_ACCEPT_ASK, &more,
                                  &code),
                  LEAT_OK);
}

static void stage_end(struct stage *stage)
{
    CHECK(lti_port_end(stage->port, &stage->links[WHO_CLIENT], NULL, NULL, false));
    CHECK(lti_port_end(stage->port, &stage->links[WHO_SERVER], NULL, NULL, false));
    CHECK(lti_port_end(stage->port, &stage->links[WHO_LISTENER], &stage->claim, &stage->address,
                       false));
    CHECK(lti_port_destroy(stage->port));
}

static void stage_say(struct stage *stage, const char *byte)
{
    struct os_code code;
    size_t written = 0;
    bool done = false;
    stage->news[WHO_SERVER] = stage->news[WHO_CLIENT] = 0;
    REQUIRE_ERROR(lti_port_write_start(stage->port, &stage->links[WHO_CLIENT], byte, 1, &done,
                                       &written, &code),
                  LEAT_OK);
    if (!done)
        stage_until(stage, WHO_CLIENT, LTI_DONE_WRITTEN);
    stage_until(stage, WHO_SERVER, LTI_DONE_READABLE);
}

static enum leat_error stage_read(struct stage *stage, char *byte_out)
{
    struct os_code code;
    size_t size = 0;
    bool more;
    return lti_port_read(&stage->links[WHO_SERVER], byte_out, 1, &size, &more, &code);
}

TEST(port_windows_who_is_heard_before_it_is_read)
{
    struct stage stage;
    struct lti_peer peer = {.known = false};
    struct os_code code;
    char byte = 0;
    stage_begin(&stage);
    struct lti_link *server = &stage.links[WHO_SERVER];
    CHECK_ERROR(lti_port_judge(server, &access_same, &peer, &code), LEAT_E_EMPTY);
    stage_say(&stage, "a");
    CHECK_ERROR(stage_read(&stage, &byte), LEAT_E_EMPTY); /* nobody heard who it is */
    CHECK_ERROR(lti_port_hear(server, &peer, &code), LEAT_OK);
    CHECK(peer.known && peer.own && !peer.other);
    CHECK_INT(peer.uid, LTI_NT_USER_SELF);
    CHECK_ERROR(stage_read(&stage, &byte), LEAT_OK);
    CHECK_INT(byte, 'a');
    stage_say(&stage, "b");
    CHECK_ERROR(stage_read(&stage, &byte), LEAT_OK);
    CHECK_INT(byte, 'b');
    stage_end(&stage);
}

/* In the system's own spelling only: another one would name nobody. */
TEST(port_windows_who_can_be_named)
{
    static const char *const good[] = {"S-1-5-18", "S-1-1-0", "S-1-5-32-544",
                                       "S-1-5-21-4294967295-0-10-1001"};
    static const char *const bad[] = {"",
                                      "S-1-",
                                      "S-1-5",
                                      "S-1-5-",
                                      "S-1-5-18-",
                                      "s-1-5-18",
                                      "S-1-5--18",
                                      "S-1-5-018",
                                      "S-1-05-18",
                                      "S-1-5-00",
                                      "S-1-5-1a",
                                      "S-2-5-18",
                                      " S-1-5-18",
                                      "S-1-0x5-18",
                                      "S-1-5-18 ",
                                      "everybody",
                                      "S-1-5-1-2-3-4-5-6-7-8-9-10-11-12-13-14-15-16"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        if (!CHECK(lti_port_user_valid(good[i])))
            printf("for \"%s\"\n", good[i]);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (!CHECK(!lti_port_user_valid(bad[i])))
            printf("for \"%s\"\n", bad[i]);
}
