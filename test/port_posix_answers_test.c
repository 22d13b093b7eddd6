/* SPDX-License-Identifier: MIT
 *
 * The POSIX port and a kernel that is interrupted for ever, that shows another file than the one
 * that was made, or that does not say who somebody is.
 */
#include "access.h"
#include "port_posix.h"

#include "harness.h"
#include "port_calls_posix.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ALL (LTI_RETRIES_MAX + 1) /* where the first call is not counted as one more try */
#define FILES_MAX 12              /* more than one call of the port looks at */

static struct lti_access same = {.who = LEAT_WHO_SAME_USER};
static struct lti_access anyone = {.who = LEAT_WHO_INSECURE_ANYONE};

static int64_t fail(enum lti_os_kind kind)
{
    return lti_os_fail(kind, EPERM);
}

struct ends {
    struct lti_port *port;
    struct lti_link a, b;
};

static void ends_open(struct ends *ends, bool packets)
{
    struct os_code code;
    intptr_t handles[2];
    lti_answers_clear();
    lti_link_init(&ends->a);
    lti_link_init(&ends->b);
    REQUIRE_ERROR(lti_port_create(&ends->port, &code), LEAT_OK);
    REQUIRE_ERROR(lti_port_pair(packets, handles, &code), LEAT_OK);
    REQUIRE_ERROR(lti_port_adopt(ends->port, &ends->a, handles[0], false, packets, &code), LEAT_OK);
    REQUIRE_ERROR(lti_port_adopt(ends->port, &ends->b, handles[1], false, packets, &code), LEAT_OK);
}

static void ends_close(struct ends *ends)
{
    CHECK_INT(lti_answers_left(), 0);
    CHECK(lti_port_end(ends->port, &ends->a, NULL, NULL, false));
    CHECK(lti_port_end(ends->port, &ends->b, NULL, NULL, false));
    CHECK(lti_port_destroy(ends->port));
}

/* ---- Bytes and packets ----------------------------------------------------------------------- */

TEST(port_posix_answers_interrupted_for_ever)
{
    struct ends ends;
    struct os_code code;
    const struct leat_slice slice = {.data = "x", .size = 1};
    size_t size = 77;
    bool more = false, whole = false;
    char byte;
    ends_open(&ends, true);
    lti_answer("send", 1, ALL, fail(LTI_OS_INTERRUPTED));
    CHECK_ERROR(lti_port_write(&ends.a, &slice, 1, &size, &code), LEAT_E_FULL);
    lti_answer("send", 1, ALL, fail(LTI_OS_INTERRUPTED));
    CHECK_ERROR(lti_port_write_packet(&ends.a, &slice, &code), LEAT_E_FULL);
    lti_answer("send", 1, 1, 0);
    CHECK_ERROR(lti_port_write(&ends.a, &slice, 1, &size, &code), LEAT_E_FULL);
    lti_answer("recv", 1, LTI_RETRIES_MAX, fail(LTI_OS_INTERRUPTED));
    CHECK_ERROR(lti_port_read(&ends.b, &byte, 1, &size, &more, &code), LEAT_E_EMPTY);
    lti_answer("recv_packet", 1, LTI_RETRIES_MAX, fail(LTI_OS_INTERRUPTED));
    CHECK_ERROR(lti_port_read_packet(&ends.b, &byte, 1, &size, &whole, &more, &code), LEAT_E_EMPTY);
    lti_answer("event_set", 1, ALL, fail(LTI_OS_INTERRUPTED));
    CHECK_ERROR(lti_port_wake(ends.port), LEAT_E_SYSTEM);
    lti_answer("event_set", 1, 1, fail(LTI_OS_AGAIN));
    CHECK_ERROR(lti_port_wake(ends.port), LEAT_OK);
    CHECK(!whole);
    ends_close(&ends);
}

