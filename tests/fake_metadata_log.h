/* fake_metadata_log.h -- a metadata log that a test holds in its hand: one group for all nodes, without Raft or disks.
 *
 * What a leader proposes stands behind what is committed until the test commits it (group_commit), or elects another
 * leader (group_elect), who keeps as much of it as the test says. Nodes hear of both when the test lets them
 * (group_hear): until then a deposed leader takes proposals that come to nothing, as a real one does. */
#ifndef CHRONIK_TESTS_FAKE_METADATA_LOG_H
#define CHRONIK_TESTS_FAKE_METADATA_LOG_H

#include "base/prng.h"
#include "controller/metadata_log.h"
#include "meta/records.h"
#include "raft/raft.h"
#include "t.h"
#include <stdlib.h>

enum { GROUP_ENTRIES_MAX = 1 << 15, GROUP_NODES_MAX = 8, FAKE_PROPOSAL_MAX = 4096, FAKE_STEP_ENTRIES = 3 };

struct group_entry {
    uint64_t term;
    uint32_t size;
    uint8_t *bytes;
};

struct group {
    struct group_entry entries[GROUP_ENTRIES_MAX]; /* from index 1 on */
    uint64_t last;
    uint64_t committed;
    uint64_t term;
    int32_t leader; /* 0: none */
    struct prng *prng;
    uint32_t full_chance; /* of 100: a proposal finds no room */
    uint64_t lost;        /* proposals that were taken and came to nothing */
    struct metadata_log *logs[GROUP_NODES_MAX];
};

static struct group group;

struct metadata_log {
    struct metadata_log_config config;
    struct image *image;
    struct raft *raft; /* of no group: whoever asks it learns that nothing goes on; unless a test starts it */
    struct raft_output *raft_output; /* then, where what is changed of its member list comes out; and when */
    uint64_t raft_ns;
    bool open;
    uint64_t first_index;
    int64_t disk_epoch;
    uint64_t heard_commit, heard_term;
    int32_t heard_leader;
    uint64_t own_last; /* of a leader that has not heard of its end */
    bool jumps;        /* the next that is applied comes as a snapshot */
    bool applying, refused;
    struct bytes rest;
    uint32_t entries_left;
};

/* ---- the test's hand ---- */

static inline void group_append(uint64_t term, struct bytes bytes)
{
    CHECK(group.last + 1 < GROUP_ENTRIES_MAX);
    struct group_entry *entry = &group.entries[++group.last];

    entry->term = term;
    entry->size = bytes.size;
    entry->bytes = malloc(bytes.size + 1);
    if (bytes.size > 0) memcpy(entry->bytes, bytes.data, bytes.size);
}

static inline void group_cut(uint64_t last)
{
    CHECK(last >= group.committed);
    while (group.last > last) {
        free(group.entries[group.last--].bytes);
        group.lost++;
    }
}

static inline void group_reset(struct prng *prng)
{
    group.committed = 0;
    group_cut(0);
    memset(&group, 0, sizeof group);
    group.prng = prng;
}

/* What the node knows of the group is now true, up to a commit index. */
static inline void group_hear(int32_t node, uint64_t commit)
{
    struct metadata_log *log = group.logs[node];

    log->heard_commit = MAX(log->heard_commit, MIN(commit, group.committed));
    log->heard_term = group.term;
    log->heard_leader = group.leader;
}

/* Another leader, or the same anew, who has `kept` of what was proposed and not committed. */
static inline void group_elect(int32_t node, uint64_t kept)
{
    if (group.leader != 0 && group.logs[group.leader] != NULL) group.logs[group.leader]->own_last = group.last;
    group_cut(MIN(group.committed + kept, group.last));
    group.term++;
    group.leader = node;
    group_append(group.term, (struct bytes){ 0 });
    group_hear(node, 0);
}

/* The node leads no more, or knows no leader: it restarts, or lost its quorum. Nobody leads twice in the same term. */
static inline void group_unseat(int32_t node)
{
    if (group.leader == node) {
        group_cut(group.committed + prng_below(group.prng, group.last - group.committed + 1));
        group.leader = 0;
    }
    group.logs[node]->heard_leader = 0;
}

/* ---- what the controller asks ---- */

static inline size_t fake_raft_size(struct raft_config *config)
{
    *config = (struct raft_config){ .id = 1,
                                    .election_timeout_ns = 1000000000,
                                    .heartbeat_ns = 100000000,
                                    .members_max = RAFT_VOTERS_MAX,
                                    .configuration_size_max = 1024,
                                    .entries_max = 64,
                                    .uncommitted_max = 16,
                                    .entry_size_max = 1024,
                                    .append_size_max = 1024,
                                    .inflight_size_max = 4096,
                                    .chunk_size_max = 1024,
                                    .chunks_inflight_max = 1,
                                    .reads_max = 4,
                                    .promote_lag_max = 4 };
    return (raft_size(config) + 63) / 64 * 64;
}

