/* bench_metadata.c -- what the metadata of a large cluster costs: memory of its image, applying its records, taking a
 * snapshot of it and starting from one.
 *
 *     bench_metadata [PARTITIONS] */
#include "base/check.h"
#include "meta/snapshot.h"
#include "tools.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { BROKERS = 9, PARTITIONS_PER_TOPIC = 100, RECORDS_SIZE = 1 << 16, LIST_SIZE = 64, STEP = 1 << 18 };

_Noreturn void check_failed(const char *file, int line, const char *what)
{
    fprintf(stderr, "%s:%d: CHECK(%s)\n", file, line, what);
    abort();
}

static struct image *new_image(const struct image_config *config)
{
    struct image *image =
        mmap(NULL, image_size(config), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    must(image != MAP_FAILED, "no address space");
    image_init(image, config);
    return image;
}

/* All of a proposal, as one entry. How many records it had. */
static uint32_t apply(struct image *image, uint64_t index, const struct proposal *proposal)
{
    struct bytes rest = proposal_bytes(proposal), record;
    struct image_change change;
    uint32_t count = 0;

    for (; proposal_next(&rest, &record); count++) {
        must(image_apply(image, index, record, &change) == APPLY_DONE, "a record is not applied");
        while (image_is_draining(image)) image_drain(image, &change);
    }
    image_advance(image, index, 1);
    return count;
}

static void add_brokers(struct proposal *records)
{
    for (int32_t id = 1; id <= BROKERS; id++) {
        struct metadata_broker_record broker = { .broker_id = id, .epoch = -1, .unfenced_epoch = -1 };
        broker.incarnation.bytes[0] = (uint8_t)id;
        proposal_add_broker(records, &broker);
    }
}

static void add_topic(uint32_t number, struct proposal *records)
{
    char name[32];
    struct uuid id = { { 1 } };

    store_u32(id.bytes + 4, number);
    snprintf(name, sizeof name, "a.topic.of.usual.length.%06u", number % 1000000);
    const struct metadata_topic_record topic = { .name = { (const uint8_t *)name, (uint32_t)strlen(name) },
                                                 .topic_id = id,
                                                 .replica_target = 3 };
    proposal_add_topic(records, &topic);
    for (int32_t index = 0; index < PARTITIONS_PER_TOPIC; index++) {
        int32_t replicas[3];
        for (int32_t i = 0; i < 3; i++) replicas[i] = 1 + ((int32_t)number + index + i) % BROKERS;
        struct metadata_partition_record partition = { .topic_id = id,
                                                       .index = index,
                                                       .replicas = replicas,
                                                       .replicas_count = 3,
                                                       .isr = replicas,
                                                       .isr_count = 3,
                                                       .leader = replicas[0],
                                                       .last_leader = replicas[0] };
        proposal_add_partition(records, &partition);
    }
}

static void report(uint32_t partitions, const struct image_config *config)
{
    static uint8_t memory[RECORDS_SIZE];
    static uint8_t list[LIST_SIZE];
    const uint64_t before = process_memory(getpid());
    struct image *image = new_image(config);
    struct proposal records = proposal_in(memory, sizeof memory);
    uint64_t index = 1, begin_ns = now_ns();

    add_brokers(&records);
    uint64_t count = apply(image, index, &records), spent_ns = 0;
    for (uint32_t topic = 0; topic < partitions / PARTITIONS_PER_TOPIC; topic++) {
        records = proposal_in(memory, sizeof memory);
        add_topic(topic, &records);
        must(proposal_ok(&records), "a topic is too large");
        begin_ns = now_ns();
        count += apply(image, ++index, &records);
        spent_ns += now_ns() - begin_ns;
    }
    printf("partitions=%u records=%llu image_mib=%.1f apply_us=%.2f ", image_view(image).partition_count,
           (unsigned long long)count, (double)(process_memory(getpid()) - before) / (1 << 20),
           (double)spent_ns / 1e3 / (double)count);

    const uint64_t size = snapshot_size_max(config, sizeof list);
    uint8_t *to = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    struct snapshot_writer writer;
    must(to != MAP_FAILED, "no address space");
    begin_ns = now_ns();
    snapshot_writer_init(&writer, image, (struct bytes){ list, sizeof list }, to, size);
    while (!snapshot_write(&writer, image, STEP)) continue;
    const struct bytes written = snapshot_written(&writer);
    printf("snapshot_mib=%.1f write_ms=%.1f ", (double)written.size / (1 << 20), (double)(now_ns() - begin_ns) / 1e6);

    struct image *again = new_image(config);
    struct snapshot_loader loader;
    begin_ns = now_ns();
    must(snapshot_loader_init(&loader, written) == SNAPSHOT_GOOD, "the snapshot is not good");
    while (loader.rest.size > 0) must(snapshot_load(&loader, again, 4096) == SNAPSHOT_GOOD, "it is not loaded");
    const uint64_t load_ns = now_ns() - begin_ns;
    must(image_digest(image) == image_digest(again), "another image");
    printf("load_ms=%.1f\n", (double)load_ns / 1e6);
}

int main(int argc, char **argv)
{
    const uint32_t partitions = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 100000;
    const struct image_config config = { .node_id = 1,
                                         .topics_max = partitions / PARTITIONS_PER_TOPIC + 1,
                                         .partitions_max = partitions + PARTITIONS_PER_TOPIC,
                                         .brokers_max = 16,
                                         .settings_max = 1024,
                                         .hash_seed = 5 };

    must(partitions >= PARTITIONS_PER_TOPIC, "at least %d partitions", PARTITIONS_PER_TOPIC);
    report(partitions, &config);
    return 0;
}
