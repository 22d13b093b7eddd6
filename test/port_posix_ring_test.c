/* SPDX-License-Identifier: MIT
 *
 * The POSIX port that reads ahead: which links hold what, and for how long.
 */
#include "port_posix.h"

#include "harness.h"
#include "os_fault.h"

#include <string.h>

#define PAIRS 4u
#define ROUNDS 200u /* more than the ring has blocks */

struct stage {
    struct lti_port *port;
    struct lti_link links[PAIRS];
    int peers[PAIRS]; /* -1: closed */
};

static void stage_pair(struct stage *stage, size_t i)
{
    int fds[2];
    struct os_code code;
    REQUIRE_INT(lti_os_socketpair(false, fds), 0);
    lti_link_init(&stage->links[i]);
    stage->links[i].handle = fds[0];
    stage->links[i].flags = LTI_LINK_PLAIN;
    stage->links[i].cookie = i + 1;
    stage->peers[i] = fds[1];
    REQUIRE_ERROR(lti_link_watch(stage->port, &stage->links[i], &code), LEAT_OK);
}

static void stage_open(struct stage *stage)
{
    struct os_code code;
    lti_fault_ring_stands_in();
    REQUIRE_ERROR(lti_port_create(&stage->port, &code), LEAT_OK);
    REQUIRE_ERROR(lti_port_backend(stage->port, true, &code), LEAT_OK);
    for (size_t i = 0; i < PAIRS; i++)
        stage_pair(stage, i);
}

static void stage_part(struct stage *stage, size_t i)
{
    CHECK(lti_port_end(stage->port, &stage->links[i], NULL, NULL, false));
    CHECK_INT(lti_link_held(&stage->links[i]), 0);
    if (stage->peers[i] >= 0)
        CHECK_INT(lti_os_close(stage->peers[i]), 0);
}

static void stage_close(struct stage *stage)
{
    for (size_t i = 0; i < PAIRS; i++)
        stage_part(stage, i);
    CHECK(lti_port_destroy(stage->port));
}

static void stage_say(const struct stage *stage, size_t i, const char *text)
{
    const struct leat_slice slice = {text, strlen(text)};
    REQUIRE_INT(lti_os_send(stage->peers[i], &slice, 1), (int64_t)slice.size);
}

static void stage_ahead(struct stage *stage, size_t count)
{
    for (size_t i = 0; i < count; i++)
        lti_port_read_soon(stage->port, &stage->links[i]);
    lti_port_read_ahead(stage->port);
}

static void stage_hears(struct stage *stage, size_t i, size_t room, const char *text, bool more)
{
    char bytes[64];
    size_t size = 0;
    bool told = !more;
    struct os_code code;
    REQUIRE_ERROR(lti_port_read(&stage->links[i], bytes, room, &size, &told, &code), LEAT_OK);
    CHECK_INT(size, strlen(text));
    CHECK(memcmp(bytes, text, strlen(text)) == 0);
    CHECK(told == more);
}

static enum leat_error stage_hears_none(struct stage *stage, size_t i)
{
    char bytes[8];
    size_t size = 0;
    bool more = false;
    struct os_code code;
    return lti_port_read(&stage->links[i], bytes, sizeof bytes, &size, &more, &code);
}

TEST(port_ring_holds_what_came)
{
    struct stage stage;
    stage_open(&stage);
    stage_say(&stage, 0, "zero");
    stage_say(&stage, 1, "one");
    stage_ahead(&stage, 3);
    CHECK(lti_link_held(&stage.links[0]) && lti_link_held(&stage.links[1]));
    CHECK(!lti_link_held(&stage.links[2])); /* nothing came */
    stage_say(&stage, 0, "later");
    stage_ahead(&stage, 3); /* what holds something is not read again */
    stage_hears(&stage, 0, 64, "zero", false);
    CHECK(!lti_link_held(&stage.links[0]));
    stage_hears(&stage, 0, 64, "later", false);
    stage_hears(&stage, 1, 2, "on", true);
    CHECK(lti_link_held(&stage.links[1]));
    stage_hears(&stage, 1, 2, "e", false);
    CHECK_ERROR(stage_hears_none(&stage, 1), LEAT_E_EMPTY);
    stage_close(&stage);
}

TEST(port_ring_is_for_several)
{
    struct stage stage;
    stage_open(&stage);
    stage_say(&stage, 0, "alone");
    stage_ahead(&stage, 1);
    CHECK(!lti_link_held(&stage.links[0]));
    stage_hears(&stage, 0, 64, "alone", false);
    stage_close(&stage);
}

