/* SPDX-License-Identifier: MIT
 *
 * What a soak used and did, judged and written as JSON.
 *
 * Happy path: each limit is one line, kept or not, with what came and what may come.
 * Fails:      a limit that is not kept; a file that cannot be written.
 * Invariants: what a short run cannot show is said to be not judged, never kept.
 */
#include "soak.h"

#include <dirent.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83
#endif
#define GROWTH_BYTES (64 * 1024)
/* Of two threads' stacks and heaps, which the C library keeps. */
#define THREAD_MAPPINGS 8u
#define LATENCY_PERCENT 120u
#define LONG_SECONDS 60u /* a shorter run says nothing of latency */
#define BEGIN (UINT32_MAX - UINT64_C(1000))

/* ---- What the system says -------------------------------------------------------------------- */

/* Parts of the heap that lie side by side are one: when the heap of a forked process grows, the
 * kernel may or may not say so. */
static uint64_t mappings_of(const char *path)
{
    char line[512], rights[8], heap[8] = "";
    uint64_t count = 0;
    unsigned long long begin = 0, end = 0, before = 0, inode = 0;
    FILE *file = fopen(path, "r");
    REQUIRE(file != NULL);
    while (fgets(line, sizeof line, file) != NULL) {
        REQUIRE_INT(sscanf(line, "%llx-%llx %7s %*s %*s %llu", &begin, &end, rights, &inode), 4);
        bool part = inode == 0 && begin == before && strcmp(rights, heap) == 0;
        count += !part;
        (void)snprintf(heap, sizeof heap, "%s", inode == 0 ? rights : "");
        before = end;
    }
    (void)fclose(file);
    return count;
}

static uint64_t entries_of(const char *path)
{
    uint64_t count = 0;
    DIR *folder = opendir(path);
    REQUIRE(folder != NULL);
    for (struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder))
        count += entry->d_name[0] != '.';
    (void)closedir(folder);
    return count;
}

struct soak_use soak_use_of(int64_t process)
{
    struct soak_use use = {0};
    char path[64];
    unsigned long long all = 0, resident = 0, shared = 0;
    (void)snprintf(path, sizeof path, "/proc/%lld/statm", (long long)process);
    FILE *file = fopen(path, "r");
    REQUIRE(file != NULL);
    REQUIRE_INT(fscanf(file, "%llu %llu %llu", &all, &resident, &shared), 3);
    (void)fclose(file);
    /* Not the tales, which all processes share. */
    use.resident_bytes = (resident - shared) * (uint64_t)sysconf(_SC_PAGESIZE);
    (void)snprintf(path, sizeof path, "/proc/%lld/fd", (long long)process);
    use.descriptors = entries_of(path);
    (void)snprintf(path, sizeof path, "/proc/%lld/task", (long long)process);
    use.threads = entries_of(path);
    (void)snprintf(path, sizeof path, "/proc/%lld/maps", (long long)process);
    use.mappings = mappings_of(path);
    return use;
}

/* ---- Limits ---------------------------------------------------------------------------------- */

struct judge {
    FILE *file;
    bool good, first;
};

static const char *const process_names[SOAK_WATCHED] = {"server", "client", "pinger"};

enum verdict { NOT_KEPT = 0, KEPT, NOT_JUDGED };

static void limit(struct judge *judge, enum verdict verdict, const char *name, const char *format,
                  ...) __attribute__((format(printf, 4, 5)));

static void limit(struct judge *judge, enum verdict verdict, const char *name, const char *format,
                  ...)
{
    static const char *const words[] = {"FAIL", "ok", "not judged"};
    char text[256];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    (void)printf("%-10s  %-22s %s\n", words[verdict], name, text);
    judge->good = judge->good && verdict != NOT_KEPT;
    if (judge->file != NULL)
        (void)fprintf(judge->file,
                      "%s\n  {\"verdict\": \"%s\", \"name\": \"%s\", \"text\": \"%s\"}",
                      judge->first ? "" : ",", words[verdict], name, text);
    judge->first = false;
}

#define ULL(value) ((unsigned long long)(value))

static void judge_work(struct judge *judge, const struct soak *soak)
{
    const struct soak_totals *totals = &soak->totals;
    uint64_t messages = totals->messages + 2 * atomic_load(&soak->pings);
    uint64_t messages_due = SOAK_DAY_MESSAGES * soak->seconds / SOAK_DAY_SECONDS;
    uint64_t kills_due = soak->storms / SOAK_STORMS_PER_KILL;
    limit(judge, totals->violations == 0 ? KEPT : NOT_KEPT, "histories",
          "%llu violations in %llu histories of %llu entries; %s", ULL(totals->violations),
          ULL(totals->connections), ULL(totals->lines),
          totals->violations > 0 ? totals->first : "every byte and message was compared");
    limit(judge, messages >= messages_due ? KEPT : NOT_KEPT, "messages", "%llu of %llu",
          ULL(messages), ULL(messages_due));
    limit(judge, totals->connections >= soak->storms * SOAK_STORM ? KEPT : NOT_KEPT, "connections",
          "%llu of %llu", ULL(totals->connections), ULL(soak->storms * SOAK_STORM));
    /* On a busy machine a victim may not get to anything; in a long run that is the exception. */
    bool met = soak->seconds < LONG_SECONDS ||
               (soak->forced * 10 <= soak->kills && totals->killed_ends >= soak->kills / 2);
    limit(judge, soak->kills >= kills_due && met ? KEPT : NOT_KEPT, "kills",
          "%llu of %llu, %llu of them early; %llu ends died with the victim", ULL(soak->kills),
          ULL(kills_due), ULL(soak->forced), ULL(totals->killed_ends));
}

