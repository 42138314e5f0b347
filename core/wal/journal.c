/* journal.c -- appending: rounds fill, leave, and become durable. journal_open.c reads what is there,
 * journal_spare.c keeps a written file in reserve. */
#include "wal/journal.h"

#include "base/check.h"
#include "base/crc32c.h"
#include "wal/journal_state.h"

enum { CRC_POSITION = 32 };

static size_t rounded(size_t size)
{
    return (size + 63) / 64 * 64;
}

size_t journal_size(const struct journal_config *config)
{
    return rounded(sizeof(struct journal)) + rounded((size_t)config->round_size_max + READ_STEP_SIZE);
}

static void path_of(const struct journal *journal, uint32_t number, char *path)
{
    static const char name[] = "/journal-";
    uint32_t size = 0;

    for (const char *from = journal->config.directory; *from != 0; from++) path[size++] = *from;
    for (const char *from = name; *from != 0; from++) path[size++] = *from;
    if (number >= 10) path[size++] = (char)('0' + number / 10);
    path[size++] = (char)('0' + number % 10);
    path[size] = 0;
}

static void spare_path_of(struct journal *journal)
{
    static const char name[] = "/spare";
    uint32_t size = 0;

    for (const char *from = journal->config.directory; *from != 0; from++) journal->spare_path[size++] = *from;
    for (const char *from = name; *from != 0; from++) journal->spare_path[size++] = *from;
    journal->spare_path[size] = 0;
}

void journal_init(struct journal *journal, const struct journal_config *config, struct tail *tail)
{
    CHECK(config->file_size % JOURNAL_BLOCK_SIZE == 0);
    CHECK(config->round_size_max % JOURNAL_BLOCK_SIZE == 0);
    CHECK(config->round_size_max <= config->file_size);
    CHECK(config->files_max >= 2 && config->files_max <= JOURNAL_FILES_MAX);
    *journal = (struct journal){
        .config = *config,
        .tail = tail,
        .id = config->journal_id,
        .chunk = CHUNK_NONE,
        .buffer = (uint8_t *)journal + rounded(sizeof *journal),
        .buffer_size = config->round_size_max + READ_STEP_SIZE,
        .rounds[0].sequence = 1,
    };
    uint32_t directory_size = 0;
    while (config->directory[directory_size] != 0) directory_size++;
    CHECK(directory_size + NAME_SIZE_MAX <= PATH_SIZE_MAX);
    for (uint32_t file = 0; file < JOURNAL_FILES_MAX; file++) path_of(journal, file, journal->files[file].path);
    spare_path_of(journal);
    journal_write_zeros_init(journal);
}

uint64_t journal_op(const struct journal *journal, enum journal_op op)
{
    return op_make(journal->config.owner, (uint64_t)op);
}

bool frame_head_read(const uint8_t *bytes, struct frame_head *head)
{
    *head = (struct frame_head){
        .size = load_u32(bytes + 4),
        .sequence = load_u64(bytes + 8),
        .journal_id = load_u64(bytes + 16),
        .entry_count = load_u32(bytes + 24),
        .previous_crc = load_u32(bytes + 28),
        .crc = load_u32(bytes + CRC_POSITION),
        .entries_size = load_u32(bytes + 36),
    };
    if (load_u32(bytes) != FRAME_MAGIC || head->sequence == 0) return false;
    if (head->size % JOURNAL_BLOCK_SIZE != 0 || head->size < JOURNAL_FRAME_HEAD_SIZE) return false;
    /* Padded to whole blocks, and no further: a size that is damaged must not pass for one of larger limits. */
    const uint64_t padding = (uint64_t)head->size - JOURNAL_FRAME_HEAD_SIZE - head->entries_size;
    return padding < JOURNAL_BLOCK_SIZE && head->entry_count > 0;
}

