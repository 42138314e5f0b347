/* controller.h -- changing the cluster's metadata: who may, how it is decided, when it holds.
 *
 * Any node may wish for a change (wish.h): a client's request, or what the node itself needs. The leader of the
 * metadata log decides it, by pure functions from the image and the wish to records or a Kafka error (decide.h); what
 * is decided is proposed to that log (metadata_log.h); and it holds when it is committed and applied, on every node by
 * the same rules (meta/image.h). On the leader itself it is the same way, without the network.
 *
 * Nobody is called back. Wishes that are done come out of controller_next_done, those that are to be decided here out
 * of controller_next_wish, frames for other nodes out of controller_next_frame, and what a record did out of
 * controller_next_change: one thing at a time, for the roof to carry on.
 *
 *   Answers.    An answer is written when the change is decided, goes into the log with it, and is told by the origin
 *               when it has applied that entry. Nothing is told before.
 *   Once.       A wish is asked again until something came of it, under the same number: it is applied at most once.
 *   Races.      Proposals are under way side by side. A wish that touches what one of them touches (the same topic
 *               name, a broker's settings, producer ids) waits until that one is applied, and is judged then: so each
 *               is decided on the truth, and limits count what is under way.
 *   Drafts.     What one wish asks for becomes one proposal: all of it or nothing. controller_begin, then decisions,
 *               then controller_conclude within the same step. */
#ifndef CHRONIK_CONTROLLER_CONTROLLER_H
#define CHRONIK_CONTROLLER_CONTROLLER_H

#include "base/effect.h"
#include "codec/errors.h"
#include "codec/messages.h"
#include "controller/metadata_log.h"
#include "controller/wish.h"
#include "meta/image.h"

struct controller_config {
    int32_t node_id;
    uint64_t seed[2]; /* of this start: ids and timeouts */
    struct image_config image;
    struct bytes rack; /* stays put, as do the hosts below */
    bool observer;     /* if the cluster does not know this node yet, it comes as an observer */
    struct {
        struct bytes host;
        uint16_t port;
    } endpoints[ENDPOINT_COUNT]; /* port 0: none */
    uint32_t journal_file_size;  /* a multiple of JOURNAL_BLOCK_SIZE; a proposal is at most half of it */
    uint32_t snapshot_entries;   /* entries in the log before a snapshot cuts it */
    uint32_t message_size_max;   /* what max.message.bytes may be set to */
    uint32_t members_max;        /* nodes of the cluster */
    uint32_t voters_target;      /* so many of them vote, where there are as many */
    struct bytes address;        /* "host:port" under which other nodes reach this one; "" if it is alone. Stays put */
    bool recovers;               /* only to go on alone after a disaster: controller_is_recovered */
    bool founds;                 /* with an empty directory: a cluster of its own; else it waits for others' */
};

struct controller;

/* 0 if the limits contradict each other. */
size_t controller_size(const struct controller_config *config);

/* In zeroed memory, aligned to 64. */
void controller_init(struct controller *controller, const struct controller_config *config);

/* ---- from start to open ---- */

enum controller_state {
    CONTROLLER_STARTING,   /* reads what is on disk; the image is not whole */
    CONTROLLER_LOADED,     /* what is on disk is read; of several voters, nobody may have said yet what of it holds */
    CONTROLLER_REGISTERED, /* its own registration is applied, so the image is newer than all that this node ever knew:
                              logs may be named, and recovered */
    CONTROLLER_OPEN,       /* and its broker was unfenced since, after controller_set_ready: may serve */
    CONTROLLER_BROKEN,     /* controller_halt() says why */
};
enum controller_state controller_state(const struct controller *controller);
struct effect_halt controller_halt(const struct controller *controller);

/* First in every step. */
void controller_on_time(struct controller *controller, uint64_t mono_ns);

/* The logs are recovered. `crashed`: without what was not durable when the last life of this node ended. Once. */
void controller_set_ready(struct controller *controller, bool crashed);

/* This node wants to stop: others are to lead what it leads. When they do, or nobody is there who could, it may go. */
void controller_ask_to_go(struct controller *controller);
bool controller_may_go(const struct controller *controller);

