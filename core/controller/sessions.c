#include "controller/sessions.h"

#include "base/check.h"

void sessions_init(struct sessions *sessions, int32_t own_id, struct session *list, uint32_t count)
{
    *sessions = (struct sessions){ .list = list, .count = count, .own_id = own_id, .next_ns = UINT64_MAX };
}

static void begin_session(struct sessions *sessions, const struct image_broker *broker, uint32_t slot, uint64_t index)
{
    struct session *session = &sessions->list[slot];

    CHECK(slot < sessions->count);
    *session = (struct session){ .epoch = broker->epoch,
                                 .deadline_ns = sessions->looked_ns + SESSION_NS,
                                 .changed_index = index };
    if (broker->id == sessions->own_id) session->deadline_ns = UINT64_MAX;
    sessions->next_ns = MIN(sessions->next_ns, session->deadline_ns);
}

void sessions_begin(struct sessions *sessions, const struct image *image, uint64_t now_ns)
{
    const uint64_t index = image_view(image).applied_index;

    sessions->leads = true;
    sessions->looked_ns = now_ns;
    sessions->next_ns = UINT64_MAX;
    for (uint32_t slot = image_first_broker(image); slot != SLOT_NONE; slot = image_next_broker(image, slot)) {
        begin_session(sessions, image_broker(image, slot), slot, index);
    }
}

void sessions_end(struct sessions *sessions)
{
    sessions->leads = false;
    sessions->next_ns = UINT64_MAX;
}

/* ---- facts ---- */

/* Who did not look for a while has not heard, either: heartbeats may wait unread. So that time is given to all. */
void sessions_on_time(struct sessions *sessions, uint64_t now_ns)
{
    const uint64_t away_ns = now_ns - sessions->looked_ns;

    CHECK(sessions->looked_ns <= now_ns);
    sessions->looked_ns = now_ns;
    if (!sessions->leads || away_ns < STALL_NS) return;
    for (uint32_t slot = 0; slot < sessions->count; slot++) {
        struct session *session = &sessions->list[slot];
        if (session->deadline_ns < UINT64_MAX - away_ns) session->deadline_ns += away_ns;
    }
}

void sessions_on_broker(struct sessions *sessions, const struct image *image, uint32_t slot, uint64_t index)
{
    const struct image_broker *broker = image_broker(image, slot);
    struct session *session = &sessions->list[slot];

    if (!sessions->leads) return;
    if (session->epoch != broker->epoch) begin_session(sessions, broker, slot, index);
    session->changed_index = index;
    session->decided_ns = 0;
    sessions->next_ns = sessions->looked_ns; /* what is to be done about it may be another thing now */
}

/* Everybody else knows by now that it leads nothing any more: nobody will miss it. */
static bool may_go(const struct sessions *sessions, const struct image *image, uint32_t slot)
{
    const struct image_broker *broker = image_broker(image, slot);

    if (broker->fenced) return true;
    if (!broker->in_controlled_shutdown) return false;
    for (uint32_t other = image_first_broker(image); other != SLOT_NONE; other = image_next_broker(image, other)) {
        const struct image_broker *witness = image_broker(image, other);
        if (other == slot || witness->fenced || witness->id == sessions->own_id) continue;
        if (sessions->list[other].applied_index < sessions->list[slot].changed_index) return false;
    }
    return true;
}

struct heartbeat_answer sessions_on_heartbeat(struct sessions *sessions, const struct image *image,
                                              const struct heartbeat *heartbeat)
{
    const uint32_t slot = image_broker_by_id(image, heartbeat->broker_id);
    struct heartbeat_answer answer = { .broker_epoch = heartbeat->broker_epoch, .verdict = HEARTBEAT_UNKNOWN };
    if (!sessions->leads || slot == SLOT_NONE) return answer;
    struct session *session = &sessions->list[slot];
    if (heartbeat->broker_epoch > session->epoch) return answer;
    answer.verdict = HEARTBEAT_STALE;
    if (heartbeat->broker_epoch < session->epoch) return answer;

    const bool news = !session->heard || session->ready != heartbeat->ready ||
                      session->wants_shutdown != heartbeat->wants_shutdown || image_broker(image, slot)->fenced;
    session->heard = true;
    session->ready = heartbeat->ready;
    session->crashed = heartbeat->crashed;
    session->wants_shutdown = heartbeat->wants_shutdown;
    session->applied_index = MAX(session->applied_index, heartbeat->applied_index);
    if (session->deadline_ns != UINT64_MAX) session->deadline_ns = sessions->looked_ns + SESSION_NS;
    if (news) sessions->next_ns = sessions->looked_ns;
    answer.verdict = HEARTBEAT_TAKEN;
    answer.may_go = heartbeat->wants_shutdown && may_go(sessions, image, slot);
    return answer;
}

