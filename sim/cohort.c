#include "sim/cohort.h"

#include "base/check.h"
#include "group/records.h"
#include "meta/image.h"
#include "sim/run.h"
#include "status.h"

#include <stdlib.h>
#include <string.h>

void cohorts_init(struct cohorts *cohorts, uint32_t count, uint64_t seed, bool all_classic)
{
    *cohorts = (struct cohorts){ .count = count, .session_ms = 600 + (uint32_t)(seed % 5) * 300 };
    for (uint32_t i = 0; i < count; i++) {
        struct cohort *cohort = &cohorts->list[i];
        *cohort = (struct cohort){ .machine = MACHINE_NONE, .epoch = -1 };
        cohort->newer = !all_classic && (seed + i) % 2 == 0;
        snprintf(cohort->id, sizeof cohort->id, "cohort-%u", i);
        cohort->owners = calloc(COHORT_GENERATIONS_MAX, sizeof *cohort->owners);
        cohort->assigned = calloc(COHORT_GENERATIONS_MAX, sizeof *cohort->assigned);
        for (uint32_t share = 0; share < COHORT_SHARES; share++) {
            cohort->commits[share] =
                (struct cohort_commits){ .sent = -1, .answered = -1, .shown = -1, .settled = -1, .lost = -1 };
        }
    }
}

void cohorts_free(struct cohorts *cohorts)
{
    for (uint32_t i = 0; i < cohorts->count; i++) {
        free(cohorts->list[i].owners);
        free(cohorts->list[i].assigned);
    }
}

/* ---- who coordinates it ---- */

/* What one node knows of it. */
static void ask_image(struct run *run, struct cohort *cohort, const struct image *image)
{
    const struct bytes id = { (const uint8_t *)cohort->id, (uint32_t)strlen(cohort->id) };
    const uint32_t topic = image_topic_by_name(image, OFFSETS_TOPIC);

    if (topic == SLOT_NONE || image_topic(image, topic)->partition_count == 0) return;
    const uint32_t count = image_topic(image, topic)->partition_count;
    const uint32_t slot = image_partition_slot(image, topic, (int32_t)group_partition(id, count));
    if (slot == SLOT_NONE) return;
    const struct image_partition *partition = image_partition(image, slot);
    /* Known to the judge, so that it hears of it when the last disk that had it is lost. */
    cohort->judged = judge_partition(&run->judge, &image_topic(image, topic)->id, partition->index);
    if (partition->leader_epoch <= cohort->epoch) return;
    cohort->epoch = partition->leader_epoch;
    cohort->machine = partition->leader < 0 ? MACHINE_NONE : (uint32_t)partition->leader - 1;
}

/* Of those that are down, too: they may have done more than anybody else has heard of. */
static void look(struct run *run, struct cohort *cohort)
{
    for (uint32_t i = 0; i < run->world.machine_count; i++) {
        const struct machine *machine = run->world.machines[i];
        if (machine->starts > 0 && !machine->outlived) ask_image(run, cohort, node_image(machine->node));
    }
}

/* The records of its partition are lost, and nobody is to blame: nothing is promised any more. */
static bool is_excused(const struct run *run, const struct cohort *cohort)
{
    return run->damaged || run->knobs.disasters > 0 || (cohort->judged != NULL && cohort->judged->gone);
}

void cohort_on_asked(struct run *run, uint32_t number, uint32_t machine, struct cohort_asked *asked)
{
    struct cohort *cohort = &run->cohorts.list[number];

    look(run, cohort);
    *asked = (struct cohort_asked){ .machine = machine, .epoch = -1, .told = cohort->told };
    if (cohort->machine == machine) asked->epoch = cohort->epoch;
    for (uint32_t share = 0; share < COHORT_SHARES; share++) {
        asked->answered[share] = cohort->commits[share].answered;
        asked->shown[share] = cohort->commits[share].shown;
        asked->settled[share] = cohort->commits[share].settled;
    }
}

/* Whoever answered coordinated it all the time. */
static bool coordinated(struct run *run, struct cohort *cohort, const struct cohort_asked *asked)
{
    look(run, cohort);
    return asked->epoch >= 0 && cohort->epoch == asked->epoch && cohort->machine == asked->machine;
}