/* Who may be sent descriptors is read by calls that can take them. */
TEST(port_ring_is_for_plain_links)
{
    struct stage stage;
    stage_open(&stage);
    stage.links[1].flags &= ~LTI_LINK_PLAIN;
    for (size_t i = 0; i < 3; i++)
        stage_say(&stage, i, "word");
    stage_ahead(&stage, 3);
    for (size_t i = 0; i < 3; i++) {
        CHECK((lti_link_held(&stage.links[i]) != 0) == (i != 1));
        stage_hears(&stage, i, 64, "word", false);
    }
    stage_close(&stage);
}

TEST(port_ring_hears_of_news_behind)
{
    struct stage stage;
    const struct lti_done done = {.cookie = 1, .detail = LTI_OS_IN};
    stage_open(&stage);
    stage_say(&stage, 0, "zero");
    stage_say(&stage, 1, "one");
    stage_ahead(&stage, 2);
    CHECK_INT(lti_port_take(stage.port, &stage.links[0], &done), LTI_DONE_READABLE);
    stage_hears(&stage, 0, 64, "zero", true);
    stage_hears(&stage, 1, 64, "one", false);
    stage_close(&stage);
}

TEST(port_ring_holds_how_it_ended)
{
    struct stage stage;
    const struct leat_slice unread = {"unread", 6};
    stage_open(&stage);
    CHECK_INT(lti_os_send(lti_link_fd(&stage.links[0]), &unread, 1), 6);
    for (size_t i = 0; i < 2; i++) {
        CHECK_INT(lti_os_close(stage.peers[i]), 0);
        stage.peers[i] = -1;
    }
    stage_ahead(&stage, 2);
    CHECK(lti_link_held(&stage.links[0]) && lti_link_held(&stage.links[1]));
    CHECK_ERROR(stage_hears_none(&stage, 0), LEAT_E_BROKEN);
    CHECK_ERROR(stage_hears_none(&stage, 0), LEAT_E_FINISHED); /* it is told once */
    CHECK_ERROR(stage_hears_none(&stage, 1), LEAT_E_FINISHED);
    stage_close(&stage);
}

/* A link that ends is nobody's any more: neither before it was read ahead nor behind. */
TEST(port_ring_forgets_who_ends)
{
    struct stage stage;
    stage_open(&stage);
    for (size_t i = 0; i < 3; i++) {
        stage_say(&stage, i, "word");
        lti_port_read_soon(stage.port, &stage.links[i]);
    }
    stage_part(&stage, 1);
    lti_port_read_ahead(stage.port);
    CHECK(lti_link_held(&stage.links[0]) && lti_link_held(&stage.links[2]));
    CHECK(!lti_link_held(&stage.links[1]));
    stage_pair(&stage, 1);
    for (uint32_t round = 0; round < ROUNDS; round++) { /* their blocks come back */
        for (size_t i = 0; i < 2; i++) {
            stage_part(&stage, i);
            stage_pair(&stage, i);
            stage_say(&stage, i, "word");
        }
        stage_ahead(&stage, 2);
        CHECK(lti_link_held(&stage.links[0]) && lti_link_held(&stage.links[1]));
    }
    stage_close(&stage);
}

static void fault_arm(const char *name)
{
    for (size_t i = 0; i < lti_fault_count(); i++) {
        const struct lti_fault *fault = lti_fault_at(i);
        if (fault->call == LTI_FAULT_CALL_ring_recv && strcmp(fault->name, name) == 0)
            lti_fault_arm_nth(1, i, LTI_FAULT_ONCE);
    }
}

TEST(port_ring_that_does_half)
{
    struct stage stage;
    stage_open(&stage);
    for (size_t i = 0; i < PAIRS; i++)
        stage_say(&stage, i, "word");
    fault_arm("HALF");
    stage_ahead(&stage, PAIRS);
    for (size_t i = 0; i < PAIRS; i++) {
        CHECK((lti_link_held(&stage.links[i]) != 0) == (i < PAIRS / 2));
        stage_hears(&stage, i, 64, "word", false);
    }
    stage_close(&stage);
}

/* It is not used again; what is ready is read ahead all the same. */
TEST(port_ring_that_fails)
{
    struct stage stage;
    stage_open(&stage);
    for (size_t i = 0; i < PAIRS; i++)
        stage_say(&stage, i, "word");
    fault_arm("EAGAIN");
    for (uint32_t turn = 0; turn < 2; turn++) {
        stage_ahead(&stage, PAIRS);
        for (size_t i = 0; i < PAIRS; i++)
            CHECK((lti_link_held(&stage.links[i]) != 0) == (turn == 1));
    }
    for (size_t i = 0; i < PAIRS; i++)
        stage_hears(&stage, i, 64, "word", false);
    stage_close(&stage);
}