/* While so many descriptors wait to be closed, a packet with some is not taken. */
TEST(port_posix_answers_packets_while_nothing_may_come)
{
    struct ends ends;
    struct os_code code;
    size_t size = 0;
    bool more = false, whole = false;
    char bytes[4];
    ends_open(&ends, true);
    ends.b.state = ends.port; /* not looked into: the answers below are the test's */
    lti_answer("may_come", 1, 1, 0);
    lti_answer_flags(LTI_OS_PACKET_CUT);
    lti_answer("recv_packet", 1, 1, 3);
    CHECK_ERROR(lti_port_read_packet(&ends.b, bytes, 4, &size, &whole, &more, &code),
                LEAT_E_PROTOCOL);
    lti_answer_flags(0);
    lti_answer("may_come", 1, 1, 0);
    lti_answer("recv_packet", 1, 2, 3); /* nothing is in it */
    CHECK_ERROR(lti_port_read_packet(&ends.b, bytes, 4, &size, &whole, &more, &code), LEAT_OK);
    lti_answer("may_come", 1, 1, 0);
    lti_answer("recv_packet", 1, 1, fail(LTI_OS_AGAIN));
    CHECK_ERROR(lti_port_read_packet(&ends.b, NULL, 0, &size, &whole, &more, &code), LEAT_E_EMPTY);
    ends.b.state = NULL;
    /* Somebody else reads here too: another packet came than the one that was looked at. */
    lti_answer("recv_packet", 1, 1, 3);
    lti_answer("recv_packet", 1, 1, 300);
    CHECK_ERROR(lti_port_read_packet(&ends.b, bytes, 4, &size, &whole, &more, &code),
                LEAT_E_BROKEN);
    lti_answer("recv_packet", 1, 1, 300);
    CHECK_ERROR(lti_port_read_packet(&ends.b, NULL, 0, &size, &whole, &more, &code), LEAT_OK);
    CHECK_INT(size, 300);
    ends_close(&ends);
}

TEST(port_posix_answers_handles_that_are_none)
{
    struct ends ends;
    struct os_code code;
    struct lti_link link;
    ends_open(&ends, false);
    lti_link_init(&link);
    const intptr_t far_above = (intptr_t)INT32_MAX + 1;
    CHECK_ERROR(lti_port_adopt(ends.port, &link, far_above, false, false, &code), LEAT_E_HANDLE);
    CHECK_ERROR(lti_port_adopt(ends.port, &link, -1, false, false, &code), LEAT_E_HANDLE);
    lti_answer("socket_facts", 1, 1, fail(LTI_OS_INVALID));
    CHECK_ERROR(lti_port_adopt(ends.port, &link, 0, false, false, &code), LEAT_E_HANDLE);
    lti_answer("socket_facts", 1, 1, fail(LTI_OS_MEMORY));
    CHECK_ERROR(lti_port_adopt(ends.port, &link, 0, false, false, &code), LEAT_E_MEMORY);
    ends_close(&ends);
}

/* ---- Who ------------------------------------------------------------------------------------- */

TEST(port_posix_answers_what_the_system_does_not_say)
{
    struct ends ends;
    struct os_code code;
    struct leat_peer peer;
    uint32_t groups[1];
    size_t count = 77;
    intptr_t process = -7;
    ends_open(&ends, false);
    memset(&peer, 0, sizeof peer);
    lti_answer("peer", 1, 1, fail(LTI_OS_INVALID));
    CHECK_ERROR(lti_port_identity(&ends.a, &peer, &code), LEAT_E_UNTRUSTED);
    CHECK_INT(peer.known, 0);
    lti_answer("peer_label", 1, 1, 4);
    CHECK_ERROR(lti_port_identity(&ends.a, &peer, &code), LEAT_OK);
    CHECK(peer.known & LEAT_PEER_LABEL);
    lti_answer("peer_label", 1, 1, fail(LTI_OS_UNSUPPORTED));
    memset(&peer, 0, sizeof peer);
    CHECK_ERROR(lti_port_identity(&ends.a, &peer, &code), LEAT_OK);
    CHECK(!(peer.known & LEAT_PEER_LABEL));
    lti_answer("peer_groups", 1, 1, 2);
    CHECK_ERROR(lti_port_groups(&ends.a, groups, 1, &count, &code), LEAT_E_TOO_BIG);
    CHECK_INT(count, 2);
    lti_answer("peer_groups", 1, 1, fail(LTI_OS_UNSUPPORTED));
    CHECK_ERROR(lti_port_groups(&ends.a, groups, 1, &count, &code), LEAT_E_UNSUPPORTED);
    lti_answer("peer_process", 1, 1, fail(LTI_OS_WRONG_TYPE)); /* what a handle of no kind says */
    CHECK_ERROR(lti_port_process(&ends.a, &process, &code), LEAT_E_UNSUPPORTED);
    lti_answer("peer_process", 1, 1, fail(LTI_OS_DESCRIPTORS));
    CHECK_ERROR(lti_port_process(&ends.a, &process, &code), LEAT_E_LIMIT);
    CHECK_INT(process, -7);
    struct lti_peer heard = {.known = false};
    CHECK_ERROR(lti_port_hear(&ends.a, &heard, &code), LEAT_OK); /* it is known from the start */
    ends_close(&ends);
}

