/* librdkafka_topics.c -- administration through librdkafka: topics come, change and go. */
#include <librdkafka/rdkafka.h>

#include "rdkafka.h"

static size_t small_size(unsigned number)
{
    return 1 + number * 37 % 700;
}

static void delete_records(void)
{
    struct deliveries deliveries = { .offset_max = -1 };
    const char *topic = topic_new();
    rd_kafka_t *producer = client_new(RD_KAFKA_PRODUCER, &deliveries, NULL);

    create(topic, 1, NULL);
    for (unsigned number = 0; number < 500; number++) produce(producer, topic, 0, number, 100);
    flush(producer, &deliveries, 500);
    rd_kafka_topic_partition_list_t *offsets = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(offsets, topic, 0)->offset = 123;
    rd_kafka_DeleteRecords_t *order = rd_kafka_DeleteRecords_new(offsets);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(producer);
    rd_kafka_DeleteRecords(producer, &order, 1, NULL, queue);
    rd_kafka_event_t *event = answer_of(queue);
    const rd_kafka_topic_partition_list_t *answer =
        rd_kafka_DeleteRecords_result_offsets(rd_kafka_event_DeleteRecords_result(event));
    require(!answer->elems[0].err, "delete records: %s", rd_kafka_err2str(answer->elems[0].err));
    require(answer->elems[0].offset == 123, "low watermark %lld", (long long)answer->elems[0].offset);
    rd_kafka_event_destroy(event);
    watermarks_expect(producer, topic, 123, 500);
    struct reader reader = reader_open(topic, 0, RD_KAFKA_OFFSET_BEGINNING, NULL);
    rd_kafka_message_t *message = reader_next(&reader);
    require(message != NULL && message->offset == 123, "the first message is another");
    message_expect(message, 123, 100);
    rd_kafka_message_destroy(message);
    reader_close(&reader);
    rd_kafka_DeleteRecords_destroy(order);
    rd_kafka_topic_partition_list_destroy(offsets);
    rd_kafka_queue_destroy(queue);
    rd_kafka_destroy(producer);
}

/* A deleted topic is gone; the next one of that name begins anew. */
static void delete_topic(void)
{
    const char *topic = topic_new();

    for (int life = 0; life < 3; life++) {
        struct deliveries deliveries = { .offset_max = -1 };
        create(topic, 2, NULL);
        rd_kafka_t *producer = client_new(RD_KAFKA_PRODUCER, &deliveries, NULL);
        for (unsigned number = 0; number < 50; number++) produce(producer, topic, 0, number, 100);
        flush(producer, &deliveries, 50);
        watermarks_expect(producer, topic, 0, 50);
        rd_kafka_destroy(producer);
        const rd_kafka_resp_err_t error = try_delete(topic);
        require(!error, "delete: %s", rd_kafka_err2str(error));
    }
    require(try_delete(topic) == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, "it is there after its deletion");
}

static void create_errors(void)
{
    const char *topic = topic_new();
    char long_name[300];

    create(topic, 1, NULL);
    memset(long_name, 'x', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = 0;
    const struct {
        const char *why, *name;
        int partitions, replicas;
        const char *const *configs;
        rd_kafka_resp_err_t error;
    } rows[] = {
        { "it exists", topic, 1, 1, NULL, RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS },
        { "a name with a slash", "a/b", 1, 1, NULL, RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION },
        { "a name of two dots", "..", 1, 1, NULL, RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION },
        { "a long name", long_name, 1, 1, NULL, RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION },
        { "too many replicas", topic_new(), 1, 3, NULL, RD_KAFKA_RESP_ERR_INVALID_REPLICATION_FACTOR },
        { "an unknown config", topic_new(), 1, 1, (const char *[]){ "no.such.config", "1", NULL },
          RD_KAFKA_RESP_ERR_INVALID_CONFIG },
        { "a config out of range", topic_new(), 1, 1, (const char *[]){ "retention.ms", "soon", NULL },
          RD_KAFKA_RESP_ERR_INVALID_CONFIG },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const rd_kafka_resp_err_t error =
            try_create(rows[i].name, rows[i].partitions, rows[i].replicas, rows[i].configs);
        require(error == rows[i].error, "%s: %s, not %s", rows[i].why, rd_kafka_err2name(error),
                rd_kafka_err2name(rows[i].error));
    }
}

static void auto_create(void)
{
    struct deliveries deliveries = { .offset_max = -1 };
    const char *topic = topic_new();
    rd_kafka_t *producer = client_new(RD_KAFKA_PRODUCER, &deliveries, NULL);

    for (unsigned number = 0; number < 100; number++) produce(producer, topic, 0, number, small_size(number));
    flush(producer, &deliveries, 100);
    rd_kafka_destroy(producer);
    partition_expect(topic, 0, 100, small_size);
}

int main(int argc, char **argv)
{
    static const struct test_case cases[] = {
        { "delete_records", delete_records },
        { "delete_topic", delete_topic },
        { "create_errors", create_errors },
        { "auto_create", auto_create },
    };
    return rdkafka_main(argc, argv, cases, sizeof cases / sizeof cases[0]);
}
