/* controller.h -- changing the cluster's metadata: who may, how it is decided, when it holds.
 *
 * A change is decided here, on the leader of the metadata log, by pure functions from the image and a wish to records
 * or a Kafka error (decide.h); it is proposed to that log (metadata_log.h); and it holds when it is committed and
 * applied, on every node by the same rules (meta/image.h). Nobody is called back: who proposed waits for an index, and
 * what a record did comes out of controller_next_change, one thing at a time, for the roof to carry on.
 *
 *   Answers.    Nothing may be told to a client before the image holds the index that its change was given.
 *   Races.      Proposals are under way side by side. A wish that touches what one of them touches (the same topic
 *               name, a broker's settings, producer ids) waits until that one is applied, and is judged then: so each
 *               is decided on the truth, and limits count what is under way.
 *   Drafts.     What one request asks for becomes one proposal: all of it or nothing. controller_begin, then wishes,
 *               then controller_propose within the same step. */
#ifndef CHRONIK_CONTROLLER_CONTROLLER_H
#define CHRONIK_CONTROLLER_CONTROLLER_H

#include "base/effect.h"
#include "codec/errors.h"
#include "codec/messages.h"
#include "meta/image.h"

struct controller_config {
    int32_t node_id;
    uint64_t seed[2]; /* of this start: ids and timeouts */
    struct image_config image;
    struct bytes rack; /* stays put, as do the hosts below */
    struct {
        struct bytes host;
        uint16_t port;
    } endpoints[ENDPOINT_COUNT]; /* port 0: none */
    uint32_t journal_file_size;  /* a multiple of JOURNAL_BLOCK_SIZE; a proposal is at most half of it */
    uint32_t snapshot_entries;   /* entries in the log before a snapshot cuts it */
    uint32_t message_size_max;   /* what max.message.bytes may be set to */
};

struct controller;

/* 0 if the limits contradict each other. */
size_t controller_size(const struct controller_config *config);

/* In zeroed memory, aligned to 64. */
void controller_init(struct controller *controller, const struct controller_config *config);

/* ---- from start to open ---- */

enum controller_state {
    CONTROLLER_STARTING, /* reads what is on disk; the image is not whole */
    CONTROLLER_LOADED,   /* the image is what this node knew when it stopped: logs may be named and recovered.
                            Changes are still to come before it may serve */
    CONTROLLER_OPEN,     /* leads, and its own registration is applied: may serve */
    CONTROLLER_BROKEN,   /* controller_halt() says why */
};
enum controller_state controller_state(const struct controller *controller);
struct effect_halt controller_halt(const struct controller *controller);

/* First in every step. */
void controller_on_time(struct controller *controller, uint64_t mono_ns);

/* At EVENT_STARTED. */
void controller_start(struct controller *controller, struct effects *effects);

/* An answer to OP_META_JOURNAL or OP_META. */
void controller_on_disk(struct controller *controller, const struct event *event, struct effects *effects);

/* `applies`: what is committed is being applied with controller_next_change, so that there is need to be asked for it;
 * while logs are recovered, it is not. */
uint64_t controller_deadline_ns(const struct controller *controller, bool applies);

/* ---- what holds ---- */

const struct image *controller_image(const struct controller *controller);

/* Applies what is committed, and says what it did: one thing with each call, and the image is as that thing left it.
 * False: nothing more in this step. Then controller_applied_index has risen, perhaps. Not before CONTROLLER_LOADED. */
bool controller_next_change(struct controller *controller, struct image_change *change, struct effects *effects);

uint64_t controller_applied_index(const struct controller *controller);

/* Last in every step: closes the commit round, goes on with a snapshot. */
void controller_commit(struct controller *controller, struct effects *effects);

/* ---- wishes ---- */

enum { CONTROLLER_MESSAGE_SIZE_MAX = 400 };

/* What comes of a wish. One of three: refused (error), to be asked again (wait_index), or in the draft (neither). */
struct controller_answer {
    enum error error;
    uint64_t wait_index; /* something that it depends on is under way: ask again when this index is applied */
    char message_data[CONTROLLER_MESSAGE_SIZE_MAX];
    struct text message; /* for people; empty: none */
};

/* Forgets the draft, and begins anew. */
void controller_begin(struct controller *controller);

/* What a topic in the draft will be. */
struct topic_made {
    struct uuid id;
    int32_t partition_count;
    int16_t replica_count;
    struct topic_settings settings;
};

/* `judge_only`: validate_only; the same answers, and nothing comes of it. */
void controller_create_topic(struct controller *controller, const struct create_topics_request_topic *topic,
                             bool judge_only, struct topic_made *made, struct controller_answer *answer);
void controller_delete_topic(struct controller *controller, uint32_t topic, struct controller_answer *answer);
void controller_create_partitions(struct controller *controller, const struct create_partitions_request_topic *topic,
                                  bool judge_only, struct controller_answer *answer);

enum setting_operation { SETTING_SET, SETTING_DELETE, SETTING_APPEND, SETTING_SUBTRACT }; /* as on the wire */

struct setting_wish {
    struct bytes name;
    int8_t operation;
    struct bytes value;
};

/* Changes settings of a topic (resource type 2) or of brokers (4; name "" is all of them). `replace`: what is not
 * named goes back to its default. */
void controller_change_settings(struct controller *controller, int8_t resource_type, struct bytes resource_name,
                                const struct setting_wish *wishes, uint32_t count, bool replace, bool judge_only,
                                struct controller_answer *answer);

enum propose_verdict {
    PROPOSED,      /* *index is where it will be */
    PROPOSE_EMPTY, /* there was nothing in the draft; *index is what is applied already */
    PROPOSE_WAITS, /* no room just now, or no leader: begin anew when *index is applied */
};
enum propose_verdict controller_propose(struct controller *controller, uint64_t *index);

/* Proposes a topic with nothing but defaults, apart from any draft. True: it will be there at *index. False: it may
 * not be made, or not now. */
bool controller_auto_create_topic(struct controller *controller, struct bytes name, uint64_t *index);

/* A producer id that nobody else ever gets. False: a block of them is on its way; ask again when *index is applied. */
bool controller_producer_id(struct controller *controller, int64_t *producer_id, uint64_t *index);

/* Kafka's rule for names, and ours: "__meta" and the like are not for clients. */
bool topic_name_is_valid(struct bytes name);
bool topic_name_is_internal(struct bytes name); /* __consumer_offsets, __transaction_state */

/* ---- for status and metrics ---- */

struct controller_view {
    bool leads;
    uint64_t term;
    uint64_t commit_index;
    uint64_t entries; /* in the log, above the last snapshot */
    uint64_t commits; /* entries committed since the start */
    uint64_t refused; /* entries whose guards refused them; none on a sole voter */
    uint64_t snapshot_index;
    uint64_t snapshot_size;
    uint64_t snapshots; /* taken since the start */
    uint64_t journal_used;
    uint64_t journal_max;
    bool disk_full;
};
struct controller_view controller_view(const struct controller *controller);

/* For a judge: all that raft/raft.h can be asked. */
struct raft;
const struct raft *controller_raft(const struct controller *controller);

void controller_check(const struct controller *controller);

#endif
