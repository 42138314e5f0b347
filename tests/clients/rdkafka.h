/* rdkafka.h -- what the programs on librdkafka share: clients, topics, and messages whose every field follows from
 * their number. */
#ifndef CHRONIK_TESTS_CLIENTS_RDKAFKA_H
#define CHRONIK_TESTS_CLIENTS_RDKAFKA_H

#include "cases.h"

#include <librdkafka/rdkafka.h>

enum { WAIT_MS = 20000, ERROR_SIZE = 512 };

static const char *bootstrap;
static unsigned topic_count;

/* ---- handles ---- */

static inline void set(rd_kafka_conf_t *conf, const char *name, const char *value)
{
    char error[ERROR_SIZE];
    require(rd_kafka_conf_set(conf, name, value, error, sizeof error) == RD_KAFKA_CONF_OK, "%s", error);
}

/* What became of the messages handed to a producer. */
struct deliveries {
    int done, failed;
    rd_kafka_resp_err_t last_error;
    int64_t offset_max;
};

static inline void on_delivery(rd_kafka_t *client, const rd_kafka_message_t *message, void *opaque)
{
    struct deliveries *deliveries = opaque;

    (void)client;
    deliveries->done++;
    if (message->err) deliveries->failed++, deliveries->last_error = message->err;
    if (message->offset > deliveries->offset_max) deliveries->offset_max = message->offset;
}

/* A client with settings "name", "value", ..., NULL. */
static inline rd_kafka_t *client_new(rd_kafka_type_t type, struct deliveries *deliveries, const char *const *settings)
{
    char error[ERROR_SIZE];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();

    set(conf, "bootstrap.servers", bootstrap);
    set(conf, "topic.metadata.refresh.fast.interval.ms", "20");
    set(conf, "log_level", "3");
    if (type == RD_KAFKA_PRODUCER) {
        set(conf, "linger.ms", "2");
        rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
        rd_kafka_conf_set_opaque(conf, deliveries);
    } else {
        set(conf, "check.crcs", "true");
        set(conf, "enable.partition.eof", "true");
        set(conf, "fetch.error.backoff.ms", "10");
        set(conf, "fetch.wait.max.ms", "50"); /* to stop a consumer waits for its last fetch */
    }
    for (; settings != NULL && *settings != NULL; settings += 2) set(conf, settings[0], settings[1]);
    rd_kafka_t *client = rd_kafka_new(type, conf, error, sizeof error);
    require(client != NULL, "%s", error);
    return client;
}

static inline void flush(rd_kafka_t *producer, const struct deliveries *deliveries, int count)
{
    require(rd_kafka_flush(producer, WAIT_MS) == 0, "flush: %d of %d messages are not answered",
            rd_kafka_outq_len(producer), count);
    require(deliveries->done == count, "%d of %d messages are answered", deliveries->done, count);
    require(deliveries->failed == 0, "%d of %d messages failed: %s", deliveries->failed, count,
            rd_kafka_err2str(deliveries->last_error));
}

static const char *topic_new(void)
{
    static char names[64][64];
    char *name = names[topic_count % 64];
    snprintf(name, sizeof names[0], "c.%s.%d.%u", case_name, (int)getpid() % 10000, topic_count++);
    return name;
}

/* ---- administration ---- */

/* One admin call; returns its event, which the caller destroys. */
static inline rd_kafka_event_t *answer_of(rd_kafka_queue_t *queue)
{
    rd_kafka_event_t *event = rd_kafka_queue_poll(queue, WAIT_MS);
    require(event != NULL, "no answer to an admin call");
    require(!rd_kafka_event_error(event), "admin call: %s", rd_kafka_event_error_string(event));
    return event;
}

/* The error of a topic in the answer; its text in `text`. */
static inline rd_kafka_resp_err_t topic_error(const rd_kafka_topic_result_t **topics, size_t count,
                                              char text[ERROR_SIZE])
{
    require(count == 1, "%zu topics in an answer", count);
    const char *error = rd_kafka_topic_result_error_string(topics[0]);
    snprintf(text, ERROR_SIZE, "%s", error != NULL ? error : "");
    return rd_kafka_topic_result_error(topics[0]);
}

static inline rd_kafka_resp_err_t try_create(const char *name, int partitions, int replicas, const char *const *configs)
{
    char error[ERROR_SIZE];
    rd_kafka_t *client = client_new(RD_KAFKA_PRODUCER, NULL, NULL);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(client);
    rd_kafka_NewTopic_t *topic = rd_kafka_NewTopic_new(name, partitions, replicas, error, sizeof error);
    require(topic != NULL, "%s", error);
    for (; configs != NULL && *configs != NULL; configs += 2)
        rd_kafka_NewTopic_set_config(topic, configs[0], configs[1]);
    rd_kafka_AdminOptions_t *options = rd_kafka_AdminOptions_new(client, RD_KAFKA_ADMIN_OP_CREATETOPICS);
    rd_kafka_AdminOptions_set_operation_timeout(options, WAIT_MS / 2, error, sizeof error);
    rd_kafka_CreateTopics(client, &topic, 1, options, queue);
    rd_kafka_event_t *event = answer_of(queue);
    size_t count;
    const rd_kafka_topic_result_t **topics =
        rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event), &count);
    const rd_kafka_resp_err_t code = topic_error(topics, count, error);
    rd_kafka_event_destroy(event);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_NewTopic_destroy(topic);
    rd_kafka_queue_destroy(queue);
    rd_kafka_destroy(client);
    return code;
}

