/* owner.c -- a client that has a topic to itself, and knows exactly what must be in it.
 *
 * It makes the topic, writes single records with times that do not rise, reads them, looks them up by time, deletes
 * some, changes settings that show (how large a batch may be, whose time counts), deletes the topic in the middle of
 * that and makes another one of the same name. What it is told it compares with what it knows (owned.c). Where an
 * answer is lost it is in doubt, and says so. */
#include "codec/errors.h"
#include "codec/record_batch_builder.h"
#include "sim/owned.h"
#include "sim/run.h"

#include <string.h>

enum {
    CONFIG_DELETE = 1, /* IncrementalAlterConfigs: back to the default */
    COOKIE_ASKED = 80,
    COOKIE_WRITE = 100,
    PAUSE_NS = 10 * 1000 * 1000,
    PATIENCE_NS = 400 * 1000 * 1000,
    WRITING_MAX = 4
};

static struct bytes text(const char *string)
{
    return (struct bytes){ (const uint8_t *)string, (uint32_t)strlen(string) };
}

static void name_of(const struct client *client, char name[32])
{
    snprintf(name, 32, "of-%u-%u", client->number, client->ownership.names);
}

static bool reads_all(const struct run *run)
{
    return run->phase == PHASE_VERIFY || run->phase == PHASE_REVERIFY;
}

static struct writer *ask(const struct run *run, struct client *client, struct session *session,
                          enum owner_question question, int16_t api, int16_t version)
{
    client->ownership.asked_ns = run->world.now_ns;
    client->ownership.question = question;
    client->ownership.asked_of = session->machine;
    return session_begin(session, api, version);
}

static void asked(struct run *run, struct session *session)
{
    session_end(session, &run->world, COOKIE_ASKED, true);
}

/* ---- the topic ---- */

static void ask_make(struct run *run, struct client *client, struct session *session)
{
    struct ownership *own = &client->ownership;
    static const char *const names[] = { "cleanup.policy",        "retention.ms",      "retention.bytes",
                                         "min.insync.replicas",   "max.message.bytes", "file.delete.delay.ms",
                                         "message.timestamp.type" };
    struct create_topics_request_config configs[COUNT_OF(names)];
    struct create_topics_request request = create_topics_request_default;
    struct create_topics_request_topic topic = create_topics_request_topic_default;
    char name[32], limit[16], min_isr[16], delay[16];
    struct bytes values[COUNT_OF(names)];

    owned_begin(own, &client->prng);
    snprintf(limit, sizeof limit, "%d", own->settings[OWNED_LIMIT].now);
    snprintf(min_isr, sizeof min_isr, "%u", MAX(run->knobs.min_isr, 1U));
    snprintf(delay, sizeof delay, "%u", (unsigned)prng_below(&client->prng, 3) * 200);
    values[0] = text("delete");
    values[1] = values[2] = text("-1");
    values[3] = text(min_isr);
    values[4] = text(limit);
    values[5] = text(delay);
    values[6] = text(own->settings[OWNED_TIME].now != 0 ? "LogAppendTime" : "CreateTime");
    for (uint32_t i = 0; i < COUNT_OF(names); i++) {
        configs[i] = (struct create_topics_request_config){ .name = text(names[i]), .value = values[i] };
    }
    name_of(client, name);
    topic.name = text(name);
    topic.num_partitions = 1;
    topic.replication_factor = (int16_t)(1 + prng_below(&client->prng, MAX(run->knobs.replicas, 1U)));
    topic.configs = configs;
    topic.configs_count = COUNT_OF(names);
    request.topics = &topic;
    request.topics_count = 1;
    request.timeout_ms = 5000;
    create_topics_request_write(ask(run, client, session, OWNER_MAKES, API_CREATE_TOPICS, 7), 7, &request);
    asked(run, session);
}

static void ask_find(struct run *run, struct client *client, struct session *session)
{
    struct metadata_request request = metadata_request_default;
    struct metadata_request_topic topic = metadata_request_topic_default;
    char name[32];

    name_of(client, name);
    topic.name = text(name);
    request.topics = &topic;
    request.topics_count = 1;
    request.allow_auto_topic_creation = false;
    metadata_request_write(ask(run, client, session, OWNER_FINDS, API_METADATA, 12), 12, &request);
    asked(run, session);
}

