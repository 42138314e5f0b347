/* Whole exchanges as plays: what a client asks, what the node orders of its disk, what it answers, and in which order.
 *
 * A file tests/transcripts/node_*.txt is blocks of commands, "----", and what they bring about. The real node plays, in
 * the simulator's world with fixed delays. CHRONIK_REWRITE=1 writes the answers anew; the diff is what gets reviewed.
 *
 *     start | stop | kill | power-loss          the process; a power loss loses all that was not synced
 *     metadata TOPIC                            makes it, if it is not there
 *     produce TOPIC PARTITION ACKS VALUE...     one batch
 *     resend                                    the last produce again, byte for byte
 *     idempotent                                producer id for the batches that follow
 *     fetch TOPIC PARTITION OFFSET WAIT_MS
 *     offsets TOPIC PARTITION TIMESTAMP         -1 latest, -2 earliest
 *     delete-records TOPIC PARTITION OFFSET
 *     describe-quorum                           who votes on the metadata
 *     add-voter | remove-voter NODE DIRECTORY   the directory it has, or another one
 *     unregister NODE
 *     configure NAME NUMBER                     of all brokers
 *     coordinator | join | sync | beat | leave | describe | delete-group      of the group g; see transcript_groups.h
 *     commit TOPIC PARTITION OFFSET | committed TOPIC PARTITION
 *     sync-fails | disk-full | disk-free        what the disk does from now on
 *     run MS                                    time passes */
#include "base/check.h"
#include "codec/errors.h"
#include "codec/record_batch_builder.h"
#include "controller/metadata_log.h"
#include "quiet_world.h"
#include "raft/raft.h"
#include "sim/session.h"
#include "sim/trace.h"
#include "status.h"
#include "t.h"

#include <dirent.h>
#include <stdlib.h>

enum { TEXT_MAX = 1 << 18, LINE_MAX_SIZE = 512, WORDS_MAX = 32 };

static struct world world;
static struct session session;
static FILE *out; /* the play as it goes */
static bool answered;
static uint64_t ends; /* which HAPPENS_PHASE ends the present command */
static int64_t producer_id;
static int32_t sequence;
static uint8_t last_batch[8192];
static uint32_t last_batch_size;
static char last_topic[64];
static int32_t last_partition;
static int16_t last_acks;
static struct uuid topic_id;

static struct bytes text(const char *string)
{
    return (struct bytes){ (const uint8_t *)string, (uint32_t)strlen(string) };
}

#include "transcript_groups.h"

/* ---- what the world tells ---- */

static bool is_of_interest(const struct effect *effect)
{
    const char *path = NULL;

    switch (effect->type) {
    case EFFECT_OPEN_LINK:
    case EFFECT_RECEIVE:
    case EFFECT_SEND: return false;
    case EFFECT_WRITE: path = effect->write.path; break;
    case EFFECT_SYNC: path = effect->sync.path; break;
    case EFFECT_FILE: path = effect->file.path; break;
    case EFFECT_READ:
    case EFFECT_CLOSE_LINK:
    case EFFECT_NOTE:
    case EFFECT_HALT: break;
    }
    return path == NULL || strstr(path, "spare") == NULL;
}

/* A line of the trace without its time, without op numbers, and with topic ids as <id>. */
static void print_plain(char *line)
{
    char *text = strchr(line, ']');
    text = text == NULL ? line : text + 2;
    char *op = strstr(text, " op=");
    if (op != NULL) *op = 0;
    for (char *dot = strchr(text, '.'); dot != NULL; dot = strchr(dot + 1, '.')) {
        if (strcspn(dot + 1, "/ \n") != UUID_TEXT_SIZE) continue;
        memcpy(dot + 1, "<id>", 4);
        memmove(dot + 5, dot + 1 + UUID_TEXT_SIZE, strlen(dot + 1 + UUID_TEXT_SIZE) + 1);
    }
    text[strcspn(text, "\n")] = 0;
    fprintf(out, "%s\n", text);
}

