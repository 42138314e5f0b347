#include "controller/placement.h"

#include "base/check.h"

void placement_init(struct placement *placement, uint32_t *order)
{
    *placement = (struct placement){ .order = order };
}

static bool same_rack(const struct image_broker *a, const struct image_broker *b)
{
    if (a->rack_size == 0 || b->rack_size == 0) return false; /* who has no rack stands alone */
    return a->rack_size == b->rack_size && memcmp(a->rack, b->rack, a->rack_size) == 0;
}

/* How many brokers of the same rack come before this one. */
static uint32_t rank_of(const struct image *image, uint32_t broker)
{
    uint32_t rank = 0;

    for (uint32_t other = image_first_broker(image); other != broker; other = image_next_broker(image, other)) {
        if (!image_broker(image, other)->fenced) {
            rank += same_rack(image_broker(image, other), image_broker(image, broker));
        }
    }
    return rank;
}

/* First all that are the first of their rack, then all second ones, and so on, each by id. Where no broker has a rack
 * all are first. */
void placement_refresh(struct placement *placement, const struct image *image)
{
    const uint64_t version = image_view(image).broker_changes + 1;
    bool more = true;

    if (placement->version == version) return;
    placement->version = version;
    placement->count = 0;
    for (uint32_t rank = 0; more; rank++) {
        more = false;
        for (uint32_t broker = image_first_broker(image); broker != SLOT_NONE;
             broker = image_next_broker(image, broker)) {
            if (image_broker(image, broker)->fenced) continue;
            const uint32_t own = rank_of(image, broker);
            if (own == rank) placement->order[placement->count++] = broker;
            if (own > rank) more = true;
        }
    }
}

uint32_t placement_count(const struct placement *placement)
{
    return placement->count;
}

static bool is_taken(const struct image_broker *broker, const int32_t *replicas, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (replicas[i] == broker->id) return true;
    }
    return false;
}

static bool rack_is_taken(const struct image *image, const struct image_broker *broker, const int32_t *replicas,
                          uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (same_rack(image_broker(image, image_broker_by_id(image, replicas[i])), broker)) return true;
    }
    return false;
}

/* The first broker from `position` on that has no replica, and whose rack has none if there is such a one. */
static int32_t pick(const struct placement *placement, const struct image *image, uint64_t position,
                    const int32_t *replicas, uint32_t count)
{
    int32_t any = -1;

    for (uint32_t step = 0; step < placement->count; step++) {
        const uint32_t slot = placement->order[(position + step) % placement->count];
        const struct image_broker *broker = image_broker(image, slot);
        if (is_taken(broker, replicas, count)) continue;
        if (!rack_is_taken(image, broker, replicas, count)) return broker->id;
        if (any == -1) any = broker->id;
    }
    CHECK(any != -1);
    return any;
}

void placement_replicas(const struct placement *placement, const struct image *image, uint64_t start, uint32_t index,
                        uint32_t replica_count, int32_t *replicas)
{
    CHECK(replica_count >= 1 && replica_count <= placement->count);
    const uint64_t count = placement->count;
    const uint64_t leader = start % count + index;
    const uint64_t distance = count == 1 ? 0 : 1 + (start / count + index / count) % (count - 1);

    replicas[0] = image_broker(image, placement->order[leader % count])->id;
    for (uint32_t i = 1; i < replica_count; i++) {
        replicas[i] = pick(placement, image, leader + distance + i - 1, replicas, i);
    }
}
