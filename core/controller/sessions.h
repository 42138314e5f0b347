/* sessions.h -- which brokers are alive, as the leader of the metadata log sees it?
 *
 * Every broker sends it a heartbeat, all the time. Who is silent for a whole session is to be fenced; who is fenced and
 * heard of again is to be unfenced, once its logs are recovered and it is not behind; who wants to shut down is to be
 * relieved first. These are decisions, said one at a time: they hold when the image says so. A decision that has not
 * come true is said again after a while, so nobody has to remember what became of a proposal.
 *
 * All of this is the leader's own. It is lost with leadership, and a new leader begins all sessions anew: it has heard
 * of nobody yet, and that is nobody's fault. Nor does time count in which the leader itself did not look.
 *
 * Invariants, numbered as in sessions_check():
 *   (1) Nothing is due, and nothing is remembered, while not leading.
 *   (2) No broker can come due before next_ns. */
#ifndef CHRONIK_CONTROLLER_SESSIONS_H
#define CHRONIK_CONTROLLER_SESSIONS_H

#include "controller/heartbeat.h"
#include "meta/image.h"

enum {
    HEARTBEAT_INTERVAL_NS = 100 * 1000 * 1000,
    SESSION_NS = 900 * 1000 * 1000,        /* one lost heartbeat and a slow disk or two are no death */
    PROBE_NS = 250 * 1000 * 1000,          /* after a link was closed: time enough to open another one and say so */
    STALL_NS = 300 * 1000 * 1000,          /* a leader that did not look for so long was not there itself */
    DECISION_AGAIN_NS = 500 * 1000 * 1000, /* longer than a commit takes unless something is wrong */
};

struct session {
    int64_t epoch;          /* of the registration that it is about */
    uint64_t deadline_ns;   /* silent until then, it is taken for dead */
    uint64_t decided_ns;    /* when something was decided about it that has not come true; 0: nothing */
    uint64_t changed_index; /* it has to have applied what became of it before it is unfenced */
    uint64_t applied_index;
    bool heard; /* under this leader */
    bool ready;
    bool crashed;
    bool wants_shutdown;
};

struct sessions {
    struct session *list; /* by broker slot of the image; [brokers_max] */
    uint32_t count;
    int32_t own_id; /* the leader itself is alive */
    bool leads;
    uint64_t looked_ns;
    uint64_t next_ns; /* when somebody comes due; UINT64_MAX: nobody does */
};

/* `list` has room for all brokers of the image. */
void sessions_init(struct sessions *sessions, int32_t own_id, struct session *list, uint32_t count);

/* This node leads the metadata log from now on, or does not any more. */
void sessions_begin(struct sessions *sessions, const struct image *image, uint64_t now_ns);
void sessions_end(struct sessions *sessions);

/* ---- facts; those that come while not leading are ignored ---- */

/* First in every step. */
void sessions_on_time(struct sessions *sessions, uint64_t now_ns);

/* CHANGE_BROKER: it registered, was fenced or not, and so on; in the entry of that index. */
void sessions_on_broker(struct sessions *sessions, const struct image *image, uint32_t broker, uint64_t index);

struct heartbeat_answer sessions_on_heartbeat(struct sessions *sessions, const struct image *image,
                                              const struct heartbeat *heartbeat);

/* The link to it was closed, or could not be opened; `refused`: nobody listens there. */
void sessions_on_link_lost(struct sessions *sessions, const struct image *image, int32_t broker_id, bool refused);

/* ---- what follows ---- */

enum session_decision_kind {
    SESSION_FENCE,
    SESSION_UNFENCE,
    SESSION_SHUT_DOWN, /* relieve it: it wants to go */
};

struct session_decision {
    enum session_decision_kind kind;
    int32_t broker_id;
    int64_t broker_epoch;
    bool crashed; /* to be unfenced, but not to be relied on for what was not durable */
};

/* The next thing to be decided; false: nothing for now. */
bool sessions_next(struct sessions *sessions, const struct image *image, struct session_decision *decision);

/* When there may be something to decide; UINT64_MAX: not before another fact. */
uint64_t sessions_deadline_ns(const struct sessions *sessions);

/* Whether a broker counts as heard of: its session has not run out. */
bool sessions_is_alive(const struct sessions *sessions, uint32_t broker);

void sessions_check(const struct sessions *sessions, const struct image *image);

#endif
