/* consumer_world.h -- members of the newer group protocol in groups_world.h: what they say, and what they are told. */
#ifndef CHRONIK_TESTS_CONSUMER_WORLD_H
#define CHRONIK_TESTS_CONSUMER_WORLD_H

#include "groups_world.h"

struct beat {
    const char *member;
    int32_t epoch;
    const char *topics; /* "t u"; NULL: not told, as the next ones */
    const char *owned;  /* "t0 t1" */
    const char *instance, *regex, *assignor, *group;
    bool old;  /* version 0 */
    bool full; /* says everything, as after an error */
};

struct told {
    enum error error;
    bool waits;
    int32_t epoch;
    bool tells;
    char member[64], parts[512];
};

static inline struct bytes word_next(const char **words)
{
    struct bytes word = { (const uint8_t *)*words, 0 };

    while ((*words)[word.size] != 0 && (*words)[word.size] != ' ') word.size++;
    *words += word.size;
    while (**words == ' ') (*words)++;
    return word;
}

static inline void world_say_parts(const struct world *world, struct part_list parts, char *text, size_t size)
{
    text[0] = 0;
    for (uint32_t i = 0; i < parts.count; i++) {
        const uint32_t topic = image_topic_by_id(world->image, &parts.list[i].topic);
        const struct bytes name = topic == SLOT_NONE ? BYTES_LITERAL("?") : image_topic_name(world->image, topic);
        const size_t at = strlen(text);
        snprintf(text + at, size - at, "%s%.*s%d", i > 0 ? " " : "", (int)name.size, (const char *)name.data,
                 parts.list[i].index);
    }
}

enum { BEAT_WAITER = WAITERS_MAX - 2 };

/* Sends it, and takes the answer if it is there at once; else the waiter is told of later. */
static inline struct told world_send_beat(struct world *world, uint64_t waiter, const struct beat *beat)
{
    struct bytes topics[8];
    int32_t indexes[64];
    struct consumer_group_heartbeat_request_topic owned[64];
    struct consumer_group_heartbeat_request request = consumer_group_heartbeat_request_default;
    struct group_caller caller = world_caller(waiter, beat->old ? 0 : 1);
    struct consumer_answer answer;
    struct told told = { 0 };

    request.group_id = text_of(beat->group == NULL ? "g" : beat->group);
    request.member_id = text_of(beat->member);
    request.member_epoch = beat->epoch;
    request.rebalance_timeout_ms = beat->epoch == 0 || beat->full ? 60000 : -1;
    if (beat->instance != NULL) request.instance_id = text_of(beat->instance);
    if (beat->regex != NULL) request.subscribed_topic_regex = text_of(beat->regex);
    if (beat->assignor != NULL) request.server_assignor = text_of(beat->assignor);
    if (beat->topics != NULL) {
        request.subscribed_topic_names = topics;
        for (const char *words = beat->topics; *words != 0;) {
            topics[request.subscribed_topic_names_count++] = word_next(&words);
        }
    }
    if (beat->owned != NULL) {
        request.topic_partitions = owned;
        for (const char *words = beat->owned; *words != 0;) {
            const struct bytes word = word_next(&words);
            const char name[2] = { (char)word.data[0], 0 };
            const uint32_t at = request.topic_partitions_count++;
            indexes[at] = word.data[1] - '0';
            owned[at] = (struct consumer_group_heartbeat_request_topic){ world_id(name), &indexes[at], 1 };
        }
    }
    world->ready[(uint32_t)waiter] = false;
    told.waits = groups_consumer_beat(world->groups, &caller, &request, &answer) != GROUP_ANSWERED;
    told.error = answer.error;
    told.epoch = answer.member_epoch;
    told.tells = answer.tells_assignment;
    if (told.error != ERROR_NONE) return told;
    world_say(told.member, sizeof told.member, answer.member_id);
    world_say_parts(world, answer.assignment, told.parts, sizeof told.parts);
    return told;
}

static inline struct told world_beats(struct world *world, const struct beat *beat)
{
    struct told told = world_send_beat(world, BEAT_WAITER, beat);

    world_run(world);
    if (!told.waits) return told;
    told.waits = !world->ready[BEAT_WAITER];
    if (told.waits) return told;
    told.error = groups_outcome(world->groups, BEAT_WAITER);
    groups_forget(world->groups, BEAT_WAITER);
    return told;
}

#endif
