/* metadata_log.h -- how is the metadata log kept on this node, and applied?
 *
 * Raft (core/raft) decides what the log is; a journal of its own (core/wal/journal.h) makes it durable; the bytes of
 * its entries stay in memory, where the journal was given them, until a snapshot covers them; what is committed is
 * applied to the image. This file ties the four together and knows none of what the records mean. What members say to
 * each other comes in and goes out as frames: who carries them is not known here.
 *
 *     data/wal/__meta/journal-0 ...           identity, entries, terms and votes, cut by snapshots
 *     data/wal/__meta/snapshot-<20 digits>    the image after the entry of that index
 *     data/wal/__meta/snapshot.tmp            one being written
 *     data/wal/__meta/received.tmp            one that came from the leader, being written
 *
 * docs/metadata.md has their bytes.
 *
 *   Identity.   A member's id is its node id and 24 bits drawn when its directory is new. A node whose directory was
 *               emptied has another one: it has forgotten its votes, and joins as somebody else.
 *   Start.      What lies above the snapshot is known to be committed only when a leader says so. A sole voter is its
 *               own leader, and says so at once.
 *   Room.       Nothing is taken, from whomever it comes, that the journal could not write in the round that is open:
 *               too many entries are cut off, too much else is not heard. So a peer, a full disk or a slow one costs
 *               time and nothing else.
 *   Snapshots.  A file is written under a temporary name, synced, renamed, and its directory synced; only then may the
 *               journal overwrite what came before. At a start the newest one counts; an older one only where the
 *               journal still reaches back to it, which the journal itself checks. One that comes from the leader goes
 *               the same way, then replaces the log, and the image is led to it (meta/converge.h).
 *
 * Invariants, numbered as in metadata_log_check():
 *   (1) applied <= committed <= the log's last index; nothing is applied that is not committed.
 *   (2) Every entry of Raft's trail is in memory, pinned; the trail begins at or below the last snapshot.
 *   (3) The image stands still while a snapshot of it is encoded. */
#ifndef CHRONIK_CONTROLLER_METADATA_LOG_H
#define CHRONIK_CONTROLLER_METADATA_LOG_H

#include "base/effect.h"
#include "base/latency.h"
#include "meta/image.h"

struct metadata_log_config {
    int32_t node_id;
    uint64_t seed;
    uint64_t journal_id;
    struct bytes address; /* "host:port" of this node, for its peers; "" if it has none. Stays put */
    bool recovers;        /* whatever the list says: this node is the only member from now on, under any node id */
    bool founds;          /* where nothing is on disk: a cluster of its own; else it waits to be added to another */
    struct image_config image;
    uint32_t journal_file_size;
    uint32_t snapshot_entries;
    uint32_t members_max;
};

struct metadata_log;

/* 0 if the limits contradict each other. */
size_t metadata_log_size(const struct metadata_log_config *config);

/* In zeroed memory, aligned to 64. The image is changed by this log alone from now on. */
void metadata_log_init(struct metadata_log *log, const struct metadata_log_config *config, struct image *image);

/* The largest proposal, and the largest frame. */
uint32_t metadata_log_proposal_size_max(const struct metadata_log_config *config);
uint32_t metadata_log_frame_size_max(const struct metadata_log_config *config);

/* ---- opening ---- */

enum metadata_log_state {
    METADATA_LOG_CLOSED,
    METADATA_LOG_OPENING,
    METADATA_LOG_OPEN,
    METADATA_LOG_BROKEN, /* metadata_log_halt() says why */
};
enum metadata_log_state metadata_log_state(const struct metadata_log *log);
struct effect_halt metadata_log_halt(const struct metadata_log *log);

void metadata_log_open(struct metadata_log *log, struct effects *effects);

/* ---- who we are ---- */

enum { MEMBER_SUFFIX_BITS = 24 };

static inline int32_t member_node(uint64_t member)
{
    return (int32_t)(member >> MEMBER_SUFFIX_BITS);
}

