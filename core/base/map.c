#include "base/map.h"
#include "base/check.h"
#include "base/hash.h"

/* A cell of a map of ids, four words; of a u64 map, two:
 *
 *     | id, high | id, low | number | OCCUPIED | value |        | key | OCCUPIED | value |
 */
#define OCCUPIED ((uint64_t)1 << 32)

/* Cells for so many entries: a power of two, so that at most three quarters of it are ever in use. */
static uint32_t cells_for(uint32_t entries_max)
{
    uint64_t cells = 4;
    CHECK(entries_max <= MAP_ENTRIES_MAX);
    while (cells * 3 / 4 < entries_max) cells *= 2;
    return (uint32_t)cells;
}

/* Whether an entry that would like to be in cell `home` and is in `from` may move back to `hole`: only if it does
 * not jump over its home, seen along the circle. */
static bool may_move(uint32_t home, uint32_t hole, uint32_t from, uint32_t mask)
{
    return ((from - home) & mask) >= ((from - hole) & mask);
}

static uint64_t *cell_at(const struct map *map, uint32_t cell)
{
    return map->cells + (size_t)cell * map->cell_words;
}

static uint64_t cell_value(const struct map *map, uint32_t cell)
{
    return cell_at(map, cell)[map->cell_words - 1];
}

static uint32_t home_of(const struct map *map, const uint64_t *words)
{
    uint64_t hash = map->seed;
    for (uint32_t word = 0; word + 1 < map->cell_words; word++) hash = hash_mix(hash, words[word]);
    return (uint32_t)(hash_mix(hash, map->seed) & map->cell_mask);
}

static bool has_key(const struct map *map, uint32_t cell, const struct map_key *key)
{
    return memcmp(cell_at(map, cell), key->words, (map->cell_words - 1) * sizeof(uint64_t)) == 0;
}

/* The key's cell, or the empty one where it would go. One is always empty: the table is never full. */
static uint32_t find(const struct map *map, const struct map_key *key)
{
    uint32_t cell = home_of(map, key->words);
    while (cell_value(map, cell) != 0 && !has_key(map, cell, key)) cell = (cell + 1) & map->cell_mask;
    return cell;
}

size_t map_size(uint32_t entries_max, enum map_key_words key_words)
{
    return (size_t)cells_for(entries_max) * (key_words + 1) * sizeof(uint64_t);
}

void map_init(struct map *map, void *memory, uint32_t entries_max, enum map_key_words key_words, uint64_t seed)
{
    CHECK(key_words == MAP_KEY_U64 || key_words == MAP_KEY_ID);
    CHECK((uintptr_t)memory % sizeof(uint64_t) == 0);
    *map = (struct map){
        .seed = seed,
        .cells = memory,
        .cell_mask = cells_for(entries_max) - 1,
        .cell_words = key_words + 1,
        .entries_max = entries_max,
    };
}

bool map_get(const struct map *map, struct map_key key, uint32_t *value)
{
    const uint64_t found = cell_value(map, find(map, &key));
    if (found == 0) return false;
    *value = (uint32_t)found;
    return true;
}

enum map_verdict map_put(struct map *map, struct map_key key, uint32_t value)
{
    uint64_t *cell = cell_at(map, find(map, &key));
    const bool present = cell[map->cell_words - 1] != 0;

    if (!present && map->count == map->entries_max) return MAP_FULL;
    memcpy(cell, key.words, (map->cell_words - 1) * sizeof(uint64_t));
    cell[map->cell_words - 1] = OCCUPIED | value;
    map->count += !present;
    return present ? MAP_REPLACED : MAP_ADDED;
}

bool map_remove(struct map *map, struct map_key key)
{
    uint32_t hole = find(map, &key);
    if (cell_value(map, hole) == 0) return false;

    const uint32_t mask = map->cell_mask;
    for (uint32_t from = (hole + 1) & mask; cell_value(map, from) != 0; from = (from + 1) & mask) {
        if (!may_move(home_of(map, cell_at(map, from)), hole, from, mask)) continue;
        memcpy(cell_at(map, hole), cell_at(map, from), map->cell_words * sizeof(uint64_t));
        hole = from;
    }
    memset(cell_at(map, hole), 0, map->cell_words * sizeof(uint64_t));
    map->count--;
    return true;
}

