/* SPDX-License-Identifier: MIT
 *
 * The command at both its ends: words that people write, and words of others that it shows. What is
 * accepted makes sense, what is refused is told in one clean line, and what is shown cannot play
 * with a terminal or a program that reads JSON.
 *
 * Input: a byte that chooses the command, then its words, each ended by a byte 0 or 10.
 */
#include "fuzz.h"

#include "os.h"
#include "tool.h"

#include "command_streams.h"

#include <stdlib.h>
#include <string.h>

#define WORDS_MAX 40
#define TEXT_MAX 4000u

FILE *lti_fuzz_stdout, *lti_fuzz_stderr;

/* ---- What the command has of its system ------------------------------------------------------ */

bool lti_tool_os_user_find(const char *name, bool group, char *text_out, size_t size)
{
    CHECK(strlen(name) < LEAT_PEER_TEXT_BYTES && size == LEAT_PEER_TEXT_BYTES);
    if (name[0] == 'x')
        return false;
    (void)snprintf(text_out, size, "%s%zu", group ? "1" : "2", strlen(name));
    return true;
}

void lti_tool_os_text(int64_t os_code, char *buffer, size_t size)
{
    (void)snprintf(buffer, size, "code %d", (int)os_code);
}

uint64_t lti_tool_os_now_ms(void)
{
    return 1;
}

/* ---- What was printed ------------------------------------------------------------------------ */

/* Valid text of one line, with nothing that a terminal would obey. */
static void line_judge(const char *text, size_t size)
{
    REQUIRE(size > 0 && text[size - 1] == '\n');
    CHECK(lti_tool_utf8_valid(text, size));
    for (size_t i = 0; i + 1 < size; i++) {
        CHECK((uint8_t)text[i] >= ' ' && text[i] != 0x7F);
        CHECK((uint8_t)text[i] != 0xC2 || (uint8_t)text[i + 1] >= 0xA0);
    }
}

/* A JSON string's text, by RFC 8259, into `out`; the byte behind its closing quote. */
static const char *json_take(const char *at, char *out, size_t *size_out)
{
    size_t size = 0;
    REQUIRE(*at++ == '"');
    for (; *at != '"'; at++) {
        CHECK((uint8_t)*at >= ' ');
        if (*at != '\\') {
            out[size++] = *at;
        } else if (*++at == 'u') {
            unsigned value = 0;
            REQUIRE(sscanf(at + 1, "%4x", &value) == 1 && value < 0x80);
            out[size++] = (char)value;
            at += 4;
        } else {
            REQUIRE(*at && strchr("\"\\nt", *at));
            out[size++] = (char)(*at == 'n' ? '\n' : *at == 't' ? '\t' : *at);
        }
    }
    *size_out = size;
    return at + 1;
}

static size_t base64_take(const char *text, size_t size, char *out)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t count = 0, bits = 0;
    uint32_t word = 0;
    REQUIRE(size % 4 == 0);
    for (size_t i = 0; i < size && text[i] != '='; i++) {
        const char *digit = strchr(digits, text[i]);
        REQUIRE(digit != NULL);
        word = word << 6 | (uint32_t)(digit - digits);
        bits += 6;
        if (bits >= 8)
            out[count++] = (char)(word >> (bits -= 8));
    }
    return count;
}

/* Every byte comes back out of what a program is given. */
static void json_judge(const char *text, size_t size)
{
    char *printed = NULL, back[6 * TEXT_MAX], bytes[6 * TEXT_MAX];
    size_t length = 0, key = 0, value = 0;
    FILE *memory = open_memstream(&printed, &length);
    REQUIRE(memory != NULL);
    lti_tool_json_text(memory, "key", text, size);
    REQUIRE(fclose(memory) == 0);
    const char *at = json_take(printed, back, &key);
    bool encoded = key == 10 && memcmp(back, "key_base64", 10) == 0;
    REQUIRE((encoded || key == 3) && *at == ':');
    CHECK_INT(encoded, !lti_tool_utf8_valid(text, size));
    at = json_take(at + 1, back, &value);
    CHECK(at == printed + length);
    if (encoded) {
        value = base64_take(back, value, bytes);
        memcpy(back, bytes, value);
    }
    REQUIRE_INT(value, size);
    CHECK(size == 0 || memcmp(back, text, size) == 0);
    free(printed);
}

static void word_judge(const char *word)
{
    char *printed = NULL;
    size_t length = 0;
    FILE *memory = open_memstream(&printed, &length);
    REQUIRE(memory != NULL);
    lti_tool_word(memory, word);
    CHECK(fputc('\n', memory) == '\n' && fclose(memory) == 0);
    line_judge(printed, length);
    free(printed);
}