/* ---- Names ----------------------------------------------------------------------------------- */

struct place {
    struct lti_port *port;
    struct lti_address address;
    struct lti_link link;
    struct lti_claim claim;
    char path[200];
};

static void place_begin(struct place *place, const char *name)
{
    struct os_code code;
    const char *reason;
    char text[220];
    lti_answers_clear();
    memset(place, 0, sizeof *place);
    (void)snprintf(place->path, sizeof place->path, "%s/%s", lti_test_folder(), name);
    (void)snprintf(text, sizeof text, "unix:%s", place->path);
    REQUIRE_ERROR(lti_port_create(&place->port, &code), LEAT_OK);
    REQUIRE_ERROR(lti_port_resolve(text, true, &place->address, &reason, &code), LEAT_OK);
}

/* A dead socket of ours stands there. */
static void place_leave_dead(const struct place *place)
{
    int64_t fd = lti_os_socket(false);
    REQUIRE(fd >= 0);
    CHECK_INT(lti_os_bind((int)fd, place->path, strlen(place->path)), 0);
    CHECK_INT(lti_os_close((int)fd), 0);
}

static enum leat_error place_open(struct place *place, struct lti_access *access)
{
    struct os_code code;
    const struct lti_listen listen = {.access = access};
    lti_link_init(&place->link);
    return lti_port_listen(place->port, &place->link, &place->claim, &place->address, &listen,
                           &code);
}

/* Listens, and stops again if that worked; what a strange answer made it leave is removed. */
static enum leat_error place_listen(struct place *place, struct lti_access *access)
{
    char lock[220];
    enum leat_error error = place_open(place, access);
    if (error == LEAT_OK) {
        lti_answers_clear();
        CHECK(lti_port_end(place->port, &place->link, &place->claim, &place->address, false));
    }
    (void)snprintf(lock, sizeof lock, "%s.lock", place->path);
    (void)unlink(place->path);
    (void)unlink(lock);
    return error;
}

static void place_end(struct place *place)
{
    lti_answers_clear();
    CHECK_ERROR(place_listen(place, &same), LEAT_OK); /* as good as before */
    CHECK(lti_port_destroy(place->port));
}

