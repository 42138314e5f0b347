/* The journal over a disk that loses what was not synced: nothing durable is ever lost, nothing is invented. */
#include "base/prng.h"
#include "t.h"
#include "wal/journal.h"

#include <stdlib.h>

/* ---- a disk of a few small files: what is in memory, and what a power loss leaves ---- */

enum { DISK_FILES = 16, DISK_SIZE = 64 * 1024, ORDERS_MAX = 64 };

struct disk_file {
    char name[32];
    bool here, name_durable, durable_here;
    uint32_t size, durable_size;
    uint8_t now[DISK_SIZE], durable[DISK_SIZE];
};

static struct disk_file disk[DISK_FILES];
static struct effect orders[ORDERS_MAX];
static uint32_t order_count;
static struct prng prng;
static bool disk_is_full;

static struct disk_file *find(const char *path, bool make)
{
    struct disk_file *free_file = NULL;
    for (int i = 0; i < DISK_FILES; i++) {
        if (disk[i].here && strcmp(disk[i].name, path) == 0) return &disk[i];
        if (!disk[i].here && !disk[i].durable_here) free_file = &disk[i];
    }
    if (!make || free_file == NULL) return NULL;
    memset(free_file, 0, sizeof *free_file);
    strcpy(free_file->name, path);
    free_file->here = true;
    return free_file;
}

static void put(struct disk_file *file, const struct effect_write *write)
{
    uint64_t at = write->position;
    for (uint32_t i = 0; i < write->piece_count; i++) {
        memcpy(file->now + at, write->pieces[i].data, write->pieces[i].size);
        at += write->pieces[i].size;
    }
    if (file->size < at) file->size = (uint32_t)at;
}

static void list(const struct effect_file *order, struct event_disk *answer)
{
    char last[32];
    strcpy(last, order->to);
    for (;;) {
        struct disk_file *next = NULL;
        for (int i = 0; i < DISK_FILES; i++) {
            const char *name = disk[i].name + 2;
            if (!disk[i].here || strcmp(name, last) <= 0) continue;
            if (next == NULL || strcmp(name, next->name + 2) < 0) next = &disk[i];
        }
        if (next == NULL) return;
        const uint32_t size = (uint32_t)strlen(next->name + 2);
        uint8_t *entry = order->into + answer->size;
        store_u64(entry, next->size);
        entry[8] = 0;
        store_u16(entry + 9, (uint16_t)size);
        memcpy(entry + FILE_ENTRY_HEAD_SIZE, next->name + 2, size);
        answer->size += FILE_ENTRY_HEAD_SIZE + size;
        strcpy(last, next->name + 2);
    }
}

static void sync_names(void)
{
    for (int i = 0; i < DISK_FILES; i++) {
        disk[i].durable_here = disk[i].here;
        if (disk[i].here) disk[i].name_durable = true;
    }
}

static void obey(const struct effect *order, struct event_disk *answer)
{
    struct disk_file *file;
    answer->result = DISK_DONE;
    switch (order->type) {
    case EFFECT_WRITE:
        answer->op = order->write.op;
        if (disk_is_full && prng_chance(&prng, 1, 2)) {
            answer->result = DISK_FULL;
            return;
        }
        file = find(order->write.path, true);
        put(file, &order->write);
        return;
    case EFFECT_SYNC:
        answer->op = order->sync.op;
        file = find(order->sync.path, false);
        if (file == NULL) {
            answer->result = DISK_NOT_FOUND;
            return;
        }
        memcpy(file->durable, file->now, DISK_SIZE);
        file->durable_size = file->size;
        return;
    case EFFECT_READ:
        answer->op = order->read.op;
        file = find(order->read.path, false);
        if (file != NULL && order->read.position < file->size) {
            answer->size = MIN(order->read.size, file->size - (uint32_t)order->read.position);
            memcpy(order->read.into, file->now + order->read.position, answer->size);
        }
        return;
    case EFFECT_FILE:
        answer->op = order->file.op;
        if (order->file.action == FILE_LIST) list(&order->file, answer);
        if (order->file.action == FILE_SYNC_DIRECTORY) sync_names();
        file = order->file.action == FILE_UNLINK || order->file.action == FILE_RENAME ? find(order->file.path, false)
                                                                                      : NULL;
        if (order->file.action == FILE_UNLINK && file == NULL) answer->result = DISK_NOT_FOUND;
        if (order->file.action == FILE_UNLINK && file != NULL) file->here = false;
        if (order->file.action == FILE_RENAME && file != NULL) strcpy(file->name, order->file.to);
        return;
    default: EXPECT("only disk orders", false);
    }
}

