#include "sim/run.h"

#include "base/check.h"
#include "base/crc32c.h"
#include "codec/errors.h"

#include <stdlib.h>
#include <string.h>

_Static_assert(TOPICS_MAX <= JUDGED_CONFIGS_MAX, "each topic has a config that is judged");

enum {
    COOKIE_METADATA = 1,
    COOKIE_ALL_TOPICS = 9,
    SILENCE_NS_MAX = 1000 * 1000 * 1000,
    SESSION_BUSY = 32,
    MANY_MACHINES = 16
};

void topic_name(uint32_t topic, char name[32])
{
    snprintf(name, 32, "topic-%u", topic);
}

void client_init(struct client *client, enum client_kind kind, uint32_t number, uint64_t seed)
{
    *client = (struct client){ .kind = kind, .number = number, .producer_id = -1, .asking = WIRE_NONE };
    client->babbling = WIRE_NONE;
    prng_init(&client->prng, seed, STREAM_CLIENT + number);
}

void client_free(struct client *client)
{
    for (uint32_t i = 0; i < client->session_count; i++) session_free(&client->sessions[i]);
    for (uint32_t i = 0; i < client->outstanding_count; i++) free(client->outstanding[i].bytes);
}

void client_wake(struct run *run, struct client *client, uint64_t delay_ns)
{
    const uint64_t at_ns = run->world.now_ns + delay_ns;

    if (client->wake_ns > run->world.now_ns && client->wake_ns <= at_ns) return;
    client->wake_ns = at_ns; /* a later one that is queued will find that it is not meant */
    world_after(&run->world, delay_ns, HAPPENS_CLIENT, MACHINE_NONE, client->number, 0);
}

/* ---- connections ---- */

static struct session *connected_to(struct client *client, uint32_t machine)
{
    for (uint32_t i = 0; i < client->session_count; i++) {
        struct session *session = &client->sessions[i];
        if (session->wire != WIRE_NONE && session->machine == machine) return session;
    }
    return NULL;
}

/* One that is not connected, or could be given up; NULL: there is none. */
static struct session *spare_session(struct run *run, struct client *client)
{
    struct session *idle = NULL;

    for (uint32_t i = 0; i < client->session_count; i++) {
        struct session *session = &client->sessions[i];
        if (session->wire == WIRE_NONE) return session;
        if (session->pending_count == 0) idle = session;
    }
    if (client->session_count < SESSIONS_MAX) {
        session_init(&client->sessions[client->session_count]);
        return &client->sessions[client->session_count++];
    }
    if (idle != NULL) {
        producer_on_lost(client, idle->machine);
        session_hang_up(idle, &run->world);
    }
    return idle;
}

struct session *client_session(struct run *run, struct client *client, uint32_t machine)
{
    struct session *session = connected_to(client, machine);

    CHECK(machine < run->world.machine_count);
    if (session != NULL) return session->pending_count < SESSION_BUSY ? session : NULL;
    session = spare_session(run, client);
    if (session == NULL) return NULL;
    session_connect(session, &run->world, client->number, machine,
                    client->kind == CLIENT_OPERATOR ? LISTENER_OPERATOR : LISTENER_KAFKA);
    session->sitting = ++client->sittings;
    return session;
}

struct session *client_any_session(struct run *run, struct client *client)
{
    const uint32_t drawn = (uint32_t)prng_below(&client->prng, run->world.machine_count);
    const bool elsewhere = prng_chance(&client->prng, 1, 4);

    for (uint32_t i = 0; i < client->session_count && !elsewhere; i++) {
        struct session *session = &client->sessions[(drawn + i) % client->session_count];
        if (session->wire != WIRE_NONE && session->pending_count < SESSION_BUSY) return session;
    }
    return client_session(run, client, drawn);
}

uint32_t client_pending(const struct client *client)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < client->session_count; i++) {
        if (client->sessions[i].wire != WIRE_NONE) count += client->sessions[i].pending_count;
    }
    return count;
}

/* A connection is gone, and with it all answers that were to come on it. */
static void lost(struct run *run, struct client *client, struct session *session)
{
    if (session->wire == client->asking) client->asking = WIRE_NONE;
    session->wire = WIRE_NONE;
    session->pending_count = 0;
    client->stale = true;
    if (client->kind == CLIENT_PRODUCER) producer_on_lost(client, session->machine);
    if (client->kind == CLIENT_CONSUMER) consumer_on_lost(client, session->machine);
    if (client->kind == CLIENT_MEMBER) member_on_lost(run, client, session->machine);
    if (client->kind == CLIENT_OWNER) owner_on_lost(client, session->machine);
    /* At once, soon, or so late that much has happened to what was asked and not answered. */
    const uint64_t delays_ns[] = { 200 * 1000, 50 * 1000 * 1000, 50 * 1000 * 1000, 3000ull * 1000 * 1000 };
    const uint64_t delay_ns = delays_ns[prng_below(&client->prng, COUNT_OF(delays_ns))];
    client_wake(run, client, 1 + prng_below(&client->prng, client->kind == CLIENT_PRODUCER ? delay_ns : delays_ns[1]));
}

