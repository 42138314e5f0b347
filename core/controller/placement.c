#include "controller/placement.h"

#include "base/check.h"

enum {
    ARRAY_COUNT = 5,
    CANDIDATES_MAX = 64, /* compared for one replica: in a cluster of a thousand brokers, not all of them */
};

size_t placement_size(uint32_t brokers_max)
{
    return ARRAY_COUNT * (size_t)brokers_max * sizeof(uint32_t);
}

void placement_init(struct placement *placement, void *memory, uint32_t brokers_max)
{
    uint32_t *arrays = memory;

    *placement = (struct placement){ .brokers_max = brokers_max,
                                     .order = arrays,
                                     .racks = arrays + brokers_max,
                                     .followed = arrays + 2 * (size_t)brokers_max,
                                     .observers = arrays + 4 * (size_t)brokers_max };
}

/* ---- the brokers ---- */

static bool same_rack(const struct image_broker *a, const struct image_broker *b)
{
    if (a->rack_size == 0 || b->rack_size == 0) return false; /* who has no rack stands alone */
    return a->rack_size == b->rack_size && memcmp(a->rack, b->rack, a->rack_size) == 0;
}

static bool is_able(const struct image_broker *broker)
{
    return !broker->fenced && !broker->in_controlled_shutdown;
}

/* Numbers the racks, by one broker of each. O(brokers * racks). */
static uint32_t number_racks(struct placement *placement, const struct image *image)
{
    uint32_t *firsts = placement->followed, count = 0;

    for (uint32_t slot = image_first_broker(image); slot != SLOT_NONE; slot = image_next_broker(image, slot)) {
        uint32_t rack = image_broker(image, slot)->rack_size == 0 ? count : 0;
        while (rack < count && !same_rack(image_broker(image, firsts[rack]), image_broker(image, slot))) rack++;
        if (rack == count) firsts[count++] = slot;
        placement->racks[slot] = rack;
    }
    return count;
}

/* Appends those that are able, or those that are not: first all that are the first of their rack, then all second ones,
 * and so on, each by id. Where no broker has a rack all are first. */
static void put_in_order(struct placement *placement, const struct image *image, bool able)
{
    uint32_t *in_rack = placement->followed, *ranks = placement->followed + placement->brokers_max;
    uint32_t rank_count = 0, left = 0;

    memset(in_rack, 0, placement->brokers_max * sizeof *in_rack);
    for (uint32_t slot = image_first_broker(image); slot != SLOT_NONE; slot = image_next_broker(image, slot)) {
        const struct image_broker *broker = image_broker(image, slot);
        ranks[slot] = UINT32_MAX;
        if (broker->leaving || broker->observer || is_able(broker) != able) continue;
        ranks[slot] = in_rack[placement->racks[slot]]++;
        placement->able_rack_count += able && ranks[slot] == 0;
        rank_count = MAX(rank_count, ranks[slot] + 1);
        left++;
    }
    for (uint32_t rank = 0; rank < rank_count && left > 0; rank++) {
        for (uint32_t slot = image_first_broker(image); slot != SLOT_NONE; slot = image_next_broker(image, slot)) {
            if (ranks[slot] != rank) continue;
            placement->order[placement->count++] = slot;
            left--;
        }
    }
}

static void list_observers(struct placement *placement, const struct image *image)
{
    placement->observer_count = 0;
    for (uint32_t slot = image_first_broker(image); slot != SLOT_NONE; slot = image_next_broker(image, slot)) {
        const struct image_broker *broker = image_broker(image, slot);
        if (!broker->observer || broker->leaving || !is_able(broker)) continue;
        placement->observers[placement->observer_count++] = slot;
    }
}

void placement_refresh(struct placement *placement, const struct image *image)
{
    const uint64_t version = image_view(image).broker_changes + 1;

    if (placement->version == version) return;
    placement->version = version;
    placement->count = 0;
    placement->able_rack_count = 0;
    number_racks(placement, image);
    list_observers(placement, image);
    put_in_order(placement, image, true);
    placement->able_count = placement->count;
    put_in_order(placement, image, false);
}

uint32_t placement_count(const struct placement *placement)
{
    return placement->count;
}

uint32_t placement_able_count(const struct placement *placement)
{
    return placement->able_count;
}

/* ---- a topic ---- */

void placement_begin(struct placement *placement, uint64_t start)
{
    memset(placement->followed, 0, placement->brokers_max * sizeof *placement->followed);
    placement->start = start;
}

/* Slots of the replicas so far. */
struct chosen {
    uint32_t slots[REPLICAS_MAX];
    uint32_t count;
};

static bool is_chosen(const struct chosen *chosen, uint32_t slot)
{
    for (uint32_t i = 0; i < chosen->count; i++) {
        if (chosen->slots[i] == slot) return true;
    }
    return false;
}

static bool rack_is_chosen(const struct placement *placement, const struct chosen *chosen, uint32_t slot)
{
    for (uint32_t i = 0; i < chosen->count; i++) {
        if (placement->racks[chosen->slots[i]] == placement->racks[slot]) return true;
    }
    return false;
}

/* The one that follows least, of those from `position` on in [first, end) of the order that have none yet; in
 * another rack than all of them if there is such a one. SLOT_NONE: there is nobody left. */
static uint32_t pick(const struct placement *placement, uint32_t first, uint32_t end, uint64_t position,
                     const struct chosen *chosen)
{
    const uint32_t count = end - first;
    uint32_t best = SLOT_NONE, candidates = 0;
    bool best_shares = true;

    for (uint32_t step = 0; step < count && candidates < CANDIDATES_MAX; step++) {
        const uint32_t slot = placement->order[first + (position + step) % count];
        if (is_chosen(chosen, slot)) continue;
        const bool shares = rack_is_chosen(placement, chosen, slot);
        candidates += !shares;
        const bool better = best == SLOT_NONE || (best_shares && !shares) ||
                            (best_shares == shares && placement->followed[slot] < placement->followed[best]);
        if (!better) continue;
        best = slot;
        best_shares = shares;
    }
    return best;
}

void placement_next(struct placement *placement, const struct image *image, uint32_t index, uint32_t replica_count,
                    int32_t *replicas)
{
    CHECK(placement->able_count > 0 && replica_count >= 1 && replica_count <= placement->count);
    const uint64_t count = placement->able_count;
    const uint64_t leader = placement->start % count + index;
    const uint64_t distance = count == 1 ? 0 : 1 + (placement->start / count + index / count) % (count - 1);
    struct chosen chosen = { .count = 0 };

    chosen.slots[chosen.count++] = placement->order[leader % count];
    while (chosen.count < replica_count) {
        uint32_t slot = pick(placement, 0, placement->able_count, leader + distance, &chosen);
        if (slot == SLOT_NONE) slot = pick(placement, placement->able_count, placement->count, index, &chosen);
        chosen.slots[chosen.count++] = slot;
        placement->followed[slot]++;
    }
    for (uint32_t i = 0; i < replica_count; i++) replicas[i] = image_broker(image, chosen.slots[i])->id;
}