void run_on_orders(struct world *seen, uint32_t machine, const struct effects *effects)
{
    static struct effects one;

    for (uint32_t i = 0; i < effects->count; i++) {
        if (!is_of_interest(&effects->list[i])) continue;
        char *line = NULL;
        size_t size;
        FILE *memory = open_memstream(&line, &size);
        one.count = 1;
        one.list[0] = effects->list[i];
        trace_orders(memory, seen->now_ns, machine, &one);
        fclose(memory);
        print_plain(line);
        free(line);
    }
}

void run_on_step(struct world *seen, uint32_t machine, const struct event *event)
{
    (void)seen, (void)machine;
    if (event->type == EVENT_SYNCED && event->disk.result == DISK_DONE) return;
    if (event->type >= EVENT_WRITTEN && event->type <= EVENT_FILE_DONE && event->disk.result == DISK_FULL) {
        fprintf(out, "1 < disk full\n");
    }
    if (event->type == EVENT_SYNCED) fprintf(out, "1 < sync FAILED\n");
}

static void print_produced(struct response *response)
{
    struct produce_response produced;
    CHECK(produce_response_read(&response->body, response->version, response->arena, &produced));
    const struct produce_response_partition *partition = &produced.topics[0].partitions[0];
    fprintf(out, "client: produce answered: %s", error_name(partition->error_code));
    if (partition->error_code == ERROR_NONE) fprintf(out, ", base offset %lld", (long long)partition->base_offset);
    fprintf(out, "\n");
}

static void print_fetched(struct response *response)
{
    struct fetch_response fetched;
    CHECK(fetch_response_read(&response->body, response->version, response->arena, &fetched));
    const struct fetch_response_partition *partition = &fetched.topics[0].partitions[0];
    fprintf(out, "client: fetch answered: %s, high watermark %lld, start %lld", error_name(partition->error_code),
            (long long)partition->high_watermark, (long long)partition->log_start_offset);
    struct bytes bytes = partition->records;
    struct record_batch batch;
    while (bytes.size > 0 && record_batch_read(bytes, &batch) == RECORD_BATCH_WHOLE) {
        struct record_iterator iterator;
        struct record record;
        record_iterator_init(&iterator, &batch, record_batch_payload(&batch));
        while (record_iterator_next(&iterator, &record) == RECORD_NEXT) {
            fprintf(out, ", %lld=%.*s", (long long)record_offset(&batch, &record), (int)record.value.size,
                    (const char *)record.value.data);
        }
        bytes.data += batch.bytes.size;
        bytes.size -= batch.bytes.size;
    }
    fprintf(out, "\n");
}

static void print_metadata(struct response *response)
{
    struct metadata_response metadata;
    CHECK(metadata_response_read(&response->body, response->version, response->arena, &metadata));
    topic_id = metadata.topics[0].topic_id;
    fprintf(out, "client: metadata answered: %s, %u partitions, leader %d\n", error_name(metadata.topics[0].error_code),
            metadata.topics[0].partitions_count,
            metadata.topics[0].partitions_count > 0 ? metadata.topics[0].partitions[0].leader_id : -1);
}

static void print_verdict(const char *what, int16_t error, struct bytes message)
{
    fprintf(out, "client: %s answered: %s%s%.*s\n", what, error_name(error), message.size > 0 ? ", " : "",
            (int)message.size, (const char *)message.data);
}

static void print_quorum(struct response *response)
{
    struct describe_quorum_response quorum;

    CHECK(describe_quorum_response_read(&response->body, response->version, response->arena, &quorum));
    const struct describe_quorum_response_partition *partition = &quorum.topics[0].partitions[0];
    fprintf(out, "client: describe-quorum answered: %s, leader %d of epoch %d, high watermark %lld\n",
            error_name(partition->error_code), partition->leader_id, partition->leader_epoch,
            (long long)partition->high_watermark);
    for (uint32_t i = 0; i < partition->current_voters_count; i++) {
        const struct describe_quorum_response_voter *voter = &partition->current_voters[i];
        fprintf(out, "client:   voter %d holds %lld\n", voter->replica_id, (long long)voter->log_end_offset);
    }
    fprintf(out, "client:   observers: %u, nodes: %u, at %.*s:%u\n", partition->observers_count, quorum.nodes_count,
            (int)quorum.nodes[0].listeners[0].host.size, (const char *)quorum.nodes[0].listeners[0].host.data,
            quorum.nodes[0].listeners[0].port);
}

