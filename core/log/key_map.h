/* key_map.h -- at which offset was a key last written?
 *
 * What compaction asks of every record. The map is filled from a stretch of a log, in the order of its offsets, and
 * then only asked; it forgets everything at once. It keeps no keys but 128 bits of each, by a hash whose seed nobody
 * outside knows (base/siphash.h): so it costs 24 bytes a key, whatever the keys are. Two keys of one hash would lose
 * the older one's record; that is less likely than that the memory it lies in tells a lie, and cannot be brought about.
 * Kafka does the same with MD5, where it can.
 *
 * It is a table with open addressing that is filled to three quarters at the most. */
#ifndef CHRONIK_LOG_KEY_MAP_H
#define CHRONIK_LOG_KEY_MAP_H

#include "base/siphash.h"

struct key_slot {
    struct hash128 hash;
    int64_t end_offset; /* of the key's last record; 0: the slot is free */
};

struct key_map {
    uint64_t seed_low, seed_high;
    uint32_t mask; /* slots - 1 */
    uint32_t keys_max;
    uint32_t count;
    uint32_t cleared; /* slots below it are free: while it is being cleared */
    struct key_slot *slots;
};

/* How much memory a map has that was given so much: a power of two of slots, at least 64. */
size_t key_map_size(size_t memory_size);

/* In zeroed memory. */
void key_map_init(struct key_map *map, void *memory, size_t memory_size, uint64_t hash_seed);

/* Frees some slots; true when the map is empty. The first call after others begins anew with `begins`. */
bool key_map_clear(struct key_map *map, bool begins);

/* Whether so many more keys fit in. */
static inline bool key_map_has_room(const struct key_map *map, uint32_t count)
{
    return count <= map->keys_max - map->count;
}

/* The key was written at that offset, and nowhere later. The caller has seen to it that there is room. */
void key_map_put(struct key_map *map, struct bytes key, int64_t offset);

/* Where it was written last; -1: it is not in the map. */
int64_t key_map_get(const struct key_map *map, struct bytes key);

#endif
