/* journal_spare.c -- a file of zeros in reserve.
 *
 * A sync of space that was written before is several times cheaper than one of a file that grows. So while no file
 * waits to be overwritten, the next one is written full of zeros behind the scenes, under another name, in small
 * steps; it gets its number by a rename when all of it is on disk.
 *
 * Not at once: the syncs of a start, and of whoever begins to use a new node, would wait for all those zeros, and a
 * node that is hardly used never needs them. The rest of the file that is being filled is time enough. */
#include "base/check.h"
#include "wal/journal_state.h"

enum { SPARE_BEGINS_AT = 8 }; /* when an eighth of the file is filled */

static const uint8_t zeros[ZEROS_SIZE];

void journal_write_zeros_init(struct journal *journal)
{
    for (uint32_t i = 0; i < ZERO_PIECES_MAX; i++) {
        journal->zeros[i] = (struct piece){ .data = zeros, .size = ZEROS_SIZE };
    }
}

static void write_step(struct journal *journal, struct effects *effects)
{
    const uint64_t left = journal->config.file_size - journal->spare_position;
    const uint32_t whole = (uint32_t)MIN(left / ZEROS_SIZE, (uint64_t)ZERO_PIECES_MAX);
    /* Every piece but the last is the whole array; so a file smaller than one, or its odd end, is one shorter piece. */
    journal->zeros[0].size = whole > 0 ? ZEROS_SIZE : (uint32_t)left;
    effects_add(effects, EFFECT_WRITE)->write = (struct effect_write){
        .op = journal_op(journal, JOURNAL_OP_SPARE),
        .path = journal->spare_path,
        .position = journal->spare_position,
        .pieces = journal->zeros,
        .piece_count = MAX(whole, 1U),
    };
    journal->spare_position += whole > 0 ? (uint64_t)whole * ZEROS_SIZE : left;
}

static void order_file(struct journal *journal, enum file_action action, struct effects *effects)
{
    effects_add(effects, EFFECT_FILE)->file = (struct effect_file){
        .op = journal_op(journal, JOURNAL_OP_SPARE),
        .action = action,
        .path = action == FILE_SYNC_DIRECTORY ? journal->config.directory : journal->spare_path,
        .to = action == FILE_RENAME ? journal->files[journal->spare_file].path : NULL,
    };
}

/* A number that no file has, if none waits to be overwritten; else FILE_NONE: there is nothing to do. */
static uint32_t wanted_file(const struct journal *journal)
{
    uint32_t unborn = FILE_NONE;

    for (uint32_t file = 0; file < journal->config.files_max; file++) {
        const struct journal_file *state = &journal->files[file];
        if (file == journal->file) continue;
        if (!state->exists) unborn = MIN(unborn, file);
        else if (!file_holds(state, journal->released_sequence)) return FILE_NONE;
    }
    return unborn;
}

void journal_prepare_spare(struct journal *journal, struct effects *effects)
{
    if (journal->spare != SPARE_IDLE || journal->spare_refused || effects_space(effects) < 4) return;
    if (journal->file_position < journal->config.file_size / SPARE_BEGINS_AT) return;
    journal->spare_file = wanted_file(journal);
    if (journal->spare_file == FILE_NONE) {
        journal->spare_refused = true; /* until a roll changes the picture: no need to look at every step */
        return;
    }
    journal->spare = SPARE_WRITING;
    journal->spare_position = 0;
    write_step(journal, effects);
}

enum journal_verdict journal_spare_on_disk(struct journal *journal, const struct event_disk *disk,
                                           struct effects *effects)
{
    if (disk->result == DISK_FULL && journal->spare == SPARE_WRITING) {
        journal->spare = SPARE_UNLINKING;
        order_file(journal, FILE_UNLINK, effects);
        return JOURNAL_KEPT;
    }
    if (disk->result != DISK_DONE && journal->spare != SPARE_UNLINKING) return JOURNAL_BROKEN;

    switch (journal->spare) {
    case SPARE_IDLE: CHECK(false); break;
    case SPARE_WRITING:
        if (journal->spare_position < journal->config.file_size) {
            write_step(journal, effects);
            break;
        }
        journal->spare = SPARE_SYNCING;
        effects_add(effects, EFFECT_SYNC)->sync =
            (struct effect_sync){ .op = journal_op(journal, JOURNAL_OP_SPARE), .path = journal->spare_path };
        break;
    case SPARE_SYNCING:
        journal->spare = SPARE_RENAMING;
        order_file(journal, FILE_RENAME, effects);
        break;
    case SPARE_RENAMING:
        journal->spare = SPARE_SYNCING_DIRECTORY;
        order_file(journal, FILE_SYNC_DIRECTORY, effects);
        break;
    case SPARE_SYNCING_DIRECTORY:
        journal->files[journal->spare_file].exists = true;
        journal->files[journal->spare_file].written_size = journal->config.file_size;
        journal->spare = SPARE_IDLE;
        break;
    case SPARE_UNLINKING:
        journal->spare_refused = true;
        journal->spare = SPARE_IDLE;
        break;
    }
    return JOURNAL_KEPT;
}