void client_drop(struct run *run, struct client *client, struct session *session)
{
    if (session->wire == WIRE_NONE) return;
    const uint32_t wire = session->wire;
    world_hang_up(&run->world, wire);
    lost(run, client, session);
}

void client_drop_all(struct run *run, struct client *client)
{
    for (uint32_t i = 0; i < client->session_count; i++) client_drop(run, client, &client->sessions[i]);
}

static struct session *session_of(struct client *client, uint32_t wire)
{
    for (uint32_t i = 0; i < client->session_count; i++) {
        if (client->sessions[i].wire == wire) return &client->sessions[i];
    }
    return NULL;
}

void client_on_hang_up(struct run *run, struct client *client, uint32_t wire)
{
    struct session *session = session_of(client, wire);
    if (wire == client->babbling) client->babbling = WIRE_NONE;
    if (session != NULL) lost(run, client, session);
}

/* ---- waking up ---- */

/* False: nobody can be asked just now. */
static bool ask_metadata(struct run *run, struct client *client)
{
    struct metadata_request_topic topics[TOPICS_MAX];
    char names[TOPICS_MAX][32];
    const int16_t version = (int16_t)(10 + prng_below(&client->prng, 4));
    struct session *session = client_any_session(run, client);

    if (session == NULL) return false;
    for (uint32_t i = 0; i < run->knobs.topics; i++) {
        topic_name(i, names[i]);
        topics[i] = metadata_request_topic_default;
        topics[i].name = (struct bytes){ (const uint8_t *)names[i], (uint32_t)strlen(names[i]) };
    }
    struct metadata_request request = metadata_request_default;
    request.topics = topics;
    request.topics_count = run->knobs.topics;
    request.allow_auto_topic_creation = run->knobs.replicas == 0;
    metadata_request_write(session_begin(session, API_METADATA, version), version, &request);
    session_end(session, &run->world, COOKIE_METADATA, true);
    client->asking = session->wire;
    return true;
}

/* A list of all there is: nothing that was promised may be missing in it. */
void list_topics(struct run *run, struct client *client)
{
    struct metadata_request request = metadata_request_default;
    struct session *session = client_any_session(run, client);

    if (session == NULL) return;
    request.topics = NULL;
    metadata_request_write(session_begin(session, API_METADATA, 12), 12, &request);
    session_end(session, &run->world, COOKIE_ALL_TOPICS, true);
}

/* Where one waits for a node that others have given up already, they write elsewhere meanwhile. */
static uint64_t patience_of(const struct run *run, const struct client *client)
{
    const bool alike = run->world.machine_count > MANY_MACHINES;
    return alike ? run->knobs.patience_ns : run->knobs.patience_ns >> client->number % 3;
}

static bool silent_too_long(const struct run *run, const struct client *client, const struct session *session)
{
    if (session->wire == WIRE_NONE || session->pending_count == 0) return false;
    const struct pending *oldest = &session->pending[session->pending_first];
    return run->world.now_ns > oldest->asked.ns + patience_of(run, client);
}

static void lose_patience(struct run *run, struct client *client)
{
    const bool impatient = run->phase == PHASE_CHAOS && prng_chance(&client->prng, run->knobs.impatience, 1000) &&
                           client->session_count > 0;

    for (uint32_t i = 0; i < client->session_count; i++) {
        if (silent_too_long(run, client, &client->sessions[i])) client_drop(run, client, &client->sessions[i]);
    }
    if (!impatient) return;
    client_drop(run, client, &client->sessions[prng_below(&client->prng, client->session_count)]);
}

static void work(struct run *run, struct client *client)
{
    switch (client->kind) {
    case CLIENT_PRODUCER: producer_work(run, client); break;
    case CLIENT_CONSUMER: consumer_work(run, client); break;
    case CLIENT_ADMINISTRATOR: administrator_work(run, client); break;
    case CLIENT_MEMBER: member_work(run, client); break;
    case CLIENT_LIAR: liar_work(run, client); break;
    case CLIENT_OPERATOR:
    case CLIENT_OWNER: break;
    }
}

void client_on_wake(struct run *run, struct client *client)
{
    if (client->wake_ns != run->world.now_ns) return;
    client->wake_ns = 0;
    if (run->phase == PHASE_GROW) {
        client_wake(run, client, SILENCE_NS_MAX);
        return;
    }
    lose_patience(run, client);
    if (client->wake_ns != 0) return; /* it has just hung up, and comes again */
    if (client->kind == CLIENT_OPERATOR) {
        operator_work(run, client);
        return;
    }
    if (client->kind == CLIENT_OWNER) {
        owner_work(run, client);
        return;
    }
    if ((!client->ready || client->stale) && client->asking == WIRE_NONE) ask_metadata(run, client);
    if (client->ready) work(run, client);
    client_wake(run, client, MIN((uint64_t)SILENCE_NS_MAX, patience_of(run, client))); /* is a node silent? */
}