void sessions_on_link_lost(struct sessions *sessions, const struct image *image, int32_t broker_id, bool refused)
{
    const uint32_t slot = image_broker_by_id(image, broker_id);
    if (!sessions->leads || slot == SLOT_NONE || broker_id == sessions->own_id) return;
    struct session *session = &sessions->list[slot];

    session->deadline_ns = MIN(session->deadline_ns, sessions->looked_ns + (refused ? 0 : PROBE_NS));
    sessions->next_ns = MIN(sessions->next_ns, session->deadline_ns);
}

/* ---- what follows ---- */

/* It is alive, has recovered, and knows that it was fenced or registered, whichever came last: so it will not act by
 * what was before. */
static bool may_return(const struct sessions *sessions, const struct session *session)
{
    if (!session->heard || !session->ready || session->wants_shutdown) return false;
    if (session->deadline_ns <= sessions->looked_ns) return false;
    return session->applied_index >= session->changed_index && session->applied_index >= (uint64_t)session->epoch;
}

/* What is to be decided about a broker now, or when to look again. */
static bool judge(const struct sessions *sessions, const struct image_broker *broker, const struct session *session,
                  struct session_decision *decision, uint64_t *again_ns)
{
    const uint64_t now_ns = sessions->looked_ns;

    *again_ns = UINT64_MAX;
    *decision = (struct session_decision){ .broker_id = broker->id, .broker_epoch = broker->epoch };
    if (session->decided_ns != 0 && now_ns - session->decided_ns < DECISION_AGAIN_NS) {
        *again_ns = session->decided_ns + DECISION_AGAIN_NS;
        return false;
    }
    if (broker->fenced) {
        decision->kind = SESSION_UNFENCE;
        /* Of one life it is said once: since then it has been relied on, and lost nothing. */
        decision->crashed = session->crashed && broker->unfenced_epoch != broker->epoch;
        return may_return(sessions, session);
    }
    if (session->deadline_ns <= now_ns) {
        decision->kind = SESSION_FENCE;
        return true;
    }
    *again_ns = session->deadline_ns;
    decision->kind = SESSION_SHUT_DOWN;
    return session->wants_shutdown && !broker->in_controlled_shutdown;
}

bool sessions_next(struct sessions *sessions, const struct image *image, struct session_decision *decision)
{
    uint64_t next_ns = UINT64_MAX;

    if (!sessions->leads || sessions->next_ns > sessions->looked_ns) return false;
    for (uint32_t slot = image_first_broker(image); slot != SLOT_NONE; slot = image_next_broker(image, slot)) {
        struct session *session = &sessions->list[slot];
        uint64_t again_ns;
        if (judge(sessions, image_broker(image, slot), session, decision, &again_ns)) {
            session->decided_ns = MAX(sessions->looked_ns, 1);
            return true; /* and look at all of them again */
        }
        next_ns = MIN(next_ns, again_ns);
    }
    sessions->next_ns = next_ns;
    return false;
}

uint64_t sessions_deadline_ns(const struct sessions *sessions)
{
    return sessions->next_ns;
}

bool sessions_is_alive(const struct sessions *sessions, uint32_t broker)
{
    return sessions->leads && sessions->list[broker].deadline_ns > sessions->looked_ns;
}

void sessions_check(const struct sessions *sessions, const struct image *image)
{
    if (!sessions->leads) {
        CHECK(sessions->next_ns == UINT64_MAX); /* (1) */
        return;
    }
    for (uint32_t slot = image_first_broker(image); slot != SLOT_NONE; slot = image_next_broker(image, slot)) {
        struct session_decision decision;
        uint64_t again_ns;
        if (sessions->next_ns <= sessions->looked_ns) return;
        CHECK(!judge(sessions, image_broker(image, slot), &sessions->list[slot], &decision, &again_ns)); /* (2) */
        CHECK(sessions->next_ns <= again_ns);                                                            /* (2) */
    }
}
