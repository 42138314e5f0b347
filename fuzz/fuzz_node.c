/* fuzz_node.c -- the whole node, driven by bytes: which fact comes next, what a client sends, what a disk fails to do,
 * when the power goes.
 *
 * Each byte is a choice; some are followed by a size and that many bytes, which a client sends as they are, or wrapped
 * into a frame of a known API. Whatever they are, the node answers, closes the link or waits; it never fails a CHECK,
 * never touches memory that is not its own, and never orders what nobody can carry out. */
#include "base/check.h"
#include "node.h"
#include "sim/disk.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { LINKS = 4, STEPS_MAX = 3000, LENT_MAX = 4096, SETTLING_MAX = 400 };

struct link_state {
    bool open, receiving, sending;
    struct effect_receive receive;
};

static struct node *node;
static size_t node_bytes;
static struct config config;
static struct disk disk;
static struct link_state links[LINKS];
static struct effects effects;
static uint64_t now_ns;
static uint32_t steps;
static bool halted;

static const uint8_t *input, *input_end;

static uint8_t next_byte(void)
{
    return input < input_end ? *input++ : 0;
}

static void configure(void)
{
    config_init(&config);
    config.advertised_kafka = (struct address){ "node1.fuzz", 9092 };
    config.links_max = LINKS;
    config.topics_max = 16;
    config.partitions_max = 32;
    config.segments_max = 256;
    config.producers_max = 16;
    config.groups_max = 4;
    config.group_members_max = 8;
    config.group_offsets_max = 32;
    config.group_memory_size = 64 * 1024;
    config.request_size_max = 64 * 1024;
    config.request_memory_size = 1 << 20;
    config.tail_unit_size = 4096;
    config.tail_memory_size = 1 << 20;
    config.journal_file_size = 64 * 1024;
    config.journal_files_max = 4;
    config.compaction_memory_size = 64 * 1024;
    config.meta_journal_file_size = 64 * 1024;
    config.meta_snapshot_entries = 8;
    config.message_size_max = 16 * 1024;
    config.log_segment_size = 8 * 1024;
    config.retention_check_interval_ms = 100;
    config.compaction_backoff_ms = 1000;
}

static void obey(void);

static void step(struct event *event)
{
    if (halted || steps++ > STEPS_MAX) return;
    event->mono_ns = now_ns;
    event->wall_ms = 1700000000000 + (int64_t)(now_ns / 1000000);
    effects.count = 0;
    effects.notes_dropped = 0;
    node_step(node, event, &effects);
    obey();
}

static void obey(void)
{
    uint64_t delay_ns;

    for (uint32_t i = 0; i < effects.count; i++) {
        const struct effect *effect = &effects.list[i];
        switch (effect->type) {
        case EFFECT_OPEN_LINK: CHECK(false); break; /* it is alone */
        case EFFECT_RECEIVE:
            CHECK(effect->receive.link < LINKS && links[effect->receive.link].open);
            CHECK(!links[effect->receive.link].receiving && effect->receive.size > 0);
            links[effect->receive.link].receiving = true;
            links[effect->receive.link].receive = effect->receive;
            break;
        case EFFECT_SEND:
            CHECK(effect->send.link < LINKS && links[effect->send.link].open);
            CHECK(!links[effect->send.link].sending);
            links[effect->send.link].sending = true;
            break;
        case EFFECT_CLOSE_LINK: CHECK(effect->close_link.link < LINKS && links[effect->close_link.link].open); break;
        case EFFECT_WRITE:
        case EFFECT_SYNC:
        case EFFECT_READ:
        case EFFECT_FILE: disk_take(&disk, effect, &delay_ns); break;
        case EFFECT_NOTE: break;
        case EFFECT_HALT: halted = true; break;
        }
    }
}

static void start(void)
{
    struct event event = { .type = EVENT_STARTED };

    madvise(node, node_bytes, MADV_DONTNEED);
    memset(links, 0, sizeof links);
    halted = false;
    config.seed[0]++;
    node_init(node, &config);
    step(&event);
}

/* Carries out disk orders, the choice saying how many and which first. */
static void disk_works(uint8_t choice)
{
    for (uint32_t done = 0; done <= choice % 8u && !halted; done++) {
        uint32_t waiting = 0, slot = 0;
        for (uint32_t i = 0; i < disk.order_high; i++) waiting += disk.orders[i].used;
        if (waiting == 0) return;
        uint32_t wanted = choice / 8u % waiting;
        while (!disk.orders[slot].used || wanted-- > 0) slot++;
        struct event event;
        disk_carry_out(&disk, slot, &event);
        now_ns += 1000;
        step(&event);
    }
}