/* ---- metadata ---- */

static struct target *target_of(struct client *client, const struct uuid *topic_id, int32_t index)
{
    for (uint32_t i = 0; i < client->target_count; i++) {
        struct target *target = &client->targets[i];
        if (target->index == index && uuid_equal(&target->topic_id, topic_id)) return target;
    }
    return NULL;
}

/* Which machine a broker says that it is: they are called n1, n2 and so on. */
static uint32_t machine_of(const struct run *run, const struct metadata_response *metadata, int32_t broker)
{
    const uint32_t guess = (uint32_t)broker - 1; /* they are told in order, and mostly all are there */
    const uint32_t first = guess < metadata->brokers_count && metadata->brokers[guess].node_id == broker ? guess : 0;

    for (uint32_t i = first; i < metadata->brokers_count; i++) {
        const struct bytes host = metadata->brokers[i].host;
        char text[16] = { 0 };
        if (metadata->brokers[i].node_id != broker || host.size >= sizeof text || host.size < 2) continue;
        memcpy(text, host.data, host.size);
        const unsigned long number = strtoul(text + 1, NULL, 10);
        if (number >= 1 && number <= run->world.machine_count) return (uint32_t)number - 1;
    }
    return MACHINE_NONE;
}

static void learn_partition(struct run *run, struct client *client, const struct metadata_response *metadata,
                            const struct metadata_response_topic *topic, uint32_t number)
{
    const struct metadata_response_partition *partition = &topic->partitions[number];
    const uint32_t leader = machine_of(run, metadata, partition->leader_id);
    struct target *target = target_of(client, &topic->topic_id, partition->index);

    judge_on_leader(&run->judge, judge_partition(&run->judge, &topic->topic_id, partition->index),
                    partition->leader_epoch, partition->leader_id, partition->replica_nodes_count);
    if (target == NULL && client->target_count == TARGETS_MAX) return;
    if (target == NULL) {
        target = &client->targets[client->target_count++];
        *target = (struct target){ .topic_id = topic->topic_id, .index = partition->index, .end = -1 };
        target->source = MACHINE_NONE;
        char name[32] = { 0 };
        memcpy(name, topic->name.data, MIN(topic->name.size, 31U));
        sscanf(name, "topic-%u", &target->topic);
        target->leader_epoch = -1;
        target->judged = judge_partition(&run->judge, &topic->topic_id, partition->index);
        target->judged->may_retain = run->knobs.retention;
    }
    if (partition->leader_epoch < target->leader_epoch) return; /* news of yesterday */
    target->leader_epoch = partition->leader_epoch;
    target->leader = leader;
    target->replica_count = 0;
    for (uint32_t i = 0; i < partition->replica_nodes_count && target->replica_count < COUNT_OF(target->replicas);
         i++) {
        const uint32_t replica = machine_of(run, metadata, partition->replica_nodes[i]);
        if (replica != MACHINE_NONE) target->replicas[target->replica_count++] = replica;
    }
}

static void learn_topic(struct run *run, struct client *client, const struct metadata_response *metadata,
                        const struct metadata_response_topic *topic, const struct asked *asked)
{
    char name[32] = { 0 };

    if (topic->name.size >= sizeof name) return;
    if (topic->name.size > 0) memcpy(name, topic->name.data, topic->name.size);
    if (topic->error_code == ERROR_UNKNOWN_TOPIC_OR_PARTITION) judge_on_topic_absent(&run->judge, name, asked);
    if (topic->error_code != ERROR_NONE) return;
    judge_on_topic_seen(&run->judge, &topic->topic_id, name, (int32_t)topic->partitions_count, asked);
    if (strncmp(name, "topic-", 6) != 0) return; /* an administrator's: nobody reads or writes it */
    for (uint32_t i = 0; i < topic->partitions_count; i++) learn_partition(run, client, metadata, topic, i);
}

static bool all_are_led(const struct run *run, const struct client *client)
{
    const bool at_rest = run->phase == PHASE_VERIFY || run->phase == PHASE_REVERIFY;

    for (uint32_t i = 0; i < client->target_count; i++) {
        const struct target *target = &client->targets[i];
        if (target->leader != MACHINE_NONE || target->judged->gone) continue;
        if (!at_rest || !plane_is_given_up(&run->plane, &target->topic_id, target->index)) return false;
    }
    return true;
}