/* It belongs to no cluster, or to one whose leader it does not find: whoever can be reached is to be asked. */
bool controller_wants_in(const struct controller *controller);

/* It was a member of the cluster and is none any more: time to stop. */
bool controller_was_removed(const struct controller *controller);

/* This process founded a cluster, and nothing came of it so far: perhaps it should have joined another one. */
bool controller_founded_by_mistake(const struct controller *controller);

/* Of a controller that recovers: it is done, and all others are forgotten, durably. Nothing more comes of it. */
bool controller_is_recovered(const struct controller *controller);

/* Another member of this node's cluster came by, and it is not this one: this directory was emptied, and founded a
 * cluster where it should have joined. Time to stop. */
bool controller_founded_twice(const struct controller *controller);

/* The cluster that this node is of: known from the first on, from what its disk has. */
struct ancestry controller_ancestry(const struct controller *controller);

/* Under which this node and its process are known to others. The member id is 0 as long as it may not be told. */
uint64_t controller_member(const struct controller *controller);
struct uuid controller_incarnation(const struct controller *controller);

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

/* ---- wishing, on any node ---- */

/* Wishes for what a client asks with this request; given up when `deadline_ns` has passed. 0: so many wishes are open
 * that it has to wait for controller_has_room. The request is copied; one larger than controller_wish_size_max finds no
 * answer here. Whoever wishes asks for the outcome, and then forgets it. */
uint64_t controller_wish(struct controller *controller, int16_t api_key, int16_t version, struct bytes request,
                         uint64_t deadline_ns);
bool controller_has_room(const struct controller *controller);
uint32_t controller_wish_size_max(const struct controller *controller);

/* WISH_OPEN: not yet. WISH_ANSWERED, WISH_GRANTED: the answer is what its decider wrote, and stays put until it is
 * forgotten. Of what the node itself wished for there is no answer, only whether it is open. */
enum wish_verdict controller_outcome(const struct controller *controller, uint64_t wish, struct bytes *answer);
void controller_forget(struct controller *controller, uint64_t wish);

/* The next wish that is done: whoever waits for it may go on. 0: none. */
uint64_t controller_next_done(struct controller *controller);

/* Topics with nothing but defaults. The wish to wait for; 0: there is no room for another one. Names that may not be
 * made are not: the image tells. */
uint64_t controller_auto_create_topics(struct controller *controller, const struct bytes *names, uint32_t count,
                                       uint64_t deadline_ns);

/* A producer id that nobody else ever gets. False: a block of them is wished for; ask again when *wish is done. 0: it
 * could not be wished for yet. */
bool controller_producer_id(struct controller *controller, int64_t *producer_id, uint64_t *wish);

/* ---- who is in sync, of partitions that this node leads ---- */

/* Another ISR for a partition (AlterPartition, KIP-497). The members with the broker epochs that the leader knows of
 * them: one that has started anew since then is not the replica that caught up (KIP-903). */
struct isr_wish {
    struct uuid topic_id;
    int32_t index;
    int32_t leader_epoch; /* that it is based on, as is the next */
    int32_t partition_epoch;
    bool recovering; /* the leader still recovers from an unclean election; then it is alone in the ISR */
    uint8_t isr_count;
    int32_t isr[REPLICAS_MAX];
    int64_t broker_epochs[REPLICAS_MAX]; /* of these */
};

/* Wishes for it; many at once go together. One for a partition at a time. What became of it is a new configuration of
 * the partition in the image, or one answer. False: no room; once controller_has_isr_room. */
bool controller_wish_isr(struct controller *controller, const struct isr_wish *wish);
bool controller_has_isr_room(const struct controller *controller);

/* A wish of which nothing came, and nothing will: the partition is as it was, or is by now another one than was meant.
 * NOT_CONTROLLER, REQUEST_TIMED_OUT: nobody judged it, ask again; INELIGIBLE_REPLICA: a member is fenced, about to go,
 * or in another life; else as decide_isr says. */
