/* SPDX-License-Identifier: MIT
 *
 * Stories with packets: exchange, an end that is an empty one, a full outbox, served by a name.
 *
 * Happy path: each tells one thing that a user does, to its end.
 * Fails:      a story stops at the first step that leaves nothing to go on with.
 * Invariants: every packet is noted whole.
 */
#include "story.h"

static const struct leat_conn_options packets_options = {.size = sizeof packets_options,
                                                         .protocol = LEAT_PACKETS};

void lti_story_of_packets(struct lti_story *story)
{
    leat_conn a, b;
    if (!lti_story_pair_open(story, &packets_options, &a, &b))
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
    if (!lti_story_pair_open(story, &options, &a, &b))
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
    const struct leat_listen_options listen = {.size = sizeof listen, .conn = &packets_options};
    lti_story_serve_request(story, lti_story_path(story, "p"), &listen);
}

void lti_story_of_packets_bulk(struct lti_story *story)
{
    struct leat_conn_options options = packets_options;
    options.outbox_bytes = 100000;
    options.frame_bytes_max = 65536;
    lti_story_pair_bulk(story, &options, 40000, 24);
}