void frame_head_write(uint8_t *bytes, const struct frame_head *head)
{
    store_u32(bytes, FRAME_MAGIC);
    store_u32(bytes + 4, head->size);
    store_u64(bytes + 8, head->sequence);
    store_u64(bytes + 16, head->journal_id);
    store_u32(bytes + 24, head->entry_count);
    store_u32(bytes + 28, head->previous_crc);
    store_u32(bytes + CRC_POSITION, head->crc);
    store_u32(bytes + 36, head->entries_size);
}

/* ---- appending ---- */

static struct journal_round *open_round(struct journal *journal)
{
    return &journal->rounds[journal->open];
}

static struct journal_round *sent_round(struct journal *journal)
{
    return &journal->rounds[1 - journal->open];
}

/* Whether what is appended next goes into the round's last piece. */
static bool adjoins(struct journal *journal)
{
    const struct journal_round *round = open_round(journal);

    return round->piece_count > 0 && round->chunks[round->piece_count - 1] == journal->chunk;
}

/* Sees to it that the current chunk has `size` bytes left and the round a piece for them. False: no memory. */
static bool make_room(struct journal *journal, uint32_t size)
{
    const bool full = open_round(journal)->piece_count == JOURNAL_ROUND_PIECES_MAX;

    if (journal->chunk != CHUNK_NONE && tail_chunk_size(journal->tail, journal->chunk) - journal->chunk_used >= size) {
        return !full || adjoins(journal);
    }
    if (full) return false;
    const uint32_t chunk = tail_take(journal->tail, size);
    if (chunk == CHUNK_NONE) return false;
    if (journal->chunk != CHUNK_NONE) tail_unpin(journal->tail, journal->chunk);
    journal->chunk = chunk;
    journal->chunk_used = 0;
    return true;
}

/* The next `size` bytes of the round, contiguous. NULL: no memory. */
static uint8_t *extend(struct journal *journal, uint32_t size)
{
    struct journal_round *round = open_round(journal);

    if (!make_room(journal, size)) return NULL;
    uint8_t *memory = tail_data(journal->tail, journal->chunk) + journal->chunk_used;
    if (adjoins(journal)) {
        round->pieces[round->piece_count - 1].size += size;
    } else {
        tail_pin(journal->tail, journal->chunk);
        round->chunks[round->piece_count] = journal->chunk;
        round->pieces[round->piece_count++] = (struct piece){ .data = memory, .size = size };
    }
    journal->chunk_used += size;
    round->size += size;
    return memory;
}

uint8_t *journal_append(struct journal *journal, uint16_t kind, uint32_t size, uint32_t *chunk)
{
    CHECK(journal->opening.state == OPEN_DONE);
    struct journal_round *round = open_round(journal);
    const bool first = round->entry_count == 0;
    const uint64_t wanted =
        JOURNAL_ENTRY_HEAD_SIZE + ((uint64_t)size + 7) / 8 * 8 + (first ? JOURNAL_FRAME_HEAD_SIZE : 0);
    if (round->size + wanted > journal->config.round_size_max) return NULL;
    uint8_t *memory = extend(journal, (uint32_t)wanted);
    if (memory == NULL) return NULL;

    if (first) memory += JOURNAL_FRAME_HEAD_SIZE;
    store_u32(memory, size);
    store_u16(memory + 4, kind);
    store_u16(memory + 6, 0);
    memory += JOURNAL_ENTRY_HEAD_SIZE;
    memset(memory + size, 0, (8 - size % 8) % 8);
    round->entry_count++;
    *chunk = journal->chunk;
    return memory;
}

bool journal_reserve(struct journal *journal, uint32_t size)
{
    CHECK(journal->opening.state == OPEN_DONE);
    const struct journal_round *round = open_round(journal);
    const uint64_t wanted = (uint64_t)size + (round->entry_count == 0 ? JOURNAL_FRAME_HEAD_SIZE : 0);

    return round->size + wanted <= journal->config.round_size_max && make_room(journal, (uint32_t)wanted);
}

uint64_t journal_open_sequence(const struct journal *journal)
{
    return journal->rounds[journal->open].sequence;
}

