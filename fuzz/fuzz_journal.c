/* A journal whose files hold anything: it opens and goes on, or halts and says why. What it shows lies in its memory;
 * what it says is durable is there when it opens again, and so is what was appended meanwhile.
 *
 * The bytes are commands: raw bytes somewhere, or a frame with a true checksum, which follows the last one or does not,
 * around any entries. Chance alone would never make one. */
#include "base/check.h"
#include "base/crc32c.h"
#include "codec/reader.h"
#include "wal/journal_state.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FILES = 3, FILE_SIZE = 64 * 1024, FILE_BLOCKS = FILE_SIZE / JOURNAL_BLOCK_SIZE };
enum { STEPS_MAX = 2000, ROUND_MAX = 32 * 1024, COMMANDS_MAX = 64 };

static struct file {
    bool exists;
    uint32_t size;
    uint8_t bytes[FILE_SIZE];
} files[FILES + 1]; /* the last one is the spare */

static const struct journal_config config = {
    .directory = "j",
    .owner = OP_JOURNAL,
    .journal_id = 77,
    .file_size = FILE_SIZE,
    .files_max = FILES,
    .round_size_max = ROUND_MAX,
};
static const struct tail_config tail_config = { .unit_size = 4096, .memory_size = 256 * 1024 };
static struct journal *journal;
static struct tail *tail;
static struct effects effects, orders;
static uint32_t crc_shown; /* of all entries that were shown */
static uint64_t last_shown;

static void *zeroed(void *memory, size_t size)
{
    if (memory == NULL) memory = aligned_alloc(64, (size + 63) / 64 * 64);
    return memset(memory, 0, size);
}

/* ---- a disk of so many files ---- */

static struct file *file_of(const char *path)
{
    if (strcmp(path, "j/spare") == 0) return &files[FILES];
    CHECK(strncmp(path, "j/journal-", 10) == 0 && path[10] >= '0' && path[10] < '0' + FILES && path[11] == 0);
    return &files[path[10] - '0'];
}

static uint32_t list(uint8_t *into, uint32_t size)
{
    static const char *const names[FILES + 1] = { "journal-0", "journal-1", "journal-2", "spare" };
    uint32_t at = 0;

    for (uint32_t i = 0; i <= FILES; i++) {
        const uint32_t name_size = (uint32_t)strlen(names[i]);
        if (!files[i].exists) continue;
        CHECK(at + FILE_ENTRY_HEAD_SIZE + name_size <= size);
        store_u64(into + at, files[i].size);
        into[at + 8] = 0;
        store_u16(into + at + 9, (uint16_t)name_size);
        memcpy(into + at + FILE_ENTRY_HEAD_SIZE, names[i], name_size);
        at += FILE_ENTRY_HEAD_SIZE + name_size;
    }
    return at;
}

static void write_file(const struct effect_write *order)
{
    struct file *file = file_of(order->path);
    uint64_t position = order->position;

    file->exists = true;
    for (uint32_t i = 0; i < order->piece_count; i++) {
        CHECK(position + order->pieces[i].size <= FILE_SIZE);
        memcpy(file->bytes + position, order->pieces[i].data, order->pieces[i].size);
        position += order->pieces[i].size;
    }
    file->size = MAX(file->size, (uint32_t)position);
}

static void do_file(const struct effect_file *order, struct event_disk *disk)
{
    switch (order->action) {
    case FILE_LIST: disk->size = list(order->into, (uint32_t)order->size); break;
    case FILE_UNLINK: *file_of(order->path) = (struct file){ 0 }; break;
    case FILE_RENAME:
        *file_of(order->to) = *file_of(order->path);
        *file_of(order->path) = (struct file){ 0 };
        break;
    case FILE_SYNC_DIRECTORY: break;
    case FILE_MAKE_DIRECTORY:
    case FILE_TRUNCATE: CHECK(false);
    }
}