/* True if it was one of those about members. */
static bool print_members(struct response *response)
{
    struct add_raft_voter_response added;
    struct remove_raft_voter_response removed;
    struct unregister_broker_response gone;

    switch (response->api_key) {
    case API_DESCRIBE_QUORUM: print_quorum(response); return true;
    case API_ADD_RAFT_VOTER:
        CHECK(add_raft_voter_response_read(&response->body, response->version, response->arena, &added));
        print_verdict("add-voter", added.error_code, added.error_message);
        return true;
    case API_REMOVE_RAFT_VOTER:
        CHECK(remove_raft_voter_response_read(&response->body, response->version, response->arena, &removed));
        print_verdict("remove-voter", removed.error_code, removed.error_message);
        return true;
    case API_UNREGISTER_BROKER:
        CHECK(unregister_broker_response_read(&response->body, response->version, response->arena, &gone));
        print_verdict("unregister", gone.error_code, gone.error_message);
        return true;
    default: return false;
    }
}

static void print_answer(struct response *response)
{
    struct list_offsets_response listed;
    struct delete_records_response deleted;
    struct init_producer_id_response init;

    if (print_members(response)) return;
    switch (response->api_key) {
    case API_PRODUCE: print_produced(response); break;
    default: print_group_answer(response); break;
    case API_FETCH: print_fetched(response); break;
    case API_METADATA: print_metadata(response); break;
    case API_LIST_OFFSETS:
        CHECK(list_offsets_response_read(&response->body, response->version, response->arena, &listed));
        fprintf(out, "client: offsets answered: %s, offset %lld\n",
                error_name(listed.topics[0].partitions[0].error_code),
                (long long)listed.topics[0].partitions[0].offset);
        break;
    case API_DELETE_RECORDS:
        CHECK(delete_records_response_read(&response->body, response->version, response->arena, &deleted));
        fprintf(out, "client: delete-records answered: %s, low watermark %lld\n",
                error_name(deleted.topics[0].partitions[0].error_code),
                (long long)deleted.topics[0].partitions[0].low_watermark);
        break;
    case API_INIT_PRODUCER_ID:
        CHECK(init_producer_id_response_read(&response->body, response->version, response->arena, &init));
        fprintf(out, "client: producer id %lld epoch %d\n", (long long)init.producer_id, init.producer_epoch);
        producer_id = init.producer_id;
        sequence = 0;
        break;
    }
}

void run_on_bytes(struct world *seen, uint32_t client, uint32_t wire, const uint8_t *data, uint32_t size)
{
    struct response response;

    (void)client, (void)wire;
    session_take(&session, data, size);
    while (session_next(&session, &response) == SESSION_RESPONSE) {
        print_answer(&response);
        answered = true;
        seen->ended = true;
    }
}

void run_on_hang_up(struct world *seen, uint32_t client, uint32_t wire)
{
    (void)client, (void)wire;
    fprintf(out, "client: the connection is closed\n");
    session.wire = WIRE_NONE;
    session.pending_count = 0;
    seen->ended = true;
}

void run_on_phase(struct world *seen)
{
    if (seen->now_ns >= ends) seen->ended = true;
}

void run_on_halt(struct world *seen, uint32_t machine)
{
    (void)machine;
    seen->ended = true;
}

void run_on_spin(struct world *seen, uint32_t machine)
{
    (void)machine;
    fprintf(out, "the node spins\n");
    seen->ended = true;
}

/* ---- commands ---- */