uint64_t journal_last_sequence(const struct journal *journal)
{
    const struct journal_round *round = &journal->rounds[journal->open];

    return round->entry_count > 0 ? round->sequence : round->sequence - 1;
}

uint64_t journal_durable_sequence(const struct journal *journal)
{
    return journal->durable_sequence;
}

bool journal_is_busy(const struct journal *journal)
{
    return journal->sending || journal->rounds[journal->open].entry_count > 0;
}

/* ---- files ---- */

/* Whether a file has a frame that is still needed; a spare one, of zeros, has none at all. */
bool file_holds(const struct journal_file *file, uint64_t released_sequence)
{
    return file->first_sequence != 0 && file->last_sequence >= released_sequence;
}

/* The file that a roll goes on in: one whose frames are all released, else a new one. */
static uint32_t next_file(const struct journal *journal)
{
    const uint64_t released = MUTANT(journal_overwrites_unreleased) ? UINT64_MAX : journal->released_sequence;
    uint32_t unborn = FILE_NONE;

    for (uint32_t step = 1; step <= journal->config.files_max; step++) {
        const uint32_t file = (journal->file + step) % journal->config.files_max;
        if (file == journal->file) continue;
        if (journal->files[file].exists && !file_holds(&journal->files[file], released)) return file;
        const bool reserved = journal->spare != SPARE_IDLE && journal->spare_file == file;
        if (!journal->files[file].exists && !reserved && unborn == FILE_NONE) unborn = file;
    }
    return unborn;
}

bool journal_has_space(const struct journal *journal)
{
    return journal->file_position + journal->config.round_size_max <= journal->config.file_size ||
           next_file(journal) != FILE_NONE;
}

/* Where the round of `size` bytes goes; false if every file holds something that is needed. */
static bool place_round(struct journal *journal, uint32_t size, struct effects *effects)
{
    if (journal->file_position + size <= journal->config.file_size) return true;
    const uint32_t file = next_file(journal);
    if (file == FILE_NONE) return false;
    if (!journal->files[file].exists) journal->name_not_durable = true;
    if (!journal->files[file].exists) journal->files[file].written_size = 0;
    journal->files[file].exists = true;
    journal->files[file].first_sequence = 0;
    journal->files[file].last_sequence = 0;
    journal->spare_refused = false;
    journal->file = file;
    journal->file_position = 0;
    NOTE(effects, JOURNAL_ROLLED, file, (int64_t)open_round(journal)->sequence);
    return true;
}

/* Fills the frame's head and padding, which the checksum covers. */
static uint32_t seal(struct journal *journal, struct journal_round *round)
{
    const uint32_t size = (round->size + JOURNAL_BLOCK_SIZE - 1) / JOURNAL_BLOCK_SIZE * JOURNAL_BLOCK_SIZE;
    uint8_t *bytes = tail_data(journal->tail, round->chunks[0]) +
                     (round->pieces[0].data - tail_data(journal->tail, round->chunks[0]));
    struct frame_head head = {
        .size = size,
        .sequence = round->sequence,
        .journal_id = journal->id,
        .entry_count = round->entry_count,
        .previous_crc = journal->last_crc,
        .entries_size = round->size - JOURNAL_FRAME_HEAD_SIZE,
    };
    frame_head_write(bytes, &head);
    if (size > round->size) {
        round->pieces[round->piece_count++] =
            (struct piece){ .data = journal->zeros[0].data, .size = size - round->size };
    }
    for (uint32_t i = 0; i < round->piece_count; i++) {
        head.crc = crc32c(head.crc, round->pieces[i].data, round->pieces[i].size);
    }
    frame_head_write(bytes, &head);
    journal->last_crc = head.crc;
    return size;
}

/* To sync what is written for the first time costs twice as much as to sync it again. So a small round that makes the
 * file grow takes zeros with it, for those that follow. */
