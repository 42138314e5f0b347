#include "group/assign.h"

#include "base/check.h"

enum { ROUNDS_MAX = 32 }; /* of levelling: each makes it fairer, most groups need two */

struct work {
    const struct assign *assign;
    uint32_t *topic_sets_first; /* [topic_count + 1] */
    uint32_t *topic_sets;       /* the sets that have a topic */
    uint32_t *set_members_first;
    uint32_t *set_members;
    uint32_t *stamp; /* [set_count]: the topic, plus 1, that it was looked at for */
    uint32_t *load;  /* [member_count]: partitions that it has */
    uint32_t *heap;  /* of members, the least loaded first */
    uint32_t *at;    /* [member_count]: where in the heap */
    uint32_t heap_count;
};

uint64_t assign_scratch_count(uint64_t members, uint64_t topics, uint64_t sets, uint64_t set_topics)
{
    return topics + 1 + set_topics + sets + 1 + sets + 4 * members;
}

uint64_t assign_pause_ms(uint64_t members, uint64_t partitions)
{
    enum { SMALL = 4096, PER_MS = 50 }; /* each of them costs less than a microsecond, by a factor of two or more */
    const uint64_t size = members + partitions;

    return size <= SMALL ? 0 : size / PER_MS;
}

/* ---- who subscribes to what ---- */

/* From lists of numbers the lists of who has each number. `first` is [count + 1]. */
static void prefix(uint32_t *first, uint32_t count)
{
    uint32_t sum = 0;

    for (uint32_t i = 0; i <= count; i++) {
        const uint32_t here = i < count ? first[i] : 0;
        first[i] = sum;
        sum += here;
    }
}

/* After filling, each begin has moved to its end: they move back. */
static void unshift(uint32_t *first, uint32_t count)
{
    for (uint32_t i = count; i > 0; i--) first[i] = first[i - 1];
    first[0] = 0;
}

static void invert(struct work *work)
{
    const struct assign *assign = work->assign;

    for (uint32_t i = 0; i <= assign->topic_count; i++) work->topic_sets_first[i] = 0;
    for (uint32_t i = 0; i < assign->set_first[assign->set_count]; i++) work->topic_sets_first[assign->set_topics[i]]++;
    prefix(work->topic_sets_first, assign->topic_count);
    for (uint32_t set = 0; set < assign->set_count; set++) {
        for (uint32_t i = assign->set_first[set]; i < assign->set_first[set + 1]; i++) {
            work->topic_sets[work->topic_sets_first[assign->set_topics[i]]++] = set;
        }
    }
    unshift(work->topic_sets_first, assign->topic_count);
    for (uint32_t i = 0; i <= assign->set_count; i++) work->set_members_first[i] = 0;
    for (uint32_t i = 0; i < assign->member_count; i++) work->set_members_first[assign->member_set[i]]++;
    prefix(work->set_members_first, assign->set_count);
    for (uint32_t i = 0; i < assign->member_count; i++) {
        work->set_members[work->set_members_first[assign->member_set[i]]++] = i;
    }
    unshift(work->set_members_first, assign->set_count);
}

static struct work begin(const struct assign *assign)
{
    struct work work = { .assign = assign };
    uint32_t *to = assign->scratch;

    work.topic_sets_first = to;
    to += assign->topic_count + 1;
    work.topic_sets = to;
    to += assign->set_first[assign->set_count];
    work.set_members_first = to;
    to += assign->set_count + 1;
    work.set_members = to;
    to += assign->member_count;
    work.stamp = to;
    to += assign->set_count;
    work.load = to;
    to += assign->member_count;
    work.heap = to;
    to += assign->member_count;
    work.at = to;
    for (uint32_t i = 0; i < assign->set_count; i++) work.stamp[i] = 0;
    for (uint32_t i = 0; i < assign->member_count; i++) work.load[i] = 0;
    invert(&work);
    return work;
}

/* From now on stamp says which sets have this topic. Returns how many members that are. */
static uint32_t stamp(struct work *work, uint32_t topic)
{
    uint32_t members = 0;

    for (uint32_t i = work->topic_sets_first[topic]; i < work->topic_sets_first[topic + 1]; i++) {
        const uint32_t set = work->topic_sets[i];
        work->stamp[set] = topic + 1;
        members += work->set_members_first[set + 1] - work->set_members_first[set];
    }
    return members;
}

/* ---- range ---- */