static void pass(uint64_t milliseconds)
{
    ends = world.now_ns + milliseconds * 1000000;
    world.ended = false;
    world_after(&world, milliseconds * 1000000, HAPPENS_PHASE, 0, 0, 0);
    world_run(&world);
}

/* Until the answer, or for a while that no answer should take. */
static void await(void)
{
    answered = false;
    pass(40000);
    if (!answered && session.wire != WIRE_NONE) fprintf(out, "client: no answer\n");
}

static void connect_if_needed(void)
{
    if (session.wire == WIRE_NONE) session_connect(&session, &world, 0, 0, LISTENER_KAFKA);
}

static void ask_metadata(const char *name)
{
    struct metadata_request request = metadata_request_default;
    struct metadata_request_topic topic = metadata_request_topic_default;
    topic.name = text(name);
    request.topics = &topic;
    request.topics_count = 1;
    metadata_request_write(session_begin(&session, API_METADATA, 12), 12, &request);
    session_end(&session, &world, 0, true);
}

static void send_batch(void)
{
    struct produce_request_partition partition = { .index = last_partition,
                                                   .records = { last_batch, last_batch_size } };
    struct produce_request_topic topic = { .name = text(last_topic), .partitions = &partition, .partitions_count = 1 };
    struct produce_request request = produce_request_default;
    request.acks = last_acks;
    request.timeout_ms = 30000;
    request.topics = &topic;
    request.topics_count = 1;
    produce_request_write(session_begin(&session, API_PRODUCE, 9), 9, &request);
    session_end(&session, &world, 0, last_acks != 0);
}

static void produce(char **words, int count)
{
    struct record_batch_builder builder;

    record_batch_builder_init(&builder, last_batch, sizeof last_batch);
    for (int i = 4; i < count; i++) {
        const struct record_input record = { .timestamp = world.wall_true_ms, .value = text(words[i]) };
        CHECK(record_batch_builder_add(&builder, &record));
    }
    if (producer_id >= 0) {
        builder.batch.producer_id = producer_id;
        builder.batch.producer_epoch = 0;
        builder.batch.base_sequence = sequence;
        sequence += count - 4;
    }
    last_batch_size = record_batch_builder_end(&builder).size;
    snprintf(last_topic, sizeof last_topic, "%s", words[1]);
    last_partition = atoi(words[2]);
    last_acks = (int16_t)atoi(words[3]);
    send_batch();
}

static void fetch(char **words)
{
    struct fetch_request_partition partition = fetch_request_partition_default;
    struct fetch_request_topic topic = fetch_request_topic_default;
    struct fetch_request request = fetch_request_default;

    partition.index = atoi(words[2]);
    partition.fetch_offset = atoi(words[3]);
    partition.partition_max_bytes = 1 << 20;
    topic.name = text(words[1]);
    topic.partitions = &partition;
    topic.partitions_count = 1;
    request.replica_id = -1;
    request.max_wait_ms = atoi(words[4]);
    request.min_bytes = 1;
    request.max_bytes = 1 << 20;
    request.topics = &topic;
    request.topics_count = 1;
    fetch_request_write(session_begin(&session, API_FETCH, 11), 11, &request);
    session_end(&session, &world, 0, true);
}

static void list_offsets(char **words)
{
    struct list_offsets_request_partition partition = list_offsets_request_partition_default;
    struct list_offsets_request_topic topic = list_offsets_request_topic_default;
    struct list_offsets_request request = list_offsets_request_default;

    partition.index = atoi(words[2]);
    partition.timestamp = atoll(words[3]);
    topic.name = text(words[1]);
    topic.partitions = &partition;
    topic.partitions_count = 1;
    request.topics = &topic;
    request.topics_count = 1;
    list_offsets_request_write(session_begin(&session, API_LIST_OFFSETS, 5), 5, &request);
    session_end(&session, &world, 0, true);
}