/* ---- What was understood --------------------------------------------------------------------- */

static void policy_judge(const struct lti_tool_options *o)
{
    const struct lti_tool_policy *policy = &o->policy;
    CHECK(policy->count <= LEAT_USERS_MAX);
    CHECK((policy->who == LEAT_WHO_LIST) == (policy->count > 0 && policy->who != LEAT_WHO_GROUP));
    CHECK((policy->who == LEAT_WHO_GROUP) == (policy->count == 1 && policy->who != LEAT_WHO_LIST));
    CHECK(policy->who != LEAT_WHO_ASK || o->command == LTI_TOOL_SERVE);
    for (uint32_t i = 0; i < policy->count; i++)
        CHECK(policy->texts[i] == policy->room[i] && policy->texts[i][0] != '\0');
    struct leat_listen_options listen = {.size = sizeof listen};
    struct leat_connect_options connect = {.size = sizeof connect};
    lti_tool_policy_listen(policy, &listen);
    lti_tool_policy_connect(policy, &connect);
    CHECK(listen.who == connect.who && listen.users_count == connect.users_count);
    CHECK((listen.group != NULL) == (listen.who == LEAT_WHO_GROUP));
}

static void options_judge(const struct lti_tool_options *o, int count)
{
    struct leat_conn_options conn;
    if (o->help)
        return;
    bool named = o->command != LTI_TOOL_VERSION && o->command != LTI_TOOL_HELP;
    CHECK(o->name != NULL || !named);
    CHECK(o->texts_count >= 0 && o->texts_count < count + (count == 0));
    CHECK(o->command != LTI_TOOL_SEND || o->texts_count > 0);
    CHECK(!(o->echo && o->exec) && !(o->bytes && o->messages));
    CHECK(o->expect <= 1000000 && o->timeout_ms > 0);
    CHECK(!o->stall_given || o->stall_ms > 0);
    CHECK(o->exec == NULL || o->exec[0] != '\0');
    CHECK(o->run == NULL || o->command == LTI_TOOL_WAIT_FOR);
    lti_tool_conn_options(o, &conn);
    CHECK_INT(conn.protocol, o->messages ? LEAT_MESSAGES : LEAT_BYTES);
    policy_judge(o);
}

static void words_judge(enum lti_tool_command command, int count, char **words)
{
    char *out = NULL, *err = NULL;
    size_t out_size = 0, err_size = 0;
    static struct lti_tool_options o;
    memset(&o, 0, sizeof o);
    o.command = command;
    o.verb = "verb";
    lti_fuzz_stdout = open_memstream(&out, &out_size);
    lti_fuzz_stderr = open_memstream(&err, &err_size);
    REQUIRE(lti_fuzz_stdout != NULL && lti_fuzz_stderr != NULL);
    bool right = lti_tool_options_parse(&o, count, words);
    CHECK(fclose(lti_fuzz_stdout) == 0 && fclose(lti_fuzz_stderr) == 0);
    if (right) {
        CHECK(out_size == 0 && err_size == 0);
        options_judge(&o, count);
    } else {
        line_judge(err, err_size);
        CHECK(memcmp(err, "leat verb: ", 11) == 0);
        if (o.json)
            line_judge(out, out_size);
    }
    free(out);
    free(err);
}

static void duration_judge(const char *text)
{
    uint32_t ms = 77;
    if (lti_tool_duration_parse(text, &ms))
        CHECK(ms > 0 && (ms < LEAT_FOREVER || strcmp(text, "forever") == 0));
    else
        CHECK_INT(ms, 77);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[TEXT_MAX + 1], *words[WORDS_MAX + 1];
    struct fuzz_input input = {data, size};
    enum lti_tool_command command = (enum lti_tool_command)(1 + fuzz_below(&input, LTI_TOOL_HELP));
    struct fuzz_input rest = fuzz_part(&input, TEXT_MAX);
    if (rest.size > 0)
        memcpy(text, rest.data, rest.size);
    text[rest.size] = '\0';
    json_judge(text, rest.size);

    int count = 0;
    for (size_t at = 0; at < rest.size && count < WORDS_MAX;) {
        size_t length = 0;
        while (text[at + length] != '\0' && text[at + length] != '\n')
            length++;
        text[at + length] = '\0';
        words[count++] = text + at;
        word_judge(text + at);
        duration_judge(text + at);
        at += length + 1;
    }
    words[count] = NULL;
    words_judge(command, count, words);
    return 0;
}