TEST(port_posix_answers_of_each_file_that_a_listener_looks_at)
{
    struct place place;
    place_begin(&place, "x");
    int refused[LTI_FILE_CHANGES] = {0};
    for (int change = LTI_FILE_TYPE; change < LTI_FILE_CHANGES; change++) {
        for (int nth = 1; nth <= FILES_MAX; nth++) {
            struct lti_access *access = nth % 2 ? &anyone : &same;
            lti_answer_file(NULL, nth, 1, (enum lti_file_change)change);
            enum leat_error error = place_listen(&place, access);
            lti_answers_clear();
            lti_answer_file(NULL, nth, 1, (enum lti_file_change)change);
            enum leat_error other = place_listen(&place, nth % 2 ? &same : &anyone);
            lti_answers_clear();
            CHECK(error == LEAT_OK || error == LEAT_E_UNTRUSTED || error == LEAT_E_IN_USE);
            refused[change] += error != LEAT_OK;
            refused[change] += other != LEAT_OK;
        }
    }
    /* Somebody else's, or no socket, is refused wherever it shows; so is another file. */
    for (int change = LTI_FILE_TYPE; change < LTI_FILE_CHANGES; change++)
        if (!CHECK(refused[change] > 0))
            printf("change %d\n", change);
    /* A dead socket is taken away only if it is ours. */
    place_leave_dead(&place);
    CHECK_ERROR(place_listen(&place, &same), LEAT_OK);
    int in_use = 0;
    for (int nth = 1; nth <= FILES_MAX; nth++) {
        place_leave_dead(&place);
        lti_answer_file("lstat", nth, 1, LTI_FILE_USER);
        in_use += place_listen(&place, &same) == LEAT_E_IN_USE;
        lti_answers_clear();
    }
    CHECK_INT(in_use, 1);
    place_end(&place);
}

/* A group is a number here; what is none opens nothing up. */
TEST(port_posix_answers_a_group_that_is_none)
{
    struct place place;
    union {
        struct lti_access access;
        char room[sizeof(struct lti_access) + sizeof(const char *)];
    } group = {.access = {.who = LEAT_WHO_GROUP, .count = 1}};
    group.access.texts[0] = "nobody";
    place_begin(&place, "x");
    CHECK_ERROR(place_listen(&place, &group.access), LEAT_OK);
    place_end(&place);
}

TEST(port_posix_answers_ends_of_links_that_are_none)
{
    struct ends ends;
    struct lti_link link;
    ends_open(&ends, false);
    lti_link_init(&link);
    CHECK(lti_port_end(ends.port, &link, NULL, NULL, false));
    link.state = ends.port; /* descriptors could come, but there is nothing that they came to */
    CHECK(lti_port_end(ends.port, &link, NULL, NULL, false));
    link.state = ends.port;
    CHECK(lti_port_end(ends.port, &link, NULL, NULL, true));
    /* A child ends what its parent began for descriptors, and nothing of what waits there. */
    if (!ends.port->unasked)
        CHECK_ERROR(lti_unasked_begin(ends.port), LEAT_OK);
    lti_answer("fork_count", 1, 1, 77777);
    lti_unasked_end(ends.port);
    CHECK(!ends.port->unasked);
    ends_close(&ends);
}

TEST(port_posix_answers_a_lock_that_is_always_another)
{
    struct place place;
    place_begin(&place, "x");
    lti_answer_file("lstat", 1, 1000, LTI_FILE_DEVICE);
    CHECK_ERROR(place_listen(&place, &same), LEAT_E_IN_USE);
    lti_answers_clear();
    lti_answer_file("lstat", 1, 1000, LTI_FILE_INODE);
    CHECK_ERROR(place_listen(&place, &same), LEAT_E_IN_USE);
    lti_answers_clear();
    lti_answer("lock", 1, ALL, fail(LTI_OS_INTERRUPTED));
    CHECK(place_listen(&place, &same) != LEAT_OK);
    struct lti_path path;
    const struct lti_claim none = {.lock = -1};
    lti_path_of(&place.address, &path);
    lti_claim_remove(&none, &path, true); /* nothing was claimed */
    place_end(&place);
}

static void clients_connect(struct place *place, struct lti_link *links, int count)
{
    struct os_code code;
    for (int i = 0; i < count; i++) {
        lti_link_init(&links[i]);
        REQUIRE_ERROR(
            lti_port_connect(place->port, &links[i], &place->address, &same, false, &code),
            LEAT_OK);
    }
}