/* Power is lost: of each block that was not synced, either version may be there; of a name too. */
static void lose_power(void)
{
    for (int i = 0; i < DISK_FILES; i++) {
        struct disk_file *file = &disk[i];
        for (uint32_t at = 0; at < DISK_SIZE; at += 512) {
            if (prng_chance(&prng, 1, 2)) memcpy(file->now + at, file->durable + at, 512);
        }
        if (file->size != file->durable_size && prng_chance(&prng, 1, 2)) file->size = file->durable_size;
        memcpy(file->durable, file->now, DISK_SIZE);
        file->durable_size = file->size;
        if (file->here != file->durable_here && prng_chance(&prng, 1, 2)) file->here = file->durable_here;
        file->durable_here = file->here;
    }
    order_count = 0;
}

/* ---- a journal whose entries are numbers ---- */

static struct journal_config config = {
    .directory = "j",
    .owner = OP_JOURNAL,
    .journal_id = 77,
    .file_size = 32 * 1024,
    .files_max = 4,
    .round_size_max = 16 * 1024,
};
static struct tail *tail;
static struct journal *journal;
static struct effects effects;
static uint64_t appended, durable_number, sequence_of[1 << 20];

static void collect(void)
{
    for (uint32_t i = 0; i < effects.count; i++) {
        if (effects.list[i].type == EFFECT_NOTE) continue;
        orders[order_count++] = effects.list[i];
    }
    effects.count = 0;
}

static const char *path_of_order(const struct effect *order)
{
    if (order->type == EFFECT_WRITE) return order->write.path;
    if (order->type == EFFECT_SYNC) return order->sync.path;
    if (order->type == EFFECT_READ) return order->read.path;
    return order->file.path;
}

/* Carries out one order that is first on its path. */
static enum journal_verdict answer_one(void)
{
    uint32_t at = (uint32_t)prng_below(&prng, order_count);
    for (uint32_t i = 0; i < at; i++) {
        if (strcmp(path_of_order(&orders[i]), path_of_order(&orders[at])) == 0) at = i;
    }
    struct event event = { .type = EVENT_WRITTEN };
    obey(&orders[at], &event.disk);
    memmove(&orders[at], &orders[at + 1], (--order_count - at) * sizeof orders[0]);
    const enum journal_verdict verdict = journal_on_disk(journal, &event, &effects);
    collect();
    return verdict;
}

static void fresh_memory(void)
{
    const struct tail_config tail_config = { 4096, 64 * 4096 };
    free(tail);
    free(journal);
    tail = aligned_alloc(64, (tail_size(&tail_config) + 63) / 64 * 64);
    journal = aligned_alloc(64, journal_size(&config));
    tail_init(tail, &tail_config);
    journal_init(journal, &config, tail);
}

/* Opens and compares: every durable number from `from` on is there, in order, and nothing that was not appended. */
static bool reopen(const char *why, uint64_t sequence_min, uint64_t from)
{
    struct journal_entry entry;
    uint64_t next = from;

    fresh_memory();
    journal_open(journal, sequence_min, &effects);
    collect();
    for (;;) {
        const enum journal_opening opening = journal_opening_next(journal, &entry, &effects);
        collect();
        if (opening == JOURNAL_OPENING_FAILED) return false;
        if (opening == JOURNAL_OPENING_DONE) break;
        if (opening == JOURNAL_OPENING_WAITS) {
            answer_one();
            continue;
        }
        const uint64_t number = load_u64(entry.payload.data);
        EXPECT_EQ(why, next, number);
        EXPECT_EQ(why, sequence_of[number], entry.sequence);
        next = number + 1;
    }
    EXPECT(why, next > durable_number);
    EXPECT(why, next <= appended + 1);
    appended = next - 1;
    durable_number = appended;
    EXPECT_EQ(why, 0, tail_used_size(tail));
    journal_check(journal);
    return true;
}

