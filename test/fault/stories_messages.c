/* SPDX-License-Identifier: MIT
 *
 * Stories with messages: exchange, views, half-close, a full outbox, served by a name.
 *
 * Happy path: each tells one thing that a user does, to its end.
 * Fails:      a story stops at the first step that leaves nothing to go on with.
 * Invariants: every message is noted whole.
 */
#include "story.h"

#include <string.h>

#define BULK_BYTES_MAX 40000u
#define MESSAGES_BOX_BYTES 81920u /* little more than the smallest frame limit */

static const struct leat_conn_options messages_options = {.size = sizeof messages_options,
                                                          .protocol = LEAT_MESSAGES};

bool lti_story_pair_open(struct lti_story *story, const struct leat_conn_options *options,
                         leat_conn *a_out, leat_conn *b_out)
{
    return lti_story_pair(story, 1, 2, options, a_out, b_out) &&
           lti_story_wait_connected(story, 1, *a_out) && lti_story_wait_connected(story, 2, *b_out);
}

void lti_story_of_messages(struct lti_story *story)
{
    leat_conn a, b;
    if (!lti_story_pair_open(story, &messages_options, &a, &b))
        return;
    (void)lti_story_send(story, 1, a, "one");
    (void)lti_story_send(story, 1, a, "");
    (void)lti_story_send(story, 1, a, "three");
    (void)lti_story_finish(story, 1, a);
    for (int i = 0; i < 4; i++)
        (void)lti_story_receive(story, 2, b);
    (void)lti_story_send(story, 2, b, "a late answer");
    (void)lti_story_receive(story, 1, a);
    (void)lti_story_close_wait(story, 2, b, LTI_STORY_MS);
    (void)lti_story_wait_closed(story, 1, a);
}

void lti_story_serve_request(struct lti_story *story, const char *name,
                             const struct leat_listen_options *listen)
{
    leat_listener listener;
    leat_conn client, server;
    struct leat_connect_options connect = {.size = sizeof connect, .conn = listen->conn};
    if (!lti_story_listen(story, 0, name, listen, &listener) ||
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

void lti_story_of_messages_served(struct lti_story *story)
{
    const struct leat_listen_options listen = {
        .size = sizeof listen, .handshakes_max = 1, .conn = &messages_options};
    lti_story_serve_request(story, lti_story_path(story, "m"), &listen);
}

void lti_story_of_messages_view(struct lti_story *story)
{
    leat_conn a, b;
    const void *data = NULL;
    size_t size = 0;
    if (!lti_story_pair_open(story, &messages_options, &a, &b))
        return;
    (void)lti_story_send(story, 1, a, "look");
    (void)lti_story_send(story, 1, a, "behind");
    if (!lti_story_note(story, 2, "leat_wait_readable",
                        leat_wait_readable(story->hub, b, LTI_STORY_MS)))
        return;
    if (!lti_story_note(story, 2, "leat_view", leat_view(story->hub, b, &data, &size)))
        return;
    /* A view outlives other calls on the hub. */
    (void)lti_story_send(story, 2, b, "seen");
    (void)lti_story_receive(story, 1, a);
    lti_story_say(story, 2, "\"%.*s\" ", (int)size, (const char *)data);
    (void)lti_story_note(story, 2, "leat_release", leat_release(story->hub, b));
    (void)lti_story_receive(story, 2, b);
}

/* What gathers without memory leaves at once; what cannot leave is told. */
void lti_story_of_gather(struct lti_story *story)
{
    leat_conn a, b;
    struct leat_conn_options options = messages_options;
    options.gather_bytes = 65536;
    if (!lti_story_pair_open(story, &options, &a, &b))
        return;
    for (int turn = 0; turn < 2; turn++) {
        (void)lti_story_send(story, 1, a, "one");
        (void)lti_story_send(story, 1, a, "two");
        (void)lti_story_send(story, 1, a, "three");
        if (turn == 0)
            (void)lti_story_note(story, 1, "leat_flush", leat_flush(story->hub, a));
        for (int i = 0; i < 3; i++)
            (void)lti_story_receive(story, 2, b);
    }
    (void)lti_story_send(story, 1, a, "four");
    (void)lti_story_send(story, 1, a, "five");
    (void)lti_story_close_wait(story, 1, a, LTI_STORY_MS);
    (void)lti_story_receive(story, 2, b);
    (void)lti_story_receive(story, 2, b);
    (void)lti_story_wait_closed(story, 2, b);
}

/* Counts what is received, and notes the first message that is not as it was sent. */
static enum leat_error bulk_receive(struct lti_story *story, leat_conn conn, const char *expected,
                                    size_t bytes, int *received)
{
    static char got[BULK_BYTES_MAX];
    size_t size = 0;
    enum leat_error error = leat_receive_wait(story->hub, conn, got, bytes, LTI_STORY_MS, &size);
    if (error == LEAT_OK) {
        ++*received;
        if (size != bytes || memcmp(got, expected, size) != 0)
            lti_story_complain(story, "a message was changed");
    }
    return error;
}

void lti_story_pair_bulk(struct lti_story *story, const struct leat_conn_options *options,
                         size_t bytes, int count)
{
    static char message[BULK_BYTES_MAX];
    leat_conn a, b;
    if (!lti_story_pair_open(story, options, &a, &b))
        return;
    memset(message, 'm', bytes);
    int sent = 0, received = 0;
    enum leat_error error = LEAT_OK;
    for (int i = 0; i < 500 && sent < count && error == LEAT_OK; i++) {
        error = leat_send(story->hub, a, message, bytes);
        if (error == LEAT_OK)
            sent++;
        else if (error == LEAT_E_FULL)
            error = bulk_receive(story, b, message, bytes, &received);
    }
    (void)lti_story_note(story, 1, "sent", error);
    for (int i = 0; i < count && received < sent && error == LEAT_OK; i++)
        error = bulk_receive(story, b, message, bytes, &received);
    lti_story_say(story, 2, "%d of %d ", received, count);
    (void)lti_story_note(story, 2, "received", error);
    (void)lti_story_close_wait(story, 1, a, LTI_STORY_MS);
    (void)lti_story_wait_closed(story, 2, b);
}

void lti_story_of_messages_bulk(struct lti_story *story)
{
    struct leat_conn_options options = messages_options;
    options.inbox_bytes = MESSAGES_BOX_BYTES;
    options.outbox_bytes = MESSAGES_BOX_BYTES;
    options.frame_bytes_max = 65536;
    lti_story_pair_bulk(story, &options, 16384, 32);
}