TEST(port_posix_answers_clients_that_are_turned_away)
{
    struct place place;
    struct lti_link links[6];
    place_begin(&place, "x");
    REQUIRE_ERROR(place_open(&place, &same), LEAT_OK);
    clients_connect(&place, links, 6);
    CHECK_INT(lti_port_turn_away(&place.link, &place.claim, 6), 0); /* nothing is in reserve */
    lti_answer("socket", 1, 1, fail(LTI_OS_DESCRIPTORS));
    lti_port_reserve(&place.claim);
    CHECK_INT(place.claim.reserve, -1);
    lti_port_reserve(&place.claim);
    CHECK(place.claim.reserve >= 0);
    lti_answer("socket", 1, 1, 12345); /* it is held, and nothing is asked for */
    lti_port_reserve(&place.claim);
    CHECK_INT(lti_answers_left(), 1);
    lti_answers_clear();
    /* Interruptions, and clients that are gone, are nobody who was turned away. */
    lti_answer("accept", 1, 3, fail(LTI_OS_INTERRUPTED));
    lti_answer("accept", 2, 2, fail(LTI_OS_ABORTED));
    CHECK_INT(lti_port_turn_away(&place.link, &place.claim, 2), 2);
    CHECK_INT(lti_answers_left(), 0);
    CHECK(place.claim.reserve >= 0);
    CHECK_INT(lti_port_turn_away(&place.link, &place.claim, 0), 0);
    lti_answer("accept", 1, ALL, fail(LTI_OS_INTERRUPTED));
    CHECK_INT(lti_port_turn_away(&place.link, &place.claim, 2), 0);
    lti_answer("accept", 2, 1, fail(LTI_OS_DESCRIPTORS)); /* somebody else took it */
    lti_answer("socket", 1, 1, fail(LTI_OS_DESCRIPTORS));
    CHECK_INT(lti_port_turn_away(&place.link, &place.claim, 4), 1);
    CHECK_INT(lti_answers_left(), 0);
    CHECK_INT(place.claim.reserve, -1);
    CHECK_INT(lti_port_turn_away(&place.link, &place.claim, 4), 0);
    lti_port_reserve(&place.claim);
    CHECK_INT(lti_port_turn_away(&place.link, &place.claim, 4), 3);
    CHECK_INT(lti_port_turn_away(&place.link, &place.claim, 4), 0); /* nobody is there */
    for (int i = 0; i < 6; i++)
        CHECK(lti_port_end(place.port, &links[i], NULL, NULL, false));
    CHECK(lti_port_end(place.port, &place.link, &place.claim, &place.address, false));
    CHECK_INT(place.claim.reserve, -1);
    place_end(&place);
}

/* What is there when it is removed is not what was made: it stays. */
TEST(port_posix_answers_another_file_is_not_removed)
{
    for (int change = LTI_FILE_TYPE; change < LTI_FILE_CHANGES; change++) {
        for (int nth = 1; nth <= 5; nth++) {
            struct place place;
            place_begin(&place, "x");
            REQUIRE_ERROR(place_open(&place, &same), LEAT_OK);
            lti_answer_file(NULL, nth, 1, (enum lti_file_change)change);
            CHECK(lti_port_end(place.port, &place.link, &place.claim, &place.address, false));
            (void)place_listen(&place, &same); /* removes what stayed */
            place_end(&place);
        }
    }
}

static enum leat_error place_connect(struct place *place, struct lti_access *access)
{
    struct os_code code;
    struct lti_link link;
    lti_link_init(&link);
    enum leat_error error =
        lti_port_connect(place->port, &link, &place->address, access, false, &code);
    CHECK_INT(lti_answers_left(), 0);
    lti_answers_clear();
    CHECK(lti_port_end(place->port, &link, NULL, NULL, false));
    return error;
}

