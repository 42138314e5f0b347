/* draw.c -- which faults does a seed make? Each kind has a stream of its own: switching one off leaves the others
 * where they were. */
#include "sim/schedule.h"

#include "base/bytes.h"
#include "sim/world.h"

static void add_range(struct machine_set *set, uint32_t first, uint32_t last)
{
    set->ranges[set->range_count].first = first;
    set->ranges[set->range_count++].last = last;
}

/* One machine, mostly; where several may be hit, now and then so many, in a run of neighbours or here and there. */
static void draw_machines(struct machine_set *set, struct prng *prng, uint32_t machines, bool several)
{
    const uint32_t first = (uint32_t)prng_below(prng, machines);
    const uint32_t count = 1 + (uint32_t)prng_below(prng, MAX(machines / 2, 1U));
    const bool together = prng_chance(prng, 1, 2);

    *set = (struct machine_set){ 0 };
    if (!several || machines == 1) {
        add_range(set, first, first);
    } else if (together) {
        add_range(set, first, MIN(first + count, machines) - 1);
    } else {
        for (uint32_t i = 0, at = first; i < MIN(count, (uint32_t)SET_RANGES_MAX) && at < machines; i++) {
            add_range(set, at, at);
            at += 1 + (uint32_t)prng_below(prng, MAX(2 * machines / count, 1U));
        }
    }
}

static bool hits_several(enum fault_kind kind, struct prng *prng)
{
    const bool now_and_then = prng_chance(prng, 1, 6), mostly = prng_chance(prng, 2, 3);

    switch (kind) {
    case FAULT_PARTITION:
    case FAULT_SWIZZLE: return mostly;
    case FAULT_POWER_LOSS:
    case FAULT_KILL:
    case FAULT_STOP:
    case FAULT_PAUSE:
    case FAULT_SLOW:
    case FAULT_CLOCK_STEP: return now_and_then;
    default: return false;
    }
}

/* All of them mostly, or what nodes say to each other, or one alone. */
static int32_t draw_channels(struct prng *prng)
{
    static const int32_t some[] = { CHANNELS_ALL,  CHANNELS_ALL, CHANNELS_NODE | CHANNELS_WAL,
                                    CHANNELS_NODE, CHANNELS_WAL, CHANNELS_NODE | CHANNELS_WAL,
                                    CHANNELS_KAFKA };
    return some[prng_below(prng, COUNT_OF(some))];
}

/* Any sort of orders; mostly those for one kind of file. */
static int32_t draw_sort(struct prng *prng)
{
    const bool kind = prng_chance(prng, 2, 3);
    return kind ? SORT_FIRST_KIND + (int32_t)prng_below(prng, KINDS_MAX) : (int32_t)prng_below(prng, SORT_FIRST_KIND);
}

/* Where only some orders are slow, they stand still for so long that all else has time to go far. */
static void draw_stall(struct fault *fault, struct prng *prng)
{
    const uint64_t stretch = 1 + prng_below(prng, 5);
    const bool stands = prng_chance(prng, 1, 2);

    fault->values[0] = 2 + (int32_t)prng_below(prng, 200);
    fault->values[1] = prng_chance(prng, 1, 4) ? SORT_URGENT : draw_sort(prng);
    if (fault->values[1] < SORT_FIRST_KIND && !(fault->values[1] == SORT_URGENT && stands)) return;
    fault->values[0] = 4000;
    fault->duration_us *= stretch;
}

