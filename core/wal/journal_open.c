/* journal_open.c -- what is in the journal after a start?
 *
 * The files' first frames say in which order they were written. From the newest file that begins at or before the
 * frame that is needed first, frames are followed as a chain: next sequence, our id, the checksum of the one before.
 * Where the chain ends is the end of the journal, if that can be the work of a crash: at most one round is under way,
 * so behind a torn frame there is never a later one, be it in the same file or in the one that the torn frame began.
 * If there is, something durable was damaged, and going on would lose it: the node halts.
 *
 * What was read may still be only in the page cache: the process was killed and the machine was not, or its last sync
 * failed, which marks pages clean that the disk never got. Only the last frame can be such a one, since every round
 * waits for the sync of the one before. So it is written again and synced before anything built on it is promised. */
#include "base/check.h"
#include "base/crc32c.h"
#include "wal/journal_state.h"

static void fail(struct journal *journal, enum halt_reason reason, const char *path)
{
    journal->opening.state = OPEN_FAILED;
    journal->opening.halt = (struct effect_halt){ reason, path };
}

static void corrupt(struct journal *journal, uint64_t position, struct effects *effects)
{
    NOTE(effects, JOURNAL_CORRUPT, journal->opening.file, (int64_t)position, (int64_t)journal->opening.next_sequence);
    fail(journal, HALT_CORRUPT, journal->files[journal->opening.file].path);
}

static void order_list(struct journal *journal, struct effects *effects)
{
    effects_add(effects, EFFECT_FILE)->file = (struct effect_file){
        .op = journal_op(journal, JOURNAL_OP_OPEN),
        .action = FILE_LIST,
        .path = journal->config.directory,
        .to = journal->opening.last_name,
        .size = journal->buffer_size,
        .into = journal->buffer,
    };
    journal->opening.waits = true;
}

static void order_read(struct journal *journal, uint32_t file, uint64_t position, uint8_t *into, uint32_t size,
                       struct effects *effects)
{
    effects_add(effects, EFFECT_READ)->read = (struct effect_read){
        .op = journal_op(journal, JOURNAL_OP_OPEN),
        .path = journal->files[file].path,
        .position = position,
        .into = into,
        .size = size,
    };
    journal->opening.waits = true;
}

void journal_open(struct journal *journal, uint64_t sequence_min, struct effects *effects)
{
    CHECK(journal->opening.state == OPEN_NOT);
    journal->opening.sequence_min = sequence_min;
    journal->released_sequence = sequence_min;
    journal->opening.state = OPEN_LISTING;
    order_list(journal, effects);
}

/* ---- which files there are ---- */

/* The number in "journal-<n>"; FILE_NONE for any other name. */
static uint32_t file_number(struct bytes name)
{
    static const struct bytes prefix = { (const uint8_t *)"journal-", 8 };
    uint32_t number = 0;

    if (name.size <= prefix.size || name.size > prefix.size + 2) return FILE_NONE;
    if (memcmp(name.data, prefix.data, prefix.size) != 0) return FILE_NONE;
    for (uint32_t i = prefix.size; i < name.size; i++) {
        if (name.data[i] < '0' || name.data[i] > '9') return FILE_NONE;
        number = number * 10 + (uint32_t)(name.data[i] - '0');
    }
    return number < JOURNAL_FILES_MAX ? number : FILE_NONE;
}

/* True if a spare was left behind by a crash. Remembers the last name seen, for a further page. */
static bool take_names(struct journal *journal, uint32_t size)
{
    struct journal_opening_state *opening = &journal->opening;
    bool spare = false;

    for (uint32_t at = 0; at + FILE_ENTRY_HEAD_SIZE <= size;) {
        const uint8_t *entry = journal->buffer + at;
        const struct bytes name = { entry + FILE_ENTRY_HEAD_SIZE, load_u16(entry + 9) };
        const uint32_t number = file_number(name);
        if (number != FILE_NONE) {
            journal->files[number].exists = true;
            journal->files[number].written_size = load_u64(entry);
        }
        if (bytes_equal(name, BYTES_LITERAL("spare"))) spare = true;
        const uint32_t kept = MIN(name.size, (uint32_t)sizeof opening->last_name - 1);
        memcpy(opening->last_name, name.data, kept);
        opening->last_name[kept] = 0;
        at += FILE_ENTRY_HEAD_SIZE + name.size;
    }
    return spare;
}

