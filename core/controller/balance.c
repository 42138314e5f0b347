#include "controller/balance.h"

#include "base/check.h"
#include "base/hash.h"
#include "controller/decide.h"

size_t balance_size(uint32_t brokers_max)
{
    return 2 * (size_t)brokers_max * sizeof(uint32_t);
}

void balance_init(struct balance *balance, void *memory, uint32_t brokers_max)
{
    uint32_t *arrays = memory;

    *balance = (struct balance){ .replicas = arrays, .preferred = arrays + brokers_max, .partition = SLOT_NONE };
}

void balance_begin(struct balance *balance)
{
    balance->partition = SLOT_NONE;
    balance->stalled = 0;
    balance->stalled_now = 0;
    balance->found = false;
    balance->held_back = false;
    balance->resting = false;
}

/* ---- one partition ---- */

/* What it is to have: some of what it has, in their order, then others. Brokers are slots here. */
struct plan {
    const struct image *image;
    const struct placement *placement;
    struct balance *balance;
    const struct image_partition *partition;
    uint32_t now[REPLICAS_MAX]; /* of its replicas; SLOT_NONE: unknown */
    uint32_t slots[REPLICAS_MAX];
    uint32_t count;
};

static bool is_one_of(uint32_t slot, const uint32_t *slots, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (slots[i] == slot) return true;
    }
    return false;
}

static bool rack_is_covered(const struct plan *plan, uint32_t slot, uint32_t but)
{
    const uint32_t *racks = plan->placement->racks;

    for (uint32_t i = 0; i < plan->count; i++) {
        if (i != but && racks[plan->slots[i]] == racks[slot]) return true;
    }
    return false;
}

/* The broker that should get a replica in the place of `but` (or in addition): one that has the data already; else in a
 * rack that has none, else the one with the fewest. SLOT_NONE: nobody can. */
static uint32_t candidate(const struct plan *plan, uint32_t but)
{
    struct balance *balance = plan->balance;
    uint32_t best = SLOT_NONE;
    int best_rank = -1;

    balance->work_left -= MIN(balance->work_left, plan->placement->able_count);
    for (uint32_t i = 0; i < plan->placement->able_count; i++) {
        const uint32_t slot = plan->placement->order[i];
        if (is_one_of(slot, plan->slots, plan->count)) continue;
        const bool has_data = is_one_of(slot, plan->now, plan->partition->replica_count);
        const int rank = 2 * has_data + !rack_is_covered(plan, slot, but);
        if (rank < best_rank) continue;
        if (rank == best_rank && balance->replicas[slot] >= balance->replicas[best]) continue;
        best = slot;
        best_rank = rank;
    }
    return best;
}

/* Puts the one in front that is first in line for the fewest partitions, if that makes it more even. */
static bool even_leaders(struct plan *plan)
{
    const uint32_t *preferred = plan->balance->preferred;
    uint32_t best = 0;

    for (uint32_t i = 1; i < plan->count; i++) {
        if (preferred[plan->slots[i]] < preferred[plan->slots[best]]) best = i;
    }
    if (preferred[plan->slots[best]] + 1 >= preferred[plan->slots[0]]) return false;
    const uint32_t first = plan->slots[best];
    for (uint32_t i = best; i > 0; i--) plan->slots[i] = plan->slots[i - 1];
    plan->slots[0] = first;
    return true;
}

enum target_verdict { TARGET_MET, TARGET_PLANNED, TARGET_BEYOND_REACH };

static bool stays(const struct image *image, uint32_t slot)
{
    return !image_broker(image, slot)->leaving && !image_broker(image, slot)->observer;
}

/* As many as it is meant to have, on brokers that are registered and stay; they may be fenced just now. */
static enum target_verdict keep_target(struct plan *plan)
{
    const struct image_partition *partition = plan->partition;
    const uint32_t want = MIN((uint32_t)partition->replica_target, placement_count(plan->placement));
    uint32_t wanted = 0;

