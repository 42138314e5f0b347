/* A node whose metadata journal holds any entries, in frames that are whole: it starts and serves, or halts and says
 * why; it never fails a CHECK. After that it starts once more from what the first start made of it.
 *
 * The bytes are entries, each u8 kind, u8 size, payload; those of an identity get this node's number, so that what
 * follows is read at all. Bit 7 of a kind begins a new frame. */
#include "base/check.h"
#include "base/crc32c.h"
#include "codec/reader.h"
#include "controller/metadata_log_state.h"
#include "node.h"
#include "sim/disk.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { STEPS_MAX = 1500, FRAME_MAX = JOURNAL_BLOCK_SIZE, FRAMES_MAX = 8, LIVES = 2 };

static struct node *node;
static size_t node_bytes;
static struct config config;
static struct disk disk;
static struct effects effects;
static uint64_t now_ns;
static bool halted;

/* ---- the journal ---- */

struct frames {
    uint8_t bytes[FRAMES_MAX * FRAME_MAX];
    uint32_t count, used, entries; /* of the open one: bytes, and entries in it */
    uint32_t crc;
};

static void seal(struct frames *frames)
{
    static const uint8_t no_crc[4];
    uint8_t *frame = frames->bytes + (size_t)frames->count * FRAME_MAX;

    if (frames->entries == 0) return;
    store_u32(frame, 0x4348524a); /* "CHRJ" */
    store_u32(frame + 4, FRAME_MAX);
    store_u64(frame + 8, ++frames->count);
    store_u64(frame + 16, 7);
    store_u32(frame + 24, frames->entries);
    store_u32(frame + 28, frames->crc);
    store_u32(frame + 36, frames->used - JOURNAL_FRAME_HEAD_SIZE);
    frames->crc = crc32c(crc32c(crc32c(0, frame, 32), no_crc, sizeof no_crc), frame + 36, FRAME_MAX - 36);
    store_u32(frame + 32, frames->crc);
    frames->entries = 0;
}

static void add(struct frames *frames, uint8_t kind, struct bytes payload)
{
    const uint32_t whole = JOURNAL_ENTRY_HEAD_SIZE + (payload.size + 7) / 8 * 8;

    if (frames->entries > 0 && ((kind & 0x80) != 0 || frames->used + whole > FRAME_MAX)) seal(frames);
    if (frames->count == FRAMES_MAX) return;
    if (frames->entries == 0) frames->used = JOURNAL_FRAME_HEAD_SIZE;
    uint8_t *at = frames->bytes + (size_t)frames->count * FRAME_MAX + frames->used;
    store_u32(at, payload.size);
    store_u16(at + 4, kind & 0x7f);
    if (payload.size > 0) memcpy(at + JOURNAL_ENTRY_HEAD_SIZE, payload.data, payload.size);
    if ((kind & 0x7f) == JOURNAL_KIND_IDENTITY && payload.size == IDENTITY_SIZE) {
        store_u64(at + JOURNAL_ENTRY_HEAD_SIZE, (uint64_t)config.node_id << MEMBER_SUFFIX_BITS | 1);
    }
    frames->used += whole;
    frames->entries++;
}

static void make_frames(struct frames *frames, struct bytes input)
{
    struct reader reader = reader_of(input);

    memset(frames, 0, sizeof *frames);
    while (reader_left(&reader) >= 2 && frames->count < FRAMES_MAX) {
        const uint8_t kind = reader_uint8(&reader), said = reader_uint8(&reader);
        const uint32_t size = MIN((uint32_t)said, reader_left(&reader));
        const uint8_t *payload = reader_take(&reader, size);
        add(frames, kind, (struct bytes){ payload, payload == NULL ? 0 : size });
    }
    if (frames->count < FRAMES_MAX) seal(frames);
}

/* ---- the disk ---- */

static void carry_out(const struct effect *effect)
{
    uint64_t delay_ns;
    struct event event;

    disk_carry_out(&disk, disk_take(&disk, effect, &delay_ns), &event);
    CHECK(event.disk.result == DISK_DONE);
}

static void write_journal(struct frames *frames)
{
    const char *path = META_DIRECTORY "/journal-0";
    const struct piece piece = { .data = frames->bytes, .size = frames->count * FRAME_MAX };

    carry_out(
        &(struct effect){ .type = EFFECT_FILE, .file = { .action = FILE_MAKE_DIRECTORY, .path = META_DIRECTORY } });
    if (piece.size == 0) return;
    carry_out(&(struct effect){ .type = EFFECT_WRITE, .write = { .path = path, .pieces = &piece, .piece_count = 1 } });
    carry_out(&(struct effect){ .type = EFFECT_SYNC, .sync = { .path = path } });
}

/* ---- the node ---- */

static void configure(void)
{
    config_init(&config);
    config.advertised_kafka = (struct address){ "node1.fuzz", 9092 };
    config.links_max = 4;
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
}

static void step(struct event *event)
{
    uint64_t delay_ns;

    event->mono_ns = now_ns;
    event->wall_ms = 1700000000000 + (int64_t)(now_ns / 1000000);
    effects.count = 0;
    effects.notes_dropped = 0;
    node_step(node, event, &effects);
    for (uint32_t i = 0; i < effects.count; i++) {
        const struct effect *effect = &effects.list[i];
        if (effect->type == EFFECT_HALT) halted = true;
        else if (effect->type != EFFECT_NOTE) disk_take(&disk, effect, &delay_ns);
    }
}

static bool step_of_the_disk(void)
{
    struct event event;

    for (uint32_t slot = 0; slot < disk.order_high; slot++) {
        if (!disk.orders[slot].used) continue;
        disk_carry_out(&disk, slot, &event);
        now_ns += 1000;
        step(&event);
        return true;
    }
    return false;
}

/* One life, up to its halt or for a while. */
static void live(void)
{
    struct event event = { .type = EVENT_STARTED };

    madvise(node, node_bytes, MADV_DONTNEED);
    halted = false;
    config.seed[0]++;
    node_init(node, &config);
    step(&event);
    for (uint32_t i = 0; i < STEPS_MAX && !halted; i++) {
        if (step_of_the_disk()) continue;
        const uint64_t deadline_ns = node_deadline_ns(node);
        if (deadline_ns == UINT64_MAX || deadline_ns > UINT64_C(5000000000)) break;
        now_ns = MAX(now_ns, deadline_ns);
        event = (struct event){ .type = EVENT_TIME_PASSED };
        step(&event);
    }
    if (!halted) node_check(node);
    disk_kill(&disk);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct frames frames;

    configure();
    if (node == NULL) {
        node_bytes = node_size(&config);
        CHECK(node_bytes > 0);
        node = mmap(NULL, node_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        CHECK(node != MAP_FAILED);
    }
    now_ns = 1;
    make_frames(&frames, (struct bytes){ data, (uint32_t)size });
    disk_init(&disk, 1, 1);
    write_journal(&frames);
    for (uint32_t i = 0; i < LIVES; i++) live();
    disk_free(&disk);
    return 0;
}
