/* offices.h -- who may lead, what leaders believe of their followers, and whose records are committed: held against
 * what is so. plane.h says when each of these is asked.
 *
 *   O7   who is fenced is in no ISR, and who shuts down only if nobody else could lead; whoever observes counts for
 *        nothing; while enough are in sync nobody else is eligible; who starts anew is in sync only when he was added
 *        again; nobody counts by a disk that is gone once his node is back without it
 *   O7   a leader never believes that a follower holds more than that one's disk has; what it commits is held by all
 *        that it has asked to have in sync; it commits nothing, and takes nothing for acks=all, while too few are in
 *        sync; it waits for nobody who may not join
 *   O3   who leads, and says what is committed, says no less than was shown before (KIP-207)
 *   O11  who follows never says that nobody has what he lacks (KIP-392)
 *   O5   who leads has begun its epoch in its own log
 *   O2   below the high watermark every log has the same epochs at the same offsets: another epoch is another record
 *
 * A leader is asked only about the newest epoch that anybody knows: who was deposed and has not heard of it believes
 * what was so once. */
#ifndef CHRONIK_SIM_OFFICES_H
#define CHRONIK_SIM_OFFICES_H

#include "sim/plane.h"

/* ---- configurations ---- */
void office_check_configuration(struct judge *judge, const struct image *image, const struct image_partition *newest);

/* Takes down who is registered, and since when. True: it is another process than before, for somebody. */
bool office_see_brokers(struct plane *plane, const struct image *image, uint64_t *changed, uint32_t words);

/* Nothing but a new configuration keeps in sync whose process is another one; `changed`: bits of machines. */
void office_check_lives(struct judge *judge, const struct plane_partition *partition,
                        const struct image_partition *newest, const uint64_t *changed, uint32_t words);

/* Who is added is the process that the leader judged to be fit: another one may have lost what that one held (KIP-903,
 * KAFKA-15221). */
void office_check_added(struct judge *judge, const struct image *image, const struct plane_partition *partition,
                        const struct image_partition *newest);

/* ---- leaders ---- */
struct office_view {
    int32_t node_id;
    bool joining, wished;
    bool able; /* as far as the leader knows: neither fenced nor about to go, and no observer */
    int64_t held_offset;
    int64_t asked_epoch; /* of the broker, as it was when it was asked for; -1: it was not, or is in sync */
};
struct office {
    uint32_t machine;
    int32_t leader_epoch; /* that it serves in */
    int32_t log_epoch;    /* the newest that its log knows */
    int64_t high_watermark;
    bool rose; /* in this step */
    uint32_t count;
    struct office_view views[REPLICAS_MAX + OBSERVERS_MAX];
};
void office_check(struct judge *judge, struct plane_partition *partition, const struct office *office);

/* Asks the leader itself, if it is one. */
void office_look(struct judge *judge, struct plane_partition *partition, const struct plane_look *look, uint32_t slot,
                 bool rose);

/* ---- answers ---- */
void office_check_latest(struct judge *judge, const struct plane_partition *partition, const struct plane_floor *floor,
                         int32_t leader_epoch, int64_t offset);

/* `now`: what is known when the answer is there. */
void office_check_denied(struct judge *judge, const struct judged_partition *judged, const struct plane_floor *floor,
                         const struct plane_floor *now, uint32_t machine, int64_t offset);

/* ---- lines of epochs ---- */
struct stretch {
    int32_t leader_epoch;
    int64_t from, to;
};
enum { STRETCHES_MAX = 64 };

/* Of the log's records in [from, to), by falling offset, as far as they are known. */
uint32_t office_stretches(const struct logs *logs, uint32_t slot, int64_t from, int64_t to,
                          struct stretch stretches[STRETCHES_MAX]);

/* A leader has committed up to `to`, and this is whose records these are; what is not in it is nobody's. */
void line_extend(struct plane_partition *partition, const struct stretch *stretches, uint32_t count, int64_t to);

/* These are a machine's. */
void line_check(struct judge *judge, const struct plane_partition *partition, uint32_t machine,
                const struct stretch *stretches, uint32_t count);

/* Extends the line by what the log's node has just committed as its leader, and holds against it what the log has. */
void line_look(struct judge *judge, struct plane_partition *partition, struct plane_replica *replica,
               const struct logs *logs, uint32_t slot, bool must_have_all);

#endif