TEST(port_posix_answers_when_there_are_no_nodes)
{
    struct place place;
    struct os_code code;
    place_begin(&place, "x");
    REQUIRE_ERROR(place_open(&place, &same), LEAT_OK);
    place.address.guarded = false; /* so that who stands there is looked at */
    CHECK_ERROR(place_connect(&place, &same), LEAT_OK);
    lti_answer("open_node", 1, 1, fail(LTI_OS_UNSUPPORTED));
    CHECK_ERROR(place_connect(&place, &same), LEAT_OK);
    for (int change = LTI_FILE_DEVICE; change <= LTI_FILE_INODE; change++) {
        lti_answer("open_node", 1, 1, fail(LTI_OS_UNSUPPORTED));
        lti_answer_file("lstat", 2, 1, (enum lti_file_change)change); /* it leads elsewhere now */
        CHECK_ERROR(place_connect(&place, &same), LEAT_E_UNTRUSTED);
    }
    /* An interrupted attempt had worked. */
    lti_answer("open_node", 1, 1, fail(LTI_OS_UNSUPPORTED));
    lti_answer("connect", 1, 1, fail(LTI_OS_IS_CONNECTED));
    (void)place_connect(&place, &same);
    lti_answer("open_node", 1, 1, fail(LTI_OS_UNSUPPORTED));
    lti_answer("connect", 1, 1, fail(LTI_OS_REFUSED));
    CHECK_ERROR(place_connect(&place, &same), LEAT_E_REFUSED);
    /* Refused, and another has taken the name over: he is asked, once. */
    lti_answer("open_node", 1, 1, fail(LTI_OS_UNSUPPORTED));
    lti_answer("connect", 1, 1, fail(LTI_OS_REFUSED));
    lti_answer_file("lstat", 2, 1, LTI_FILE_INODE);
    CHECK_ERROR(place_connect(&place, &same), LEAT_OK);
    CHECK_ERROR(place_connect(&place, NULL), LEAT_OK);
    lti_answer("connect_node", 1, LTI_RETRIES_MAX, fail(LTI_OS_INTERRUPTED));
    CHECK_ERROR(place_connect(&place, &same), LEAT_E_BUSY);
    lti_answer("connect_node", 1, 1, fail(LTI_OS_NOT_SOCKET));
    CHECK_ERROR(place_connect(&place, &same), LEAT_E_REFUSED);
    lti_answer("open_node", 1, 1, fail(LTI_OS_INTERRUPTED));
    CHECK_ERROR(place_connect(&place, &same), LEAT_E_BUSY);
    struct lti_link made;
    bool more = false;
    lti_link_init(&made);
    lti_answer("accept", 1, ALL, fail(LTI_OS_ABORTED));
    CHECK_ERROR(
        lti_port_accept(place.port, &place.link, &made, &same, LTI_ACCEPT_ASK, &more, &code),
        LEAT_E_BROKEN);
    /* The system looks for a descriptor first; then whether somebody is there, as those above. */
    lti_answer("accept", 1, 1, fail(LTI_OS_DESCRIPTORS));
    CHECK_ERROR(
        lti_port_accept(place.port, &place.link, &made, &same, LTI_ACCEPT_ASK, &more, &code),
        LEAT_E_LIMIT);
    while (lti_port_accept(place.port, &place.link, &made, &same, LTI_ACCEPT_ASK, &more, &code) ==
           LEAT_OK)
        CHECK(lti_port_end(place.port, &made, NULL, NULL, false));
    lti_answer("accept", 1, 1, fail(LTI_OS_DESCRIPTORS));
    CHECK_ERROR(
        lti_port_accept(place.port, &place.link, &made, &same, LTI_ACCEPT_ASK, &more, &code),
        LEAT_E_EMPTY);
    CHECK_INT(lti_answers_left(), 0);
    CHECK(lti_port_end(place.port, &place.link, &place.claim, &place.address, false));
    place_end(&place);
}

TEST(port_posix_answers_a_long_path_that_leads_nowhere)
{
    struct lti_path path = {.size = 200};
    int64_t fd = lti_os_socket(false);
    REQUIRE(fd >= 0);
    lti_answers_clear();
    memset(path.bytes, 'x', path.size);
    CHECK(!lti_path_reachable(path.bytes, path.size)); /* one name, which is too long */
    CHECK_INT(lti_os_kind_of(lti_path_connect((int)fd, &path)), LTI_OS_NOT_FOUND);
    CHECK_INT(lti_os_close((int)fd), 0);
}

