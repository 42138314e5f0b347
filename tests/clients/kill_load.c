/* kill_load.c -- a client that counts, while its broker is killed again and again.
 *
 *     kill_load BOOTSTRAP [MESSAGES-PER-SECOND [replicated [IN-FLIGHT]]]
 *
 * `replicated`: brokers of a cluster are lost, and leaders change. Then acks=1 promises nothing, and all writers want
 * acks=all, two of them idempotent; and it says how long partitions took no message.
 *
 * IN-FLIGHT: so many requests of a producer at a time. With several, librdkafka takes a gap in one partition, of a
 * request that was refused before the next one was taken, for a reason to begin a new producer epoch in all of them,
 * and writes again what may be there already (KIP-360 leaves that to clients). With one there is no gap.
 *
 * Writes numbered messages until its input ends, says "acked N" as acknowledgements come, then reads everything back:
 * what was acknowledged is where the broker said it would be; the idempotent producer's messages are there once and in
 * order; and there is nothing that nobody wrote. A reader that follows all the while must have seen the same. */
#include "cases.h"

#include <librdkafka/rdkafka.h>

#include <poll.h>

enum {
    WRITERS = 3,
    PARTITIONS = 4,
    NUMBERS_MAX = 1 << 20, /* per writer */
    WAITING_MAX = 1500,    /* messages per writer that are not answered */
    TICK_MS = 5,
    FLUSH_MS = 60000,
    READ_MS = 30000,
    SIZE_MAX_BYTES = 3000,
    GAPS_MAX = 4096,
    GAP_MS_MIN = 250, /* a partition without an acknowledgement for so long was not available */
};

struct place {
    int64_t offset; /* -1: not acknowledged */
    int32_t partition;
    uint32_t times_read;
};

struct writer {
    const char *topic, *acks, *idempotence;
    rd_kafka_t *client;
    rd_kafka_topic_t *handle;
    struct place *places;
    uint32_t written, acked, failed;
    rd_kafka_resp_err_t last_error;
    bool strict;                   /* idempotent: each message once, and in order */
    int64_t acked_ms[PARTITIONS];  /* when a message of it was last acknowledged; 0: none was */
    int64_t next_seen[PARTITIONS]; /* by the reader that follows */
    uint32_t *seen[PARTITIONS];    /* offset -> number that it saw there */
};

static struct writer writers[WRITERS] = {
    { .topic = "kills.idempotent", .acks = "all", .idempotence = "true", .strict = true },
    { .topic = "kills.all", .acks = "all", .idempotence = "false" },
    { .topic = "kills.one", .acks = "1", .idempotence = "false" },
};
static const char *bootstrap;
static const char *in_flight; /* requests of a producer at a time; NULL: as librdkafka has it */
static rd_kafka_t *follower;
static rd_kafka_queue_t *followed;
static char error[512];
static int64_t gaps_ms[GAPS_MAX];
static uint32_t gap_count;

static void set(rd_kafka_conf_t *conf, const char *name, const char *value)
{
    require(rd_kafka_conf_set(conf, name, value, error, sizeof error) == RD_KAFKA_CONF_OK, "%s", error);
}

static rd_kafka_conf_t *conf_new(void)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();

    set(conf, "bootstrap.servers", bootstrap);
    set(conf, "reconnect.backoff.ms", "10");
    set(conf, "reconnect.backoff.max.ms", "40");
    set(conf, "retry.backoff.ms", "10");
    set(conf, "topic.metadata.refresh.fast.interval.ms", "20");
    set(conf, "log_level", "2"); /* that it is disconnected is no news here */
    return conf;
}

/* ---- a message follows from its writer and number ---- */

static size_t message_size(uint32_t number)
{
    return 16 + number * 2654435761u % (number % 50 == 0 ? SIZE_MAX_BYTES - 16 : 200);
}

static size_t message_fill(uint8_t *bytes, uint32_t writer, uint32_t number)
{
    const size_t size = message_size(number);

    memcpy(bytes, &writer, 4);
    memcpy(bytes + 4, &number, 4);
    for (size_t i = 8; i < size; i++) bytes[i] = (uint8_t)(number * 7 + writer + i);
    return size;
}