size_t metadata_log_size(const struct metadata_log_config *config)
{
    struct raft_config raft;

    (void)config;
    return (sizeof(struct metadata_log) + 63) / 64 * 64 + fake_raft_size(&raft);
}

void metadata_log_init(struct metadata_log *log, const struct metadata_log_config *config, struct image *image)
{
    struct raft_config raft;

    fake_raft_size(&raft);
    *log = (struct metadata_log){ .config = *config, .image = image };
    log->raft = (struct raft *)(void *)((uint8_t *)log + (sizeof *log + 63) / 64 * 64);
    raft_init(log->raft, &raft);
    log->first_index = group.committed + 1;
    log->disk_epoch = (int64_t)group.committed; /* it saw all of that, and so its own registrations among it */
    log->heard_commit = group.committed;        /* what is on disk, all of it committed */
    log->heard_term = group.term;
    group.logs[config->node_id] = log;
}

uint32_t metadata_log_proposal_size_max(const struct metadata_log_config *config)
{
    (void)config;
    return FAKE_PROPOSAL_MAX;
}

uint32_t metadata_log_frame_size_max(const struct metadata_log_config *config)
{
    (void)config;
    return FAKE_PROPOSAL_MAX;
}

enum metadata_log_state metadata_log_state(const struct metadata_log *log)
{
    return log->open ? METADATA_LOG_OPEN : METADATA_LOG_CLOSED;
}

struct effect_halt metadata_log_halt(const struct metadata_log *log)
{
    (void)log;
    CHECK(false);
    return (struct effect_halt){ 0 };
}

void metadata_log_open(struct metadata_log *log, struct effects *effects)
{
    (void)effects;
    log->open = true;
}

uint64_t metadata_log_member(const struct metadata_log *log)
{
    return (uint64_t)log->config.node_id << MEMBER_SUFFIX_BITS | 1;
}

bool metadata_log_identity_is_durable(const struct metadata_log *log)
{
    return log->open;
}

struct ancestry metadata_log_disk_ancestry(const struct metadata_log *log)
{
    (void)log;
    return (struct ancestry){ 0 };
}

enum standing metadata_log_standing(const struct metadata_log *log)
{
    (void)log;
    return STANDING_MEMBER;
}

bool metadata_log_owes_recovery(const struct metadata_log *log)
{
    (void)log;
    return false;
}

void metadata_log_on_recovered(struct metadata_log *log, uint64_t index)
{
    (void)log, (void)index;
}

void metadata_log_on_removed(struct metadata_log *log)
{
    (void)log;
}

void metadata_log_on_time(struct metadata_log *log, uint64_t mono_ns)
{
    (void)mono_ns;
    log->entries_left = FAKE_STEP_ENTRIES;
}

void metadata_log_on_disk(struct metadata_log *log, const struct event *event, struct effects *effects)
{
    (void)log, (void)event, (void)effects;
}

bool metadata_log_on_frame(struct metadata_log *log, uint64_t from, struct bytes frame)
{
    (void)log, (void)from, (void)frame;
    return true;
}

void metadata_log_commit(struct metadata_log *log, struct effects *effects)
{
    (void)log, (void)effects;
}

uint64_t metadata_log_deadline_ns(const struct metadata_log *log, bool applies)
{
    (void)log, (void)applies;
    return UINT64_MAX;
}

bool metadata_log_next_frame(struct metadata_log *log, struct metadata_frame *frame)
{
    (void)log, (void)frame;
    return false;
}

/* Everything that is committed, at once, and nobody is told how it came. */
static inline void fake_jump(struct metadata_log *log, struct applied_entry *entry)
{
    struct image_change change;

    log->jumps = false;
    image_clear(log->image);
    for (uint64_t index = 1; index <= log->heard_commit; index++) {
        struct bytes rest = { group.entries[index].bytes, group.entries[index].size }, record;
        while (proposal_next(&rest, &record)) {
            const enum apply_verdict verdict = image_apply(log->image, index, record, &change);
            while (image_is_draining(log->image)) image_drain(log->image, &change);
            if (verdict == APPLY_REFUSED) break;
        }
        image_advance(log->image, index, group.entries[index].term);
    }
    *entry = (struct applied_entry){ .index = log->heard_commit, .term = group.entries[log->heard_commit].term };
}

static inline bool fake_begin_entry(struct metadata_log *log)
{
    const uint64_t index = image_view(log->image).applied_index + 1;

    if (index > log->heard_commit || log->entries_left == 0) return false;
    log->entries_left--;
    log->applying = true;
    log->refused = false;
    log->rest = (struct bytes){ group.entries[index].bytes, group.entries[index].size };
    return true;
}