    for (uint32_t i = 0; i < partition->replica_count; i++) {
        const uint32_t slot = image_broker_by_id(plan->image, partition->replicas[i]);
        plan->now[i] = slot;
        if ((partition->removing >> i & 1) != 0) continue;
        wanted++;
        if (slot != SLOT_NONE && stays(plan->image, slot)) plan->slots[plan->count++] = slot;
    }
    const bool all_stay = plan->count == wanted;
    if (all_stay && (plan->count >= want || partition->adding != 0)) return TARGET_MET;
    while (plan->count < want) {
        const uint32_t slot = candidate(plan, UINT32_MAX);
        if (slot == SLOT_NONE) return TARGET_BEYOND_REACH; /* who could take it is not there just now */
        plan->slots[plan->count++] = slot;
    }
    if (plan->count == 0) return TARGET_BEYOND_REACH;
    even_leaders(plan);
    return TARGET_PLANNED;
}

/* ---- observers ---- */

/* Who is to observe it. Brokers are slots here. */
struct watch {
    uint32_t slots[OBSERVERS_MAX];
    uint32_t count;
};

static bool site_watches(const struct placement *placement, const struct watch *watch, uint32_t slot)
{
    for (uint32_t i = 0; i < watch->count; i++) {
        if (placement->racks[watch->slots[i]] == placement->racks[slot]) return true;
    }
    return false;
}

/* Who observes and stays, one of each site. */
static void keep_observers(const struct image *image, const struct placement *placement,
                           const struct image_partition *partition, struct watch *watch)
{
    for (uint32_t i = 0; i < partition->observer_count; i++) {
        const uint32_t slot = image_broker_by_id(image, partition->observers[i]);
        if (slot == SLOT_NONE || image_broker(image, slot)->leaving) continue;
        if (!site_watches(placement, watch, slot)) watch->slots[watch->count++] = slot;
    }
}

/* Of sites that have none yet, the observer with the fewest. */
static void add_observers(struct balance *balance, const struct image *image, const struct placement *placement,
                          const struct image_partition *partition, struct watch *watch)
{
    while (watch->count < OBSERVERS_MAX) {
        uint32_t best = SLOT_NONE;
        for (uint32_t i = 0; i < placement->observer_count; i++) {
            const uint32_t slot = placement->observers[i];
            if (site_watches(placement, watch, slot)) continue;
            if (image_partition_has_replica(partition, image_broker(image, slot)->id)) continue; /* of a life before */
            if (best == SLOT_NONE || balance->replicas[slot] < balance->replicas[best]) best = slot;
        }
        if (best == SLOT_NONE) return;
        watch->slots[watch->count++] = best;
    }
}

/* True: a record says who observes it from now on. */
static bool look_at_observers(struct balance *balance, const struct image *image, const struct placement *placement,
                              uint32_t slot, struct proposal *records)
{
    const struct image_partition *partition = image_partition(image, slot);
    const struct proposal before = *records;
    struct watch watch = { .count = 0 };
    int32_t ids[OBSERVERS_MAX];

    if (placement->observer_count == 0 && partition->observer_count == 0) return false;
    balance->work_left -= MIN(balance->work_left, placement->observer_count);
    keep_observers(image, placement, partition, &watch);
    add_observers(balance, image, placement, partition, &watch);
    for (uint32_t i = 0; i < watch.count; i++) ids[i] = image_broker(image, watch.slots[i])->id;
    if (!decide_observers(image, slot, ids, watch.count, records)) return false;
    if (!proposal_ok(records)) {
        *records = before;
        return false;
    }
    for (uint32_t i = 0; i < watch.count; i++) {
        balance->replicas[watch.slots[i]] += !image_partition_has_observer(partition, ids[i]);
    }
    return true;
}

/* ---- evenness ---- */

static bool covers_racks(const struct plan *plan)
{
    uint32_t covered = 0;

    for (uint32_t i = 0; i < plan->count; i++) covered += !rack_is_covered(plan, plan->slots[i], i);
    return covered >= MIN(plan->count, plan->placement->able_rack_count);
}