bool cohort_is_sure(struct run *run, uint32_t number, const struct cohort_asked *asked)
{
    return coordinated(run, &run->cohorts.list[number], asked);
}

bool cohort_is_given_up(const struct run *run, uint32_t number)
{
    const struct judged_partition *judged = run->cohorts.list[number].judged;

    return judged != NULL && plane_is_given_up(&run->plane, &judged->topic_id, judged->index);
}

/* ---- generations ---- */

void cohort_on_joined(struct run *run, uint32_t number, const struct cohort_asked *asked, int32_t generation)
{
    struct cohort *cohort = &run->cohorts.list[number];

    if (!coordinated(run, cohort, asked) || is_excused(run, cohort) || generation >= asked->told) return;
    judge_violated(&run->judge, RULE_O10, "%s: generation %d begins when members of generation %d have their shares",
                   cohort->id, generation, asked->told);
}

void cohort_on_share(struct run *run, uint32_t number, int32_t generation, uint32_t who, uint64_t shares)
{
    struct cohort *cohort = &run->cohorts.list[number];

    CHECK(who != 0);
    if (generation < 0 || generation >= COHORT_GENERATIONS_MAX || is_excused(run, cohort)) return;
    run->cohorts.shares++;
    cohort->told = MAX(cohort->told, generation);
    for (uint32_t share = 0; share < COHORT_SHARES; share++) {
        uint32_t *owner = &cohort->owners[generation][share];
        if ((shares & 1ull << share) == 0) continue;
        if (*owner != 0 && *owner != who) {
            judge_violated(&run->judge, RULE_O10, "%s: topic-%u-%u is two members' in generation %d", cohort->id,
                           share / SHARES_PER_TOPIC, share % SHARES_PER_TOPIC, generation);
        }
        *owner = who;
    }
}

/* ---- the newer protocol ---- */

/* It was not heard for so long, or is so slow to give up what it is to, that its coordinator may have dropped it.
 * Clocks differ by less than the rest. */
static bool may_be_dropped(const struct run *run, const struct client *client)
{
    const struct membership *membership = &client->membership;
    const uint64_t session_ns = run->cohorts.session_ms * UINT64_C(875000);
    const uint64_t rebalance_ns = (uint64_t)membership->rebalance_ms * 875000;
    const uint64_t now_ns = run->world.now_ns;

    if (now_ns - membership->contact_ns >= session_ns) return true;
    return membership->going != 0 && now_ns - membership->going_ns >= rebalance_ns;
}

void cohort_on_held(struct run *run, uint32_t number, uint32_t client, uint64_t shares)
{
    struct cohort *cohort = &run->cohorts.list[number];

    if (is_excused(run, cohort)) return;
    run->cohorts.shares++;
    for (uint32_t share = 0; share < COHORT_SHARES; share++) {
        uint32_t *holder = &cohort->holders[share];
        if ((shares & 1ull << share) == 0) continue;
        if (*holder != 0 && *holder != client + 1 && !may_be_dropped(run, run->clients[*holder - 1])) {
            judge_violated(&run->judge, RULE_O10, "%s: topic-%u-%u is member %u's, and becomes member %u's", cohort->id,
                           share / SHARES_PER_TOPIC, share % SHARES_PER_TOPIC, *holder - 1, client);
        }
        *holder = client + 1;
    }
}

void cohort_on_released(struct run *run, uint32_t number, uint32_t client, uint64_t shares)
{
    for (uint32_t share = 0; share < COHORT_SHARES; share++) {
        uint32_t *holder = &run->cohorts.list[number].holders[share];
        if ((shares & 1ull << share) != 0 && *holder == client + 1) *holder = 0;
    }
}

void cohort_on_epoch(struct run *run, uint32_t number, int32_t epoch)
{
    run->cohorts.list[number].told = MAX(run->cohorts.list[number].told, epoch);
}

/* One whose connection broke may say something else than before. */
void cohort_on_assigned(struct run *run, uint32_t number, int32_t generation, uint64_t shares)
{
    uint64_t *assigned = run->cohorts.list[number].assigned[generation % COHORT_GENERATIONS_MAX];
    uint32_t at = 0;

    while (at < COHORT_ASSIGNMENTS - 1 && assigned[at] != 0) at++;
    assigned[at] = shares;
}