static void delete_records(char **words)
{
    struct delete_records_request_partition partition = delete_records_request_partition_default;
    struct delete_records_request_topic topic = delete_records_request_topic_default;
    struct delete_records_request request = delete_records_request_default;

    partition.index = atoi(words[2]);
    partition.offset = atoll(words[3]);
    topic.name = text(words[1]);
    topic.partitions = &partition;
    topic.partitions_count = 1;
    request.topics = &topic;
    request.topics_count = 1;
    request.timeout_ms = 30000;
    delete_records_request_write(session_begin(&session, API_DELETE_RECORDS, 2), 2, &request);
    session_end(&session, &world, 0, true);
}

static void ask_producer_id(void)
{
    struct init_producer_id_request request = init_producer_id_request_default;
    request.transaction_timeout_ms = 60000;
    init_producer_id_request_write(session_begin(&session, API_INIT_PRODUCER_ID, 4), 4, &request);
    session_end(&session, &world, 0, true);
}

/* True if it was one of the commands that concern machine and disk. */
static bool machine_command(const char *command)
{
    struct disk *disk = &world.machines[0]->disk;

    if (strcmp(command, "start") == 0) {
        world_start(&world, 0);
        pass(100);
    } else if (strcmp(command, "stop") == 0) {
        world_ask_stop(&world, 0);
        pass(5000);
    } else if (strcmp(command, "kill") == 0) {
        world_kill(&world, 0);
        pass(50);
    } else if (strcmp(command, "power-loss") == 0) {
        world_lose_power(&world, 0, LOSS_ALL, false);
        pass(50);
    } else if (strcmp(command, "sync-fails") == 0) {
        disk->sync_fails_in = 1;
    } else if (strcmp(command, "disk-full") == 0 || strcmp(command, "disk-free") == 0) {
        disk->full = strcmp(command, "disk-full") == 0;
    } else {
        return false;
    }
    return true;
}

/* The directory id of the node that plays, or one that it does not have. */
static struct uuid directory_of(const char *which)
{
    const struct uuid other = { { 1 } };
    const struct raft_configuration *list = raft_configuration(node_raft(world.machines[0]->node));

    return strcmp(which, "its") == 0 && list->count > 0 ? member_directory(list->members[0].id) : other;
}

static void describe_quorum(void)
{
    struct describe_quorum_request_partition partition = { .index = 0 };
    struct describe_quorum_request_topic topic = { .name = text("__cluster_metadata"),
                                                   .partitions = &partition,
                                                   .partitions_count = 1 };
    const struct describe_quorum_request request = { .topics = &topic, .topics_count = 1 };

    describe_quorum_request_write(session_begin(&session, API_DESCRIBE_QUORUM, 2), 2, &request);
    session_end(&session, &world, 0, true);
}

static void change_voters(char **words)
{
    const int32_t id = atoi(words[1]);

    if (strcmp(words[0], "add-voter") == 0) {
        const struct add_raft_voter_request request = { .timeout_ms = 1000,
                                                        .voter_id = id,
                                                        .voter_directory_id = directory_of(words[2]) };
        add_raft_voter_request_write(session_begin(&session, API_ADD_RAFT_VOTER, 0), 0, &request);
    } else if (strcmp(words[0], "remove-voter") == 0) {
        const struct remove_raft_voter_request request = { .voter_id = id,
                                                           .voter_directory_id = directory_of(words[2]) };
        remove_raft_voter_request_write(session_begin(&session, API_REMOVE_RAFT_VOTER, 0), 0, &request);
    } else {
        const struct unregister_broker_request request = { .broker_id = id };
        unregister_broker_request_write(session_begin(&session, API_UNREGISTER_BROKER, 0), 0, &request);
    }
    session_end(&session, &world, 0, true);
}