/* The number of a message that was read; it has to be whole. */
static uint32_t message_number(const rd_kafka_message_t *message, uint32_t writer)
{
    static uint8_t expected[SIZE_MAX_BYTES];
    uint32_t number;

    require(message->len >= 16, "a message of %zu bytes that nobody wrote", message->len);
    memcpy(&number, (const uint8_t *)message->payload + 4, 4);
    require(number < writers[writer].written, "%s has message %u, which nobody wrote", writers[writer].topic, number);
    const size_t size = message_fill(expected, writer, number);
    require(size == message->len && memcmp(expected, message->payload, size) == 0, "%s: message %u has other bytes",
            writers[writer].topic, number);
    return number;
}

/* ---- writing ---- */

static void note_gap(int64_t *last_ms)
{
    const int64_t now = now_ms();

    if (*last_ms > 0 && now - *last_ms >= GAP_MS_MIN && gap_count < GAPS_MAX) {
        gaps_ms[gap_count++] = now - *last_ms;
        printf("gap %lld\n", (long long)(now - *last_ms));
    }
    *last_ms = now;
}

static int compare_gaps(const void *a, const void *b)
{
    const int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;

    return left < right ? -1 : left > right;
}

static void tell_gaps(void)
{
    qsort(gaps_ms, gap_count, sizeof gaps_ms[0], compare_gaps);
    printf("gaps %u, median %lld ms, longest %lld ms\n", gap_count,
           gap_count > 0 ? (long long)gaps_ms[gap_count / 2] : 0,
           gap_count > 0 ? (long long)gaps_ms[gap_count - 1] : 0);
}

static void on_delivery(rd_kafka_t *client, const rd_kafka_message_t *message, void *opaque)
{
    struct writer *writer = opaque;
    struct place *place = &writer->places[(uintptr_t)message->_private];

    (void)client;
    if (message->err) {
        writer->failed++;
        writer->last_error = message->err;
        return;
    }
    place->offset = message->offset;
    place->partition = message->partition;
    note_gap(&writer->acked_ms[message->partition]);
    writer->acked++;
}

static void writer_open(struct writer *writer)
{
    rd_kafka_conf_t *conf = conf_new();

    set(conf, "acks", writer->acks);
    set(conf, "enable.idempotence", writer->idempotence);
    set(conf, "message.timeout.ms", "600000");
    set(conf, "message.send.max.retries", "1000000");
    set(conf, "linger.ms", "1");
    if (in_flight != NULL) set(conf, "max.in.flight.requests.per.connection", in_flight);
    set(conf, "compression.codec", writer == &writers[1] ? "lz4" : "none");
    rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    rd_kafka_conf_set_opaque(conf, writer);
    writer->client = rd_kafka_new(RD_KAFKA_PRODUCER, conf, error, sizeof error);
    require(writer->client != NULL, "%s", error);
    writer->handle = rd_kafka_topic_new(writer->client, writer->topic, NULL);
    writer->places = malloc(NUMBERS_MAX * sizeof *writer->places);
    for (uint32_t i = 0; i < NUMBERS_MAX; i++) writer->places[i] = (struct place){ -1, -1, 0 };
    for (int i = 0; i < PARTITIONS; i++) writer->seen[i] = calloc(2 * NUMBERS_MAX, sizeof(uint32_t));
}