static uint32_t next_existing(const struct journal *journal, uint32_t from)
{
    while (from < JOURNAL_FILES_MAX && !journal->files[from].exists) from++;
    return from;
}

/* ---- where the chain begins ---- */

static void begin_file(struct journal *journal, uint32_t file)
{
    struct journal_opening_state *opening = &journal->opening;

    opening->file = file;
    opening->buffer_position = 0;
    opening->buffer_begin = 0;
    opening->buffer_end = 0;
    opening->file_ended = false;
}

/* The newest file that begins at or before the first frame that is needed, else the oldest of all. */
static uint32_t first_file(const struct journal *journal)
{
    uint32_t newest_before = FILE_NONE, oldest = FILE_NONE;

    for (uint32_t file = 0; file < JOURNAL_FILES_MAX; file++) {
        const uint64_t first = journal->files[file].first_sequence;
        if (first == 0) continue;
        if (oldest == FILE_NONE || first < journal->files[oldest].first_sequence) oldest = file;
        if (first > journal->opening.sequence_min) continue;
        if (newest_before == FILE_NONE || first > journal->files[newest_before].first_sequence) newest_before = file;
    }
    return newest_before != FILE_NONE ? newest_before : oldest;
}

static void order_sync(struct journal *journal, uint32_t file, struct effects *effects)
{
    journal->opening.state = OPEN_SYNCING;
    journal->opening.waits = true;
    effects_add(effects, EFFECT_SYNC)->sync = (struct effect_sync){ .op = journal_op(journal, JOURNAL_OP_OPEN),
                                                                    .path = journal->files[file].path,
                                                                    .urgent = true };
}

static void order_rewrite(struct journal *journal, struct effects *effects)
{
    struct journal_opening_state *opening = &journal->opening;

    opening->state = OPEN_WRITING_AGAIN;
    opening->waits = true;
    opening->last_frame = (struct piece){ .data = journal->buffer, .size = opening->last_size };
    effects_add(effects, EFFECT_WRITE)->write = (struct effect_write){
        .op = journal_op(journal, JOURNAL_OP_OPEN),
        .path = journal->files[opening->last_file].path,
        .position = opening->last_position,
        .pieces = &opening->last_frame,
        .piece_count = 1,
        .urgent = true,
    };
}

/* The journal ends before `position` of the file being read: appends go on there. */
static void settle(struct journal *journal, uint64_t position, struct effects *effects)
{
    struct journal_opening_state *opening = &journal->opening;
    const uint64_t sequence = MAX(opening->next_sequence, 1UL);

    if (sequence < opening->sequence_min) {
        corrupt(journal, position, effects); /* frames that a checkpoint has seen durable are missing */
        return;
    }
    journal->file = opening->file;
    journal->file_position = MIN(position, (uint64_t)journal->config.file_size); /* files may be smaller from now on */
    journal->durable_sequence = sequence - 1;
    journal->rounds[journal->open].sequence = sequence;
    journal->last_crc = opening->next_crc;
    journal->name_not_durable = !journal->files[journal->file].exists;
    if (opening->last_size > 0 && !MUTANT(journal_trusts_page_cache)) {
        opening->state = OPEN_READING_AGAIN;
        order_read(journal, opening->last_file, opening->last_position, journal->buffer, opening->last_size, effects);
    } else if (journal->files[journal->file].exists) {
        order_sync(journal, journal->file, effects);
    } else {
        opening->state = OPEN_DONE;
    }
}

static void begin_chain(struct journal *journal, struct effects *effects)
{
    struct journal_opening_state *opening = &journal->opening;
    const uint32_t file = first_file(journal);

    if (file == FILE_NONE) {
        opening->file = 0;
        settle(journal, 0, effects);
        return;
    }
    opening->state = OPEN_READING;
    opening->next_sequence = journal->files[file].first_sequence;
    begin_file(journal, file);
    if (opening->next_sequence > MAX(opening->sequence_min, 1UL)) corrupt(journal, 0, effects);
}

/* ---- following it ---- */

/* Reads on, keeping what is not dealt with at the buffer's front. */
static void read_more(struct journal *journal, struct effects *effects)
{
    struct journal_opening_state *opening = &journal->opening;
    const uint32_t kept = opening->buffer_end - opening->buffer_begin;

    if (kept > 0) memmove(journal->buffer, journal->buffer + opening->buffer_begin, kept);
    opening->buffer_position += opening->buffer_begin;
    opening->buffer_begin = 0;
    opening->buffer_end = kept;
    const uint32_t size = MIN((uint32_t)READ_STEP_SIZE, journal->buffer_size - kept);
    order_read(journal, opening->file, opening->buffer_position + kept, journal->buffer + kept, size, effects);
}