/* Slashes of no meaning are passed over, wherever they are. */
TEST(port_posix_answers_paths_with_more_slashes_than_parts)
{
    struct lti_address address;
    struct os_code code;
    const char *reason = NULL;
    char path[200];
    lti_answers_clear();
    (void)snprintf(path, sizeof path, "//%s//x", lti_test_folder());
    CHECK_ERROR(lti_folders_above(path, strlen(path), &reason, &code), LEAT_OK);
    for (const char *const *folder = (const char *const[]){"/", "//", NULL}; *folder; folder++) {
        CHECK(setenv("XDG_RUNTIME_DIR", *folder, 1) == 0);
        CHECK(lti_port_resolve("name", false, &address, &reason, &code) != LEAT_E_SYSTEM);
        CHECK(reason != NULL); /* it is no folder of ours alone */
    }
}

/* ---- The folder of the system's names -------------------------------------------------------- */

static enum leat_error system_resolve(const char *folder)
{
    struct lti_address address;
    struct os_code code;
    const char *reason;
    lti_answer_place(LTI_OS_PLACE_SYSTEM, folder);
    enum leat_error error = lti_port_resolve("system:x", true, &address, &reason, &code);
    lti_answers_clear();
    (void)rmdir(folder);
    return error;
}

TEST(port_posix_answers_of_the_folder_of_the_system)
{
    char folder[200];
    if (geteuid() != 0)
        SKIP_NEEDS("root");
    (void)snprintf(folder, sizeof folder, "%s/system", lti_test_folder());
    lti_answers_clear();
    CHECK_ERROR(system_resolve(folder), LEAT_OK);
    lti_answer("open_node", 1, 1, fail(LTI_OS_UNSUPPORTED)); /* by its path, then */
    CHECK_ERROR(system_resolve(folder), LEAT_OK);
    lti_answer("open_node", 1, 1, fail(LTI_OS_DESCRIPTORS));
    CHECK_ERROR(system_resolve(folder), LEAT_E_LIMIT);
    lti_answer("node_mode", 1, 1, fail(LTI_OS_UNSUPPORTED)); /* narrower than it should be */
    CHECK_ERROR(system_resolve(folder), LEAT_OK);
    lti_answer("fstat", 1, 1, fail(LTI_OS_IO));
    CHECK_ERROR(system_resolve(folder), LEAT_E_SYSTEM);
    lti_answer("node_mode", 1, 1, fail(LTI_OS_ACCESS));
    CHECK_ERROR(system_resolve(folder), LEAT_E_DENIED);
    lti_answer("mkdir", 1, 1, fail(LTI_OS_READ_ONLY));
    CHECK_ERROR(system_resolve(folder), LEAT_E_DENIED);
    lti_answer("mkdir", 1, 1, fail(LTI_OS_EXISTS)); /* and yet it is not there */
    CHECK_ERROR(system_resolve(folder), LEAT_E_NOT_FOUND);
    for (int change = LTI_FILE_TYPE; change <= LTI_FILE_USER; change++) {
        /* Before it is opened up, and again before it is used. */
        lti_answer_file("fstat", 1, 1, (enum lti_file_change)change);
        CHECK_ERROR(system_resolve(folder), LEAT_OK);
        lti_answer_file("lstat", 1, 1, (enum lti_file_change)change);
        CHECK_ERROR(system_resolve(folder), LEAT_E_UNTRUSTED);
    }
    /* A folder of the user's own that the system keeps must fit, and be good. */
    char far_too_long[LTI_ADDRESS_TEXT_MAX + 10];
    memset(far_too_long, 'x', sizeof far_too_long);
    far_too_long[0] = '/';
    far_too_long[sizeof far_too_long - 1] = '\0';
    struct lti_address address;
    struct os_code code;
    const char *reason;
    lti_answer_place(LTI_OS_PLACE_USER, far_too_long);
    (void)lti_port_resolve("plain-of-this-test", false, &address, &reason, &code);
    CHECK(!strstr(address.text, "xxxxx"));
    lti_answers_clear();
}