static void play(char *line)
{
    char *words[WORDS_MAX];
    int count = 0;

    for (char *word = strtok(line, " \n"); word != NULL && count < WORDS_MAX; word = strtok(NULL, " \n")) {
        words[count++] = word;
    }
    if (count == 0 || machine_command(words[0])) return;
    if (strcmp(words[0], "run") == 0) {
        pass((uint64_t)atoi(words[1]));
        return;
    }
    connect_if_needed();
    if (session.wire == WIRE_NONE) return;
    if (strcmp(words[0], "metadata") == 0) ask_metadata(words[1]);
    else if (strcmp(words[0], "produce") == 0) produce(words, count);
    else if (strcmp(words[0], "resend") == 0) send_batch();
    else if (strcmp(words[0], "fetch") == 0) fetch(words);
    else if (strcmp(words[0], "offsets") == 0) list_offsets(words);
    else if (strcmp(words[0], "delete-records") == 0) delete_records(words);
    else if (strcmp(words[0], "idempotent") == 0) ask_producer_id();
    else if (strcmp(words[0], "describe-quorum") == 0) describe_quorum();
    else if (strstr(words[0], "-voter") != NULL || strcmp(words[0], "unregister") == 0) change_voters(words);
    else if (group_command(words)) (void)0;
    else fprintf(out, "there is no command %s\n", words[0]);
    await();
}

/* ---- files ---- */

static void begin_world(void)
{
    struct config config;

    config_init(&config);
    config.advertised_kafka = (struct address){ "node1.sim", 9092 };
    config.links_max = 8;
    config.topics_max = 16;
    config.partitions_max = 32;
    config.segments_max = 256;
    config.producers_max = 16;
    config.request_size_max = 1 << 20;
    config.request_memory_size = 4 << 20;
    config.tail_unit_size = 4096;
    config.tail_memory_size = 4096 * 256;
    config.journal_file_size = 1 << 20;
    config.journal_files_max = 4;
    config.meta_journal_file_size = 64 * 1024;
    config.message_size_max = 64 * 1024;
    world_init(&world, 1, 100 * 1000);
    world_add_machine(&world, &config, 0);
    session_init(&session);
    producer_id = -1;
}

/* Blocks are copied as they are, their commands played, and what they bring about is put where the answers were. */
static void play_blocks(FILE *in)
{
    char commands[64][LINE_MAX_SIZE], line[LINE_MAX_SIZE];
    int count = 0;
    bool answers = false;

    while (fgets(line, sizeof line, in) != NULL) {
        if (strcmp(line, "----\n") == 0) {
            fprintf(out, "----\n");
            for (int i = 0; i < count; i++) play(commands[i]);
            count = 0;
            answers = true;
        } else if (line[0] == '\n') {
            fprintf(out, "\n");
            answers = false;
        } else if (!answers) {
            fprintf(out, "%s", line);
            if (line[0] != '#' && count < 64) strcpy(commands[count++], line);
        }
    }
}

static char *read_all(const char *path)
{
    FILE *file = fopen(path, "r");
    char *content = calloc(1, TEXT_MAX);

    if (file == NULL) return content;
    const size_t size = fread(content, 1, TEXT_MAX - 1, file);
    content[size] = 0;
    fclose(file);
    return content;
}

static void play_path(const char *path)
{
    char *played = NULL;
    size_t size;
    FILE *in = fopen(path, "r");

    if (in == NULL) return;
    out = open_memstream(&played, &size);
    begin_world();
    play_blocks(in);
    fclose(in);
    fclose(out);
    session_free(&session);
    world_free(&world);
    if (getenv("CHRONIK_REWRITE") != NULL) {
        FILE *file = fopen(path, "w");
        fputs(played, file);
        fclose(file);
    } else {
        char *expected = read_all(path);
        EXPECT_TEXT(path, expected, played);
        free(expected);
    }
    free(played);
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

TEST(transcripts)
{
    struct dirent **entries;
    const int count = scandir("tests/transcripts", &entries, NULL, by_name);

    EXPECT("tests run at the top of the repository", count > 2);
    for (int i = 0; i < count; i++) {
        char path[512];
        const size_t size = strlen(entries[i]->d_name);
        snprintf(path, sizeof path, "tests/transcripts/%s", entries[i]->d_name);
        if (size > 4 && strncmp(entries[i]->d_name, "node_", 5) == 0) play_path(path);
        free(entries[i]);
    }
    free(entries);
}