static void ask_remove(struct run *run, struct client *client, struct session *session)
{
    struct delete_topics_request request = delete_topics_request_default;
    struct delete_topics_request_topic topic = delete_topics_request_topic_default;

    client->ownership.state = OWNER_LEAVES;
    topic.topic_id = client->ownership.topic_id;
    request.topics = &topic;
    request.topics_count = 1;
    request.timeout_ms = 5000;
    delete_topics_request_write(ask(run, client, session, OWNER_REMOVES, API_DELETE_TOPICS, 6), 6, &request);
    asked(run, session);
}

static void ask_set(struct run *run, struct client *client, struct session *session)
{
    struct ownership *own = &client->ownership;
    struct incremental_alter_configs_request request = incremental_alter_configs_request_default;
    struct incremental_alter_configs_request_resource resource = incremental_alter_configs_request_resource_default;
    struct incremental_alter_configs_request_config config = incremental_alter_configs_request_config_default;
    char name[32], value[16];

    own->setting = (enum owned_setting_kind)prng_below(&client->prng, OWNED_SETTINGS);
    const int32_t wanted = owned_set(own, own->setting);
    name_of(client, name);
    snprintf(value, sizeof value, "%d", wanted);
    config.name = text(own->setting == OWNED_LIMIT ? "max.message.bytes" : "message.timestamp.type");
    config.value = own->setting == OWNED_LIMIT ? text(value) : text(wanted != 0 ? "LogAppendTime" : "CreateTime");
    /* What is wanted is what there is where nothing is set. */
    if (owned_is_usual(own, own->setting) && prng_chance(&client->prng, 1, 2)) {
        config.operation = CONFIG_DELETE;
        config.value = (struct bytes){ 0 };
    }
    resource.resource_type = 2;
    resource.resource_name = text(name);
    resource.configs = &config;
    resource.configs_count = 1;
    request.resources = &resource;
    request.resources_count = 1;
    incremental_alter_configs_request_write(ask(run, client, session, OWNER_SETS, API_INCREMENTAL_ALTER_CONFIGS, 1), 1,
                                            &request);
    asked(run, session);
}

/* ---- its records ---- */

/* One large record, or a few small ones; the number of the first names all. */
static struct bytes make_batch(struct run *run, struct client *client, const struct session *session, uint32_t count)
{
    struct ownership *own = &client->ownership;
    static uint8_t memory[4096];
    struct record_batch_builder builder;
    const bool large = count == 1 && prng_chance(&client->prng, 1, 2);

    record_batch_builder_init(&builder, memory, sizeof memory);
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t number = own->first_number + own->count;
        const uint32_t size = large ? OWNED_LARGE : 20 + (uint32_t)prng_below(&client->prng, OWNED_SMALL - 20);
        struct owned *record = &own->list[own->count++];
        uint8_t value[OWNED_LARGE];
        *record = (struct owned){ .fate = OWNED_SENT, .machine = session->machine, .large = large, .offset = -1 };
        record->batch_count = i == 0 ? count : 0;
        record->time_ms = world_wall_ms(&run->world) - (int64_t)prng_below(&client->prng, 20000);
        make_value(client, 0, number, value, size);
        const struct record_input input = { .timestamp = record->time_ms, .value = { value, size } };
        record_batch_builder_add(&builder, &input);
    }
    return record_batch_builder_end(&builder);
}

static void write_batch(struct run *run, struct client *client, struct session *session)
{
    struct ownership *own = &client->ownership;
    struct produce_request request = produce_request_default;
    struct produce_request_topic topic = { .partitions_count = 1 };
    struct produce_request_partition partition = { 0 };
    const uint32_t number = own->first_number + own->count;
    const uint32_t count = prng_chance(&client->prng, 1, 2) ? 1 : 2 + (uint32_t)prng_below(&client->prng, 2);
    char name[32];

    if (own->count + count > OWNED_MAX) return;
    partition.records = make_batch(run, client, session, count);
    name_of(client, name);
    topic.name = text(name);
    topic.partitions = &partition;
    request.topics = &topic;
    request.topics_count = 1;
    request.acks = -1;
    request.timeout_ms = prng_chance(&client->prng, 1, 4) ? 1 + (int32_t)prng_below(&client->prng, 20) : 5000;
    own->writing++;
    produce_request_write(session_begin(session, API_PRODUCE, 9), 9, &request);
    session_end(session, &run->world, COOKIE_WRITE + number, true);
}

