/* librdkafka.c -- records through librdkafka: what goes in comes out, whatever the way. */
#include <librdkafka/rdkafka.h>

#include "rdkafka.h"

static size_t small_size(unsigned number)
{
    return 1 + number * 37 % 700;
}

static void round_trip(const char *codec, const char *acks, const char *idempotent)
{
    struct deliveries deliveries = { .offset_max = -1 };
    const char *const settings[] = { "compression.codec",  codec,      "acks", acks, "batch.num.messages", "100",
                                     "enable.idempotence", idempotent, NULL };
    const char *topic = topic_new();
    rd_kafka_t *producer = client_new(RD_KAFKA_PRODUCER, &deliveries, settings);

    create(topic, 1, NULL);
    for (unsigned number = 0; number < 1000; number++) produce(producer, topic, 0, number, small_size(number));
    flush(producer, &deliveries, 1000);
    if (strcmp(acks, "0") != 0)
        require(deliveries.offset_max == 999, "the last offset told is %lld", (long long)deliveries.offset_max);
    if (strcmp(acks, "0") == 0) { /* nothing says when they have arrived, but an answer on the same link does */
        int64_t low, high = 0;
        for (const int64_t begin = now_ms(); high < 1000 && now_ms() - begin < WAIT_MS;) {
            rd_kafka_query_watermark_offsets(producer, topic, 0, &low, &high, WAIT_MS);
        }
    }
    rd_kafka_destroy(producer);
    partition_expect(topic, 0, 1000, small_size);
}

static void plain(void)
{
    round_trip("none", "all", "false");
}
static void gzip(void)
{
    round_trip("gzip", "all", "false");
}
static void snappy(void)
{
    round_trip("snappy", "1", "false");
}
static void lz4(void)
{
    round_trip("lz4", "all", "false");
}
static void zstd(void)
{
    round_trip("zstd", "1", "false");
}
static void acks_none(void)
{
    round_trip("none", "0", "false");
}
static void idempotent(void)
{
    round_trip("none", "all", "true");
}
static void idempotent_compressed(void)
{
    round_trip("lz4", "all", "true");
}

static const size_t edge_sizes[] = { 1, 2, 63, 64, 127, 128, 8191, 8192, 16383, 16384, 100000, 1000000 };

static size_t edge_size(unsigned number)
{
    return edge_sizes[number % (sizeof edge_sizes / sizeof edge_sizes[0])];
}

static void sizes(void)
{
    struct deliveries deliveries = { .offset_max = -1 };
    const char *const settings[] = { "message.max.bytes", "1100000", NULL };
    const char *topic = topic_new();
    rd_kafka_t *producer = client_new(RD_KAFKA_PRODUCER, &deliveries, settings);

    create(topic, 1, (const char *[]){ "max.message.bytes", "1100000", NULL });
    for (unsigned number = 0; number < 36; number++) produce(producer, topic, 0, number, edge_size(number));
    flush(producer, &deliveries, 36);
    rd_kafka_destroy(producer);
    partition_expect(topic, 0, 36, edge_size);
}

/* The bytes of a batch around one value of that size, without key and headers: 61 of the batch, the record's length
 * and the value's in three bytes each, and one each for attributes, two deltas, the null key, the header count. */
enum { BATCH_AROUND_VALUE = 61 + 3 + 3 + 5, MESSAGE_MAX = 1048588 };

static rd_kafka_resp_err_t produce_one(const char *topic, size_t size)
{
    struct deliveries deliveries = { .offset_max = -1 };
    const char *const settings[] = { "message.max.bytes", "5000000", NULL };
    rd_kafka_t *producer = client_new(RD_KAFKA_PRODUCER, &deliveries, settings);

    require(!rd_kafka_producev(producer, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_PARTITION(0),
                               RD_KAFKA_V_VALUE(scratch, size), RD_KAFKA_V_END),
            "produce");
    require(rd_kafka_flush(producer, WAIT_MS) == 0, "no answer");
    rd_kafka_destroy(producer);
    return deliveries.failed ? deliveries.last_error : RD_KAFKA_RESP_ERR_NO_ERROR;
}

static void message_max(void)
{
    const char *topic = topic_new();
    create(topic, 1, NULL);
    memset(scratch, 'm', MESSAGE_MAX + 1);
    require(produce_one(topic, MESSAGE_MAX - BATCH_AROUND_VALUE) == 0, "the largest batch is refused");
    const rd_kafka_resp_err_t error = produce_one(topic, MESSAGE_MAX - BATCH_AROUND_VALUE + 1);
    require(error == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, "one byte more: %s", rd_kafka_err2name(error));

    struct reader reader = reader_open(topic, 0, 0, (const char *[]){ "fetch.message.max.bytes", "1000", NULL });
    rd_kafka_message_t *message = reader_next(&reader);
    require(message != NULL && message->len == MESSAGE_MAX - BATCH_AROUND_VALUE, "it is not served whole");
    rd_kafka_message_destroy(message);
    reader_close(&reader);
}