static void on_all_topics(struct run *run, struct client *client, const struct metadata_response *metadata,
                          const struct asked *asked)
{
    judge_on_listing(&run->judge);
    for (uint32_t i = 0; i < metadata->topics_count; i++) {
        learn_topic(run, client, metadata, &metadata->topics[i], asked);
    }
    judge_on_listed(&run->judge, asked);
    client->stale = client->stale || !all_are_led(run, client);
    client_wake(run, client, 1);
}

static void on_metadata(struct run *run, struct client *client, struct response *response)
{
    struct metadata_response metadata;

    if (!metadata_response_read(&response->body, response->version, response->arena, &metadata)) {
        judge_violated(&run->judge, RULE_N, "client %u: a Metadata response cannot be read", client->number);
        return;
    }
    if (response->cookie == COOKIE_ALL_TOPICS) {
        on_all_topics(run, client, &metadata, &response->asked);
        return;
    }
    client->asking = WIRE_NONE;
    bool complete = metadata.topics_count == run->knobs.topics;
    for (uint32_t i = 0; i < metadata.topics_count; i++) {
        learn_topic(run, client, &metadata, &metadata.topics[i], &response->asked);
        if (metadata.topics[i].error_code == ERROR_NONE) continue;
        complete = false;
        if (run->knobs.replicas > 0) make_topic(run, client, i, metadata.brokers_count);
    }
    client->ready = client->ready || complete;
    client->stale = !complete || !all_are_led(run, client);
    client->listed = false;
    client->tiny = prng_chance(&client->prng, 1, 4) ? 1 + (int32_t)prng_below(&client->prng, 200) : 0;
    /* What is being created or elected will be there a little later. */
    client_wake(run, client, client->stale ? 5 * 1000 * 1000 + prng_below(&client->prng, 50 * 1000 * 1000) : 1);
}

void client_on_bytes(struct run *run, struct client *client, uint32_t wire, const uint8_t *data, uint32_t size)
{
    struct session *session = session_of(client, wire);
    struct response response;

    if (session == NULL) return;
    session_take(session, data, size);
    while (session->wire == wire) {
        switch (session_next(session, &response)) {
        case SESSION_EMPTY: return;
        case SESSION_GARBLED:
            judge_violated(&run->judge, RULE_N, "client %u: what the node sent is no answer to what was asked",
                           client->number);
            client_drop(run, client, session);
            return;
        case SESSION_RESPONSE: break;
        }
        if (client->kind == CLIENT_OWNER) owner_on_response(run, client, &response);
        else if (response.api_key == API_METADATA) on_metadata(run, client, &response);
        else if (response.cookie == COOKIE_TOPIC_MADE) on_topic_made(run, &response);
        else if (response.cookie == COOKIE_NOTHING) continue;
        else if (client->kind == CLIENT_PRODUCER) producer_on_response(run, client, session, &response);
        else if (client->kind == CLIENT_CONSUMER) consumer_on_response(run, client, session, &response);
        else if (client->kind == CLIENT_OPERATOR) operator_on_response(run, client, &response);
        else if (client->kind == CLIENT_MEMBER) member_on_response(run, client, &response);
        else if (client->kind == CLIENT_LIAR) liar_on_response(run, client, &response);
        else administrator_on_response(run, client, &response);
    }
}

bool client_is_done(const struct run *run, const struct client *client)
{
    switch (client->kind) {
    case CLIENT_PRODUCER: return client->outstanding_count == 0;
    case CLIENT_CONSUMER: return client->done || (run->phase != PHASE_VERIFY && run->phase != PHASE_REVERIFY);
    case CLIENT_LIAR:
    case CLIENT_ADMINISTRATOR: return client_pending(client) == 0;
    case CLIENT_OPERATOR: return client->operator.duty_count == 0;
    case CLIENT_MEMBER: return member_is_done(run, client);
    case CLIENT_OWNER: return owner_is_done(run, client);
    }
    return true;
}

/* A value of ours: magic, producer, sitting, number, checksum of the rest; then filling, which the head determines. So
 * the head alone tells one value from another. */
bool made_of(struct bytes value, struct made *made)
{
    if (value.size < 20 || load_u32(value.data) != 0x53494d31) return false;
    made->producer = load_u32(value.data + 4);
    made->sitting = load_u32(value.data + 8);
    made->number = load_u32(value.data + 12);
    if (load_u32(value.data + 16) != crc32c(made->producer, value.data + 20, value.size - 20)) return false;
    made->digest = ((uint64_t)crc32c(1, value.data, 20) << 32 | crc32c(value.size, value.data, 20)) | 1;
    return true;
}

bool made_of_record(const struct record *record, struct made *made)
{
    struct bytes headers = record->headers;

    if (record->value.data != NULL) return made_of(record->value, made);
    return record->header_count == 1 && made_of(record_header_next(&headers).value, made);
}