static void write_ahead(struct journal *journal, struct journal_round *round, uint32_t size)
{
    struct journal_file *file = &journal->files[journal->file];
    const uint64_t end = journal->file_position + size;
    const uint64_t grown = MIN((end + AHEAD_SIZE - 1) / AHEAD_SIZE * AHEAD_SIZE, (uint64_t)journal->config.file_size);

    if (end <= file->written_size) return;
    file->written_size = end;
    if (size > AHEAD_SIZE / 4) return; /* there it would be many zeros for little */
    while (file->written_size < grown) {
        const uint32_t zeros_size = (uint32_t)MIN(grown - file->written_size, (uint64_t)ZEROS_SIZE);
        round->pieces[round->piece_count++] = (struct piece){ .data = journal->zeros[0].data, .size = zeros_size };
        file->written_size += zeros_size;
    }
}

static void write_round(struct journal *journal, struct effects *effects)
{
    const struct journal_round *round = sent_round(journal);
    const char *path = journal->files[journal->file].path;
    const uint64_t attempt = (uint64_t)++journal->attempt << 8;

    effects_add(effects, EFFECT_WRITE)->write = (struct effect_write){
        .op = journal_op(journal, JOURNAL_OP_WRITE) | attempt,
        .path = path,
        .position =
            journal->file_position - (round->size + JOURNAL_BLOCK_SIZE - 1) / JOURNAL_BLOCK_SIZE * JOURNAL_BLOCK_SIZE,
        .pieces = round->pieces,
        .piece_count = round->piece_count,
        .urgent = true,
    };
    effects_add(effects, EFFECT_SYNC)->sync =
        (struct effect_sync){ .op = journal_op(journal, JOURNAL_OP_SYNC) | attempt, .path = path, .urgent = true };
}

void journal_commit(struct journal *journal, struct effects *effects)
{
    struct journal_round *round = open_round(journal);
    if (journal->opening.state != OPEN_DONE) return;
    journal_prepare_spare(journal, effects);
    if (journal->sending || round->entry_count == 0 || effects_space(effects) < 3) return;
    const uint32_t size = (round->size + JOURNAL_BLOCK_SIZE - 1) / JOURNAL_BLOCK_SIZE * JOURNAL_BLOCK_SIZE;
    journal->exhausted = !place_round(journal, size, effects);
    if (journal->exhausted) return;

    seal(journal, round);
    write_ahead(journal, round, size);
    struct journal_file *file = &journal->files[journal->file];
    file->exists = true;
    if (file->first_sequence == 0) file->first_sequence = round->sequence;
    file->last_sequence = round->sequence;
    journal->file_position += size;
    journal->sending = true;
    journal->open = 1 - journal->open;
    struct journal_round *next = open_round(journal); /* its pieces are set as they come: they are many */
    next->sequence = round->sequence + 1;
    next->size = next->entry_count = next->piece_count = 0;
    write_round(journal, effects);
    journal_check(journal);
}

uint32_t journal_ready_size(const struct journal *journal)
{
    return journal->sending ? 0 : journal->rounds[journal->open].size;
}

/* ---- answers ---- */

static enum journal_verdict round_is_durable(struct journal *journal)
{
    struct journal_round *round = sent_round(journal);

    for (uint32_t i = 0; i < round->piece_count; i++) {
        if (round->pieces[i].data != journal->zeros[0].data) tail_unpin(journal->tail, round->chunks[i]);
    }
    journal->durable_sequence = round->sequence;
    journal->sending = false;
    round->piece_count = 0;
    journal_check(journal);
    return JOURNAL_DURABLE;
}

static enum journal_verdict on_written(struct journal *journal, const struct event_disk *disk, struct effects *effects)
{
    if (disk->result == DISK_FULL) {
        NOTE(effects, JOURNAL_FULL);
        journal->stalled = true;
        return JOURNAL_STALLED;
    }
    if (disk->result != DISK_DONE) return JOURNAL_BROKEN;
    if (MUTANT(journal_durable_when_written)) return round_is_durable(journal);
    return JOURNAL_KEPT;
}

