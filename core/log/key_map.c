#include "log/key_map.h"

#include "base/check.h"
#include "base/hash.h"

enum { SLOTS_MIN = 64, SLOTS_PER_CLEAR = 32 * 1024 };

static uint32_t slots_of(size_t memory_size)
{
    uint32_t slots = SLOTS_MIN;

    while (slots < 1U << 31 && 2 * (size_t)slots * sizeof(struct key_slot) <= memory_size) slots *= 2;
    return slots;
}

size_t key_map_size(size_t memory_size)
{
    return slots_of(memory_size) * sizeof(struct key_slot);
}

void key_map_init(struct key_map *map, void *memory, size_t memory_size, uint64_t hash_seed)
{
    const uint32_t slots = slots_of(memory_size);

    *map = (struct key_map){
        .seed_low = hash_seed,
        .seed_high = hash_mix(hash_seed, slots),
        .mask = slots - 1,
        .keys_max = slots / 4 * 3,
        .cleared = slots,
        .slots = memory,
    };
}

bool key_map_clear(struct key_map *map, bool begins)
{
    if (begins && map->count == 0 && map->cleared > map->mask) return true;
    if (begins) map->cleared = 0;
    map->count = 0;
    const uint32_t slots = MIN((uint32_t)SLOTS_PER_CLEAR, map->mask + 1 - map->cleared);
    memset(map->slots + map->cleared, 0, slots * sizeof *map->slots);
    map->cleared += slots;
    return map->cleared > map->mask;
}

/* The key's slot, or the free one that it would have. */
static struct key_slot *slot_of(const struct key_map *map, const struct hash128 *hash)
{
    for (uint32_t at = (uint32_t)hash->low & map->mask;; at = (at + 1) & map->mask) {
        struct key_slot *slot = &map->slots[at];
        if (slot->end_offset == 0 || (slot->hash.low == hash->low && slot->hash.high == hash->high)) return slot;
    }
}

void key_map_put(struct key_map *map, struct bytes key, int64_t offset)
{
    const struct hash128 hash = siphash128(map->seed_low, map->seed_high, key);
    struct key_slot *slot = slot_of(map, &hash);

    if (slot->end_offset == 0) {
        CHECK(key_map_has_room(map, 1));
        map->count++;
        slot->hash = hash;
    }
    CHECK(slot->end_offset <= offset);
    slot->end_offset = offset + 1;
}

int64_t key_map_get(const struct key_map *map, struct bytes key)
{
    const struct hash128 hash = siphash128(map->seed_low, map->seed_high, key);

    return slot_of(map, &hash)->end_offset - 1;
}
