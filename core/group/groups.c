/* groups.c -- the room as a whole: time, who waits, what is due. */
#include "base/check.h"
#include "group/state.h"
#include "meta/image.h"

/* ---- time ---- */

int64_t setting(const struct groups *groups, int id)
{
    return broker_config_int(groups->rooms.image, (enum config_id)id);
}

int64_t group_setting(const struct groups *groups, uint32_t group, enum group_setting which)
{
    const int32_t own = image_group_setting(groups->rooms.image, kept_bytes(groups, &groups->groups[group].id), which);

    return own != 0 ? own : setting(groups, group_setting_default(which));
}

void groups_on_time(struct groups *groups, uint64_t mono_ns, int64_t wall_ms)
{
    CHECK(groups->mono_ns <= mono_ns);
    groups->mono_ns = mono_ns;
    groups->wall_ms = wall_ms;
}

void timer_set_group(struct groups *groups, uint32_t group, uint64_t delay_ms)
{
    timers_set(&groups->timers, group, groups->mono_ns + delay_ms * NS_PER_MS);
}

void timer_clear_group(struct groups *groups, uint32_t group)
{
    timers_clear(&groups->timers, group);
}

void timer_set_member(struct groups *groups, uint32_t member)
{
    const uint64_t session_ms = (uint64_t)MAX(groups->members[member].session_ms, 0);

    timers_set(&groups->timers, groups->config.groups_max + member, groups->mono_ns + session_ms * NS_PER_MS);
}

void timer_clear_member(struct groups *groups, uint32_t member)
{
    timers_clear(&groups->timers, groups->config.groups_max + member);
}

bool groups_are_crowded(const struct groups *groups)
{
    const uint64_t size = groups->texts.buddy.config.range_size;

    return groups->texts.buddy.taken_size > size - size / CROWDED_PART;
}

/* ---- who waits ---- */

struct wait *wait_of(struct groups *groups, uint64_t waiter)
{
    const uint32_t number = (uint32_t)waiter;

    CHECK(waiter != NOBODY && number < groups->config.waiters_max);
    struct wait *wait = &groups->waits[number];
    return wait->kind != WAIT_FREE && wait->waiter == waiter ? wait : NULL;
}

struct wait *wait_begin(struct groups *groups, uint64_t waiter, enum wait_kind kind)
{
    struct wait *wait = &groups->waits[(uint32_t)waiter];

    if (wait->kind != WAIT_FREE) groups_forget(groups, wait->waiter); /* nobody takes that answer any more */
    *wait = (struct wait){ .waiter = waiter, .kind = (uint8_t)kind, .group = NONE, .member = NONE };
    wait->ticket = ++groups->tickets;
    return wait;
}

void wait_end(struct groups *groups, uint64_t waiter, enum error error)
{
    struct wait *wait = waiter == NOBODY ? NULL : wait_of(groups, waiter);

    if (wait == NULL || wait->ready) return;
    wait->ready = true;
    wait->error = (int16_t)error;
    chain_add(&groups->ready, (uint32_t)waiter);
}

uint64_t wait_ticket(const struct groups *groups)
{
    return groups->tickets + 1;
}

void wait_end_of(struct groups *groups, uint64_t waiter, uint64_t ticket, enum error error)
{
    struct wait *wait = waiter == NOBODY ? NULL : wait_of(groups, waiter);

    if (wait == NULL || (wait->ticket != ticket && !MUTANT(group_answers_a_later_wait))) return;
    if (error == ERROR_NONE && wait->others > 0) {
        wait->others--;
        return;
    }
    wait_end(groups, waiter, error);
}

uint64_t groups_next_ready(struct groups *groups)
{
    const uint32_t number = chain_take(&groups->ready);

    return number == CHAIN_NONE ? 0 : groups->waits[number].waiter;
}

/* The same, for who only looks. */
static const struct wait *look_at(const struct groups *groups, uint64_t waiter)
{
    const struct wait *wait = &groups->waits[(uint32_t)waiter];

    CHECK((uint32_t)waiter < groups->config.waiters_max);
    return wait->kind != WAIT_FREE && wait->waiter == waiter ? wait : NULL;
}

bool groups_is_ready(const struct groups *groups, uint64_t waiter)
{
    const struct wait *wait = look_at(groups, waiter);

    return wait != NULL && wait->ready;
}

enum error groups_outcome(const struct groups *groups, uint64_t waiter)
{
    const struct wait *wait = look_at(groups, waiter);

    return wait == NULL || !wait->ready ? ERROR_NONE : (enum error)wait->error;
}

void groups_forget(struct groups *groups, uint64_t waiter)
{
    struct wait *wait = wait_of(groups, waiter);

    if (wait == NULL) return;
    chain_remove(&groups->ready, (uint32_t)waiter);
    if (wait->member != NONE) {
        struct member *member = &groups->members[wait->member];
        CHECK(member->waiter == waiter);
        member->waiter = NOBODY;
        /* It may be gone with its link. It counts on as having joined, and its time begins. */
        if (!wait->ready) timer_set_member(groups, wait->member);
    }
    wait->kind = WAIT_FREE;
}

/* ---- what is due ---- */

