/* bench_librdkafka.c -- what a program on librdkafka gets from a broker, or from librdkafka's own mock broker.
 *
 *     bench_librdkafka { PORT | mock } TOPIC VALUE-SIZE ACKS SECONDS [PID]           as fast as it goes
 *     bench_librdkafka { PORT | mock } TOPIC VALUE-SIZE ACKS SECONDS PID once        one message at a time
 *
 * Prints one line of NAME=NUMBER. */
#include <librdkafka/rdkafka.h>

#include "tools.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LATENCIES_MAX = 1 << 21, VALUE_SIZE_MAX = 1 << 20, FLUSH_MS = 60000 };

static uint64_t latencies[LATENCIES_MAX];
static size_t latency_count;
static uint64_t delivered, failed;

static void on_delivery(rd_kafka_t *client, const rd_kafka_message_t *message, void *opaque)
{
    (void)client;
    (void)opaque;
    delivered++;
    failed += message->err != 0;
    const uint64_t sent_ns = (uint64_t)(uintptr_t)message->_private;
    if (sent_ns != 0 && latency_count < LATENCIES_MAX) latencies[latency_count++] = now_ns() - sent_ns;
}

static void set(rd_kafka_conf_t *conf, const char *name, const char *value)
{
    char error[512];
    must(rd_kafka_conf_set(conf, name, value, error, sizeof error) == RD_KAFKA_CONF_OK, "%s", error);
}

static rd_kafka_t *producer_new(const char *where, const char *acks, bool once)
{
    char bootstrap[64], error[512];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();

    if (strcmp(where, "mock") == 0) {
        set(conf, "test.mock.num.brokers", "1");
    } else {
        snprintf(bootstrap, sizeof bootstrap, "127.0.0.1:%s", where);
        set(conf, "bootstrap.servers", bootstrap);
    }
    set(conf, "acks", acks);
    set(conf, "linger.ms", once ? "0" : "5");
    set(conf, "batch.num.messages", "10000");
    set(conf, "queue.buffering.max.messages", "500000");
    set(conf, "queue.buffering.max.kbytes", "262144");
    set(conf, "log_level", "2");
    rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    rd_kafka_t *producer = rd_kafka_new(RD_KAFKA_PRODUCER, conf, error, sizeof error);
    must(producer != NULL, "%s", error);
    return producer;
}

/* Every so manyth message is timed: the clock would be a large part of a small message's cost. */
enum { TIMED_EVERY = 64 };

static void run_fast(rd_kafka_t *producer, rd_kafka_topic_t *topic, void *value, size_t size, uint64_t end_ns)
{
    for (uint64_t number = 0;; number++) {
        uint64_t sent_ns = 0;
        if (number % TIMED_EVERY == 0) {
            sent_ns = now_ns();
            if (sent_ns >= end_ns) break;
            rd_kafka_poll(producer, 0);
        }
        while (rd_kafka_produce(topic, 0, RD_KAFKA_MSG_F_COPY, value, size, NULL, 0, (void *)(uintptr_t)sent_ns) != 0) {
            must(rd_kafka_last_error() == RD_KAFKA_RESP_ERR__QUEUE_FULL, "produce");
            rd_kafka_poll(producer, 1);
            if (now_ns() >= end_ns) return;
        }
    }
}

static void run_once_each(rd_kafka_t *producer, rd_kafka_topic_t *topic, void *value, size_t size, uint64_t end_ns)
{
    for (uint64_t sent_ns; (sent_ns = now_ns()) < end_ns;) {
        const uint64_t before = delivered;
        must(rd_kafka_produce(topic, 0, RD_KAFKA_MSG_F_COPY, value, size, NULL, 0, (void *)(uintptr_t)sent_ns) == 0,
             "produce");
        while (delivered == before) rd_kafka_poll(producer, 100);
    }
}

int main(int argc, char **argv)
{
    static char value[VALUE_SIZE_MAX];

    must(argc >= 6, "see the head of the source");
    const size_t size = (size_t)atol(argv[3]);
    const double seconds = atof(argv[5]);
    const pid_t pid = argc > 6 ? atoi(argv[6]) : 0;
    const bool once = argc > 7;
    must(size <= sizeof value, "too large");
    for (size_t i = 0; i < size; i++) value[i] = (char)(i * 2654435761u >> 13);
    rd_kafka_t *producer = producer_new(argv[1], argv[4], once);
    rd_kafka_topic_t *topic = rd_kafka_topic_new(producer, argv[2], NULL);

    /* The first message finds the broker; it is not counted. */
    must(rd_kafka_produce(topic, 0, RD_KAFKA_MSG_F_COPY, value, size, NULL, 0, NULL) == 0, "produce");
    must(rd_kafka_flush(producer, FLUSH_MS) == 0, "no answer");
    delivered = 0;
    if (pid != 0) process_peak_forget(pid);
    const struct threads own = threads_of(getpid()), server = threads_of(pid);
    const uint64_t begin_ns = now_ns();
    (once ? run_once_each : run_fast)(producer, topic, value, size, begin_ns + (uint64_t)(seconds * 1e9));
    must(rd_kafka_flush(producer, FLUSH_MS) == 0, "no answer");
    const double took = (double)(now_ns() - begin_ns) / 1e9;
    const struct threads own_then = threads_of(getpid()), server_then = threads_of(pid);
    errno = 0;
    must(failed == 0, "%llu messages failed", (unsigned long long)failed);
    printf("seconds=%.4f records=%llu bytes=%llu client_cpu=%.4f client_busiest=%.4f server_cpu=%.4f "
           "server_busiest=%.4f peak=%llu p50_us=%.1f p99_us=%.1f\n",
           took, (unsigned long long)delivered, (unsigned long long)(delivered * size),
           (double)threads_cpu_ns(&own, &own_then) / 1e9, (double)threads_busiest_ns(&own, &own_then) / 1e9,
           (double)threads_cpu_ns(&server, &server_then) / 1e9, (double)threads_busiest_ns(&server, &server_then) / 1e9,
           (unsigned long long)process_peak(pid), (double)percentile(latencies, latency_count, 0.5) / 1e3,
           (double)percentile(latencies, latency_count, 0.99) / 1e3);
    fflush(stdout);
    _exit(0); /* to destroy the mock broker takes a second */
}