static void append_one(void)
{
    uint32_t chunk;
    const uint32_t size = 8 + (uint32_t)prng_below(&prng, prng_chance(&prng, 1, 20) ? 9000 : 700);
    uint8_t *memory = journal_append(journal, 1, size, &chunk);
    if (memory == NULL) return;
    memset(memory, (int)appended, size);
    store_u64(memory, ++appended);
    sequence_of[appended] = journal_open_sequence(journal);
}

static void disk_wiped(void)
{
    memset(disk, 0, sizeof disk);
    order_count = 0;
    appended = durable_number = 0;
    disk_is_full = false;
}

static void note_durable(void)
{
    while (durable_number < appended && sequence_of[durable_number + 1] <= journal_durable_sequence(journal)) {
        durable_number++;
    }
}

TEST(nothing_durable_is_lost_over_many_crashes)
{
    for (uint64_t seed = 1; seed <= 60; seed++) {
        uint64_t released = 1, released_number = 0;
        prng_init(&prng, seed, 0);
        disk_wiped();
        EXPECT("a new journal opens", reopen("new", 1, 1));
        for (int crash = 0; crash < 15; crash++) {
            const uint64_t steps = prng_below(&prng, 400);
            disk_is_full = prng_chance(&prng, 1, 5);
            for (uint64_t step = 0; step < steps; step++) {
                if (prng_chance(&prng, 1, 3)) append_one();
                journal_commit(journal, &effects);
                collect();
                if (order_count > 0 && answer_one() == JOURNAL_BROKEN) EXPECT("never broken", false);
                if (journal_is_stalled(journal)) disk_is_full = false;
                if (step % 7 == 0) journal_retry(journal, &effects);
                collect();
                note_durable();
                if (durable_number > released_number && prng_chance(&prng, 1, 60)) {
                    released = sequence_of[durable_number];
                    journal_release(journal, released);
                    released_number = durable_number - 1;
                    while (released_number > 0 && sequence_of[released_number] == released) released_number--;
                }
            }
            disk_is_full = false;
            lose_power();
            EXPECT("what a crash leaves can be opened", reopen("after a crash", released, released_number + 1));
            if (prng_chance(&prng, 1, 4)) {
                lose_power();
                EXPECT("and again", reopen("after a crash in recovery", released, released_number + 1));
            }
        }
    }
}

/* Appends and commits until `count` rounds are durable. */
static void rounds(int count)
{
    for (int i = 0; i < count; i++) {
        append_one();
        journal_commit(journal, &effects);
        collect();
        while (order_count > 0) answer_one();
        note_durable();
    }
}

static const struct damage_row {
    const char *why;
    uint32_t position, size; /* in the first file, zeroed */
    bool opens;
} damage_rows[] = {
    { "an undamaged journal opens", 0, 0, true },
    { "a damaged first round was durable, since others follow", 100, 1, false },
    { "a damaged middle round too", 4 * 4096 + 50, 8, false },
    { "even if only its head is gone", 4 * 4096, 4, false },
    { "or its size, which then is beyond all limits", 4 * 4096 + 4, 1, false },
};

TEST(damage_to_what_was_durable_is_not_taken_for_a_torn_end)
{
    FOR_EACH(damage_row, row, damage_rows) {
        prng_init(&prng, 5, 0);
        disk_wiped();
        reopen("new", 1, 1);
        for (int i = 0; i < 7; i++) rounds(1);
        struct disk_file *file = find("j/journal-0", false);
        EXPECT(row->why, file != NULL);
        const bool last = row->position >= file->size;
        memset(file->now + row->position, 0xff, row->size);
        if (last) continue;
        EXPECT_EQ(row->why, row->opens, reopen(row->why, 1, 1));
        if (!row->opens) EXPECT_EQ(row->why, HALT_CORRUPT, journal_opening_halt(journal).reason);
    }
}