bool cohort_is_assigned(const struct run *run, uint32_t number, int32_t generation, uint64_t shares)
{
    const uint64_t *assigned = run->cohorts.list[number].assigned[generation % COHORT_GENERATIONS_MAX];

    for (uint32_t i = 0; i < COHORT_ASSIGNMENTS; i++) {
        if (assigned[i] == shares) return true;
    }
    return false;
}

/* ---- offsets ---- */

int64_t cohort_on_sent(struct run *run, uint32_t cohort, uint32_t share)
{
    return ++run->cohorts.list[cohort].commits[share].sent;
}

/* A commit of this generation has come true: those of older ones that are not there by now never will be. */
static void settle(struct cohort_commits *commits, int32_t generation)
{
    uint32_t kept = 0;

    if (generation <= commits->settled) return;
    commits->settled = generation;
    for (uint32_t i = 0; i < commits->doubt_count; i++) {
        if (commits->doubts[i].generation >= generation) commits->doubts[kept++] = commits->doubts[i];
    }
    commits->doubt_count = kept;
    if (commits->lost < generation) commits->lost = -1;
}

void cohort_on_committed(struct run *run, uint32_t number, const struct cohort_asked *asked, int32_t generation,
                         uint32_t share, int64_t offset)
{
    struct cohort *cohort = &run->cohorts.list[number];
    struct cohort_commits *commits = &cohort->commits[share];

    run->cohorts.commits++;
    commits->answered = MAX(commits->answered, offset);
    settle(commits, generation);
    if (cohort->newer || generation >= asked->told || is_excused(run, cohort)) return;
    judge_violated(&run->judge, RULE_O10, "%s: a member of generation %d commits when those of %d have their shares",
                   cohort->id, generation, asked->told);
}

void cohort_on_doubt(struct run *run, uint32_t cohort, int32_t generation, uint32_t share, int64_t number)
{
    struct cohort_commits *commits = &run->cohorts.list[cohort].commits[share];

    if (generation < commits->settled) return;
    if (commits->doubt_count == COHORT_DOUBTS) commits->lost = MAX(commits->lost, generation);
    else commits->doubts[commits->doubt_count++] = (struct cohort_doubt){ number, generation };
}

static bool is_doubtful(const struct cohort_commits *commits, int64_t number)
{
    if (commits->lost >= 0) return true;
    for (uint32_t i = 0; i < commits->doubt_count; i++) {
        if (commits->doubts[i].number == number) return true;
    }
    return false;
}

void cohort_on_shown(struct run *run, uint32_t number, const struct cohort_asked *asked, bool at_rest, uint32_t share,
                     int64_t offset)
{
    struct cohort *cohort = &run->cohorts.list[number];
    struct cohort_commits *commits = &cohort->commits[share];

    if (is_excused(run, cohort)) return;
    run->cohorts.fetches++;
    if (offset > commits->sent) {
        judge_violated(&run->judge, RULE_O10, "%s: nobody has committed %lld for topic-%u-%u", cohort->id,
                       (long long)offset, share / SHARES_PER_TOPIC, share % SHARES_PER_TOPIC);
    }
    if (!coordinated(run, cohort, asked) && !at_rest) return;
    /* It was asked for before the doubts were over. */
    const bool settled_since = asked->settled[share] != commits->settled;
    if (offset >= 0 && (settled_since || is_doubtful(commits, offset))) return;
    if (offset < asked->answered[share]) {
        judge_violated(&run->judge, RULE_O10,
                       "%s: %lld was committed for topic-%u-%u, and answered, and now it is %lld", cohort->id,
                       (long long)asked->answered[share], share / SHARES_PER_TOPIC, share % SHARES_PER_TOPIC,
                       (long long)offset);
    } else if (offset < asked->shown[share]) {
        judge_violated(&run->judge, RULE_O10, "%s: %lld was shown for topic-%u-%u, and now it is %lld", cohort->id,
                       (long long)asked->shown[share], share / SHARES_PER_TOPIC, share % SHARES_PER_TOPIC,
                       (long long)offset);
    }
    commits->shown = MAX(commits->shown, offset);
}
