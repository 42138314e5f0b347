/* replicated.c -- topics whose partitions have several replicas: how they are made, and what is ordered of them. */
#include "sim/run.h"

#include "broker/operate.h"
#include "codec/errors.h"

#include <stdlib.h>
#include <string.h>

static const uint64_t patience_ns = 1500ull * 1000 * 1000; /* so long for all nodes that partitions are to be on */

static struct bytes text(const char *string)
{
    return (struct bytes){ (const uint8_t *)string, (uint32_t)strlen(string) };
}

/* A follower that is silent for so long is not in sync any more. */
static void set_lag(struct run *run, struct session *session)
{
    struct incremental_alter_configs_request request = incremental_alter_configs_request_default;
    struct incremental_alter_configs_request_resource resource = incremental_alter_configs_request_resource_default;
    struct incremental_alter_configs_request_config config = incremental_alter_configs_request_config_default;
    char value[16];

    snprintf(value, sizeof value, "%u", run->knobs.lag_ms);
    config.name = text("replica.lag.time.max.ms");
    config.value = text(value);
    resource.resource_type = 4;
    resource.resource_name = text("");
    resource.configs = &config;
    resource.configs_count = 1;
    request.resources = &resource;
    request.resources_count = 1;
    incremental_alter_configs_request_write(session_begin(session, API_INCREMENTAL_ALTER_CONFIGS, 1), 1, &request);
    session_end(session, &run->world, COOKIE_NOTHING, true);
}

void make_topic(struct run *run, struct client *client, uint32_t number, uint32_t brokers)
{
    struct create_topics_request request = create_topics_request_default;
    struct create_topics_request_topic topic = create_topics_request_topic_default;
    struct create_topics_request_config config = create_topics_request_config_default;
    char name[32], value[16];

    if (brokers < run->knobs.replicas && run->world.now_ns < patience_ns) return;
    struct session *session = client_any_session(run, client);
    if (session == NULL) return;
    if (prng_chance(&client->prng, 1, 2)) set_lag(run, session);
    topic_name(number, name);
    snprintf(value, sizeof value, "%u", run->knobs.min_isr);
    config.name = text("min.insync.replicas");
    config.value = text(value);
    topic.name = text(name);
    topic.num_partitions = (int32_t)run->knobs.partitions;
    topic.replication_factor = (int16_t)MIN(run->knobs.replicas, MAX(brokers, 1U));
    topic.configs = &config;
    topic.configs_count = 1;
    request.topics = &topic;
    request.topics_count = 1;
    request.timeout_ms = 5000;
    create_topics_request_write(session_begin(session, API_CREATE_TOPICS, 7), 7, &request);
    session_end(session, &run->world, COOKIE_TOPIC_MADE, true);
}

void bulk_name(uint32_t topic, char name[32])
{
    snprintf(name, 32, "bulk-%u", topic);
}

/* Nodes form groups of as many as a partition has replicas, one in each zone as far as possible, and each partition has
 * all of a group: so a node shares partitions with few others, and few losses of several nodes at once are losses of a
 * partition (copysets). */
static void place_bulk(const struct run *run, uint32_t first, struct create_topics_request_assignment *assignments,
                       int32_t *ids, uint32_t partitions)
{
    const uint32_t replicas = run->knobs.replicas, nodes = run->knobs.nodes, groups = nodes / replicas;

    for (uint32_t i = 0; i < partitions; i++, ids += replicas) {
        const uint32_t group = (first + i) % groups, turn = (first + i) / groups;
        assignments[i] = create_topics_request_assignment_default;
        assignments[i].partition_index = (int32_t)i;
        assignments[i].broker_ids = ids;
        assignments[i].broker_ids_count = replicas;
        for (uint32_t k = 0; k < replicas; k++) ids[k] = 1 + (int32_t)(group + (turn + k) % replicas * groups);
    }
}

void make_bulk(struct run *run, uint32_t number, uint32_t first, uint32_t partitions)
{
    struct create_topics_request_assignment *assignments;
    struct create_topics_request request = create_topics_request_default;
    struct create_topics_request_topic topic = create_topics_request_topic_default;
    struct client *client = NULL;
    char name[32];

    for (uint32_t i = 0; i < run->client_count && client == NULL; i++) {
        if (run->clients[i]->kind == CLIENT_ADMINISTRATOR) client = run->clients[i];
    }
    if (client == NULL || client_pending(client) > 0) return;
    struct session *session = client_any_session(run, client);
    if (session == NULL) return;
    bulk_name(number, name);
    topic.name = text(name);
    assignments = calloc(partitions, sizeof *assignments);
    int32_t *ids = calloc((size_t)partitions * run->knobs.replicas, sizeof *ids);
    place_bulk(run, first, assignments, ids, partitions);
    topic.num_partitions = -1;
    topic.replication_factor = -1;
    topic.assignments = assignments;
    topic.assignments_count = partitions;
    request.topics = &topic;
    request.topics_count = 1;
    request.timeout_ms = 30000;
    create_topics_request_write(session_begin(session, API_CREATE_TOPICS, 7), 7, &request);
    session_end(session, &run->world, COOKIE_TOPIC_MADE, true);
    free(assignments);
    free(ids);
}