static bool frame_is_whole(const uint8_t *frame, const struct frame_head *head)
{
    static const uint8_t no_crc[4];
    uint32_t crc = crc32c(0, frame, 32);
    crc = crc32c(crc, no_crc, sizeof no_crc);
    crc = crc32c(crc, frame + 36, head->size - 36);
    return crc == head->crc || MUTANT(journal_trusts_frames);
}

/* Read once more, is the last frame what it was? What is wrong would become durable. */
static bool last_frame_is_whole(const struct journal *journal, uint32_t size)
{
    struct frame_head head;

    if (size != journal->opening.last_size || !frame_head_read(journal->buffer, &head)) return false;
    return head.size == size && head.crc == journal->last_crc && frame_is_whole(journal->buffer, &head);
}

/* The chain ends in the file being read. Either it goes on in another file, or the journal ends here. */
static void break_chain(struct journal *journal, struct effects *effects)
{
    struct journal_opening_state *opening = &journal->opening;
    const uint64_t position = opening->buffer_position + opening->buffer_begin;
    /* Two files that begin alike are no crash's work. Each gets its chance, once: in the order of their numbers. */
    const bool begins_here = position == 0 && journal->files[opening->file].first_sequence == opening->next_sequence;
    bool later = false;

    for (uint32_t file = 0; file < JOURNAL_FILES_MAX; file++) {
        const uint64_t first = journal->files[file].first_sequence;
        if (file == opening->file || first < opening->next_sequence) continue;
        if (first > opening->next_sequence) {
            later = true;
        } else if (!begins_here || file > opening->file) {
            begin_file(journal, file);
            return;
        }
    }
    if (later) {
        corrupt(journal, position, effects);
        return;
    }
    opening->state = OPEN_PROBING;
    opening->end_file = opening->file;
    opening->end_position = position;
    opening->probe_end = position + journal->config.round_size_max + JOURNAL_BLOCK_SIZE;
}

static void accept(struct journal *journal, const struct frame_head *head)
{
    struct journal_opening_state *opening = &journal->opening;
    struct journal_file *file = &journal->files[opening->file];

    opening->next_sequence = head->sequence + 1;
    opening->next_crc = head->crc;
    opening->crc_known = true;
    file->last_sequence = head->sequence;
    opening->last_file = opening->file;
    opening->last_position = opening->buffer_position + opening->buffer_begin;
    opening->last_size = head->size;
    if (head->sequence < opening->sequence_min) {
        opening->buffer_begin += head->size;
        return;
    }
    opening->frame_accepted = true;
    opening->frame_size = head->size;
    opening->entry_position = JOURNAL_FRAME_HEAD_SIZE;
    opening->entries_left = head->entry_count;
}

/* Looks at the next frame: accepts it, asks for more bytes, or ends the chain. */
static void follow(struct journal *journal, struct effects *effects)
{
    struct journal_opening_state *opening = &journal->opening;
    const uint32_t available = opening->buffer_end - opening->buffer_begin;
    const uint8_t *frame = journal->buffer + opening->buffer_begin;
    struct frame_head head;

    if (available < JOURNAL_BLOCK_SIZE) {
        if (opening->file_ended) break_chain(journal, effects);
        else read_more(journal, effects);
        return;
    }
    const bool ours = frame_head_read(frame, &head) && head.journal_id == journal->id &&
                      head.sequence == opening->next_sequence &&
                      (!opening->crc_known || head.previous_crc == opening->next_crc);
    if (!ours) {
        break_chain(journal, effects);
    } else if (head.size > journal->config.round_size_max) {
        fail(journal, HALT_FOREIGN, journal->files[opening->file].path); /* written under larger limits than ours */
    } else if (available < head.size) {
        if (opening->file_ended) break_chain(journal, effects);
        else read_more(journal, effects);
    } else if (!frame_is_whole(frame, &head)) {
        break_chain(journal, effects);
    } else {
        accept(journal, &head);
    }
}

/* The next file that gave no frame to the chain: the round behind its last one may have begun there. */
static uint32_t next_unread(const struct journal *journal, uint32_t from)
{
    while (from < JOURNAL_FILES_MAX && (!journal->files[from].exists || journal->files[from].last_sequence > 0 ||
                                        from == journal->opening.end_file)) {
        from++;
    }
    return from;
}

