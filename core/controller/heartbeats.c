/* heartbeats.c -- this node says that it is alive; and the leader acts on who is and who is not.
 *
 *     own state -> heartbeat -+-> (we lead) ----------> sessions -> decision -> log -> image
 *                             `-> frame -> leader's --> sessions -> answer: frame -> own state
 *
 * A leader does not time itself: where it is alone there is nothing to wake up for. */
#include "base/check.h"
#include "controller/controller_state.h"

enum { RECORDS_SIZE = 256 }; /* of one decision */

/* ---- who leads ---- */

void heartbeats_follow_leader(struct controller *controller)
{
    struct pulse *pulse = &controller->pulse;

    if (controller->led_term == 0 && controller->sessions.leads) sessions_end(&controller->sessions);
    if (controller->led_term != 0 && controller->led_term != pulse->led_term) {
        sessions_begin(&controller->sessions, controller->image, controller->mono_ns);
    }
    pulse->led_term = controller->led_term;
    if (pulse->leader_id == controller->wishes.leader_id && pulse->term == controller->wishes.term) return;
    pulse->leader_id = controller->wishes.leader_id;
    pulse->term = controller->wishes.term;
    pulse->due_ns = controller->mono_ns; /* whoever leads now has not heard of us */
}

/* ---- what is said ---- */

static bool own_broker(const struct controller *controller, const struct image_broker **broker)
{
    const uint32_t slot = image_broker_by_id(controller->image, controller->config.node_id);

    if (slot == SLOT_NONE || !controller->registered) return false;
    *broker = image_broker(controller->image, slot);
    return true;
}

static struct heartbeat heartbeat_of(const struct controller *controller, const struct image_broker *broker)
{
    return (struct heartbeat){
        .broker_id = broker->id,
        .broker_epoch = broker->epoch,
        .applied_index = controller_applied_index(controller),
        .ready = controller->pulse.ready,
        .crashed = controller->pulse.crashed,
        .wants_shutdown = controller->pulse.wants_shutdown,
    };
}

static void on_answer(struct controller *controller, const struct heartbeat_answer *answer)
{
    const struct image_broker *broker;

    if (!own_broker(controller, &broker) || answer->broker_epoch != broker->epoch) return;
    controller->pulse.may_go |= answer->may_go;
}

/* Room in the post of this step; what finds none is said again at the next beat. */
static struct mail *post(struct controller *controller, int32_t to, uint8_t kind, uint32_t size)
{
    struct pulse *pulse = &controller->pulse;

    if (pulse->mail_sent == pulse->mail_count) pulse->mail_sent = pulse->mail_count = 0;
    if (pulse->mail_count == MAIL_MAX) return NULL;
    struct mail *mail = &pulse->mail[pulse->mail_count++];
    *mail = (struct mail){ .to = to, .kind = kind, .size = size };
    return mail;
}

/* To ourselves, whenever it may matter: it costs nothing. */
static void beat_own_heart(struct controller *controller, const struct image_broker *broker)
{
    if (!broker->fenced && !controller->pulse.wants_shutdown) return;
    const struct heartbeat heartbeat = heartbeat_of(controller, broker);
    const struct heartbeat_answer answer = sessions_on_heartbeat(&controller->sessions, controller->image, &heartbeat);
    on_answer(controller, &answer);
}

static void beat(struct controller *controller)
{
    struct pulse *pulse = &controller->pulse;
    const struct image_broker *broker;

    if (!own_broker(controller, &broker)) return;
    if (controller->led_term != 0) {
        beat_own_heart(controller, broker);
        return;
    }
    const bool knows_leader = pulse->leader_id >= 0 && pulse->leader_id != controller->config.node_id;
    if (!knows_leader || pulse->due_ns > controller->mono_ns) return;
    struct mail *mail = post(controller, pulse->leader_id, CONTROLLER_FRAME_HEARTBEAT, HEARTBEAT_SIZE);
    if (mail == NULL) return;
    const struct heartbeat heartbeat = heartbeat_of(controller, broker);
    heartbeat_write(&heartbeat, mail->bytes);
    pulse->due_ns = controller->mono_ns + HEARTBEAT_INTERVAL_NS;
}