/* What Kafka calls the directory id of a voter (KIP-853): as a member id, another one for each data directory. */
static inline struct uuid member_directory(uint64_t member)
{
    struct uuid directory = { { 0 } };

    store_u64(directory.bytes, member);
    return directory;
}

/* As it stands in the directory: a node that was removed stays so, and joins again only with an empty directory. */
enum standing {
    STANDING_WAITS = 1, /* no committed list had us */
    STANDING_MEMBER,
    STANDING_REMOVED, /* a committed list has left us out, or the leader says that it did: time to go */
    STANDING_FORGOT,  /* this directory lacks what was acknowledged from it: it is an older copy, and no good */
};

/* Our member id; 0: not open. It may be told to others when the identity is durable: another one would be drawn
 * after a crash. */
uint64_t metadata_log_member(const struct metadata_log *log);
bool metadata_log_identity_is_durable(const struct metadata_log *log);

enum standing metadata_log_standing(const struct metadata_log *log);

/* The cluster that this directory is of, as far as the disk said when it was opened: the log's entries count, though
 * none of them can be applied yet. Zero: it does not say. */
struct ancestry metadata_log_disk_ancestry(const struct metadata_log *log);

/* The leader says that we were removed, while we were away. */
void metadata_log_on_removed(struct metadata_log *log);

/* This node went on alone, and its cluster is not another one yet (disaster.c): power was lost in between, perhaps. It
 * leads, and the entry that makes it another one comes first. */
bool metadata_log_owes_recovery(const struct metadata_log *log);

/* That entry is applied. A snapshot has to have it before others hear of this log: who joins with the log from before
 * it would take itself for a node of the cluster as it was, and be turned away. */
void metadata_log_on_recovered(struct metadata_log *log, uint64_t index);

/* The broker epoch of this node's last registration that its own disk knew of when it was opened; -1: it knew of none,
 * or has no logs of messages. Whoever was unfenced since did that on another disk, or on what this one has lost. */
int64_t metadata_log_disk_epoch(const struct metadata_log *log);

/* ---- facts ---- */

void metadata_log_on_time(struct metadata_log *log, uint64_t mono_ns);
void metadata_log_on_disk(struct metadata_log *log, const struct event *event, struct effects *effects);

/* What the member `from` sent. False: these are not the bytes of a frame, whole and nothing else. */
bool metadata_log_on_frame(struct metadata_log *log, uint64_t from, struct bytes frame);

/* Last in every step, before the frames are drained: closes the commit round, goes on with what goes in steps. */
void metadata_log_commit(struct metadata_log *log, struct effects *effects);

uint64_t metadata_log_deadline_ns(const struct metadata_log *log, bool applies);

/* ---- frames to other members ---- */

struct metadata_frame {
    uint64_t to; /* a member; member_node() is where the frame goes */
    const struct bytes *parts;
    uint32_t part_count;
};

/* The next frame that is to leave, in this step; it is lent until the next call of anything in this file. False: there
 * is none. One that finds no way is lost, and that is fine. */
bool metadata_log_next_frame(struct metadata_log *log, struct metadata_frame *frame);

/* ---- applying ---- */

enum applied {
    APPLIED_NOTHING,  /* nothing more in this step */
    APPLIED_CHANGE,   /* one thing has changed, as `change` says */
    APPLIED_ENTRY,    /* an entry is applied to its end */
    APPLIED_SNAPSHOT, /* the image is now that of a snapshot from the leader: all changes were told, but not by which
                         entries they came; `entry` has its index */
};

struct applied_entry {
    uint64_t index;
    uint64_t term; /* whoever proposed in another term and waits for this index waits for something else */
    bool refused;  /* a guard stopped it: what it did before that holds, the rest does not */
};

/* Applies the next record of what is committed. */
enum applied metadata_log_apply(struct metadata_log *log, struct image_change *change, struct applied_entry *entry);

/* The image is between two of its states: an entry, or a snapshot from the leader, is applied in part. */
bool metadata_log_is_applying(const struct metadata_log *log);

