/* map.h -- finds a number by a key, in bounded memory and without an order.
 *
 * Two maps. `map` owns keys of fixed size: a u64, or an id of 128 bits with a number (a topic and its partition).
 * `text_map` is for keys of any size that live with the caller: it keeps hashes, proposes candidates, and the
 * caller compares. Neither can be walked: an order that comes from hashes must not reach anybody.
 *
 * Open addressing, linear probing, at most three quarters full. A removal moves later entries back, so that a
 * table never fills with graves. The seed keeps whoever chooses the keys from choosing where they fall.
 *
 * Invariants, numbered as in map_check() and text_map_check():
 *   (1) count is how many cells are occupied, and at most entries_max.
 *   (2) Between the cell where an entry would like to be and the one where it is, no cell is empty. */
#ifndef CHRONIK_BASE_MAP_H
#define CHRONIK_BASE_MAP_H

#include "base/uuid.h"

enum map_verdict {
    MAP_ADDED,
    MAP_REPLACED, /* the key was there, and has the new value now */
    MAP_FULL,     /* nothing changed: entries_max keys are there already */
};

enum map_key_words { MAP_KEY_U64 = 1, MAP_KEY_ID = 3 };

struct map_key {
    uint64_t words[MAP_KEY_ID]; /* as many as the map was told, then zeros */
};

static inline struct map_key map_key_u64(uint64_t key)
{
    return (struct map_key){ { key } };
}

static inline struct map_key map_key_id(const struct uuid *id, uint32_t number)
{
    return (struct map_key){ { load_u64(id->bytes), load_u64(id->bytes + 8), number } };
}

struct map {
    uint64_t seed;
    uint64_t *cells; /* [cell_mask + 1] times the words of a key and one word of MAP_OCCUPIED | value; see map.c */
    uint32_t cell_mask;
    uint32_t cell_words;
    uint32_t entries_max;
    uint32_t count;
};

enum { MAP_ENTRIES_MAX = 1 << 28 };

/* Bytes that map_init wants for so many entries. */
size_t map_size(uint32_t entries_max, enum map_key_words key_words);

/* Begins empty. `memory` is the caller's, zeroed and aligned to 8; it is touched only as keys arrive. */
void map_init(struct map *map, void *memory, uint32_t entries_max, enum map_key_words key_words, uint64_t seed);

/* True and the key's value, or false. */
bool map_get(const struct map *map, struct map_key key, uint32_t *value);

/* Gives the key this value. */
enum map_verdict map_put(struct map *map, struct map_key key, uint32_t value);

/* True if the key was there; it is not any more. */
bool map_remove(struct map *map, struct map_key key);

void map_check(const struct map *map);

#define TEXT_MAP_NONE UINT32_MAX /* no (further) candidate; not a value */

struct text_map {
    uint64_t seed;
    uint64_t *cells; /* [cell_mask + 1], hash << 32 | (value + 1), zero if empty */
    uint32_t cell_mask;
    uint32_t entries_max;
    uint32_t count;
};

/* A search under way: for (value = text_map_first(map, key, &search); value != TEXT_MAP_NONE; value =
 * text_map_next(map, &search)) compare the key with your own `value`. A change of the map ends it. */
struct text_map_search {
    uint32_t hash;
    uint32_t cell;
};

/* Bytes that text_map_init wants for so many entries. */
size_t text_map_size(uint32_t entries_max);

/* Begins empty. `memory` is the caller's, zeroed and aligned to 8; it is touched only as keys arrive. */
void text_map_init(struct text_map *map, void *memory, uint32_t entries_max, uint64_t seed);

/* The first value whose key may be this one, or TEXT_MAP_NONE. */
uint32_t text_map_first(const struct text_map *map, struct bytes key, struct text_map_search *search);

/* The next one, or TEXT_MAP_NONE. */
uint32_t text_map_next(const struct text_map *map, struct text_map_search *search);

/* Adds a key that the caller knows to be absent: MAP_ADDED or MAP_FULL. */
enum map_verdict text_map_add(struct text_map *map, struct bytes key, uint32_t value);

/* True if the pair was there; it is not any more. */
bool text_map_remove(struct text_map *map, struct bytes key, uint32_t value);

void text_map_check(const struct text_map *map);

#endif
