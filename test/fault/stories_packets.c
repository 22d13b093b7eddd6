/* SPDX-License-Identifier: MIT
 *
 * Stories with packets: exchange, an end that is an empty one, a full outbox, served by a name.
 *
 * Happy path: each tells one thing that a user does, to its end.
 * Fails:      a story stops at the first step that leaves nothing to go on with.
 * Invariants: every packet is noted whole.
 */
#include "story.h"

#include <string.h>

#define PACKETS_COUNT 24
#define PACKETS_BYTES 40000u
#define PACKETS_BOX_BYTES 100000u

static const struct leat_conn_options packets_options = {.size = sizeof packets_options,
                                                         .protocol = LEAT_PACKETS};

static bool packets_pair(struct lti_story *story, const struct leat_conn_options *options,
                         leat_conn *a_out, leat_conn *b_out)
{
    return lti_story_pair(story, 1, 2, options, a_out, b_out) &&
           lti_story_wait_connected(story, 1, *a_out) && lti_story_wait_connected(story, 2, *b_out);
}

void lti_story_of_packets(struct lti_story *story)
{
    leat_conn a, b;
    if (!packets_pair(story, &packets_options, &a, &b))
        return;
    /* With one lost the others would come in its place. */
    if (!lti_story_send(story, 1, a, "") || !lti_story_send(story, 1, a, "two") ||
        !lti_story_send(story, 1, a, "") || !lti_story_send(story, 1, a, "four"))
        return;
    for (int i = 0; i < 4; i++)
        (void)lti_story_receive(story, 2, b);
    (void)lti_story_send(story, 2, b, "an answer");
    (void)lti_story_receive(story, 1, a);
    (void)lti_story_close_wait(story, 2, b, LTI_STORY_MS);
    (void)lti_story_wait_closed(story, 1, a);
}

void lti_story_of_packets_finish(struct lti_story *story)
{
    leat_conn a, b;
    struct leat_conn_options options = packets_options;
    options.empty_is_finish = true;
    if (!packets_pair(story, &options, &a, &b))
        return;
    (void)lti_story_send(story, 1, a, "question");
    (void)lti_story_finish(story, 1, a);
    (void)lti_story_receive(story, 2, b);
    (void)lti_story_receive(story, 2, b);
    (void)lti_story_send(story, 2, b, "a late answer");
    (void)lti_story_receive(story, 1, a);
    (void)lti_story_finish(story, 2, b);
    (void)lti_story_wait_closed(story, 1, a);
    (void)lti_story_wait_closed(story, 2, b);
}

void lti_story_of_packets_served(struct lti_story *story)
{
    leat_listener listener;
    leat_conn client, server;
    const char *name = lti_story_path(story, "p");
    struct leat_listen_options listen = {.size = sizeof listen, .conn = &packets_options};
    struct leat_connect_options connect = {.size = sizeof connect, .conn = &packets_options};
    if (!lti_story_listen(story, 0, name, &listen, &listener) ||
        !lti_story_connect(story, 1, name, &connect, &client) ||
        !lti_story_accept(story, 2, listener, &server) ||
        !lti_story_wait_connected(story, 1, client))
        return;
    (void)lti_story_send(story, 1, client, "request");
    (void)lti_story_receive(story, 2, server);
    (void)lti_story_send(story, 2, server, "response");
    (void)lti_story_receive(story, 1, client);
    (void)lti_story_close(story, 1, client, LTI_STORY_MS);
    (void)lti_story_wait_closed(story, 2, server);
}

/* Counts what is received, and notes the first packet that is not as it was sent. */
static enum leat_error bulk_receive(struct lti_story *story, leat_conn conn, const char *expected,
                                    int *received)
{
    static char got[PACKETS_BYTES];
    size_t size = 0;
    enum leat_error error =
        leat_receive_wait(story->hub, conn, got, sizeof got, LTI_STORY_MS, &size);
    if (error == LEAT_OK) {
        ++*received;
        if (size != PACKETS_BYTES || memcmp(got, expected, size) != 0)
            lti_story_complain(story, "a packet was changed");
    }
    return error;
}

void lti_story_of_packets_bulk(struct lti_story *story)
{
    static char packet[PACKETS_BYTES];
    leat_conn a, b;
    struct leat_conn_options options = packets_options;
    options.outbox_bytes = PACKETS_BOX_BYTES;
    options.frame_bytes_max = 65536;
    if (!packets_pair(story, &options, &a, &b))
        return;
    memset(packet, 'p', sizeof packet);
    int sent = 0, received = 0;
    enum leat_error error = LEAT_OK;
    for (int i = 0; i < 500 && sent < PACKETS_COUNT && error == LEAT_OK; i++) {
        error = leat_send(story->hub, a, packet, sizeof packet);
        if (error == LEAT_OK)
            sent++;
        else if (error == LEAT_E_FULL)
            error = bulk_receive(story, b, packet, &received);
    }
    (void)lti_story_note(story, 1, "sent", error);
    for (int i = 0; i < PACKETS_COUNT && received < sent && error == LEAT_OK; i++)
        error = bulk_receive(story, b, packet, &received);
    lti_story_say(story, 2, "%d of %d ", received, PACKETS_COUNT);
    (void)lti_story_note(story, 2, "received", error);
    (void)lti_story_close_wait(story, 1, a, LTI_STORY_MS);
    (void)lti_story_wait_closed(story, 2, b);
}