enum applied metadata_log_apply(struct metadata_log *log, struct image_change *change, struct applied_entry *entry)
{
    struct bytes record;

    for (;;) {
        const uint64_t index = image_view(log->image).applied_index + 1;
        *change = (struct image_change){ CHANGE_NOTHING, SLOT_NONE, SLOT_NONE, SLOT_NONE };
        if (image_is_draining(log->image)) {
            image_drain(log->image, change);
        } else if (!log->applying) {
            const bool leads = log->heard_leader == log->config.node_id; /* then nobody sends it a snapshot */
            if (log->jumps && !leads && log->heard_commit >= index) {
                fake_jump(log, entry);
                return APPLIED_SNAPSHOT;
            }
            if (!fake_begin_entry(log)) return APPLIED_NOTHING;
            continue;
        } else if (log->rest.size == 0) {
            const uint64_t term = group.entries[index].term;
            image_advance(log->image, index, term);
            log->applying = false;
            *entry = (struct applied_entry){ .index = index, .term = term, .refused = log->refused };
            return APPLIED_ENTRY;
        } else {
            CHECK(proposal_next(&log->rest, &record));
            const enum apply_verdict verdict = image_apply(log->image, index, record, change);
            CHECK(verdict != APPLY_FULL && verdict != APPLY_MALFORMED);
            if (verdict == APPLY_REFUSED) {
                log->refused = true;
                log->rest = (struct bytes){ 0 };
            }
        }
        if (change->kind != CHANGE_NOTHING) return APPLIED_CHANGE;
    }
}

bool metadata_log_is_applying(const struct metadata_log *log)
{
    return log->applying || image_is_draining(log->image);
}

/* Of what was committed when it started, unless the test has taken its disk away. */
int64_t metadata_log_disk_epoch(const struct metadata_log *log)
{
    return log->disk_epoch;
}

uint64_t metadata_log_first_index(const struct metadata_log *log)
{
    return log->first_index;
}

uint64_t metadata_log_term(const struct metadata_log *log)
{
    return log->heard_term;
}

uint64_t metadata_log_generation(const struct metadata_log *log)
{
    if (!log->open || log->heard_leader != log->config.node_id) return 0;
    return image_view(log->image).applied_term == log->heard_term ? log->heard_term : 0;
}

bool metadata_log_leads(const struct metadata_log *log)
{
    return metadata_log_generation(log) != 0;
}

uint64_t metadata_log_leader(const struct metadata_log *log)
{
    return log->heard_leader == 0 ? 0 : (uint64_t)log->heard_leader << MEMBER_SUFFIX_BITS | 1;
}

enum metadata_log_verdict metadata_log_propose(struct metadata_log *log, struct bytes records, uint64_t *index)
{
    if (log->heard_leader != log->config.node_id) return METADATA_LOG_WAITS;
    if (prng_chance(group.prng, group.full_chance, 100)) return METADATA_LOG_WAITS;
    if (group.leader == log->config.node_id && group.term == log->heard_term) {
        group_append(group.term, records);
        *index = group.last;
    } else {
        *index = ++log->own_last;
        group.lost++;
    }
    return METADATA_LOG_TAKEN;
}

bool metadata_log_read_barrier(struct metadata_log *log, uint64_t token)
{
    (void)log, (void)token;
    return false;
}

bool metadata_log_next_read(struct metadata_log *log, struct metadata_read *read)
{
    (void)log, (void)read;
    return false;
}

struct bytes metadata_log_payload(const struct metadata_log *log, uint64_t index)
{
    (void)log;
    return (struct bytes){ group.entries[index].bytes, group.entries[index].size };
}

const struct raft *metadata_log_raft(const struct metadata_log *log)
{
    return log->raft;
}

enum raft_verdict metadata_log_change(struct metadata_log *log, const struct raft_change *changes, uint32_t count)
{
    if (log->raft_output == NULL) return RAFT_BUSY;
    return raft_change(log->raft, log->raft_ns, changes, count, log->raft_output);
}

void metadata_log_on_lost(struct metadata_log *log, int32_t node_id)
{
    (void)log, (void)node_id;
}

enum raft_verdict metadata_log_transfer(struct metadata_log *log, uint64_t to)
{
    (void)log, (void)to;
    return RAFT_BUSY;
}

struct metadata_log_view metadata_log_view(const struct metadata_log *log)
{
    return (struct metadata_log_view){ .term = log->heard_term,
                                       .last_index = group.last,
                                       .commit_index = log->heard_commit,
                                       .leader = metadata_log_leader(log),
                                       .leads = metadata_log_leads(log) };
}

void metadata_log_check(const struct metadata_log *log)
{
    CHECK(image_view(log->image).applied_index <= log->heard_commit);
}

#endif