static void draw_values(struct fault *fault, struct prng *prng)
{
    int32_t *values = fault->values;

    switch (fault->kind) {
    case FAULT_POWER_LOSS:
        values[0] = (int32_t)prng_below(prng, LOSS_COUNT + 1);
        if (values[0] >= LOSS_COUNT) values[0] = LOSS_MIXED;
        values[1] = prng_chance(prng, 1, 4);
        break;
    case FAULT_STALL: draw_stall(fault, prng); break;
    case FAULT_STOP: values[0] = (int32_t)prng_below(prng, 2); break;
    case FAULT_SYNC_FAILS:
        values[0] = 1 + (int32_t)prng_below(prng, prng_chance(prng, 3, 4) ? 3 : 20);
        values[1] = draw_sort(prng);
        break;
    case FAULT_RESET:
    case FAULT_MUTE:
    case FAULT_CLOG:
        values[0] = 1 + (int32_t)prng_below(prng, 4);
        values[1] = draw_channels(prng);
        break;
    case FAULT_PARTITION:
        values[0] = prng_chance(prng, 1, 2) ? WAYS_BOTH : 1 + (int32_t)prng_below(prng, 2);
        values[1] = draw_channels(prng);
        break;
    case FAULT_SWIZZLE:
        values[0] = 1 + (int32_t)prng_below(prng, 300 * 1000);
        values[1] = draw_channels(prng);
        break;
    case FAULT_SLOW: values[0] = 2 << prng_below(prng, 9); break;
    case FAULT_CLOCK_STEP: values[0] = (int32_t)prng_below(prng, 3000) - 1500; break;
    default: break;
    }
}

static void draw_duration(struct fault *fault, struct prng *prng)
{
    const uint64_t stretch = 1 + prng_below(prng, 20);

    fault->duration_us = 1000 + prng_below(prng, 400 * 1000);
    switch (fault->kind) {
    case FAULT_PAUSE:
    case FAULT_PARTITION:
    case FAULT_SLOW: fault->duration_us *= stretch; break;
    case FAULT_STOP:
    case FAULT_SYNC_FAILS:
    case FAULT_FLIP:
    case FAULT_RESET:
    case FAULT_MUTE:
    case FAULT_CLOCK_STEP:
    case FAULT_JOIN:
    case FAULT_REMOVE:
    case FAULT_TRANSFER:
    case FAULT_RECOVER:
    case FAULT_PROMOTE: fault->duration_us = 0; break;
    default: break;
    }
}

/* Short ones mostly, so that there is time for many; some outlast a session. */
static void shorten(struct fault *fault, struct prng *prng)
{
    static const uint64_t most_us[] = { 20 * 1000, 80 * 1000, 300 * 1000, 1500 * 1000 };
    const uint64_t most = most_us[prng_below(prng, COUNT_OF(most_us))], drawn = 1 + prng_below(prng, most);
    const bool fences = prng_chance(prng, 1, 2); /* and the session is over before it ends */

    if (fault->duration_us > 0) fault->duration_us = drawn;
    if (fault->kind == FAULT_PARTITION && fences) fault->duration_us = 900 * 1000 + drawn;
}

static void draw_role(struct fault *fault, struct prng *prng, const struct fault_rates *rates, uint32_t machines)
{
    const bool at_leader = prng_chance(prng, 1, 4), at_replica = prng_chance(prng, rates->at_replicas, 100);
    const uint32_t which = (uint32_t)prng_below(prng, 5);

    if (machines == 1 || fault->kind == FAULT_JOIN || fault->kind == FAULT_TRANSFER) return;
    if (at_leader) fault->machines = (struct machine_set){ .role = ROLE_LEADER };
    if (!at_replica) return;
    fault->machines.role = which < 2 ? ROLE_HEAD : which < 4 ? ROLE_FOLLOWER : ROLE_LAGGARD;
}

/* Crashes wait for any moment, and what else stands in the way of replicas for one that concerns them. */
static void draw_aim(struct fault *fault, struct prng *prng, const struct fault_rates *rates, uint32_t machines)
{
    const uint32_t any = (uint32_t)prng_below(prng, machines > 1 ? AIM_COUNT : AIM_ELECTION);
    const uint32_t of_replicas = AIM_APPEND + (uint32_t)prng_below(prng, AIM_COUNT - AIM_APPEND);
    const bool at_replica = prng_chance(prng, rates->at_replicas, 200);

    if (!rates->aimed) return;
    switch (fault->kind) {
    case FAULT_POWER_LOSS:
    case FAULT_KILL: fault->aim = (enum aim)(at_replica ? of_replicas : any); break;
    case FAULT_STOP:
    case FAULT_PAUSE:
    case FAULT_STALL:
    case FAULT_WIPE:
    case FAULT_RESET:
    case FAULT_CLOG:
    case FAULT_PARTITION:
    case FAULT_SLOW:
        if (at_replica) fault->aim = (enum aim)of_replicas;
        break;
    default: break;
    }
}