/* A member was silent for too long, or did not come back with its id. */
static void on_member_time(struct groups *groups, uint32_t number)
{
    const struct member *member = &groups->members[number];
    const uint32_t group = member->group;

    CHECK(member->taken);
    if (groups->groups[group].consumer.is) {
        consumer_on_time(groups, number);
        return;
    }
    /* Who waits for us is not silent; and who could not be answered yet has not been heard. */
    if (member->waiter != NOBODY || groups->places[groups->groups[group].place].state != PLACE_OPEN) {
        timer_set_member(groups, number);
        return;
    }
    rebalance_remove(groups, number, ERROR_UNKNOWN_MEMBER_ID);
}

static void run_timers(struct groups *groups)
{
    for (uint32_t count = 0; count < TIMERS_PER_STEP_MAX; count++) {
        const uint32_t slot = timers_pop_due(&groups->timers, groups->mono_ns);
        if (slot == TIMERS_NO_SLOT) return;
        if (slot < groups->config.groups_max) rebalance_on_time(groups, slot);
        else on_member_time(groups, slot - groups->config.groups_max);
    }
    groups->due = true;
}

void groups_work(struct groups *groups, struct effects *effects)
{
    groups->due = false;
    CHECK(!groups->committing.open);
    places_work(groups, effects);
    run_timers(groups);
    patterns_work(groups);
    writes_work(groups);
    expiry_work(groups);
}

uint64_t groups_deadline_ns(const struct groups *groups)
{
    if (groups->due || groups->ready.count > 0) return groups->mono_ns;
    const uint64_t look_ns = groups->look_due_ns == 0 ? UINT64_MAX : groups->look_due_ns;
    const uint64_t places_ns = places_deadline_ns(groups), writes_ns = writes_deadline_ns(groups);
    return MIN(MIN(timers_next(&groups->timers), look_ns), MIN(places_ns, writes_ns));
}

static void count_states(const struct groups *groups, struct groups_usage *usage)
{
    for (uint32_t number = 0; number < groups->group_pool.fresh_first; number++) {
        if (!pool_is_taken(&groups->group_pool, number)) continue;
        switch ((enum group_state)groups->groups[number].state) {
        case GROUP_EMPTY: usage->empty++; break;
        case GROUP_PREPARING: usage->preparing++; break;
        case GROUP_COMPLETING: usage->completing++; break;
        case GROUP_STABLE: usage->stable++; break;
        case GROUP_DEAD: usage->dead++; break;
        }
    }
}

struct groups_usage groups_usage(const struct groups *groups)
{
    struct groups_usage usage = groups->counters;

    usage.groups = groups->group_pool.taken_count;
    usage.members = groups->member_pool.taken_count;
    usage.offsets = groups->offset_pool.taken_count;
    usage.memory_used = groups->texts.buddy.taken_size;
    usage.memory_max = groups->texts.buddy.config.range_size;
    count_states(groups, &usage);
    usage.loading = groups->watched.count + groups->loading.count;
    usage.failed = groups->failed.count;
    return usage;
}

/* ---- checks ---- */

static void check_group(const struct groups *groups, uint32_t number)
{
    const struct group *group = &groups->groups[number];
    uint32_t members = 0, promised = 0, joined = 0;
    bool led = group->leader == NONE;

    CHECK(group->taken && group->place < groups->config.logs_max);                                         /* (1) */
    CHECK(groups->places[group->place].state != PLACE_ELSEWHERE || groups->places[group->place].dropping); /* (1) */
    for (uint32_t at = group->member_first; at != NONE; at = groups->members[at].next) {
        const struct member *member = &groups->members[at];
        CHECK(member->taken && member->group == number);
        members += !member->promised;
        promised += member->promised;
        joined += member->joined;
        led |= at == group->leader && !member->promised;
        if (member->waiter == NOBODY) continue;
        const struct wait *wait = &groups->waits[(uint32_t)member->waiter];
        CHECK(wait->waiter == member->waiter && wait->member == at && wait->kind != WAIT_FREE); /* (3) */
    }
    CHECK(members == group->member_count && promised == group->promised_count &&
          joined == group->joined_count); /* (2) */
    if (group->consumer.is) {             /* what is being loaded may still contradict itself */
        if (groups->places[group->place].state == PLACE_OPEN) consumer_check(groups, number);
        return;
    }
    CHECK(led);                                                                                         /* (4) */
    if (group->state == GROUP_COMPLETING || group->state == GROUP_STABLE) CHECK(group->leader != NONE); /* (4) */
}

static void check_place(const struct groups *groups, uint32_t number)
{
    const struct place *place = &groups->places[number];
    int64_t end_offset = 0;

    for (uint32_t at = place->write_first; place->write_last != NONE && at != NONE; at = groups->writes[at].next) {
        CHECK(groups->writes[at].end_offset >= end_offset); /* (5) */
        end_offset = groups->writes[at].end_offset;
    }
}

void groups_check(const struct groups *groups)
{
    for (uint32_t number = 0; number < groups->group_pool.fresh_first; number++) {
        if (!pool_is_taken(&groups->group_pool, number)) continue;
        check_group(groups, number);
        check_place(groups, groups->groups[number].place);
    }
    for (uint32_t number = 0; number < groups->config.waiters_max; number++) {
        const struct wait *wait = &groups->waits[number];
        if (wait->kind == WAIT_FREE || wait->member == NONE) continue;
        CHECK(groups->members[wait->member].waiter == wait->waiter); /* (3) */
    }
    timers_check(&groups->timers);
}