static uint64_t sequence_at(const struct disk_file *file, uint32_t position)
{
    return file->here && load_u32(file->now + position) == 0x4348524a ? load_u64(file->now + position + 8) : 0;
}

/* Where the newest frame at the begin of a file is. */
static struct disk_file *newest_file(void)
{
    struct disk_file *newest = NULL;
    for (int i = 0; i < DISK_FILES; i++) {
        if (sequence_at(&disk[i], 0) > (newest == NULL ? 0 : sequence_at(newest, 0))) newest = &disk[i];
    }
    return newest;
}

static bool is_followed(const struct disk_file *file)
{
    for (uint32_t at = 4096; at < DISK_SIZE; at += 4096) {
        if (sequence_at(file, at) == sequence_at(file, 0) + 1) return true;
    }
    return false;
}

static const struct first_row {
    const char *why;
    int rounds;    /* at least */
    bool releases; /* files are written over */
    uint32_t at, size;
} first_rows[] = {
    { "the second file's first round", 2, false, 0, 4 }, { "its sequence, which then seems old", 2, false, 15, 1 },
    { "all of its first block", 2, false, 0, 4096 },     { "of a file that was written over", 60, true, 0, 4 },
    { "its sequence there", 60, true, 15, 1 },
};

TEST(damage_to_a_files_first_round_is_not_taken_for_its_end)
{
    FOR_EACH(first_row, row, first_rows) {
        prng_init(&prng, 8, 0);
        disk_wiped();
        reopen("new", 1, 1);
        uint64_t released = 1;
        const struct disk_file *first = newest_file();
        for (int i = 0; i < row->rounds || newest_file() == first || !is_followed(newest_file()); i++) {
            rounds(1);
            if (first == NULL) first = newest_file();
            if (row->releases && i > 3) journal_release(journal, released = journal_durable_sequence(journal) - 3);
        }
        uint64_t from = 1;
        while (sequence_of[from] < released) from++;
        EXPECT(row->why, reopen(row->why, released, from));
        struct disk_file *file = newest_file();
        memset(file->now + row->at, 0, row->size);
        EXPECT(row->why, !reopen(row->why, released, from));
    }
}

/* The bytes of a write that found no space, over an older frame: its head says a sequence that never was. */
TEST(half_a_head_is_no_later_round)
{
    prng_init(&prng, 8, 0);
    disk_wiped();
    reopen("new", 1, 1);
    uint64_t released = 1;
    uint32_t end = 0;
    struct disk_file *file = NULL;
    for (int i = 0; i < 60 || end == 0; i++) {
        rounds(1);
        if (i > 3) journal_release(journal, released = journal_durable_sequence(journal) - 3);
        file = newest_file();
        end = 4096;
        while (end < DISK_SIZE && sequence_at(file, end) == sequence_at(file, end - 4096) + 1) end += 4096;
        if (end == DISK_SIZE || sequence_at(file, end) == 0) end = 0;
    }
    uint64_t from = 1;
    while (sequence_of[from] < released) from++;
    file->now[end + 14] += 2; /* some hundreds more */
    EXPECT("later than all", sequence_at(file, end) > sequence_at(file, 0) + 100);
    EXPECT("and nothing to stop for", reopen("half a head", released, from));
}

TEST(a_reserve_is_kept)
{
    uint32_t chunk;
    prng_init(&prng, 11, 0);
    disk_wiped();
    reopen("new", 1, 1);

    EXPECT("more than a round takes is not to be had", !journal_reserve(journal, config.round_size_max));
    for (uint32_t size = 8; size < config.round_size_max / 2; size += 1000) {
        if (!journal_reserve(journal, size)) break;
        for (uint32_t left = size / 8 * 8; left >= JOURNAL_ENTRY_HEAD_SIZE + 8; left -= JOURNAL_ENTRY_HEAD_SIZE + 8) {
            EXPECT("what was reserved is there", journal_append(journal, 1, 8, &chunk) != NULL);
        }
    }
    EXPECT("a full round reserves no more", !journal_reserve(journal, config.round_size_max / 2));
    EXPECT_EQ("the newest entry is in the open round", (int64_t)journal_open_sequence(journal),
              (int64_t)journal_last_sequence(journal));
}