static void ask_read(struct run *run, struct client *client, struct session *session)
{
    struct ownership *own = &client->ownership;
    struct fetch_request request = fetch_request_default;
    struct fetch_request_topic topic = fetch_request_topic_default;
    struct fetch_request_partition partition = fetch_request_partition_default;

    if (!reads_all(run)) {
        own->position =
            own->start_acked + (int64_t)prng_below(&client->prng, (uint64_t)(own->acked_end - own->start_acked) + 1);
    }
    partition.fetch_offset = own->position;
    partition.current_leader_epoch = -1;
    partition.partition_max_bytes = 1 + (int32_t)prng_below(&client->prng, 8000);
    topic.topic_id = own->topic_id;
    topic.partitions = &partition;
    topic.partitions_count = 1;
    request.replica_id = -1;
    request.max_wait_ms = (int32_t)prng_below(&client->prng, 100);
    request.min_bytes = 1;
    request.max_bytes = 100000;
    request.topics = &topic;
    request.topics_count = 1;
    fetch_request_write(ask(run, client, session, OWNER_READS, API_FETCH, 13), 13, &request);
    asked(run, session);
}

/* Where the log begins or ends, or what was written at a time or behind it. */
static void ask_list(struct run *run, struct client *client, struct session *session, int64_t time_ms)
{
    struct ownership *own = &client->ownership;
    struct list_offsets_request request = list_offsets_request_default;
    struct list_offsets_request_topic topic = list_offsets_request_topic_default;
    struct list_offsets_request_partition partition = list_offsets_request_partition_default;
    char name[32];

    own->listed_ms = time_ms;
    own->leads = owned_leads(run, client, session->machine, &own->leads_epoch);
    own->elsewhere = owned_is_led_elsewhere(run, client, session->machine, &own->elsewhere_epoch);
    name_of(client, name);
    partition.timestamp = time_ms;
    partition.current_leader_epoch = -1;
    topic.name = text(name);
    topic.partitions = &partition;
    topic.partitions_count = 1;
    request.topics = &topic;
    request.topics_count = 1;
    owned_remember(own);
    list_offsets_request_write(ask(run, client, session, OWNER_LISTS, API_LIST_OFFSETS, 7), 7, &request);
    asked(run, session);
}

static int64_t draw_time(struct run *run, struct client *client)
{
    const struct ownership *own = &client->ownership;
    const uint64_t drawn = prng_below(&client->prng, 5);

    if (drawn < 1) return -1;
    if (drawn < 2) return -2;
    if (drawn < 3 && own->count > 0) return own->list[prng_below(&client->prng, own->count)].time_ms;
    return world_wall_ms(&run->world) - (int64_t)prng_below(&client->prng, 25000);
}

static void ask_trim(struct run *run, struct client *client, struct session *session)
{
    struct ownership *own = &client->ownership;
    struct delete_records_request request = delete_records_request_default;
    struct delete_records_request_topic topic = delete_records_request_topic_default;
    struct delete_records_request_partition partition = delete_records_request_partition_default;
    const uint64_t there = (uint64_t)(own->acked_end - own->start_acked);
    char name[32];

    own->trims =
        prng_chance(&client->prng, 1, 6) ? -1 : own->start_acked + (int64_t)prng_below(&client->prng, there / 2 + 1);
    own->start_asked = own->trims < 0 ? INT64_MAX : MAX(own->start_asked, own->trims);
    name_of(client, name);
    partition.offset = own->trims;
    topic.name = text(name);
    topic.partitions = &partition;
    topic.partitions_count = 1;
    request.topics = &topic;
    request.topics_count = 1;
    request.timeout_ms = 5000;
    delete_records_request_write(ask(run, client, session, OWNER_TRIMS, API_DELETE_RECORDS, 2), 2, &request);
    asked(run, session);
}

/* ---- working ---- */

static struct session *session_of(struct run *run, struct client *client, bool leader)
{
    if (!leader) return client_any_session(run, client);
    return client_session(run, client, client->ownership.leader);
}