enum { PARTITIONS = 200, PER_PARTITION = 20 };

static void partitions_produce(const char *topic)
{
    struct deliveries deliveries = { .offset_max = -1 };
    rd_kafka_t *producer =
        client_new(RD_KAFKA_PRODUCER, &deliveries, (const char *[]){ "enable.idempotence", "true", NULL });

    for (unsigned number = 0; number < PER_PARTITION; number++) {
        for (int partition = 0; partition < PARTITIONS; partition++) {
            produce(producer, topic, partition, number, small_size(number));
        }
    }
    flush(producer, &deliveries, PARTITIONS * PER_PARTITION);
    require(deliveries.offset_max == PER_PARTITION - 1, "offsets up to %lld", (long long)deliveries.offset_max);
    rd_kafka_destroy(producer);
}

static void partitions(void)
{
    unsigned next[PARTITIONS] = { 0 };
    const char *topic = topic_new();

    create(topic, PARTITIONS, NULL);
    partitions_produce(topic);
    rd_kafka_t *client = client_new(RD_KAFKA_CONSUMER, NULL, NULL);
    rd_kafka_topic_t *handle = rd_kafka_topic_new(client, topic, NULL);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(client);
    for (int partition = 0; partition < PARTITIONS; partition++) {
        require(rd_kafka_consume_start_queue(handle, partition, 0, queue) == 0, "consume_start");
    }
    for (int ends = 0; ends < PARTITIONS;) {
        rd_kafka_message_t *message = rd_kafka_consume_queue(queue, WAIT_MS);
        require(message != NULL, "nothing comes");
        const int partition = message->partition;
        if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
            require(next[partition] == PER_PARTITION, "partition %d ends at %u", partition, next[partition]);
            ends++;
        } else {
            require(!message->err, "consume: %s", rd_kafka_message_errstr(message));
            require(message->offset == next[partition], "partition %d: offset %lld comes at %u", partition,
                    (long long)message->offset, next[partition]);
            message_expect(message, next[partition], small_size(next[partition]));
            next[partition]++;
        }
        rd_kafka_message_destroy(message);
    }
    for (int partition = 0; partition < PARTITIONS; partition++) rd_kafka_consume_stop(handle, partition);
    rd_kafka_queue_destroy(queue);
    rd_kafka_topic_destroy(handle);
    rd_kafka_destroy(client);
}

static int64_t offset_at(rd_kafka_t *client, const char *topic, int64_t timestamp)
{
    rd_kafka_topic_partition_list_t *asked = rd_kafka_topic_partition_list_new(1);

    rd_kafka_topic_partition_list_add(asked, topic, 0)->offset = timestamp;
    const rd_kafka_resp_err_t error = rd_kafka_offsets_for_times(client, asked, WAIT_MS);
    require(!error, "offsets_for_times: %s", rd_kafka_err2str(error));
    const int64_t offset = asked->elems[0].offset;
    rd_kafka_topic_partition_list_destroy(asked);
    return offset;
}

static void timestamps(void)
{
    struct deliveries deliveries = { .offset_max = -1 };
    const char *topic = topic_new();
    const char *const settings[] = { "batch.num.messages", "50", "compression.codec", "lz4", NULL };
    rd_kafka_t *producer = client_new(RD_KAFKA_PRODUCER, &deliveries, settings);

    create(topic, 1, NULL);
    for (unsigned number = 0; number < 1000; number++) produce(producer, topic, 0, number, 300);
    flush(producer, &deliveries, 1000);
    const struct {
        const char *why;
        int64_t timestamp, offset;
    } rows[] = {
        { "before all", first_timestamp - 5000, 0 },    { "the very first", first_timestamp, 0 },
        { "between two", first_timestamp + 4321, 433 }, { "one in the middle of a batch", first_timestamp + 7770, 777 },
        { "the last", first_timestamp + 9990, 999 },    { "after all", first_timestamp + 9991, RD_KAFKA_OFFSET_END },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const int64_t offset = offset_at(producer, topic, rows[i].timestamp);
        require(offset == rows[i].offset, "%s: offset %lld, not %lld", rows[i].why, (long long)offset,
                (long long)rows[i].offset);
    }
    rd_kafka_destroy(producer);
}