void on_topic_made(struct run *run, struct response *response)
{
    struct create_topics_response created;
    char name[32] = { 0 };

    if (!create_topics_response_read(&response->body, response->version, response->arena, &created) ||
        created.topics_count != 1) {
        judge_violated(&run->judge, RULE_N, "a CreateTopics response cannot be read");
        return;
    }
    if (created.topics[0].error_code != ERROR_NONE || created.topics[0].name.size >= sizeof name) return;
    memcpy(name, created.topics[0].name.data, created.topics[0].name.size);
    judge_on_topic(&run->judge, &created.topics[0].topic_id, name, created.topics[0].num_partitions);
}

/* Back to those who are preferred; of one topic, or of all. */
void elect_leaders(struct run *run, struct client *client, struct session *session)
{
    struct elect_leaders_request request = elect_leaders_request_default;
    struct elect_leaders_request_topic topic = elect_leaders_request_topic_default;
    static const int32_t partitions[] = { 0, 1 };
    char name[32];

    topic_name((uint32_t)prng_below(&client->prng, run->knobs.topics), name);
    topic.name = text(name);
    topic.partitions = partitions;
    topic.partitions_count = MIN(run->knobs.partitions, 2U);
    request.topics = prng_chance(&client->prng, 1, 3) ? NULL : &topic;
    request.topics_count = request.topics == NULL ? 0 : 1;
    request.timeout_ms = 5000;
    elect_leaders_request_write(session_begin(session, API_ELECT_LEADERS, 2), 2, &request);
    session_end(session, &run->world, COOKIE_NOTHING, true);
}

/* So many nodes, drawn; fewer, if there are not as many. */
static uint32_t draw_replicas(const struct run *run, struct client *client, int32_t *ids, uint32_t count)
{
    const struct world *world = &run->world;
    const uint32_t first = (uint32_t)prng_below(&client->prng, world->machine_count);
    const bool down = prng_chance(&client->prng, 1, 2);
    uint32_t drawn = 0;

    for (uint32_t i = 0; i < world->machine_count && drawn < count; i++) {
        const uint32_t machine = (first + (down ? world->machine_count - i : i)) % world->machine_count;
        bool twice = !world->machines[machine]->wanted;
        for (uint32_t k = 0; k < drawn; k++) twice = twice || ids[k] == (int32_t)machine + 1;
        if (!twice) ids[drawn++] = (int32_t)machine + 1;
    }
    return drawn;
}

/* One partition is to be elsewhere, on more nodes or fewer; or a move that may be under way is called off. */
void move_partition(struct run *run, struct client *client, struct session *session)
{
    struct alter_partition_reassignments_request request = alter_partition_reassignments_request_default;
    struct alter_partition_reassignments_request_topic topic = alter_partition_reassignments_request_topic_default;
    struct alter_partition_reassignments_request_partition partition =
        alter_partition_reassignments_request_partition_default;
    int32_t ids[8];
    char name[32];

    if (client->target_count == 0) return;
    const struct target *target = &client->targets[prng_below(&client->prng, client->target_count)];
    const bool calls_off = prng_chance(&client->prng, 1, 5);
    const uint32_t wanted = 1 + (uint32_t)prng_below(&client->prng, run->knobs.replicas);
    const uint32_t count =
        draw_replicas(run, client, ids, prng_chance(&client->prng, 7, 8) ? run->knobs.replicas : wanted);
    target->judged->replica_count = MAX(target->judged->replica_count, 2U); /* on the way there are more than one */
    topic_name(target->topic, name);
    partition.index = target->index;
    partition.replicas = calls_off ? NULL : ids;
    partition.replicas_count = calls_off ? 0 : count;
    topic.name = text(name);
    topic.partitions = &partition;
    topic.partitions_count = 1;
    request.topics = &topic;
    request.topics_count = 1;
    request.timeout_ms = 5000;
    alter_partition_reassignments_request_write(session_begin(session, API_ALTER_PARTITION_REASSIGNMENTS, 0), 0,
                                                &request);
    session_end(session, &run->world, COOKIE_NOTHING, true);
}

void rebalance(struct run *run)
{
    for (uint32_t i = 0; i < run->judge.partition_count; i++) {
        struct judged_partition *judged = &run->judge.partitions[i];
        judged->replica_count = MAX(judged->replica_count, 2U);
    }
    operator_on_duty(run, run->operator, OPERATION_REBALANCE, MACHINE_NONE);
}

/* More or fewer are to be in sync. */
void alter_min_isr(struct run *run, struct client *client, struct session *session)
{
    static const uint32_t some[] = { 1, 2, 2, 3 };
    const uint32_t wanted = some[prng_below(&client->prng, COUNT_OF(some))];
    const uint32_t topic = (uint32_t)prng_below(&client->prng, run->knobs.topics);

    alter_topic(run, session, topic, "min.insync.replicas", (int32_t)wanted, COOKIE_NOTHING);
}