static void live(struct run *run, struct client *client)
{
    struct ownership *own = &client->ownership;
    const bool devoted = prng_chance(&client->prng, own->devotion, 100);
    const uint64_t drawn = devoted ? own->favourite : prng_below(&client->prng, 100);
    const bool lists = drawn >= 60 && drawn < 80;
    const bool leader = drawn < 80 && !(lists && prng_chance(&client->prng, 1, 4));
    struct session *session = session_of(run, client, leader);

    if (session == NULL) return;
    if (own->doubts && drawn % 8 == 0) {
        ask_remove(run, client, session);
    } else if (drawn < 30) {
        if (own->count + WRITING_MAX > OWNED_MAX) own->state = OWNER_LEAVES;
        while (own->writing < WRITING_MAX && prng_chance(&client->prng, 1, 2)) write_batch(run, client, session);
    } else if (drawn < 46) {
        ask_read(run, client, session);
    } else if (drawn < 60) {
        ask_trim(run, client, session);
    } else if (lists) {
        ask_list(run, client, session, draw_time(run, client));
    } else if (drawn < 93) {
        ask_set(run, client, session);
    } else if (drawn < 97) {
        ask_find(run, client, session);
    } else if (owned_is_certain(own)) {
        ask_remove(run, client, session);
    }
}

/* All that there must be, from its begin on. */
static void read_all(struct run *run, struct client *client)
{
    struct ownership *own = &client->ownership;

    if (client->done) return;
    if (own->state != OWNER_HAS || owned_is_forgiven(run, client)) {
        client->done = true;
        return;
    }
    struct session *session = session_of(run, client, own->leader != MACHINE_NONE);
    if (session == NULL) return;
    if (own->leader == MACHINE_NONE) ask_find(run, client, session);
    else if (own->position < 0) ask_list(run, client, session, -2);
    else ask_read(run, client, session);
}

/* It has more to do than to wait for an answer that is lost, perhaps. */
static void lose_patience(struct run *run, struct client *client)
{
    const struct ownership *own = &client->ownership;

    if (own->question == OWNER_NOTHING || run->phase != PHASE_CHAOS || run->world.now_ns < own->asked_ns + PATIENCE_NS)
        return;
    for (uint32_t i = 0; i < client->session_count; i++) {
        if (client->sessions[i].machine == own->asked_of) client_drop(run, client, &client->sessions[i]);
    }
}

void owner_work(struct run *run, struct client *client)
{
    struct ownership *own = &client->ownership;

    lose_patience(run, client);
    if (own->question == OWNER_NOTHING && run->phase != PHASE_STOP) {
        const bool has = own->state == OWNER_HAS;
        struct session *session = has ? NULL : client_any_session(run, client);
        if (reads_all(run)) {
            read_all(run, client);
        } else if (own->state == OWNER_LEAVES) {
            if (session != NULL) ask_remove(run, client, session);
        } else if (run->phase == PHASE_CHAOS && !has) {
            if (session != NULL) ask_make(run, client, session);
        } else if (has && own->leader == MACHINE_NONE) {
            session = client_any_session(run, client);
            if (session != NULL) ask_find(run, client, session);
        } else if (run->phase == PHASE_CHAOS) {
            live(run, client);
        }
    }
    const uint64_t pause_ns = run->phase == PHASE_CHAOS ? own->pause_ns : 30 * PAUSE_NS;
    client_wake(run, client, 1 + prng_below(&client->prng, pause_ns));
}

void owner_init(struct client *client)
{
    struct ownership *own = &client->ownership;

    own->leader = MACHINE_NONE;
    own->favourite = (uint32_t)prng_below(&client->prng, 93);
    own->devotion = prng_chance(&client->prng, 1, 2) ? (uint32_t)prng_below(&client->prng, 80) : 0;
    own->pause_ns = prng_chance(&client->prng, 1, 2) ? PAUSE_NS : PAUSE_NS / 10;
}

/* ---- answers ---- */