/* A spare was never written to: as far as a step reads, it is zeros. */
static bool is_blank(const struct journal *journal)
{
    const struct journal_opening_state *opening = &journal->opening;

    if (opening->file == opening->end_file || opening->buffer_position > 0 || opening->buffer_end == 0) return false;
    for (uint32_t at = 0; at < opening->buffer_end; at++) {
        if (journal->buffer[at] != 0) return false;
    }
    return true;
}

/* Nothing behind the break. Then the same in files whose first frame, if it was the missing one, is damaged. */
static void probe_on(struct journal *journal, struct effects *effects)
{
    struct journal_opening_state *opening = &journal->opening;
    const uint32_t file = next_unread(journal, opening->file == opening->end_file ? 0 : opening->file + 1);

    if (file < JOURNAL_FILES_MAX) {
        begin_file(journal, file);
        opening->probe_end = journal->config.round_size_max + JOURNAL_BLOCK_SIZE;
        return;
    }
    opening->file = opening->end_file;
    if (opening->end_position < journal->config.file_size) {
        NOTE(effects, JOURNAL_TORN, (int64_t)opening->next_sequence, opening->file, (int64_t)opening->end_position);
    }
    settle(journal, opening->end_position, effects);
}

/* Is there a frame behind the break that was written after the missing one was durable? */
static void probe(struct journal *journal, struct effects *effects)
{
    struct journal_opening_state *opening = &journal->opening;

    while (opening->buffer_end - opening->buffer_begin >= JOURNAL_BLOCK_SIZE) {
        struct frame_head head;
        const uint64_t position = opening->buffer_position + opening->buffer_begin;
        if (position >= opening->probe_end) break;
        /* Where the missing round would begin no later one can. A write that found no space may have left some bytes of
         * its head there, which make a sequence that never was with what they were written over. */
        const bool missing = opening->file == opening->end_file && position == opening->end_position;
        const bool ours = !missing && frame_head_read(journal->buffer + opening->buffer_begin, &head) &&
                          head.journal_id == journal->id;
        if (ours && head.sequence > opening->next_sequence) {
            corrupt(journal, position, effects);
            return;
        }
        opening->buffer_begin += JOURNAL_BLOCK_SIZE;
        if (!ours || head.sequence == opening->next_sequence || opening->file == opening->end_file) continue;
        /* An old frame: had the missing round been written as a whole, the first one behind it would be newer. */
        probe_on(journal, effects);
        return;
    }
    const uint64_t position = opening->buffer_position + opening->buffer_begin;
    if (!opening->file_ended && position < opening->probe_end && !is_blank(journal)) read_more(journal, effects);
    else probe_on(journal, effects);
}

static enum journal_opening give_entry(struct journal *journal, struct journal_entry *entry, struct effects *effects)
{
    struct journal_opening_state *opening = &journal->opening;
    const uint8_t *frame = journal->buffer + opening->buffer_begin;
    const uint8_t *head = frame + opening->entry_position;
    const uint64_t left = opening->frame_size - opening->entry_position;
    const uint64_t size = left < JOURNAL_ENTRY_HEAD_SIZE ? 0 : load_u32(head);

    if (left < JOURNAL_ENTRY_HEAD_SIZE || size > left - JOURNAL_ENTRY_HEAD_SIZE) {
        corrupt(journal, opening->buffer_position + opening->buffer_begin, effects);
        return JOURNAL_OPENING_FAILED;
    }
    *entry = (struct journal_entry){ .sequence = opening->next_sequence - 1,
                                     .kind = load_u16(head + 4),
                                     .payload = { head + JOURNAL_ENTRY_HEAD_SIZE, (uint32_t)size } };
    opening->entry_position += JOURNAL_ENTRY_HEAD_SIZE + (uint32_t)((size + 7) / 8 * 8);
    opening->entries_left--;
    return JOURNAL_OPENING_ENTRY;
}

enum journal_opening journal_opening_next(struct journal *journal, struct journal_entry *entry, struct effects *effects)
{
    struct journal_opening_state *opening = &journal->opening;

    for (;;) {
        if (opening->state == OPEN_FAILED) return JOURNAL_OPENING_FAILED;
        if (opening->state == OPEN_DONE) return JOURNAL_OPENING_DONE;
        if (opening->waits) return JOURNAL_OPENING_WAITS;
        if (opening->state == OPEN_PROBING) {
            probe(journal, effects);
        } else if (opening->frame_accepted && opening->entries_left > 0) {
            return give_entry(journal, entry, effects);
        } else if (opening->frame_accepted) {
            opening->frame_accepted = false;
            opening->buffer_begin += opening->frame_size;
        } else {
            CHECK(opening->state == OPEN_READING);
            follow(journal, effects);
        }
    }
}