/* Moves one replica: from a broker that has more than another, or to a rack that has none. */
static bool even_replicas(struct plan *plan)
{
    const uint32_t *replicas = plan->balance->replicas;
    const bool covers = covers_racks(plan);

    for (uint32_t i = 0; i < plan->count; i++) {
        const uint32_t from = plan->slots[i];
        if (covers && replicas[from] <= plan->balance->replicas_min + 1) continue;
        const uint32_t to = candidate(plan, i);
        if (to == SLOT_NONE) return false;
        const bool shared = rack_is_covered(plan, from, i), shares = rack_is_covered(plan, to, i);
        if (shares && !shared) continue;
        if (replicas[to] + 1 >= replicas[from] && shared == shares) continue;
        plan->slots[i] = to;
        return true;
    }
    return false;
}

/* One replica more than it is meant to have goes: who observed and does so no more left one. */
static bool trim(struct plan *plan)
{
    const uint32_t *replicas = plan->balance->replicas;
    const uint32_t want = MIN((uint32_t)plan->partition->replica_target, placement_count(plan->placement));
    uint32_t worst = 1;

    if (plan->count <= want || plan->count < 2) return false;
    for (uint32_t i = 2; i < plan->count; i++) {
        if (replicas[plan->slots[i]] > replicas[plan->slots[worst]]) worst = i;
    }
    for (uint32_t i = worst; i + 1 < plan->count; i++) plan->slots[i] = plan->slots[i + 1];
    plan->count--;
    return true;
}

uint32_t balance_left(const struct image *image)
{
    uint32_t brokers = 0, replicas = 0, above = 0, below = 0;

    for (uint32_t slot = image_first_broker(image); slot != SLOT_NONE; slot = image_next_broker(image, slot)) {
        const struct image_broker *broker = image_broker(image, slot);
        if (broker->leaving || broker->observer || broker->fenced) continue;
        brokers++;
        replicas += broker->replica_count - broker->removing_count;
    }
    if (brokers == 0) return 0;
    const uint32_t least = replicas / brokers, most = least + (replicas % brokers != 0);
    for (uint32_t slot = image_first_broker(image); slot != SLOT_NONE; slot = image_next_broker(image, slot)) {
        const struct image_broker *broker = image_broker(image, slot);
        const uint32_t has = broker->replica_count - broker->removing_count;
        if (broker->leaving || broker->observer || broker->fenced) continue;
        above += has > most ? has - most : 0;
        below += has < least ? least - has : 0;
    }
    return MAX(above, below);
}

static bool even_out(struct plan *plan)
{
    if ((plan->partition->adding | plan->partition->removing) != 0) return false;
    if (trim(plan)) return true;
    const bool moves = even_replicas(plan);
    return even_leaders(plan) || moves;
}

/* ---- the walk ---- */

static void count_brokers(struct balance *balance, const struct image *image, const struct placement *placement)
{
    balance->work_left = BALANCE_WORK_MAX;
    balance->replicas_min = UINT32_MAX;
    for (uint32_t slot = image_first_broker(image); slot != SLOT_NONE; slot = image_next_broker(image, slot)) {
        const struct image_broker *broker = image_broker(image, slot);
        balance->replicas[slot] =
            broker->observer ? broker->observed_count : broker->replica_count - broker->removing_count;
        balance->preferred[slot] = broker->preferred_count;
    }
    for (uint32_t i = 0; i < placement->able_count; i++) {
        const uint32_t slot = placement->order[i];
        balance->replicas_min = MIN(balance->replicas_min, balance->replicas[slot]);
    }
}

/* Takes a plan into account for those that follow. */
static void count_plan(struct balance *balance, const struct plan *plan)
{
    const struct image_partition *partition = plan->partition;

    for (uint32_t i = 0; i < plan->count; i++) balance->replicas[plan->slots[i]]++;
    for (uint32_t i = 0; i < partition->replica_count; i++) {
        const bool counts = (partition->removing >> i & 1) == 0;
        if (plan->now[i] != SLOT_NONE && counts) balance->replicas[plan->now[i]]--;
    }
    if (plan->now[0] != SLOT_NONE) balance->preferred[plan->now[0]]--;
    balance->preferred[plan->slots[0]]++;
}