static void on_made(struct run *run, struct client *client, struct response *response)
{
    struct ownership *own = &client->ownership;
    struct create_topics_response made;

    if (!create_topics_response_read(&response->body, response->version, response->arena, &made) ||
        made.topics_count != 1) {
        judge_violated(&run->judge, RULE_N, "owner: a CreateTopics response cannot be read");
    } else if (made.topics[0].error_code == ERROR_NONE) {
        own->state = OWNER_HAS;
        own->topic_id = made.topics[0].topic_id;
        owned_is_made(run, own);
    } else if (made.topics[0].error_code == ERROR_TOPIC_ALREADY_EXISTS) {
        own->doubts = own->lost_track = true; /* one that was asked for before: with other settings, perhaps */
        own->state = OWNER_HAS;
    }
}

static void on_found(struct run *run, struct client *client, struct response *response)
{
    struct ownership *own = &client->ownership;
    struct metadata_response found;

    if (!metadata_response_read(&response->body, response->version, response->arena, &found) ||
        found.topics_count != 1) {
        judge_violated(&run->judge, RULE_N, "owner: a Metadata response cannot be read");
        return;
    }
    const struct metadata_response_topic *topic = &found.topics[0];
    if (topic->error_code != ERROR_NONE || topic->partitions_count != 1) return;
    if (uuid_is_zero(&own->topic_id)) own->topic_id = topic->topic_id;
    if (!uuid_equal(&own->topic_id, &topic->topic_id) || topic->partitions[0].leader_id < 0) return;
    own->leader = (uint32_t)topic->partitions[0].leader_id - 1;
    if (own->leader >= run->world.machine_count) own->leader = MACHINE_NONE;
}

static void on_removed(struct run *run, struct client *client, struct response *response)
{
    struct delete_topics_response removed;

    if (!delete_topics_response_read(&response->body, response->version, response->arena, &removed) ||
        removed.topics_count != 1) {
        judge_violated(&run->judge, RULE_N, "owner: a DeleteTopics response cannot be read");
        return;
    }
    const int16_t error = removed.topics[0].error_code;
    if (error == ERROR_NONE || error == ERROR_UNKNOWN_TOPIC_ID) client->ownership.state = OWNER_HAS_NONE;
}

static void on_set(struct run *run, struct client *client, struct response *response)
{
    struct incremental_alter_configs_response altered;
    struct ownership *own = &client->ownership;

    if (!incremental_alter_configs_response_read(&response->body, response->version, response->arena, &altered) ||
        altered.resources_count != 1) {
        judge_violated(&run->judge, RULE_N, "owner: an IncrementalAlterConfigs response cannot be read");
        return;
    }
    if (altered.resources[0].error_code == ERROR_NONE) owned_is_set(run, own, own->setting);
    else own->doubts = true;
}

static void on_trimmed(struct run *run, struct client *client, struct response *response)
{
    struct delete_records_response trimmed;

    if (!delete_records_response_read(&response->body, response->version, response->arena, &trimmed) ||
        trimmed.topics_count != 1 || trimmed.topics[0].partitions_count != 1) {
        judge_violated(&run->judge, RULE_N, "owner: a DeleteRecords response cannot be read");
        return;
    }
    const struct delete_records_response_partition *partition = &trimmed.topics[0].partitions[0];
    const bool known = owned_was_known(&client->ownership, &response->asked);
    if (known && partition->error_code == ERROR_NONE) owned_is_trimmed(run, client, partition->low_watermark);
    else client->ownership.start_doubted = true;
}

static void on_listed(struct run *run, struct client *client, struct response *response)
{
    struct list_offsets_response listed;
    struct ownership *own = &client->ownership;

    if (!list_offsets_response_read(&response->body, response->version, response->arena, &listed) ||
        listed.topics_count != 1 || listed.topics[0].partitions_count != 1) {
        judge_violated(&run->judge, RULE_N, "owner: a ListOffsets response cannot be read");
        return;
    }
    const struct list_offsets_response_partition *partition = &listed.topics[0].partitions[0];
    if (partition->error_code != ERROR_NONE) {
        own->leader = MACHINE_NONE;
        return;
    }
    if (!owned_was_known(own, &response->asked)) return;
    owned_is_listed(run, client, partition->offset, partition->timestamp);
    if (reads_all(run) && own->listed_ms == -2) own->position = partition->offset;
}