/* ---- what is decided ---- */

/* Proposed as it is: nobody waits for it, and if it is lost the sessions say it again. */
static void decide(struct controller *controller, struct effects *effects)
{
    struct session_decision decision;

    while (sessions_next(&controller->sessions, controller->image, &decision)) {
        uint8_t memory[RECORDS_SIZE];
        struct proposal records = proposal_in(memory, sizeof memory);
        uint64_t index;
        decide_session(&decision, &records);
        CHECK(proposal_ok(&records));
        if (metadata_log_propose(controller->log, proposal_bytes(&records), &index) != METADATA_LOG_TAKEN) break;
        if (decision.kind == SESSION_FENCE) NOTE(effects, BROKER_SILENT, decision.broker_id, decision.broker_epoch);
    }
}

void heartbeats_work(struct controller *controller, struct effects *effects)
{
    beat(controller);
    if (controller->led_term != 0) decide(controller, effects);
}

uint64_t heartbeats_deadline_ns(const struct controller *controller)
{
    const struct pulse *pulse = &controller->pulse;
    const struct image_broker *broker;
    const bool beats = controller->led_term == 0 && pulse->leader_id >= 0 &&
                       pulse->leader_id != controller->config.node_id && own_broker(controller, &broker);

    if (pulse->mail_sent < pulse->mail_count) return controller->mono_ns;
    const uint64_t sessions_ns = sessions_deadline_ns(&controller->sessions);
    return beats ? MIN(pulse->due_ns, sessions_ns) : sessions_ns;
}

/* ---- what is heard ---- */

bool heartbeats_on_frame(struct controller *controller, int32_t from, uint8_t kind, struct bytes frame)
{
    struct heartbeat heartbeat;
    struct heartbeat_answer answer;

    if (kind == CONTROLLER_FRAME_HEARTBEAT_ANSWER) {
        if (!heartbeat_answer_read(frame, &answer)) return false;
        on_answer(controller, &answer);
        return true;
    }
    if (!heartbeat_read(frame, &heartbeat) || heartbeat.broker_id != from) return false;
    answer = sessions_on_heartbeat(&controller->sessions, controller->image, &heartbeat);
    struct mail *mail = post(controller, from, CONTROLLER_FRAME_HEARTBEAT_ANSWER, HEARTBEAT_ANSWER_SIZE);
    if (mail != NULL) heartbeat_answer_write(&answer, mail->bytes);
    return true;
}

bool heartbeats_next_frame(struct controller *controller, struct controller_frame *frame)
{
    struct pulse *pulse = &controller->pulse;

    if (pulse->mail_sent == pulse->mail_count) return false;
    const struct mail *mail = &pulse->mail[pulse->mail_sent++];
    controller->frame_parts[0] = (struct bytes){ mail->bytes, mail->size };
    *frame = (struct controller_frame){ mail->to, mail->kind, controller->frame_parts, 1 };
    return true;
}

/* ---- for the roof ---- */

void controller_set_ready(struct controller *controller, bool crashed)
{
    CHECK(!controller->pulse.ready);
    controller->pulse.ready = true;
    controller->pulse.crashed = crashed;
    controller->pulse.due_ns = controller->mono_ns;
}

void controller_ask_to_go(struct controller *controller)
{
    controller->pulse.wants_shutdown = true;
    controller->pulse.due_ns = controller->mono_ns;
}

bool controller_may_go(const struct controller *controller)
{
    return controller->pulse.may_go;
}

void controller_on_link_lost(struct controller *controller, int32_t node_id, bool refused)
{
    joining_on_link_lost(controller, node_id);
    metadata_log_on_lost(controller->log, node_id);
    sessions_on_link_lost(&controller->sessions, controller->image, node_id, refused);
}