/* Its leader, or somebody who is to have it, is not there: it costs nobody anything, and may never end. */
static bool is_stalled(const struct image *image, const struct image_partition *partition)
{
    if (partition->leader == -1) return true;
    for (uint32_t i = 0; i < partition->replica_count; i++) {
        if ((partition->adding >> i & 1) == 0) continue;
        const uint32_t slot = image_broker_by_id(image, partition->replicas[i]);
        if (slot == SLOT_NONE || image_broker(image, slot)->fenced) return true;
    }
    return false;
}

/* What is under way may always go elsewhere. Something new begins while not too much goes on; and what would stall at
 * once only while not too much is under way at all, or all of it would go on together when somebody is back. */
static bool may_plan(struct balance *balance, const struct image *image, const struct image_partition *partition)
{
    const uint32_t moves = image_view(image).reassigning_count;

    if ((partition->adding | partition->removing) != 0) {
        balance->stalled_now += is_stalled(image, partition);
        return true;
    }
    const uint32_t counting = partition->leader == -1 ? moves : moves - MIN(moves, balance->stalled);
    if (counting < BALANCE_MOVES_MAX) return true;
    balance->held_back = true;
    return false;
}

static bool look_at(struct balance *balance, const struct image *image, const struct placement *placement,
                    uint32_t slot, struct proposal *records)
{
    struct plan plan = {
        .image = image, .placement = placement, .balance = balance, .partition = image_partition(image, slot)
    };
    const struct proposal before = *records;
    int32_t ids[REPLICAS_MAX];

    balance->work_left -= balance->work_left > 0;
    if (look_at_observers(balance, image, placement, slot, records)) return true;
    if (!may_plan(balance, image, plan.partition)) return false;
    switch (keep_target(&plan)) {
    case TARGET_PLANNED: break;
    case TARGET_BEYOND_REACH: return false;
    case TARGET_MET:
        if (!image_view(image).evens || !even_out(&plan)) return false;
        break;
    }
    for (uint32_t i = 0; i < plan.count; i++) ids[i] = image_broker(image, plan.slots[i])->id;
    if (decide_replicas(image, slot, ids, plan.count, false, records) != REPLICAS_CHANGED) return false;
    if (!proposal_ok(records)) {
        *records = before;
        return false;
    }
    count_plan(balance, &plan);
    return true;
}

/* Whatever changes this sum may make another walk worth while. */
static uint64_t sum_of(const struct image *image)
{
    const struct image_view view = image_view(image);

    return hash_mix(view.broker_changes,
                    (uint64_t)view.partition_count << 32 | view.reassigning_count << 1 | view.evens);
}

bool balance_is_due(const struct balance *balance, const struct image *image)
{
    return !balance->resting || balance->seen != sum_of(image);
}

static void begin_walk(struct balance *balance)
{
    balance->stalled_now = 0;
    balance->found = false;
    balance->held_back = false;
}

/* Whoever was held back by moves of which only now is known that they have stalled is looked at once more. */
static void end_walk(struct balance *balance, const struct image *image)
{
    const bool again = balance->held_back && balance->stalled_now > balance->stalled;

    balance->stalled = balance->stalled_now;
    if (balance->found || again) return;
    balance->seen = sum_of(image);
    balance->resting = true;
}

enum balance_verdict balance_next(struct balance *balance, const struct image *image, const struct placement *placement,
                                  struct proposal *records)
{
    uint32_t count = 0;

    if (balance->seen != sum_of(image)) balance->resting = false;
    if (balance->resting) return BALANCE_RESTS;
    if (balance->partition == SLOT_NONE) begin_walk(balance);
    count_brokers(balance, image, placement);
    while (balance->work_left > 0 && count < BALANCE_RECORDS_MAX) {
        balance->partition = image_next_partition(image, balance->partition);
        if (balance->partition == SLOT_NONE) break;
        count += look_at(balance, image, placement, balance->partition, records);
    }
    balance->found |= count > 0;
    if (balance->partition == SLOT_NONE) end_walk(balance, image);
    if (count > 0) return BALANCE_FOUND;
    if (!balance->resting) return BALANCE_MORE;
    return balance->held_back ? BALANCE_WAITS : BALANCE_RESTS;
}
