/* decide_brokers.c -- brokers that fall silent, come back, and leave. */
#include "base/check.h"
#include "controller/decide.h"

void decide_session(const struct session_decision *decision, struct proposal *records)
{
    struct metadata_broker_change_record record = metadata_broker_change_record_default;

    record.broker_id = decision->broker_id;
    record.epoch = decision->broker_epoch;
    record.crashed = decision->crashed;
    switch (decision->kind) {
    case SESSION_FENCE: record.fenced = 1; break;
    case SESSION_UNFENCE: record.fenced = 0; break;
    case SESSION_SHUT_DOWN: record.in_controlled_shutdown = 1; break;
    }
    proposal_add_broker_change(records, &record);
}

/* ---- leaving ---- */

static enum error say_broker(struct text *message, enum error error, int32_t broker_id, const char *words)
{
    text_add(message, "Broker ");
    text_add_int(message, broker_id);
    text_add(message, words);
    return error;
}

static bool somebody_else_stays(const struct image *image, int32_t broker_id)
{
    for (uint32_t slot = image_first_broker(image); slot != SLOT_NONE; slot = image_next_broker(image, slot)) {
        const struct image_broker *broker = image_broker(image, slot);
        if (broker->id != broker_id && !broker->leaving && !broker->observer) return true;
    }
    return false;
}

enum error decide_leaving(const struct image *image, int32_t broker_id, bool leaving, struct proposal *records,
                          struct text *message)
{
    const uint32_t slot = image_broker_by_id(image, broker_id);
    struct metadata_broker_change_record record = metadata_broker_change_record_default;

    if (slot == SLOT_NONE) {
        return say_broker(message, ERROR_BROKER_ID_NOT_REGISTERED, broker_id, " is not registered.");
    }
    if (leaving && !somebody_else_stays(image, broker_id)) {
        return say_broker(message, ERROR_INVALID_REQUEST, broker_id, " is the last one that stays.");
    }
    if (image_broker(image, slot)->leaving == leaving) return ERROR_NONE;
    record.broker_id = broker_id;
    record.epoch = image_broker(image, slot)->epoch;
    record.leaving = leaving;
    proposal_add_broker_change(records, &record);
    return ERROR_NONE;
}

static bool somebody_else_counts(const struct image *image, int32_t broker_id)
{
    for (uint32_t slot = image_first_broker(image); slot != SLOT_NONE; slot = image_next_broker(image, slot)) {
        if (image_broker(image, slot)->id != broker_id && !image_broker(image, slot)->observer) return true;
    }
    return false;
}

enum error decide_unregistration(const struct image *image, int32_t broker_id, bool force, struct proposal *records,
                                 struct text *message)
{
    const uint32_t slot = image_broker_by_id(image, broker_id);
    if (slot == SLOT_NONE) {
        return say_broker(message, ERROR_BROKER_ID_NOT_REGISTERED, broker_id, " is not registered.");
    }
    const struct image_broker *broker = image_broker(image, slot);

    if (!force && broker->replica_count > 0) {
        say_broker(message, ERROR_NONE, broker_id, " still has ");
        text_add_int(message, broker->replica_count);
        text_add(message, " replica(s), which have to be moved first.");
        return ERROR_INVALID_REQUEST;
    }
    if (!force && !broker->fenced && !broker->leaving) {
        return say_broker(message, ERROR_INVALID_REQUEST, broker_id, " is alive, and is not to leave the cluster.");
    }
    if (!broker->observer && !somebody_else_counts(image, broker_id)) {
        return say_broker(message, ERROR_INVALID_REQUEST, broker_id, " is the last one.");
    }
    const struct metadata_broker_removal_record record = { .broker_id = broker_id, .epoch = broker->epoch };
    proposal_add_broker_removal(records, &record);
    return ERROR_NONE;
}

/* ---- observing ---- */

enum error decide_promotion(const struct image *image, int32_t broker_id, struct proposal *records,
                            struct text *message)
{
    const uint32_t slot = image_broker_by_id(image, broker_id);
    struct metadata_broker_change_record record = metadata_broker_change_record_default;

    if (slot == SLOT_NONE) {
        return say_broker(message, ERROR_BROKER_ID_NOT_REGISTERED, broker_id, " is not registered.");
    }
    if (!image_broker(image, slot)->observer) return ERROR_NONE;
    record.broker_id = broker_id;
    record.epoch = image_broker(image, slot)->epoch;
    record.observer = 0;
    proposal_add_broker_change(records, &record);
    return ERROR_NONE;
}

/* ---- levels ---- */

enum error decide_feature_level(const struct image *image, int16_t level, struct proposal *records,
                                struct text *message)
{
    const struct metadata_feature_record record = { BYTES_LITERAL("metadata.version"), level };

    for (uint32_t slot = image_first_broker(image); slot != SLOT_NONE; slot = image_next_broker(image, slot)) {
        const struct image_broker *broker = image_broker(image, slot);
        if (level >= broker->feature_level_min && level <= broker->feature_level_max) continue;
        say_broker(message, ERROR_NONE, broker->id, " does not understand level ");
        text_add_int(message, level);
        text_add(message, " of metadata.version.");
        return ERROR_INVALID_UPDATE_VERSION;
    }
    if (image_view(image).feature_level != level) proposal_add_feature(records, &record);
    return ERROR_NONE;
}