/* A consumer at the end gets a message at once although it asked to wait for long. */
static void long_poll(void)
{
    struct deliveries deliveries = { .offset_max = -1 };
    const char *topic = topic_new();
    rd_kafka_t *producer = client_new(RD_KAFKA_PRODUCER, &deliveries, NULL);

    create(topic, 1, NULL);
    produce(producer, topic, 0, 0, 10);
    flush(producer, &deliveries, 1);
    struct reader reader = reader_open(topic, 0, 1, (const char *[]){ "fetch.wait.max.ms", "3000", NULL });
    require(reader_next(&reader) == NULL, "there is something at the end");
    const int64_t begin = now_ms();
    produce(producer, topic, 0, 1, 10);
    rd_kafka_message_t *message = reader_next(&reader);
    require(message != NULL && message->offset == 1, "another message");
    require(now_ms() - begin < 1500, "it took %lld ms", (long long)(now_ms() - begin));
    rd_kafka_message_destroy(message);
    reader_close(&reader);
    rd_kafka_destroy(producer);
}

static void log_append_time(void)
{
    struct deliveries deliveries = { .offset_max = -1 };
    const char *topic = topic_new();
    rd_kafka_timestamp_type_t type;
    rd_kafka_t *producer =
        client_new(RD_KAFKA_PRODUCER, &deliveries, (const char *[]){ "compression.codec", "gzip", NULL });
    const int64_t before = wall_ms();

    create(topic, 1, (const char *[]){ "message.timestamp.type", "LogAppendTime", NULL });
    for (unsigned number = 0; number < 100; number++) produce(producer, topic, 0, number, 200);
    flush(producer, &deliveries, 100);
    struct reader reader = reader_open(topic, 0, 0, NULL); /* which checks the batch's CRC */
    for (unsigned number = 0; number < 100; number++) {
        rd_kafka_message_t *message = reader_next(&reader);
        require(message != NULL, "the end before message %u", number);
        const int64_t timestamp = rd_kafka_message_timestamp(message, &type);
        require(type == RD_KAFKA_TIMESTAMP_LOG_APPEND_TIME, "timestamp type %d", type);
        require(timestamp >= before && timestamp <= wall_ms(), "timestamp %lld", (long long)timestamp);
        rd_kafka_message_destroy(message);
    }
    reader_close(&reader);
    require(offset_at(producer, topic, before) == 0, "it cannot be looked up");
    rd_kafka_destroy(producer);
}

static void offset_out_of_range(void)
{
    struct deliveries deliveries = { .offset_max = -1 };
    const char *topic = topic_new();
    rd_kafka_t *producer = client_new(RD_KAFKA_PRODUCER, &deliveries, NULL);

    create(topic, 1, NULL);
    produce(producer, topic, 0, 0, 10);
    flush(producer, &deliveries, 1);
    rd_kafka_destroy(producer);
    struct reader reader = reader_open(topic, 0, 5000, (const char *[]){ "auto.offset.reset", "error", NULL });
    rd_kafka_message_t *message = rd_kafka_consume(reader.topic, 0, WAIT_MS);
    require(message != NULL && message->err == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET, "it says %s",
            message != NULL ? rd_kafka_err2name(message->err) : "nothing");
    rd_kafka_message_destroy(message);
    reader_close(&reader);
}

static void throughput(void)
{
    struct deliveries deliveries = { .offset_max = -1 };
    const char *topic = topic_new();
    rd_kafka_t *producer = client_new(RD_KAFKA_PRODUCER, &deliveries, (const char *[]){ "linger.ms", "5", NULL });

    create(topic, 1, NULL);
    for (unsigned number = 0; number < 200000; number++) produce(producer, topic, 0, number, 100);
    flush(producer, &deliveries, 200000);
    rd_kafka_destroy(producer);
    struct reader reader = reader_open(topic, 0, 0, NULL);
    for (unsigned number = 0; number < 200000; number++) {
        rd_kafka_message_t *message = reader_next(&reader);
        require(message != NULL && message->offset == number, "message %u is missing", number);
        if (number % 1000 < 10) message_expect(message, number, 100);
        rd_kafka_message_destroy(message);
    }
    reader_close(&reader);
}

int main(int argc, char **argv)
{
    static const struct test_case cases[] = {
        { "plain", plain },
        { "gzip", gzip },
        { "snappy", snappy },
        { "lz4", lz4 },
        { "zstd", zstd },
        { "acks_none", acks_none },
        { "idempotent", idempotent },
        { "idempotent_compressed", idempotent_compressed },
        { "sizes", sizes },
        { "message_max", message_max },
        { "partitions", partitions },
        { "timestamps", timestamps },
        { "long_poll", long_poll },
        { "log_append_time", log_append_time },
        { "offset_out_of_range", offset_out_of_range },
        { "throughput", throughput },
    };
    return rdkafka_main(argc, argv, cases, sizeof cases / sizeof cases[0]);
}