static enum journal_verdict on_synced(struct journal *journal, const struct event_disk *disk, struct effects *effects)
{
    const bool refused = journal->stalled || (disk->op >> 8 & UINT32_MAX) != journal->attempt;
    const bool stale = refused && !MUTANT(sync_of_a_failed_write_counts);

    /* A failed sync may have dropped what it could not write and marked it clean: nothing is known any more, whatever
     * round it was for, and a second sync would only lie (Can Applications Recover from fsync Failures?, ATC '20). */
    if (disk->result == DISK_NOT_FOUND && stale) return JOURNAL_KEPT; /* its write found no space to make the file */
    if (disk->result != DISK_DONE && !MUTANT(journal_ignores_failed_sync)) return JOURNAL_BROKEN;
    if (!journal->sending || stale) return JOURNAL_KEPT;
    if (journal->name_not_durable && !MUTANT(journal_name_not_synced)) {
        /* A synced file whose name is lost is lost. */
        effects_add(effects, EFFECT_FILE)->file =
            (struct effect_file){ .op = journal_op(journal, JOURNAL_OP_SYNC_DIRECTORY),
                                  .action = FILE_SYNC_DIRECTORY,
                                  .path = journal->config.directory };
        return JOURNAL_KEPT;
    }
    return round_is_durable(journal);
}

static enum journal_verdict on_name_synced(struct journal *journal, const struct event_disk *disk)
{
    if (disk->result != DISK_DONE) return JOURNAL_BROKEN;
    journal->name_not_durable = false;
    return round_is_durable(journal);
}

enum journal_verdict journal_on_disk(struct journal *journal, const struct event *event, struct effects *effects)
{
    const enum journal_op op = (enum journal_op)(event->disk.op & 0xff);

    switch (op) {
    case JOURNAL_OP_WRITE: return on_written(journal, &event->disk, effects);
    case JOURNAL_OP_SYNC: return on_synced(journal, &event->disk, effects);
    case JOURNAL_OP_SYNC_DIRECTORY: return on_name_synced(journal, &event->disk);
    case JOURNAL_OP_SPARE: return journal_spare_on_disk(journal, &event->disk, effects);
    case JOURNAL_OP_OPEN: journal_opening_on_disk(journal, &event->disk, effects); return JOURNAL_KEPT;
    }
    CHECK(false);
    return JOURNAL_BROKEN;
}

bool journal_is_stalled(const struct journal *journal)
{
    return journal->stalled || journal->exhausted;
}

void journal_retry(struct journal *journal, struct effects *effects)
{
    if (!journal->stalled || effects_space(effects) < 2) return;
    journal->stalled = false;
    write_round(journal, effects);
    NOTE(effects, JOURNAL_RETRIED, (int64_t)sent_round(journal)->sequence);
}

void journal_release(struct journal *journal, uint64_t sequence)
{
    CHECK(sequence <= journal->durable_sequence + 1);
    if (journal->released_sequence < sequence) journal->released_sequence = sequence;
}

struct journal_usage journal_usage(const struct journal *journal)
{
    struct journal_usage usage = { 0, (uint64_t)journal->config.files_max * journal->config.file_size };

    for (uint32_t file = 0; file < journal->config.files_max; file++) {
        if (!file_holds(&journal->files[file], journal->released_sequence)) continue;
        usage.used_size += file == journal->file ? journal->file_position : journal->config.file_size;
    }
    return usage;
}

void journal_check(const struct journal *journal)
{
    const struct journal_round *open = &journal->rounds[journal->open];
    const struct journal_round *sent = &journal->rounds[1 - journal->open];

    if (journal->opening.state != OPEN_DONE) return;   /* the frames that say so are still being read */
    CHECK(journal->durable_sequence < open->sequence); /* (1) */
    if (journal->sending) CHECK(sent->sequence == journal->durable_sequence + 1); /* (1) */
    if (journal->sending) CHECK(open->sequence == sent->sequence + 1);            /* (1) */
    CHECK(journal->released_sequence <= journal->durable_sequence + 1);           /* (2) */
    CHECK(journal->file_position <= journal->config.file_size);
}