/* Before Linux 6.16 threads close what descriptors may be among: mappings may come of that. */
static uint64_t mappings_spare(void)
{
    const int refused = 0;
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    bool plain = setsockopt(fd, SOL_SOCKET, SO_PASSRIGHTS, &refused, sizeof refused) == 0;
    (void)close(fd);
    return plain ? 0 : THREAD_MAPPINGS;
}

static void judge_use(struct judge *judge, const struct soak *soak, uint32_t i)
{
    const struct soak_use *before = &soak->before[i], *after = &soak->after[i];
    const struct soak_own *own_before = &soak->own_before[i], *own_after = &soak->own_after[i];
    char name[64];
    (void)snprintf(name, sizeof name, "memory, %s", process_names[i]);
    bool more = after->resident_bytes > before->resident_bytes + GROWTH_BYTES;
    limit(judge,
          LTI_TEST_SANITIZED ? NOT_JUDGED
          : more             ? NOT_KEPT
                             : KEPT,
          name, "%lld bytes more than after a tenth; %d may be",
          (long long)(after->resident_bytes - before->resident_bytes), GROWTH_BYTES);
    (void)snprintf(name, sizeof name, "handles, %s", process_names[i]);
    uint64_t spare = mappings_spare();
    bool mapped =
        before->mappings <= after->mappings + spare && after->mappings <= before->mappings + spare;
    bool same = before->descriptors == after->descriptors && before->threads == after->threads &&
                (LTI_TEST_SANITIZED || mapped) && own_before->descriptors == own_after->descriptors;
    limit(judge, same ? KEPT : NOT_KEPT, name,
          "descriptors %llu, %llu; threads %llu, %llu; mappings %llu, %llu",
          ULL(before->descriptors), ULL(after->descriptors), ULL(before->threads),
          ULL(after->threads), ULL(before->mappings), ULL(after->mappings));
    (void)snprintf(name, sizeof name, "allocations, %s", process_names[i]);
    same = own_before->allocations == own_after->allocations &&
           own_before->hub_bytes == own_after->hub_bytes;
    limit(judge, same ? KEPT : NOT_KEPT, name, "%llu, %llu; of the hub %llu bytes, %llu",
          ULL(own_before->allocations), ULL(own_after->allocations), ULL(own_before->hub_bytes),
          ULL(own_after->hub_bytes));
}

static int number_order(const void *a, const void *b)
{
    uint32_t one = *(const uint32_t *)a, two = *(const uint32_t *)b;
    return (one > two) - (one < two);
}

/* The median of the seconds' p99.9, so that one bad second of the machine says nothing. */
static uint32_t tenth_p999(const struct soak *soak, enum soak_pinged pinged, uint32_t from,
                           uint32_t count)
{
    uint32_t *values = malloc((count + 1) * sizeof *values);
    REQUIRE(values != NULL);
    for (uint32_t i = 0; i < count; i++)
        values[i] = soak->samples[from + i].latency[pinged].p999_us;
    qsort(values, count, sizeof *values, number_order);
    uint32_t median = count > 0 ? values[count / 2] : 0;
    free(values);
    return median;
}

static bool grew(uint32_t last, uint32_t first)
{
    return (uint64_t)last * 100 > (uint64_t)first * LATENCY_PERCENT;
}

/* When plain sockets became slower as well, it was the machine. */
static void judge_latency(struct judge *judge, const struct soak *soak)
{
    uint32_t first[SOAK_PINGED], last[SOAK_PINGED], tenth = soak->sample_count / 10;
    for (int i = 0; i < SOAK_PINGED; i++) {
        first[i] = tenth_p999(soak, (enum soak_pinged)i, tenth > 0, tenth);
        last[i] = tenth_p999(soak, (enum soak_pinged)i, soak->sample_count - tenth, tenth);
    }
    bool kept = !grew(last[SOAK_LEAT], first[SOAK_LEAT]);
    bool judged =
        soak->seconds >= LONG_SECONDS && (kept || !grew(last[SOAK_PLAIN], first[SOAK_PLAIN]));
    limit(judge,
          !judged ? NOT_JUDGED
          : kept  ? KEPT
                  : NOT_KEPT,
          "latency",
          "p99.9 %u us in the first tenth, %u us in the last, %u %% of it may be; plain sockets "
          "%u us, %u us",
          first[SOAK_LEAT], last[SOAK_LEAT], LATENCY_PERCENT, first[SOAK_PLAIN], last[SOAK_PLAIN]);
}