static void write_some(struct writer *writer, uint32_t count)
{
    uint8_t bytes[SIZE_MAX_BYTES];

    for (; count > 0 && rd_kafka_outq_len(writer->client) < WAITING_MAX; count--) {
        const uint32_t number = writer->written;
        require(number < NUMBERS_MAX, "too many messages");
        const size_t size = message_fill(bytes, (uint32_t)(writer - writers), number);
        /* Runs of a partition, so that batches hold several. */
        const int partition = (int)(number / 16 % PARTITIONS);
        if (rd_kafka_produce(writer->handle, partition, RD_KAFKA_MSG_F_COPY, bytes, size, NULL, 0,
                             (void *)(uintptr_t)number) != 0) {
            const rd_kafka_resp_err_t why = rd_kafka_last_error();
            char fatal[256] = "";
            if (why == RD_KAFKA_RESP_ERR__FATAL) rd_kafka_fatal_error(writer->client, fatal, sizeof fatal);
            require(why == RD_KAFKA_RESP_ERR__QUEUE_FULL, "%s: produce: %s %s", writer->topic, rd_kafka_err2str(why),
                    fatal);
            return;
        }
        writer->written++;
    }
}

/* ---- following ---- */

static void follow_start(void)
{
    rd_kafka_conf_t *conf = conf_new();

    set(conf, "fetch.wait.max.ms", "100");
    set(conf, "check.crcs", "true");
    set(conf, "auto.offset.reset", "error"); /* an offset that was seen cannot vanish */
    follower = rd_kafka_new(RD_KAFKA_CONSUMER, conf, error, sizeof error);
    require(follower != NULL, "%s", error);
    followed = rd_kafka_queue_new(follower);
    for (int i = 0; i < WRITERS; i++) {
        rd_kafka_topic_t *topic = rd_kafka_topic_new(follower, writers[i].topic, NULL);
        for (int p = 0; p < PARTITIONS; p++) {
            require(rd_kafka_consume_start_queue(topic, p, 0, followed) == 0, "consume_start");
        }
    }
}

static void follow_some(void)
{
    for (rd_kafka_message_t *message; (message = rd_kafka_consume_queue(followed, 0)) != NULL;) {
        if (message->err) {
            require(message->err != RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET, "what was read is gone: %s",
                    rd_kafka_message_errstr(message));
        } else {
            uint32_t at = 0;
            while (strcmp(writers[at].topic, rd_kafka_topic_name(message->rkt)) != 0) at++;
            struct writer *writer = &writers[at];
            const int p = message->partition;
            require(message->offset == writer->next_seen[p], "%s %d: offset %lld came after %lld", writer->topic, p,
                    (long long)message->offset, (long long)writer->next_seen[p] - 1);
            require(message->offset < 2 * NUMBERS_MAX, "too many messages");
            writer->seen[p][writer->next_seen[p]++] = message_number(message, at);
        }
        rd_kafka_message_destroy(message);
    }
}

/* ---- reading back ---- */

static void message_judge(struct writer *writer, const rd_kafka_message_t *message, uint32_t *previous)
{
    const uint32_t number = message_number(message, (uint32_t)(writer - writers));
    struct place *place = &writer->places[number];
    const int p = message->partition;

    place->times_read++;
    if (place->partition == p && place->offset == message->offset) place->partition = PARTITIONS; /* as promised */
    if (message->offset < writer->next_seen[p]) {
        require(writer->seen[p][message->offset] == number, "%s %d: offset %lld was message %u, and is %u now",
                writer->topic, p, (long long)message->offset, writer->seen[p][message->offset], number);
    }
    if (writer->strict) {
        require(*previous == UINT32_MAX || number > *previous, "%s %d: message %u comes after %u", writer->topic, p,
                number, *previous);
    }
    *previous = number;
}