/* ---- proposing ---- */

/* The first index of this life: what lies below was on disk when we started, and has not been dropped since. */
uint64_t metadata_log_first_index(const struct metadata_log *log);

/* We lead, and all that was committed before we did is applied: decisions see the truth. */
bool metadata_log_leads(const struct metadata_log *log);

/* The term in which we lead like that; 0: we do not. What was proposed in another one may never come. */
uint64_t metadata_log_generation(const struct metadata_log *log);

/* The newest term that was heard of. */
uint64_t metadata_log_term(const struct metadata_log *log);

/* Who leads, as far as we know; 0: nobody. */
uint64_t metadata_log_leader(const struct metadata_log *log);

enum metadata_log_verdict {
    METADATA_LOG_TAKEN, /* it will be at *index, unless leadership is lost first */
    METADATA_LOG_WAITS, /* no room just now: when the next index is applied there may be. Or we do not lead */
};
enum metadata_log_verdict metadata_log_propose(struct metadata_log *log, struct bytes records, uint64_t *index);

/* ---- reading ---- */

struct metadata_read {
    uint64_t token;
    bool failed;    /* no leader could be asked in time: ask again */
    uint64_t index; /* an image that has applied this much is fresh enough */
};

/* Asks how far the image must have applied so that reading it is linearizable; on any member. The answer comes out of
 * metadata_log_next_read, perhaps in this step. False: no leader is known, or too many are asking. */
bool metadata_log_read_barrier(struct metadata_log *log, uint64_t token);
bool metadata_log_next_read(struct metadata_log *log, struct metadata_read *read);

/* ---- members ---- */

struct raft;
struct raft_change;
enum raft_verdict;

/* All that raft/raft.h can be asked. Only when open. */
const struct raft *metadata_log_raft(const struct metadata_log *log);

/* What an entry of its trail holds. */
struct bytes metadata_log_payload(const struct metadata_log *log, uint64_t index);

/* raft_change and raft_transfer; RAFT_FULL where there is no room to write just now. */
enum raft_verdict metadata_log_change(struct metadata_log *log, const struct raft_change *changes, uint32_t count);
/* The link to a node is gone: if it leads, another one shall soon. */
void metadata_log_on_lost(struct metadata_log *log, int32_t node_id);

enum raft_verdict metadata_log_transfer(struct metadata_log *log, uint64_t to);

/* ---- for status and metrics ---- */

struct metadata_log_counters {
    uint64_t elections_won;
    uint64_t leaders_seen; /* changes of who leads, as far as we heard */
    uint64_t vote_requests_sent;
    uint64_t appends_sent; /* with entries */
    uint64_t heartbeats_sent;
    uint64_t chunks_sent, chunks_received;
    uint64_t snapshots_sent; /* begun */
    uint64_t snapshots_installed;
    uint64_t snapshots_refused; /* not what the leader's checksum says */
    uint64_t members_forgot;    /* that lack what they acknowledged, ourselves included */
    uint64_t frames_lost;       /* they found no room on our side */
    uint64_t frames_malformed;
    uint64_t frames_stray;      /* for a member that we are not */
    uint64_t frames_impossible; /* no member who is right says that */
    uint64_t frames_unheard;    /* no room to write what might follow */
    uint64_t appends_cut;       /* taken in part, for want of room */
    struct latency commits;     /* of what was proposed here, until it was applied here */
};

struct metadata_log_view {
    uint64_t term;
    uint64_t last_index;
    uint64_t commit_index;
    uint64_t snapshot_index;
    uint64_t snapshot_size;
    uint64_t snapshots; /* taken since the start */
    uint64_t journal_used;
    uint64_t journal_max;
    uint64_t leader; /* 0: none is known */
    uint32_t voters;
    uint32_t members;
    bool leads;
    bool disk_full;
    struct metadata_log_counters counters;
};
struct metadata_log_view metadata_log_view(const struct metadata_log *log);

void metadata_log_check(const struct metadata_log *log);

#endif