/* A well-framed request whose body is the input's, so that parsers behind the frame are reached. */
static uint32_t wrap(uint8_t *frame, uint32_t size)
{
    uint8_t body[LENT_MAX];
    const uint16_t key = next_byte();
    const uint16_t version = next_byte() % 20;

    memcpy(body, frame, size);
    store_u32(frame, 10 + size);
    store_u16(frame + 4, key % 76);
    store_u16(frame + 6, version);
    store_u32(frame + 8, 7);
    store_u16(frame + 12, 0xffff);
    memcpy(frame + 14, body, size);
    return size + 14;
}

static void link_works(uint8_t choice)
{
    const uint32_t number = choice % LINKS;
    struct link_state *link = &links[number];

    if (!link->open) {
        struct event event = { .type = EVENT_LINK_OPENED,
                               .link_opened = { .link = number, .peer = BYTES_LITERAL("fuzz:1") } };
        link->open = true;
        step(&event);
    } else if (choice & 0x80) {
        struct event event = { .type = EVENT_LINK_CLOSED, .link_closed = { number } };
        *link = (struct link_state){ 0 };
        step(&event);
    } else if (choice & 0x40) {
        struct event event = { .type = EVENT_SENT, .sent = { number } };
        if (!link->sending) return;
        link->sending = false;
        step(&event);
    } else if (link->receiving) {
        uint8_t *lent = malloc(LENT_MAX);
        uint32_t size = next_byte() + 1u;
        size += (next_byte() & 7u) * 256u;
        size = (uint32_t)MIN((size_t)size, (size_t)(input_end - input));
        if (size > 0) memcpy(lent, input, size);
        input += size;
        if (choice & 0x20) size = wrap(lent, MIN(size, (uint32_t)LENT_MAX - 14));
        size = MIN(size, link->receive.size);
        if (size > 0) {
            if (link->receive.into != NULL) memcpy(link->receive.into, lent, size);
            struct event event = { .type = EVENT_RECEIVED,
                                   .received = { number, size,
                                                 link->receive.into != NULL ? link->receive.into : lent } };
            link->receiving = false;
            step(&event);
        }
        free(lent);
    }
}

static void time_works(uint8_t choice)
{
    struct event event = { .type = EVENT_TIME_PASSED };
    const uint64_t deadline_ns = node_deadline_ns(node);

    if (deadline_ns == UINT64_MAX) return;
    if (choice & 1) now_ns += (uint64_t)choice * 1000000;
    if (choice & 2) now_ns += (uint64_t)choice * 1000000000;
    if (deadline_ns > now_ns) now_ns = deadline_ns;
    step(&event);
}

/* All that was ordered is carried out, and what becomes due of it, until nothing is under way. */
static void settle(void)
{
    for (uint32_t i = 0; i < SETTLING_MAX && !halted; i++) {
        const uint64_t deadline_ns = node_deadline_ns(node);
        uint32_t waiting = 0;
        for (uint32_t slot = 0; slot < disk.order_high; slot++) waiting += disk.orders[slot].used;
        if (waiting > 0) disk_works(7);
        else if (deadline_ns <= now_ns) time_works(0);
        else return;
    }
}

static void disk_fails(uint8_t choice)
{
    disk.full = (choice & 1) != 0;
    disk.reads_fail = (choice & 2) != 0;
    disk.sync_fails_in = choice >> 2 & 7;
    disk.failing = SORT_ALL;
}

/* The process ends; what follows on its disk says the choice. */
static void die(uint8_t choice)
{
    static const char *const damaged[] = { "__journal", "__meta", ".log", "index", "checkpoint", "" };

    disk_kill(&disk);
    halted = true;
    if (choice < LOSS_COUNT) disk_lose_power(&disk, (enum loss)choice);
    else if (choice >= 128) disk_flip(&disk, damaged[choice % COUNT_OF(damaged)]);
}

static void something_rare(uint8_t choice)
{
    struct event event = { .type = EVENT_STOP_ASKED };

    switch (choice & 0x1f) {
    case 0: die(next_byte()); break;
    case 1: step(&event); break;
    case 2: disk_fails(next_byte()); break;
    case 3: settle(); break;
    default: disk_works(choice);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    input = data;
    input_end = data + size;
    configure();
    if (node == NULL) {
        node_bytes = node_size(&config);
        CHECK(node_bytes > 0);
        node = mmap(NULL, node_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        CHECK(node != MAP_FAILED);
    }
    now_ns = 1;
    steps = 0;
    disk_init(&disk, size == 0 ? 0 : data[0], 1);
    start();
    disk_works(255);
    while (input < input_end && steps < STEPS_MAX) {
        const uint8_t choice = next_byte();
        if (halted) start();
        switch (choice >> 5) {
        case 0:
        case 1:
        case 2: link_works(next_byte()); break;
        case 3:
        case 4:
        case 5: disk_works(next_byte()); break;
        case 6: time_works(choice); break;
        default: something_rare(choice);
        }
        if (halted) disk_kill(&disk);
    }
    node_check(node);
    disk_kill(&disk);
    disk_free(&disk);
    return 0;
}
