/* SPDX-License-Identifier: MIT
 *
 * Words of a command line: from UTF-16 to UTF-8 and back, and the quoting that Windows programs
 * expect.
 *
 * Happy path: CommandLineToArgvW takes our own line apart; a line for another program is put
 * together so that it takes it apart into the same words.
 *
 * Fails: null, when there is no memory.
 *
 * Invariants: nothing is lost: a surrogate without its partner becomes the three bytes that it
 * would have in UTF-8, which no name accepts, and the same unit again on the way back.
 */
#include "os_windows.h"

#include <shellapi.h>
#include <stdlib.h>
#include <string.h>

static size_t code_put(uint32_t code, char *to)
{
    if (code < 0x80) {
        to[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        to[0] = (char)(0xc0 | code >> 6);
        to[1] = (char)(0x80 | (code & 0x3f));
        return 2;
    }
    if (code < 0x10000) {
        to[0] = (char)(0xe0 | code >> 12);
        to[1] = (char)(0x80 | (code >> 6 & 0x3f));
        to[2] = (char)(0x80 | (code & 0x3f));
        return 3;
    }
    to[0] = (char)(0xf0 | code >> 18);
    to[1] = (char)(0x80 | (code >> 12 & 0x3f));
    to[2] = (char)(0x80 | (code >> 6 & 0x3f));
    to[3] = (char)(0x80 | (code & 0x3f));
    return 4;
}

static char *narrow(const wchar_t *wide)
{
    char *text = malloc(wcslen(wide) * 3 + 1); /* a pair of units becomes 4 bytes */
    size_t size = 0;

    if (text == NULL) {
        return NULL;
    }
    while (*wide != 0) {
        uint32_t code = *wide++;

        if (code >= 0xd800 && code < 0xdc00 && *wide >= 0xdc00 && *wide < 0xe000) {
            code = 0x10000 + ((code - 0xd800) << 10) + (*wide++ - 0xdc00u);
        }
        size += code_put(code, text + size);
    }
    text[size] = '\0';
    return text;
}

static void words_drop(char **words)
{
    for (char **word = words; *word != NULL; word++) {
        free(*word);
    }
    free(words);
}

/* The words live as long as the process. */
char **lti_tool_windows_words(int *count_out)
{
    wchar_t **wide = CommandLineToArgvW(GetCommandLineW(), count_out);
    char **words;

    if (wide == NULL) {
        return NULL;
    }
    words = calloc((size_t)*count_out + 1, sizeof *words);
    for (int i = 0; i < *count_out && words != NULL; i++) {
        words[i] = narrow(wide[i]);
        if (words[i] == NULL) {
            words_drop(words);
            words = NULL;
        }
    }
    (void)LocalFree((HLOCAL)wide);
    return words;
}

/* The text came from narrow(), so it is well-formed but for surrogates. */
wchar_t *lti_tool_windows_wide(const char *text)
{
    const unsigned char *at = (const unsigned char *)text;
    wchar_t *wide = malloc((strlen(text) + 1) * sizeof *wide);
    size_t size = 0;

    if (wide == NULL) {
        return NULL;
    }
    while (*at != 0) {
        uint32_t code = *at++;
        int more = code < 0xc0 ? 0 : code < 0xe0 ? 1 : code < 0xf0 ? 2 : 3;

        code &= more == 0 ? 0x7f : 0x3fu >> more;
        for (; more > 0 && *at != 0; more--) {
            code = code << 6 | (*at++ & 0x3fu);
        }
        if (code >= 0x10000) {
            wide[size++] = (wchar_t)(0xd800 + ((code - 0x10000) >> 10));
            code = 0xdc00 + (code & 0x3ff);
        }
        wide[size++] = (wchar_t)code;
    }
    wide[size] = 0;
    return wide;
}

/* A word in quotation marks. Inside, a mark and the backslashes right before a mark are escaped by
 * a backslash each; other backslashes stand for themselves. At most 2 * strlen(word) + 2 bytes. */
static size_t word_quote(const char *word, char *to)
{
    size_t size = 0;
    size_t slashes = 0;

    to[size++] = '"';
    for (; *word != '\0'; word++) {
        if (*word == '"') {
            memset(to + size, '\\', slashes + 1);
            size += slashes + 1;
        }
        slashes = *word == '\\' ? slashes + 1 : 0;
        to[size++] = *word;
    }
    memset(to + size, '\\', slashes);
    size += slashes;
    to[size++] = '"';
    return size;
}

/* cmd.exe and PowerShell agree on words of these letters, and on marks around others; what each of
 * them does to a %, or a $, between marks, nothing that both know prevents. */
size_t lti_tool_os_quote(const char *text, char *to, size_t room)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "_./:+-\\";
    size_t size = strlen(text);

    if (size > 0 && text[0] != '-' && strspn(text, plain) == size) {
        memcpy(to, text, size < room ? size : 0);
        return size < room ? size : 0;
    }
    return 2 * size + 2 < room ? word_quote(text, to) : 0;
}

/* A plain word stays as it is, because programs with rules of their own, like cmd.exe, do not know
 * a quoted option. */
static size_t word_put(const char *word, char *to)
{
    size_t size = strlen(word);

    if (size == 0 || strpbrk(word, " \t\n\v\"") != NULL) {
        return word_quote(word, to);
    }
    memcpy(to, word, size);
    return size;
}

wchar_t *lti_tool_windows_command_line(char **words)
{
    size_t room = 1;
    size_t size = 0;
    char *line;
    wchar_t *wide;

    for (int i = 0; words[i] != NULL; i++) {
        room += 2 * strlen(words[i]) + 3;
    }
    line = malloc(room);
    if (line == NULL) {
        return NULL;
    }
    for (int i = 0; words[i] != NULL; i++) {
        if (i > 0) {
            line[size++] = ' ';
        }
        size += word_put(words[i], line + size);
    }
    line[size] = '\0';
    wide = lti_tool_windows_wide(line);
    free(line);
    return wide;
}