/* Where there is a moment of one who leads, or of one who is behind, that is whom it is for. */
static void match_role(struct fault *fault)
{
    if (fault->machines.role < ROLE_HEAD) return;
    if (fault->aim == AIM_APPEND || fault->aim == AIM_OFFICE) fault->machines.role = ROLE_HEAD;
    if (fault->aim == AIM_BEHIND) fault->machines.role = ROLE_LAGGARD;
    if (fault->aim != AIM_JOINING) return;
    const bool in_the_way = fault->kind == FAULT_PARTITION || fault->kind == FAULT_CLOG || fault->kind == FAULT_SLOW ||
                            fault->kind == FAULT_STALL;
    fault->machines.role = in_the_way ? ROLE_HEAD : ROLE_LAGGARD;
}

static void draw_details(struct fault *fault, struct prng *prng, const struct fault_rates *rates, uint32_t machines)
{
    draw_machines(&fault->machines, prng, machines, hits_several(fault->kind, prng));
    draw_role(fault, prng, rates, machines);
    draw_duration(fault, prng);
    draw_values(fault, prng);
    if (rates->at_replicas > 0) shorten(fault, prng);
    draw_aim(fault, prng, rates, machines);
    match_role(fault);
}

/* What comes so soon behind another fault that nobody has got over that one yet. */
static void draw_aftershock(struct schedule *schedule, const struct fault *first, struct prng *prng,
                            const struct fault_rates *rates, uint32_t machines)
{
    static const enum fault_kind kinds[] = { FAULT_POWER_LOSS, FAULT_KILL,  FAULT_PAUSE, FAULT_PARTITION,
                                             FAULT_RESET,      FAULT_STALL, FAULT_WIPE,  FAULT_KILL };
    struct fault fault = { .kind = kinds[prng_below(prng, COUNT_OF(kinds))] };
    const bool follows = prng_chance(prng, rates->aftershocks, 100), alike = prng_chance(prng, 2, 3);
    const uint64_t most_us = 1 + (1000u << prng_below(prng, 8));

    fault.time_us = first->time_us + 1 + prng_below(prng, most_us);
    draw_details(&fault, prng, rates, machines);
    if (alike && first->aim >= AIM_APPEND) { /* both wait for the same moment */
        fault.aim = first->aim;
        match_role(&fault);
    }
    if (follows && schedule->count < SCHEDULE_MAX) schedule->list[schedule->count++] = fault;
}

void schedule_draw(struct schedule *schedule, uint64_t seed, const struct fault_rates *rates, uint32_t machines,
                   uint32_t nodes, uint64_t begin_us, uint64_t end_us)
{
    schedule->count = 0;
    for (enum fault_kind kind = 0; kind < FAULT_COUNT; kind++) {
        struct prng prng;
        prng_init(&prng, seed, (uint64_t)STREAM_FAULTS << 32 | kind);
        if (rates->per_100_s[kind] == 0) continue;
        const uint64_t every_us = 100 * 1000 * 1000 / rates->per_100_s[kind];
        uint64_t time_us = begin_us;
        for (;;) {
            struct fault fault = { .kind = kind };
            time_us += 1 + prng_below(&prng, 2 * every_us);
            fault.time_us = time_us;
            draw_details(&fault, &prng, rates, machines);
            if (kind == FAULT_JOIN && nodes < machines &&
                prng_chance(&prng, 2, 3)) { /* one that was not there before */
                fault.machines = (struct machine_set){ 0 };
                const uint32_t newcomer = nodes + (uint32_t)prng_below(&prng, machines - nodes);
                add_range(&fault.machines, newcomer, newcomer);
            }
            if (time_us >= end_us || schedule->count == SCHEDULE_MAX) break;
            schedule->list[schedule->count++] = fault;
            if (rates->aftershocks > 0) draw_aftershock(schedule, &fault, &prng, rates, machines);
        }
    }
    schedule_sort(schedule);
}