static void partition_judge(struct writer *writer, int partition)
{
    rd_kafka_conf_t *conf = conf_new();
    uint32_t previous = UINT32_MAX;
    int64_t end = 0;

    set(conf, "enable.partition.eof", "true");
    set(conf, "check.crcs", "true");
    set(conf, "fetch.wait.max.ms", "20");
    rd_kafka_t *client = rd_kafka_new(RD_KAFKA_CONSUMER, conf, error, sizeof error);
    require(client != NULL, "%s", error);
    rd_kafka_topic_t *topic = rd_kafka_topic_new(client, writer->topic, NULL);
    require(rd_kafka_consume_start(topic, partition, 0) == 0, "consume_start");
    for (;;) {
        rd_kafka_message_t *message = rd_kafka_consume(topic, partition, READ_MS);
        require(message != NULL, "%s %d: nothing comes after offset %lld", writer->topic, partition, (long long)end);
        if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
            rd_kafka_message_destroy(message);
            break;
        }
        require(!message->err, "consume: %s", rd_kafka_message_errstr(message));
        require(message->offset == end, "%s %d: offset %lld is missing", writer->topic, partition, (long long)end);
        message_judge(writer, message, &previous);
        end = message->offset + 1;
        rd_kafka_message_destroy(message);
    }
    require(writer->next_seen[partition] <= end, "%s %d: offset %lld was read, and now the end is %lld", writer->topic,
            partition, (long long)writer->next_seen[partition] - 1, (long long)end);
    rd_kafka_consume_stop(topic, partition);
    rd_kafka_topic_destroy(topic);
    rd_kafka_destroy(client);
}

static void writer_judge(struct writer *writer)
{
    uint32_t again = 0, misplaced = 0;

    require(rd_kafka_flush(writer->client, FLUSH_MS) == 0, "%s: %d messages stay without an answer", writer->topic,
            rd_kafka_outq_len(writer->client));
    require(writer->failed == 0, "%s: %u messages failed: %s", writer->topic, writer->failed,
            rd_kafka_err2str(writer->last_error));
    for (int p = 0; p < PARTITIONS; p++) partition_judge(writer, p);
    for (uint32_t number = 0; number < writer->written; number++) {
        const struct place *place = &writer->places[number];
        require(place->offset < 0 || place->times_read > 0, "%s: message %u was acknowledged at %d:%lld and is lost",
                writer->topic, number, place->partition, (long long)place->offset);
        /* A duplicate that the broker recognised may be acknowledged without its first offset. */
        if (place->offset >= 0 && place->partition != PARTITIONS) misplaced++;
        if (place->times_read > 1) again++;
        require(!writer->strict || place->times_read == 1, "%s: message %u is there %u times", writer->topic, number,
                place->times_read);
    }
    printf("%s: %u written, %u acknowledged, %u twice, %u elsewhere\n", writer->topic, writer->written, writer->acked,
           again, misplaced);
    require(misplaced == 0, "%s: %u messages are not where their acknowledgement said", writer->topic, misplaced);
}

static void idempotent(void)
{
    writer_judge(&writers[0]);
}
static void acks_all(void)
{
    writer_judge(&writers[1]);
}
static void third(void)
{
    writer_judge(&writers[2]);
}

/* Until the input ends. */
static void load(uint32_t per_second)
{
    uint32_t told = 0;

    for (int i = 0; i < WRITERS; i++) writer_open(&writers[i]);
    follow_start();
    for (struct pollfd input = { .fd = 0, .events = POLLIN }; poll(&input, 1, TICK_MS) == 0;) {
        uint32_t acked = 0;
        for (int i = 0; i < WRITERS; i++) {
            write_some(&writers[i], per_second * TICK_MS / 1000 / WRITERS);
            rd_kafka_poll(writers[i].client, 0);
            acked += writers[i].acked;
        }
        follow_some();
        if (acked != told) printf("acked %u\n", acked), fflush(stdout);
        told = acked;
    }
    tell_gaps();
}

static uint32_t rate = 6000;

static void following(void)
{
    load(rate);
}

int main(int argc, char **argv)
{
    static struct test_case cases[] = {
        { "following", following }, { "idempotent", idempotent }, { "acks_all", acks_all }, { "acks_one", third }
    };
    if (argc < 2) return 2;
    bootstrap = argv[1];
    if (argc > 2) rate = (uint32_t)atoi(argv[2]);
    if (argc > 4) in_flight = argv[4];
    if (argc > 3 && strcmp(argv[3], "replicated") == 0) {
        writers[2].acks = "all";
        writers[2].idempotence = "true";
        writers[2].strict = true;
        cases[3].name = "idempotent_too";
    }
    cases_run(cases, sizeof cases / sizeof cases[0], "");
    _exit(0);
}
