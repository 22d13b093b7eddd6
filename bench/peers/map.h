/* SPDX-License-Identifier: MIT
 *
 * What peers share where one socket of the library has many connections: a map from the number
 * that the library gives a connection to the connection, open addressing, a quarter full at most;
 * and how such libraries write an address.
 */
#ifndef BENCH_PEERS_MAP_H
#define BENCH_PEERS_MAP_H

#include "../bench_loop.h"

static inline void ipc_url(const struct bench *b, char *url, size_t size)
{
    int length = snprintf(url, size, "ipc://%s", b->path);
    bench_need(length > 0 && (size_t)length < size, "path");
}

struct map {
    uint32_t mask;
    uint32_t *keys;
    struct bench_conn **values; /* null: free */
};

static inline void map_make(struct map *map, uint32_t conns)
{
    uint32_t size = 64;
    while (size / 4 < conns)
        size *= 2;
    map->mask = size - 1;
    map->keys = (uint32_t *)bench_alloc(size * sizeof *map->keys);
    map->values = (struct bench_conn **)bench_alloc(size * sizeof *map->values);
    for (uint32_t i = 0; i < size; i++)
        map->values[i] = NULL;
}

static inline uint32_t map_place(const struct map *map, uint32_t key)
{
    uint32_t place = key * UINT32_C(2654435761) & map->mask;
    while (map->values[place] != NULL && map->keys[place] != key)
        place = (place + 1) & map->mask;
    return place;
}

static inline struct bench_conn *map_find(const struct map *map, uint32_t key)
{
    return map->values[map_place(map, key)];
}

static inline void map_put(struct map *map, uint32_t key, struct bench_conn *end)
{
    uint32_t place = map_place(map, key);
    map->keys[place] = key;
    map->values[place] = end;
}

/* Takes one out; those behind it in the same run are put anew. */
static inline void map_drop(struct map *map, uint32_t key)
{
    uint32_t place = map_place(map, key);
    map->values[place] = NULL;
    for (place = (place + 1) & map->mask; map->values[place] != NULL;
         place = (place + 1) & map->mask) {
        struct bench_conn *end = map->values[place];
        map->values[place] = NULL;
        map_put(map, map->keys[place], end);
    }
}

#endif