void map_check(const struct map *map)
{
    uint32_t count = 0;

    for (uint32_t cell = 0; cell <= map->cell_mask; cell++) {
        if (cell_value(map, cell) == 0) continue;
        count++;
        for (uint32_t at = home_of(map, cell_at(map, cell)); at != cell; at = (at + 1) & map->cell_mask) {
            CHECK(cell_value(map, at) != 0); /* (2) */
        }
    }
    CHECK(count == map->count && count <= map->entries_max); /* (1) */
}

static uint32_t text_hash(const struct text_map *map, struct bytes key)
{
    return (uint32_t)(hash_bytes(map->seed, key) >> 32);
}

static uint32_t text_home(const struct text_map *map, uint64_t cell)
{
    return (uint32_t)(cell >> 32) & map->cell_mask;
}

size_t text_map_size(uint32_t entries_max)
{
    return (size_t)cells_for(entries_max) * sizeof(uint64_t);
}

void text_map_init(struct text_map *map, void *memory, uint32_t entries_max, uint64_t seed)
{
    CHECK((uintptr_t)memory % sizeof(uint64_t) == 0);
    *map = (struct text_map){
        .seed = seed,
        .cells = memory,
        .cell_mask = cells_for(entries_max) - 1,
        .entries_max = entries_max,
    };
}

uint32_t text_map_first(const struct text_map *map, struct bytes key, struct text_map_search *search)
{
    search->hash = text_hash(map, key);
    search->cell = search->hash & map->cell_mask;
    return text_map_next(map, search);
}

uint32_t text_map_next(const struct text_map *map, struct text_map_search *search)
{
    for (;;) {
        const uint64_t cell = map->cells[search->cell];
        if (cell == 0) return TEXT_MAP_NONE; /* and stays here, if asked again */
        search->cell = (search->cell + 1) & map->cell_mask;
        if ((uint32_t)(cell >> 32) == search->hash) return (uint32_t)cell - 1;
    }
}

enum map_verdict text_map_add(struct text_map *map, struct bytes key, uint32_t value)
{
    CHECK(value != TEXT_MAP_NONE);
    if (map->count == map->entries_max) return MAP_FULL;
    const uint32_t hash = text_hash(map, key);
    uint32_t cell = hash & map->cell_mask;

    while (map->cells[cell] != 0) cell = (cell + 1) & map->cell_mask;
    map->cells[cell] = (uint64_t)hash << 32 | (value + 1);
    map->count++;
    return MAP_ADDED;
}

bool text_map_remove(struct text_map *map, struct bytes key, uint32_t value)
{
    CHECK(value != TEXT_MAP_NONE);
    const uint32_t hash = text_hash(map, key), mask = map->cell_mask;
    const uint64_t wanted = (uint64_t)hash << 32 | (value + 1);
    uint32_t hole = hash & mask;

    while (map->cells[hole] != wanted) {
        if (map->cells[hole] == 0) return false;
        hole = (hole + 1) & mask;
    }
    for (uint32_t from = (hole + 1) & mask; map->cells[from] != 0; from = (from + 1) & mask) {
        if (!may_move(text_home(map, map->cells[from]), hole, from, mask)) continue;
        map->cells[hole] = map->cells[from];
        hole = from;
    }
    map->cells[hole] = 0;
    map->count--;
    return true;
}

void text_map_check(const struct text_map *map)
{
    uint32_t count = 0;

    for (uint32_t cell = 0; cell <= map->cell_mask; cell++) {
        if (map->cells[cell] == 0) continue;
        count++;
        for (uint32_t at = text_home(map, map->cells[cell]); at != cell; at = (at + 1) & map->cell_mask) {
            CHECK(map->cells[at] != 0); /* (2) */
        }
    }
    CHECK(count == map->count && count <= map->entries_max); /* (1) */
}