static void answer(const struct effect *order)
{
    struct event event = { .mono_ns = 1 };

    if (order->type == EFFECT_READ) {
        const struct file *file = file_of(order->read.path);
        event.type = EVENT_READ_DONE;
        event.disk.op = order->read.op;
        if (order->read.position < file->size) {
            event.disk.size = MIN(order->read.size, file->size - (uint32_t)order->read.position);
            memcpy(order->read.into, file->bytes + order->read.position, event.disk.size);
        }
    } else if (order->type == EFFECT_WRITE) {
        event.type = EVENT_WRITTEN;
        event.disk.op = order->write.op;
        write_file(&order->write);
    } else if (order->type == EFFECT_SYNC) {
        event.type = EVENT_SYNCED;
        event.disk.op = order->sync.op;
    } else {
        CHECK(order->type == EFFECT_FILE);
        event.type = EVENT_FILE_DONE;
        event.disk.op = order->file.op;
        do_file(&order->file, &event.disk);
    }
    CHECK(journal_on_disk(journal, &event, &effects) != JOURNAL_BROKEN);
}

static void carry_out(void)
{
    for (uint32_t step = 0; step < STEPS_MAX; step++) {
        for (uint32_t i = 0; i < effects.count; i++) {
            if (effects.list[i].type != EFFECT_NOTE) orders.list[orders.count++] = effects.list[i];
        }
        effects.count = 0;
        if (orders.count == 0) return;
        const struct effect order = orders.list[0];
        memmove(&orders.list[0], &orders.list[1], --orders.count * sizeof orders.list[0]);
        answer(&order);
    }
    CHECK(false); /* it never comes to an end */
}

/* ---- what is in them ---- */

enum { RAW = 4, OTHER_SEQUENCE = 8, NOT_CHAINED = 16, WRONG_CRC = 32, FOREIGN = 64, ELSEWHERE = 128 };

struct making {
    struct reader input;
    uint64_t sequence;
    uint32_t crc;
    uint32_t blocks[FILES]; /* where the next frame of a file goes */
};

static void put(struct file *file, uint32_t position, struct bytes bytes)
{
    if (bytes.size == 0 || position + bytes.size > FILE_SIZE) return;
    memcpy(file->bytes + position, bytes.data, bytes.size);
    file->exists = true;
    file->size = MAX(file->size, position + bytes.size);
}

static struct bytes some_bytes(struct reader *input)
{
    const uint32_t size = MIN((uint32_t)reader_uint8(input), reader_left(input));

    const uint8_t *at = reader_take(input, size);

    return (struct bytes){ at, at == NULL ? 0 : size };
}

static void put_frame(struct making *making, struct file *file, uint32_t block, uint8_t how)
{
    static const uint8_t no_crc[4];
    uint8_t frame[4 * JOURNAL_BLOCK_SIZE] = { 0 };
    const uint8_t shape = reader_uint8(&making->input);
    const uint32_t size = (1 + shape % 4U) * JOURNAL_BLOCK_SIZE;

    making->sequence = (how & OTHER_SEQUENCE) != 0 ? reader_uint8(&making->input) : making->sequence + 1;
    const struct bytes entries = some_bytes(&making->input);
    if (entries.size > 0) memcpy(frame + JOURNAL_FRAME_HEAD_SIZE, entries.data, entries.size);
    store_u32(frame, FRAME_MAGIC);
    store_u32(frame + 4, size);
    store_u64(frame + 8, making->sequence);
    store_u64(frame + 16, (how & FOREIGN) != 0 ? config.journal_id + 1 : config.journal_id);
    store_u32(frame + 24, shape / 4);
    store_u32(frame + 28, (how & NOT_CHAINED) != 0 ? 1 : making->crc);
    store_u32(frame + 36, (shape & 0x80) != 0 ? size - JOURNAL_FRAME_HEAD_SIZE : entries.size);
    making->crc = crc32c(crc32c(crc32c(0, frame, 32), no_crc, sizeof no_crc), frame + 36, size - 36);
    store_u32(frame + 32, (how & WRONG_CRC) != 0 ? 1 : making->crc);
    put(file, block * JOURNAL_BLOCK_SIZE, (struct bytes){ frame, size });
    making->blocks[file - files] = block + size / JOURNAL_BLOCK_SIZE;
}