struct isr_answer {
    struct uuid topic_id;
    int32_t index;
    int32_t leader_epoch; /* of the wish, as is the next */
    int32_t partition_epoch;
    enum error error;
};

/* The next one. False: none. After each controller_next_change that said nothing more. */
bool controller_next_isr_answer(struct controller *controller, struct isr_answer *answer);

/* ---- deciding, on the leader ---- */

/* The next wish that is to be decided now, and was asked for by a client: its kind is an API key. It ends, in this
 * step, with controller_conclude, _postpone or _dismiss. False: none. What nodes themselves wish for is decided in
 * here. At the end of every step, behind all that wishes. */
bool controller_next_wish(struct controller *controller, struct wish *wish, struct effects *effects);

/* Proposes the draft with this answer, or, if there is nothing in it, answers. False: they are too large together, and
 * nothing was done; decide again and say less. */
bool controller_conclude(struct controller *controller, struct bytes answer);

/* It touches what is under way: it comes again when this index is applied. */
void controller_postpone(struct controller *controller, uint64_t index);

/* It cannot be decided: WISH_MALFORMED, WISH_TOO_LARGE, or WISH_LATER by a node that knows its kind and version. */
void controller_dismiss(struct controller *controller, enum wish_verdict why);

enum { CONTROLLER_MESSAGE_SIZE_MAX = 600 };

/* What comes of one decision. One of three: refused (error), to be asked again (wait_index), or in the draft
 * (neither). */
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

/* Elects the preferred leader of a partition, by slot; or, where nobody leads it and at the cost of committed records,
 * whoever is alive. */
void controller_elect_leader(struct controller *controller, uint32_t partition, bool unclean,
                             struct controller_answer *answer);

/* Other replicas for a partition, by slot, in this order; NULL: back to those that it had before. What is begun goes on
 * by itself until all of them are in sync. */
void controller_reassign(struct controller *controller, uint32_t partition, const int32_t *replicas, uint32_t count,
                         struct controller_answer *answer);

/* What an operator orders (broker/operate.h); the message says what becomes of it. */
void controller_add_node(struct controller *controller, int32_t node_id, struct controller_answer *answer);
void controller_remove_node(struct controller *controller, int32_t node_id, bool force,
                            struct controller_answer *answer);
void controller_promote_observer(struct controller *controller, int32_t node_id, struct controller_answer *answer);
void controller_rebalance(struct controller *controller, struct controller_answer *answer);

/* How far that is, as any node knows it. */
struct rebalance_view {
    bool wanted;     /* and not done */
    uint32_t moving; /* partitions */
    uint32_t left;   /* replicas that have to move besides */
};
struct rebalance_view controller_rebalance_view(const struct controller *controller);
void controller_transfer(struct controller *controller, int32_t node_id, struct controller_answer *answer);

/* An operator orders this node to go on alone after a disaster. Not while a leader is known. If it is taken, the node
 * has to stop, and to recover. */
void controller_promote(struct controller *controller, bool force, struct controller_answer *answer);
bool controller_is_promoted(const struct controller *controller);

/* AddRaftVoter, RemoveRaftVoter and UnregisterBroker (KIP-853, KIP-589), with their error codes. Told when the list
 * that says so is committed: until then they are to be decided again (wait_index). Who is unregistered is forgotten
 * as a member as well, and must not be alive. */
void controller_add_voter(struct controller *controller, int32_t node_id, const struct uuid *directory,
                          struct controller_answer *answer);
void controller_remove_voter(struct controller *controller, int32_t node_id, const struct uuid *directory,
                             struct controller_answer *answer);
void controller_unregister(struct controller *controller, int32_t node_id, struct controller_answer *answer);

/* UpdateFeatures: the level of metadata.version, if every registered broker understands it. */
void controller_set_feature_level(struct controller *controller, int16_t level, bool judge_only,
                                  struct controller_answer *answer);

/* AlterClientQuotas: these, all or none. Each is what a record can say (image.h). */
void controller_set_quotas(struct controller *controller, const struct metadata_client_quota_record *quotas,
                           uint32_t count, bool judge_only, struct controller_answer *answer);