static void on_read(struct run *run, struct client *client, struct response *response)
{
    struct fetch_response fetched;
    struct ownership *own = &client->ownership;

    if (!fetch_response_read(&response->body, response->version, response->arena, &fetched)) {
        judge_violated(&run->judge, RULE_N, "owner: a Fetch response cannot be read");
        return;
    }
    if (fetched.error_code != ERROR_NONE || fetched.topics_count != 1 || fetched.topics[0].partitions_count != 1)
        return;
    const struct fetch_response_partition *partition = &fetched.topics[0].partitions[0];
    if (partition->error_code != ERROR_NONE) {
        own->leader = MACHINE_NONE;
        own->position = -1;
        return;
    }
    owned_is_read(run, client, partition->records);
    if (!reads_all(run) || own->position < MAX(partition->high_watermark, own->acked_end)) return;
    client->done = true;
    owned_is_all(run, client);
}

static void on_written(struct run *run, struct client *client, struct response *response)
{
    struct produce_response produced;
    struct ownership *own = &client->ownership;
    const uint64_t number = response->cookie - COOKIE_WRITE;

    if (own->writing > 0 && number >= own->first_number) own->writing--;
    if (!produce_response_read(&response->body, response->version, response->arena, &produced) ||
        produced.topics_count != 1 || produced.topics[0].partitions_count != 1) {
        judge_violated(&run->judge, RULE_N, "owner: a Produce response cannot be read");
        return;
    }
    const struct produce_response_partition *partition = &produced.topics[0].partitions[0];
    if (partition->error_code == ERROR_NOT_LEADER_OR_FOLLOWER ||
        partition->error_code == ERROR_UNKNOWN_TOPIC_OR_PARTITION) {
        own->leader = MACHINE_NONE;
    }
    owned_is_written(run, client, number, partition, &response->asked);
}

static void tell(const struct run *run, const struct client *client)
{
    static const char *const names[] = { "nothing",   "to make it",    "who leads it", "to delete it",
                                         "to set it", "what is there", "where it is",  "to delete records" };
    const struct ownership *own = &client->ownership;

    if (run->trace == NULL) return;
    fprintf(run->trace, "[%12.6f]   owner %u has asked n%u %s: records %u.. of it, %u, from %lld to %lld\n",
            (double)run->world.now_ns / 1e9, client->number, own->asked_of + 1, names[own->question], own->first_number,
            own->count, (long long)own->start_acked, (long long)own->acked_end);
}

void owner_on_response(struct run *run, struct client *client, struct response *response)
{
    if (response->api_key == API_PRODUCE) {
        on_written(run, client, response);
        return;
    }
    tell(run, client);
    client->ownership.question = OWNER_NOTHING;
    switch (response->api_key) {
    case API_CREATE_TOPICS: on_made(run, client, response); break;
    case API_METADATA: on_found(run, client, response); break;
    case API_DELETE_TOPICS: on_removed(run, client, response); break;
    case API_INCREMENTAL_ALTER_CONFIGS: on_set(run, client, response); break;
    case API_DELETE_RECORDS: on_trimmed(run, client, response); break;
    case API_LIST_OFFSETS: on_listed(run, client, response); break;
    case API_FETCH: on_read(run, client, response); break;
    }
    client_wake(run, client, 1 + prng_below(&client->prng, PAUSE_NS));
}

void owner_on_lost(struct client *client, uint32_t machine)
{
    struct ownership *own = &client->ownership;

    owned_is_lost(own, machine);
    if (own->question == OWNER_NOTHING || own->asked_of != machine) return;
    if (own->question == OWNER_SETS || own->question == OWNER_MAKES) own->doubts = true;
    if (own->question == OWNER_TRIMS) own->start_doubted = true;
    own->question = OWNER_NOTHING;
    own->leader = MACHINE_NONE;
}

bool owner_is_done(const struct run *run, const struct client *client)
{
    const struct ownership *own = &client->ownership;

    if (reads_all(run)) return client->done;
    return run->phase != PHASE_HEAL ||
           (own->question == OWNER_NOTHING && own->writing == 0 && own->state != OWNER_LEAVES);
}

void owner_read_all(struct client *client)
{
    struct ownership *own = &client->ownership;

    client->done = false;
    own->position = -1;
    own->leader = MACHINE_NONE;
    own->question = OWNER_NOTHING;
    owned_forget_seen(own);
}