static inline void create(const char *name, int partitions, const char *const *configs)
{
    const rd_kafka_resp_err_t error = try_create(name, partitions, 1, configs);
    require(!error, "create %s: %s", name, rd_kafka_err2str(error));
}

static inline rd_kafka_resp_err_t try_delete(const char *name)
{
    char error[ERROR_SIZE];
    rd_kafka_t *client = client_new(RD_KAFKA_PRODUCER, NULL, NULL);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(client);
    rd_kafka_DeleteTopic_t *topic = rd_kafka_DeleteTopic_new(name);
    rd_kafka_AdminOptions_t *options = rd_kafka_AdminOptions_new(client, RD_KAFKA_ADMIN_OP_DELETETOPICS);
    rd_kafka_AdminOptions_set_operation_timeout(options, WAIT_MS / 2, error, sizeof error);
    rd_kafka_DeleteTopics(client, &topic, 1, options, queue);
    rd_kafka_event_t *event = answer_of(queue);
    size_t count;
    const rd_kafka_topic_result_t **topics =
        rd_kafka_DeleteTopics_result_topics(rd_kafka_event_DeleteTopics_result(event), &count);
    const rd_kafka_resp_err_t code = topic_error(topics, count, error);
    rd_kafka_event_destroy(event);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_DeleteTopic_destroy(topic);
    rd_kafka_queue_destroy(queue);
    rd_kafka_destroy(client);
    return code;
}

/* ---- messages whose every field follows from their number ---- */

struct expected {
    uint8_t *value; /* NULL: null */
    size_t value_size;
    char key[64]; /* "": null; "-": empty */
    int64_t timestamp;
};

static int64_t first_timestamp; /* an hour ago: what is old falls to retention */

static uint8_t scratch[2 << 20];

/* Text that compresses, and by its number differs from all others. */
static inline struct expected message_of(unsigned number, size_t size)
{
    struct expected message = { .value = scratch, .value_size = size, .timestamp = first_timestamp + number * 10 };

    for (size_t i = 0; i < size; i++) scratch[i] = (uint8_t)("chronik."[i & 7] + ((i >> 7) * 31 + number) % 13);
    if (number % 7 == 3) message.value = NULL, message.value_size = 0;
    if (number % 7 == 4) message.value_size = 0;
    if (number % 5 == 1) snprintf(message.key, sizeof message.key, "-");
    else if (number % 5 != 0) snprintf(message.key, sizeof message.key, "key-%u", number);
    return message;
}

static inline size_t key_size(const struct expected *message)
{
    return message->key[0] == '-' ? 0 : strlen(message->key);
}

static inline rd_kafka_headers_t *headers_of(unsigned number)
{
    if (number % 3 == 0) return NULL;
    rd_kafka_headers_t *headers = rd_kafka_headers_new(4);
    rd_kafka_header_add(headers, "number", -1, &number, sizeof number);
    rd_kafka_header_add(headers, "null", -1, NULL, 0);
    rd_kafka_header_add(headers, "", -1, "an empty name", -1);
    rd_kafka_header_add(headers, "number", -1, "", 0);
    return headers;
}

static inline void produce(rd_kafka_t *producer, const char *topic, int partition, unsigned number, size_t size)
{
    const struct expected message = message_of(number, size);
    rd_kafka_headers_t *headers = headers_of(number);
    rd_kafka_resp_err_t error;

    for (;;) {
        rd_kafka_headers_t *copy = headers != NULL ? rd_kafka_headers_copy(headers) : rd_kafka_headers_new(1);
        error = rd_kafka_producev(producer, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_PARTITION(partition),
                                  RD_KAFKA_V_KEY((message.key[0] ? message.key : NULL), key_size(&message)),
                                  RD_KAFKA_V_VALUE(message.value, message.value_size),
                                  RD_KAFKA_V_TIMESTAMP(message.timestamp), RD_KAFKA_V_HEADERS(copy),
                                  RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END);
        if (!error) break;
        rd_kafka_headers_destroy(copy);
        if (error != RD_KAFKA_RESP_ERR__QUEUE_FULL) break;
        rd_kafka_poll(producer, 10);
    }
    if (headers != NULL) rd_kafka_headers_destroy(headers);
    require(!error, "produce: %s", rd_kafka_err2str(error));
    rd_kafka_poll(producer, 0);
}

static inline void header_expect(const rd_kafka_headers_t *headers, size_t index, const char *name, const void *value,
                                 size_t size)
{
    const char *have_name;
    const void *have;
    size_t have_size;

    require(!rd_kafka_header_get_all(headers, index, &have_name, &have, &have_size), "header %zu is missing", index);
    require(strcmp(have_name, name) == 0, "header %zu is called '%s', not '%s'", index, have_name, name);
    require((have == NULL) == (value == NULL) && have_size == size && (size == 0 || memcmp(have, value, size) == 0),
            "header %zu has another value", index);
}