/* All of them began below 2^32 by 1001, or so many uses before a slot is spent. */
static void judge_counters(struct judge *judge, const struct soak *soak)
{
    const struct soak_own *server = &soak->own_after[SOAK_SERVER];
    const struct soak_own *client = &soak->own_after[SOAK_CLIENT];
    limit(judge, server->slots_used >= SOAK_STORM + SOAK_STORM / 2 ? KEPT : NOT_KEPT, "slots spent",
          "server %llu slots, client %llu, for %u at a time, of %u generations each at first",
          ULL(server->slots_used), ULL(client->slots_used), SOAK_STORM, soak->generations);
    limit(judge, server->order > UINT32_MAX && client->order > UINT32_MAX ? KEPT : NOT_KEPT,
          "order of deadlines", "server 2^32 %+lld, client 2^32 %+lld",
          (long long)(server->order - BEGIN - 1001), (long long)(client->order - BEGIN - 1001));
    limit(judge, server->waits > UINT32_MAX ? KEPT : NOT_KEPT, "waits", "server 2^32 %+lld",
          (long long)(server->waits - BEGIN - 1001));
    uint64_t accepted = server->accepted - 2 * BEGIN;
    limit(judge, accepted > soak->storms * SOAK_STORM ? KEPT : NOT_KEPT, "accepted",
          "%llu by two listeners that began at 2^32 - 1001", ULL(accepted));
    uint64_t pings = atomic_load(&soak->pings);
    bool exact = soak->pings_counted - BEGIN == pings;
    limit(judge,
          !exact         ? NOT_KEPT
          : pings > 1000 ? KEPT
                         : NOT_JUDGED,
          "messages counted", "%lld, %llu pings were answered",
          (long long)(soak->pings_counted - BEGIN), ULL(pings));
}

/* ---- Writing --------------------------------------------------------------------------------- */

static void samples_write(FILE *file, const struct soak *soak)
{
    for (uint32_t i = 0; i < soak->sample_count; i++) {
        const struct soak_sample *at = &soak->samples[i];
        (void)fprintf(file, "%s\n  [%llu, %llu, %llu, %llu, %u, %u, %u, %u", i > 0 ? "," : "",
                      ULL(at->time_ms), ULL(at->storms), ULL(at->messages), ULL(at->kills),
                      at->latency[0].p50_us, at->latency[0].p99_us, at->latency[0].p999_us,
                      at->latency[1].p999_us);
        for (uint32_t process = 0; process < SOAK_WATCHED; process++)
            (void)fprintf(file, ", %llu, %llu, %llu, %llu", ULL(at->use[process].resident_bytes),
                          ULL(at->use[process].descriptors), ULL(at->hub_bytes[process]),
                          ULL(at->allocations[process]));
        (void)fprintf(file, "]");
    }
}

static void head_write(FILE *file, const struct soak *soak)
{
    const struct soak_totals *totals = &soak->totals;
    (void)fprintf(
        file,
        "{\"seconds\": %u, \"took_ms\": %llu, \"messages\": %llu, \"connections\": %llu,\n"
        "\"bytes\": %llu, \"lines\": %llu, \"kills\": %llu, \"violations\": %llu,\n"
        "\"storms\": %llu, \"limits\": [",
        soak->seconds, ULL(soak->ended_ms - soak->began_ms),
        ULL(totals->messages + 2 * atomic_load(&soak->pings)), ULL(totals->connections),
        ULL(totals->bytes), ULL(totals->lines), ULL(soak->kills), ULL(totals->violations),
        ULL(soak->storms));
}

bool soak_report(struct soak *soak, const char *path)
{
    struct judge judge = {.good = true, .first = true};
    if (path != NULL) {
        judge.file = fopen(path, "w");
        if (!CHECK(judge.file != NULL))
            return false;
        head_write(judge.file, soak);
    }
    judge_work(&judge, soak);
    for (uint32_t i = 0; i < SOAK_WATCHED; i++)
        judge_use(&judge, soak, i);
    judge_latency(&judge, soak);
    judge_counters(&judge, soak);
    if (judge.file != NULL) {
        (void)fprintf(judge.file, "],\n\"columns\": [\"ms\", \"storms\", \"messages\", \"kills\", "
                                  "\"p50\", \"p99\", \"p999\", \"plain\"");
        for (uint32_t i = 0; i < SOAK_WATCHED; i++)
            (void)fprintf(judge.file,
                          ",\n  \"%s memory\", \"%s handles\", \"%s hub\", \"%s allocations\"",
                          process_names[i], process_names[i], process_names[i], process_names[i]);
        (void)fprintf(judge.file, "],\n\"samples\": [");
        samples_write(judge.file, soak);
        (void)fprintf(judge.file, "]}\n");
        judge.good = CHECK_INT(fclose(judge.file), 0) && judge.good;
    }
    return judge.good;
}