/* A member of the group that keeps the metadata log, as its leader sees it. */
struct quorum_member {
    uint64_t member;
    bool voter;            /* by the list that is decided */
    bool known;            /* it has answered since this node leads; the next three say something */
    uint64_t held_index;   /* it holds all up to here, durably */
    uint64_t heard_ns;     /* when it answered last */
    uint64_t caught_up_ns; /* it holds all that there was at this time; 0: not known */
    struct bytes address;  /* "host:port" */
};

/* The member at this place of the list, while deciding. False: there are no more. */
bool controller_quorum_member(const struct controller *controller, uint32_t place, struct quorum_member *member);

/* ---- frames between nodes ---- */

enum { /* on control connections; docs/peer.md */
       CONTROLLER_FRAME_RAFT = 1,
       CONTROLLER_FRAME_HEARTBEAT,
       CONTROLLER_FRAME_HEARTBEAT_ANSWER,
       CONTROLLER_FRAME_WISH,
       CONTROLLER_FRAME_WISH_ANSWER,
       CONTROLLER_FRAME_JOIN,
       CONTROLLER_FRAME_JOIN_ANSWER,
};

/* What a node sent whose directory is that member's. Whether we speak of it, and it is what it says it is; else it is
 * to be counted. */
bool controller_on_peer_frame(struct controller *controller, int32_t from, uint64_t member, uint8_t kind,
                              struct bytes frame, struct effects *effects);

/* The control link to a node is up; or down, or could not be made; `refused`: nobody listens there. */
void controller_on_link_up(struct controller *controller, int32_t node_id);
void controller_on_link_lost(struct controller *controller, int32_t node_id, bool refused);

struct controller_frame {
    int32_t to; /* node */
    uint8_t kind;
    const struct bytes *parts; /* one behind the other; lent until the next call */
    uint32_t part_count;
};

/* The next frame that is to leave now. False: none. What cannot be sent is lost, and asked again. */
bool controller_next_frame(struct controller *controller, struct controller_frame *frame);

/* The frame that came last found no way. Whoever does not say so waits longer. */
void controller_on_frame_lost(struct controller *controller);

/* A control link that shall be there, at this address, from now on; or not any more. */
struct control_link {
    int32_t node_id;
    bool wanted;
    struct bytes host; /* lent until the next call */
    uint16_t port;
};

/* The next one that was not said yet. False: none. */
bool controller_next_link(struct controller *controller, struct control_link *link);

/* The largest of them. */
uint32_t controller_frame_size_max(const struct controller_config *config);

/* ---- names ---- */

/* Kafka's rule for names, and ours: "__meta" and the like are not for clients. */
bool topic_name_is_valid(struct bytes name);
bool topic_name_is_internal(struct bytes name); /* __consumer_offsets, __transaction_state */

/* ---- for status and metrics ---- */

struct controller_view {
    bool leads;
    uint64_t term;
    uint64_t commit_index;
    uint64_t entries;           /* in the log, above the last snapshot */
    uint64_t commits;           /* entries committed since the start */
    uint64_t refused;           /* entries whose guards refused them; none on a sole voter */
    uint64_t unclean_elections; /* of any partition, since the start: committed records may have been lost */
    uint32_t wishes;            /* open ones of this node */
    uint32_t wishes_waiting;    /* for this node's decision */
    uint64_t answers_dropped;   /* to wishes of other nodes, for want of room */
    uint64_t snapshot_index;
    uint64_t snapshot_size;
    uint64_t snapshots; /* taken since the start */
    uint64_t journal_used;
    uint64_t journal_max;
    uint32_t voters;
    uint32_t members;
    struct metadata_log_counters log;
    bool disk_full;
};
struct controller_view controller_view(const struct controller *controller);

/* For a judge: all that raft/raft.h can be asked, and what an entry of its trail holds. */
struct raft;
const struct raft *controller_raft(const struct controller *controller);
struct bytes controller_entry(const struct controller *controller, uint64_t index);
bool controller_is_applying(const struct controller *controller); /* the image is between two of its states */

void controller_check(const struct controller *controller);

#endif