static void make_files(struct making *making)
{
    memset(files, 0, sizeof files);
    for (uint32_t i = 0; i < COMMANDS_MAX && reader_left(&making->input) > 0; i++) {
        const uint8_t how = reader_uint8(&making->input), number = how % 4;
        if (number == FILES) {
            files[FILES].exists = true; /* a spare that a crash left */
            continue;
        }
        const bool given = (how & (RAW | ELSEWHERE)) != 0;
        const uint32_t block = given ? reader_uint8(&making->input) % FILE_BLOCKS : making->blocks[number];
        if ((how & RAW) == 0) put_frame(making, &files[number], block, how);
        else put(&files[number], block * JOURNAL_BLOCK_SIZE + how / 8, some_bytes(&making->input));
    }
}

/* ---- opening ---- */

static bool open_journal(uint64_t sequence_min)
{
    struct journal_entry entry;
    enum journal_opening opening;
    uint64_t before = 0;

    tail = zeroed(tail, tail_size(&tail_config));
    tail_init(tail, &tail_config);
    journal = zeroed(journal, journal_size(&config));
    journal_init(journal, &config, tail);
    effects.count = orders.count = 0;
    crc_shown = 0;
    journal_open(journal, sequence_min, &effects);
    for (;;) {
        carry_out();
        while ((opening = journal_opening_next(journal, &entry, &effects)) == JOURNAL_OPENING_ENTRY) {
            CHECK(entry.sequence >= MAX(before, sequence_min));
            before = last_shown = entry.sequence;
            CHECK(entry.payload.size <= ROUND_MAX);
            crc_shown = crc32c(crc_shown, entry.payload.data, entry.payload.size);
        }
        if (opening != JOURNAL_OPENING_WAITS || effects.count == 0) break;
    }
    CHECK(opening == JOURNAL_OPENING_DONE || opening == JOURNAL_OPENING_FAILED);
    if (opening == JOURNAL_OPENING_DONE) journal_check(journal);
    else CHECK(journal_opening_halt(journal).reason != HALT_STOPPED);
    return opening == JOURNAL_OPENING_DONE;
}

/* What is appended now comes last when it is opened again, behind all that was there, and is what a caller is told. */
static void append_and_open_again(uint64_t sequence_min)
{
    static const uint8_t bytes[] = "appended";
    const uint32_t before = crc_shown;
    uint32_t chunk;

    uint8_t *memory = journal_append(journal, 9, sizeof bytes, &chunk);
    CHECK(memory != NULL);
    memcpy(memory, bytes, sizeof bytes);
    const uint64_t sequence = journal_open_sequence(journal);
    CHECK(sequence > journal_durable_sequence(journal));
    if (journal_has_space(journal)) {
        for (int i = 0; i < 3; i++) { /* a file that is being prepared as a spare has to be waited for */
            journal_commit(journal, &effects);
            carry_out();
        }
        CHECK(journal_durable_sequence(journal) == sequence);
        if (!open_journal(sequence_min))
            return; /* something of a later time, farther away than a crash could leave it */
        CHECK(last_shown == sequence);
        CHECK(crc_shown == crc32c(before, bytes, sizeof bytes));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct making making = { .input = reader_of((struct bytes){ data, (uint32_t)size }) };
    const uint64_t sequence_min = reader_uint8(&making.input) % 8;

    make_files(&making);
    if (open_journal(sequence_min)) append_and_open_again(sequence_min);
    return 0;
}