static inline void headers_expect(rd_kafka_message_t *message, unsigned number)
{
    rd_kafka_headers_t *headers;

    if (rd_kafka_message_headers(message, &headers) != 0) {
        require(number % 3 == 0, "message %u has lost its headers", number);
        return;
    }
    require(number % 3 != 0, "message %u has headers", number);
    require(rd_kafka_header_cnt(headers) == 4, "message %u has %zu headers", number, rd_kafka_header_cnt(headers));
    header_expect(headers, 0, "number", &number, sizeof number);
    header_expect(headers, 1, "null", NULL, 0);
    header_expect(headers, 2, "", "an empty name", strlen("an empty name"));
    header_expect(headers, 3, "number", "", 0);
}

static inline void message_expect(rd_kafka_message_t *message, unsigned number, size_t size)
{
    const struct expected expected = message_of(number, size);
    rd_kafka_timestamp_type_t type;

    require((message->payload == NULL) == (expected.value == NULL), "message %u: null and empty are mixed up", number);
    require(message->len == expected.value_size, "message %u has %zu bytes, not %zu", number, message->len,
            expected.value_size);
    require(message->len == 0 || memcmp(message->payload, expected.value, message->len) == 0,
            "message %u has other bytes", number);
    require((message->key == NULL) == (expected.key[0] == 0), "message %u: null and empty key are mixed up", number);
    require(message->key_len == key_size(&expected) &&
                memcmp(message->key ? message->key : "", expected.key, message->key_len) == 0,
            "message %u has another key", number);
    require(rd_kafka_message_timestamp(message, &type) == expected.timestamp, "message %u has another timestamp",
            number);
    require(type == RD_KAFKA_TIMESTAMP_CREATE_TIME, "message %u has timestamp type %d", number, type);
    headers_expect(message, number);
}

/* ---- reading ---- */

struct reader {
    rd_kafka_t *client;
    rd_kafka_topic_t *topic;
    int partition;
};

static inline struct reader reader_open(const char *topic, int partition, int64_t offset, const char *const *settings)
{
    struct reader reader = { client_new(RD_KAFKA_CONSUMER, NULL, settings), NULL, partition };
    reader.topic = rd_kafka_topic_new(reader.client, topic, NULL);
    require(rd_kafka_consume_start(reader.topic, partition, offset) == 0, "consume_start: %s",
            rd_kafka_err2str(rd_kafka_last_error()));
    return reader;
}

/* The next message; NULL: the end of the partition. */
static inline rd_kafka_message_t *reader_next(const struct reader *reader)
{
    rd_kafka_message_t *message = rd_kafka_consume(reader->topic, reader->partition, WAIT_MS);

    require(message != NULL, "nothing comes");
    if (!message->err) return message;
    require(message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF, "consume: %s", rd_kafka_message_errstr(message));
    rd_kafka_message_destroy(message);
    return NULL;
}

static inline void reader_close(struct reader *reader)
{
    rd_kafka_consume_stop(reader->topic, reader->partition);
    rd_kafka_topic_destroy(reader->topic);
    rd_kafka_destroy(reader->client);
}

/* All of a partition, message by message, is what was produced; sizes follow from numbers. */
static inline void partition_expect(const char *topic, int partition, unsigned count, size_t (*size_of)(unsigned))
{
    struct reader reader = reader_open(topic, partition, RD_KAFKA_OFFSET_BEGINNING, NULL);

    for (unsigned number = 0; number < count; number++) {
        rd_kafka_message_t *message = reader_next(&reader);
        require(message != NULL, "the partition ends before message %u", number);
        require(message->offset == number, "message %u is at offset %lld", number, (long long)message->offset);
        message_expect(message, number, size_of(number));
        rd_kafka_message_destroy(message);
    }
    require(reader_next(&reader) == NULL, "there is more than was produced");
    reader_close(&reader);
}

static inline void watermarks_expect(rd_kafka_t *client, const char *topic, int64_t low, int64_t high)
{
    int64_t have_low = -1, have_high = -1;
    const rd_kafka_resp_err_t error =
        rd_kafka_query_watermark_offsets(client, topic, 0, &have_low, &have_high, WAIT_MS);
    require(!error, "watermarks: %s", rd_kafka_err2str(error));
    require(have_low == low && have_high == high, "watermarks %lld..%lld, not %lld..%lld", (long long)have_low,
            (long long)have_high, (long long)low, (long long)high);
}

/* BOOTSTRAP [CASE] */
static inline int rdkafka_main(int argc, char **argv, const struct test_case *cases, size_t count)
{
    if (argc < 2) return 2;
    bootstrap = argv[1];
    first_timestamp = wall_ms() - 3600 * 1000;
    cases_run(cases, count, argc > 2 ? argv[2] : "");
    _exit(0); /* what a failed case left open is not waited for */
}

#endif