void assign_range(const struct assign *assign)
{
    struct work work = begin(assign);

    for (uint32_t topic = 0; topic < assign->topic_count; topic++) {
        const uint32_t members = stamp(&work, topic), end = assign->topic_first[topic + 1];
        uint32_t next = assign->topic_first[topic], nth = 0;
        for (uint32_t i = next; i < end; i++) assign->owner[i] = ASSIGN_NOBODY;
        if (members == 0) continue;
        const uint32_t share = (end - next) / members, rest = (end - next) % members;
        for (uint32_t i = 0; i < assign->member_count && next < end; i++) {
            const uint32_t member = assign->order[i];
            if (work.stamp[assign->member_set[member]] != topic + 1) continue;
            for (uint32_t left = share + (nth++ < rest); left > 0; left--) assign->owner[next++] = member;
        }
        CHECK(next == end);
    }
}

/* ---- uniform ---- */

static bool is_before(const struct work *work, uint32_t a, uint32_t b)
{
    return work->load[a] != work->load[b] ? work->load[a] < work->load[b] : a < b;
}

static void put(struct work *work, uint32_t at, uint32_t member)
{
    work->heap[at] = member;
    work->at[member] = at;
}

static void sink(struct work *work, uint32_t at)
{
    const uint32_t member = work->heap[at];

    for (;;) {
        uint32_t child = 2 * at + 1;
        if (child >= work->heap_count) break;
        if (child + 1 < work->heap_count && is_before(work, work->heap[child + 1], work->heap[child])) child++;
        if (!is_before(work, work->heap[child], member)) break;
        put(work, at, work->heap[child]);
        at = child;
    }
    put(work, at, member);
}

static void rise(struct work *work, uint32_t at)
{
    const uint32_t member = work->heap[at];

    while (at > 0 && is_before(work, member, work->heap[(at - 1) / 2])) {
        put(work, at, work->heap[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    put(work, at, member);
}

/* Whether a topic has the subscribers of the one before. */
static bool is_like_before(const struct work *work, uint32_t topic)
{
    const uint32_t *first = work->topic_sets_first;

    if (topic == 0 || first[topic + 1] - first[topic] != first[topic] - first[topic - 1]) return false;
    for (uint32_t i = first[topic], j = first[topic - 1]; i < first[topic + 1]; i++, j++) {
        if (work->topic_sets[i] != work->topic_sets[j]) return false;
    }
    return true;
}

/* The heap of a topic's subscribers; that of the one before is as good if they are the same. */
static void gather(struct work *work, uint32_t topic)
{
    if (is_like_before(work, topic)) return;
    work->heap_count = 0;
    for (uint32_t i = work->topic_sets_first[topic]; i < work->topic_sets_first[topic + 1]; i++) {
        const uint32_t set = work->topic_sets[i];
        for (uint32_t j = work->set_members_first[set]; j < work->set_members_first[set + 1]; j++) {
            put(work, work->heap_count++, work->set_members[j]);
        }
    }
    for (uint32_t at = work->heap_count / 2; at-- > 0;) sink(work, at);
}

static void give(struct work *work, uint32_t partition)
{
    const uint32_t member = work->heap[0];

    work->assign->owner[partition] = member;
    work->load[member]++;
    sink(work, 0);
}

/* Who subscribes to it no more has it no more. */
static void keep(struct work *work)
{
    const struct assign *assign = work->assign;

    for (uint32_t topic = 0; topic < assign->topic_count; topic++) {
        stamp(work, topic);
        for (uint32_t i = assign->topic_first[topic]; i < assign->topic_first[topic + 1]; i++) {
            const uint32_t member = assign->owner[i];
            if (member == ASSIGN_NOBODY) continue;
            if (work->stamp[assign->member_set[member]] == topic + 1) work->load[member]++;
            else assign->owner[i] = ASSIGN_NOBODY;
        }
    }
}

/* From who has two more to who has least, of those who may have it. False: everything is level. */
static bool level(struct work *work)
{
    const struct assign *assign = work->assign;
    bool moved = false;

    for (uint32_t topic = 0; topic < assign->topic_count; topic++) {
        gather(work, topic);
        for (uint32_t i = assign->topic_first[topic]; i < assign->topic_first[topic + 1]; i++) {
            const uint32_t member = assign->owner[i];
            if (member == ASSIGN_NOBODY || work->load[member] < work->load[work->heap[0]] + 2) continue;
            work->load[member]--;
            rise(work, work->at[member]);
            give(work, i);
            moved = true;
        }
    }
    return moved;
}

void assign_uniform(const struct assign *assign)
{
    struct work work = begin(assign);

    keep(&work);
    for (uint32_t topic = 0; topic < assign->topic_count; topic++) {
        gather(&work, topic);
        for (uint32_t i = assign->topic_first[topic]; i < assign->topic_first[topic + 1]; i++) {
            if (assign->owner[i] == ASSIGN_NOBODY && work.heap_count > 0) give(&work, i);
        }
    }
    for (uint32_t round = 0; round < ROUNDS_MAX; round++) {
        if (!level(&work)) return;
    }
}