TEST(files_may_become_smaller)
{
    prng_init(&prng, 9, 0);
    disk_wiped();
    config.round_size_max = 12 * 1024;
    config.file_size = 64 * 1024;
    reopen("new", 1, 1);
    while (newest_file() == NULL || newest_file()->size < 40 * 1024) rounds(1);
    config.file_size = 32 * 1024;
    EXPECT("what lies beyond the new end is read", reopen("smaller files", 1, 1));
    rounds(5);
    EXPECT_EQ("and it goes on in another", appended, durable_number);
    EXPECT("which is found again", reopen("again", 1, 1));
    config.round_size_max = 16 * 1024;
}

/* Neither is the missing round, and neither shows that more was durable. Looking at one sent to the other, for ever. */
TEST(files_that_claim_the_same_round_are_looked_at_once)
{
    static const char *const paths[] = { "j/journal-1", "j/journal-2" };

    prng_init(&prng, 9, 0);
    disk_wiped();
    reopen("new", 1, 1);
    rounds(3);
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        struct disk_file *file = find(paths[i], true);
        memcpy(file->now, find("j/journal-0", false)->now, JOURNAL_BLOCK_SIZE);
        store_u64(file->now + 8, journal_open_sequence(journal)); /* its checksum says otherwise */
        file->size = JOURNAL_BLOCK_SIZE;
    }
    EXPECT("it opens", reopen("damaged", 1, 1));
    rounds(2);
    EXPECT_EQ("and goes on", appended, durable_number);
    EXPECT("and opens again", reopen("again", 1, 1));
}

/* To sync what was written before is cheaper than to let a file grow: so it grows seldom. */
TEST(a_file_grows_in_steps)
{
    prng_init(&prng, 8, 0);
    disk_wiped();
    reopen("new", 1, 1);
    rounds(1);
    const struct disk_file *file = find("j/journal-0", false);
    const uint32_t size = file->size;
    EXPECT("by more than a round", size > 3 * JOURNAL_BLOCK_SIZE && size % JOURNAL_BLOCK_SIZE == 0);
    rounds(3);
    EXPECT_EQ("which has room for those that follow", size, file->size);
    EXPECT("what lies ahead is no frame", reopen("again", 1, 1));
    rounds(1);
    EXPECT_EQ("and is used after a restart too", size, file->size);
    EXPECT("the file keeps its limit", size <= config.file_size);
}

TEST(a_failed_sync_breaks_the_journal)
{
    prng_init(&prng, 6, 0);
    disk_wiped();
    reopen("new", 1, 1);
    append_one();
    journal_commit(journal, &effects);
    collect();
    for (uint32_t i = 0; i < order_count; i++) {
        if (orders[i].type != EFFECT_SYNC) continue;
        const struct event event = { .type = EVENT_SYNCED, .disk = { .op = orders[i].sync.op, .result = DISK_FAILED } };
        EXPECT_EQ("an fsync is never tried again", JOURNAL_BROKEN, journal_on_disk(journal, &event, &effects));
    }
}

TEST(a_journal_without_space_waits_for_a_release)
{
    prng_init(&prng, 7, 0);
    disk_wiped();
    reopen("new", 1, 1);
    rounds(60);
    EXPECT("all files hold what is needed", journal_is_stalled(journal));
    EXPECT("and so it is not durable", durable_number < appended);
    journal_release(journal, journal_durable_sequence(journal));
    rounds(1);
    EXPECT_EQ("a release lets it go on", appended, durable_number);
    EXPECT("no longer stalled", !journal_is_stalled(journal));
}