/* ---- answers ---- */

static void order_head(struct journal *journal, struct effects *effects)
{
    struct journal_opening_state *opening = &journal->opening;

    opening->head_file = next_existing(journal, opening->head_file);
    if (opening->head_file == JOURNAL_FILES_MAX) {
        begin_chain(journal, effects);
        return;
    }
    opening->state = OPEN_READING_HEADS;
    order_read(journal, opening->head_file, 0, journal->buffer, JOURNAL_BLOCK_SIZE, effects);
}

static void on_listed(struct journal *journal, const struct event_disk *disk, struct effects *effects)
{
    struct journal_opening_state *opening = &journal->opening;

    if (take_names(journal, disk->size)) {
        opening->state = OPEN_UNLINKING_SPARE;
        opening->waits = true;
        effects_add(effects, EFFECT_FILE)->file = (struct effect_file){ .op = journal_op(journal, JOURNAL_OP_OPEN),
                                                                        .action = FILE_UNLINK,
                                                                        .path = journal->spare_path };
        return; /* "spare" sorts after every other name of ours: the list has ended */
    }
    if (disk->more) order_list(journal, effects);
    else order_head(journal, effects);
}

static void on_head(struct journal *journal, const struct event_disk *disk, struct effects *effects)
{
    struct journal_opening_state *opening = &journal->opening;
    struct frame_head head;

    if (disk->size == JOURNAL_BLOCK_SIZE && frame_head_read(journal->buffer, &head)) {
        /* The first one found tells the id of the journal; a file of another is space to be overwritten. */
        bool known = false;
        for (uint32_t file = 0; file < opening->head_file; file++) known |= journal->files[file].first_sequence > 0;
        if (!known) journal->id = head.journal_id;
        if (head.journal_id == journal->id) journal->files[opening->head_file].first_sequence = head.sequence;
    }
    opening->head_file++;
    order_head(journal, effects);
}

void journal_opening_on_disk(struct journal *journal, const struct event_disk *disk, struct effects *effects)
{
    struct journal_opening_state *opening = &journal->opening;
    CHECK(opening->waits);
    opening->waits = false;
    if (disk->result == DISK_FULL) {
        fail(journal, HALT_DISK_FULL, journal->config.directory);
        return;
    }
    if (disk->result != DISK_DONE && !(opening->state == OPEN_UNLINKING_SPARE && disk->result == DISK_NOT_FOUND)) {
        fail(journal, HALT_DISK_FAILED, journal->config.directory);
        return;
    }
    switch (opening->state) {
    case OPEN_LISTING: on_listed(journal, disk, effects); break;
    case OPEN_UNLINKING_SPARE: order_head(journal, effects); break;
    case OPEN_READING_HEADS: on_head(journal, disk, effects); break;
    case OPEN_READING:
    case OPEN_PROBING:
        opening->buffer_end += disk->size;
        opening->file_ended =
            disk->size < MIN((uint32_t)READ_STEP_SIZE, journal->buffer_size - opening->buffer_end + disk->size);
        break;
    case OPEN_READING_AGAIN:
        if (last_frame_is_whole(journal, disk->size)) order_rewrite(journal, effects);
        else fail(journal, HALT_DISK_FAILED, journal->files[opening->last_file].path);
        break;
    case OPEN_WRITING_AGAIN: order_sync(journal, opening->last_file, effects); break;
    case OPEN_SYNCING:
        opening->state = OPEN_SYNCING_DIRECTORY;
        opening->waits = true;
        effects_add(effects, EFFECT_FILE)->file = (struct effect_file){ .op = journal_op(journal, JOURNAL_OP_OPEN),
                                                                        .action = FILE_SYNC_DIRECTORY,
                                                                        .path = journal->config.directory };
        break;
    case OPEN_SYNCING_DIRECTORY: opening->state = OPEN_DONE; break;
    case OPEN_NOT:
    case OPEN_DONE:
    case OPEN_FAILED: CHECK(false);
    }
}

struct effect_halt journal_opening_halt(const struct journal *journal)
{
    CHECK(journal->opening.state == OPEN_FAILED);
    return journal->opening.halt;
}
