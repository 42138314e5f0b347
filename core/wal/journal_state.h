/* journal_state.h -- the journal's memory, shared by the files of this room that append, open and prepare. */
#ifndef CHRONIK_WAL_JOURNAL_STATE_H
#define CHRONIK_WAL_JOURNAL_STATE_H

#include "wal/journal.h"

enum {
    FILE_NONE = UINT32_MAX,
    FRAME_MAGIC = 0x4348524a, /* "CHRJ" */
    READ_STEP_SIZE = 1 << 20, /* of opening and of preparing a spare file: bounded work between two events */
    ZEROS_SIZE = 16 * 1024,
    ZERO_PIECES_MAX = READ_STEP_SIZE / ZEROS_SIZE,
    AHEAD_SIZE = 64 * 1024, /* a file that grows does so in steps of it, unless rounds are large; see write_ahead() */
    AHEAD_PIECES = AHEAD_SIZE / ZEROS_SIZE,
    NAME_SIZE_MAX = 24, /* "/journal-" and a number */
};

/* Answers are told apart by the low byte of their op. */
enum journal_op {
    JOURNAL_OP_WRITE,
    JOURNAL_OP_SYNC,
    JOURNAL_OP_SYNC_DIRECTORY,
    JOURNAL_OP_SPARE, /* any step of preparing a spare file */
    JOURNAL_OP_OPEN,  /* any step of opening */
};

struct journal_file {
    bool exists;
    uint64_t first_sequence; /* 0: holds no frame that is believed */
    uint64_t last_sequence;
    uint64_t written_size; /* so much of it was written before, if only with zeros */
    char path[PATH_SIZE_MAX];
};

struct journal_round {
    uint64_t sequence;
    uint32_t size; /* with the frame's head, without padding */
    uint32_t entry_count;
    uint32_t piece_count;
    struct piece pieces[JOURNAL_ROUND_PIECES_MAX + 1 + AHEAD_PIECES]; /* more for the padding, and what lies ahead */
    uint32_t chunks[JOURNAL_ROUND_PIECES_MAX];
};

enum spare_state {
    SPARE_IDLE,
    SPARE_WRITING, /* zeros, a step at a time */
    SPARE_SYNCING,
    SPARE_RENAMING,
    SPARE_SYNCING_DIRECTORY,
    SPARE_UNLINKING, /* the disk is full: it is needed for better things */
};

enum open_state {
    OPEN_NOT,
    OPEN_LISTING,
    OPEN_UNLINKING_SPARE,
    OPEN_READING_HEADS,
    OPEN_READING,
    OPEN_PROBING,       /* the chain broke: does anything behind it show that more was durable? */
    OPEN_READING_AGAIN, /* the last frame, to be written again; see journal_open.c */
    OPEN_WRITING_AGAIN,
    OPEN_SYNCING,
    OPEN_SYNCING_DIRECTORY,
    OPEN_DONE,
    OPEN_FAILED,
};

struct journal_opening_state {
    enum open_state state;
    bool waits; /* a disk order is outstanding */
    uint64_t sequence_min;
    uint64_t next_sequence; /* of the frame that must come next; 0: not known yet */
    uint32_t next_crc;      /* which that frame must name as the checksum before it; see crc_known */
    bool crc_known;
    uint32_t file;
    uint32_t head_file;       /* while reading heads */
    bool file_ended;          /* the file has no bytes after what is in the buffer */
    bool frame_accepted;      /* frame_size and the fields after it say where we are in a frame */
    uint64_t buffer_position; /* in the file, of buffer[0] */
    uint32_t buffer_begin;    /* what is dealt with */
    uint32_t buffer_end;
    uint32_t frame_size;     /* of the frame whose entries are being given out */
    uint32_t entry_position; /* in the frame */
    uint32_t entries_left;
    uint32_t last_file; /* where the last frame that was accepted lies; last_size 0: none was */
    uint32_t last_size;
    uint64_t last_position;
    struct piece last_frame;
    uint64_t probe_end; /* how far a frame behind the break could begin */
    uint32_t end_file;  /* where the chain broke */
    uint64_t end_position;
    char last_name[64];
    struct effect_halt halt;
};

struct journal {
    struct journal_config config;
    struct tail *tail;
    uint64_t id;

    uint64_t durable_sequence;
    uint64_t released_sequence;
    uint32_t last_crc; /* of the frame before the open round */
    bool sending;
    bool stalled;          /* the disk was full when the round was written */
    bool exhausted;        /* no file may be overwritten until something is released */
    uint32_t attempt;      /* of writing the round under way; answers to an earlier one say nothing */
    bool name_not_durable; /* the current file's name awaits a directory sync */
    struct journal_round rounds[2];
    uint32_t open;  /* which of the rounds is being filled; the other is under way */
    uint32_t chunk; /* where entries go; pinned by us */
    uint32_t chunk_used;

    struct journal_file files[JOURNAL_FILES_MAX];
    uint32_t file; /* the current one */
    uint64_t file_position;

    enum spare_state spare;
    uint32_t spare_file; /* which number it will have */
    uint64_t spare_position;
    bool spare_refused; /* the disk was full; tried again after the next roll */
    char spare_path[PATH_SIZE_MAX];
    struct piece zeros[ZERO_PIECES_MAX];

    struct journal_opening_state opening;
    uint8_t *buffer; /* of opening */
    uint32_t buffer_size;
};

/* What a frame's head says. */
struct frame_head {
    uint32_t size;
    uint64_t sequence;
    uint64_t journal_id;
    uint32_t entry_count;
    uint32_t previous_crc;
    uint32_t crc;
    uint32_t entries_size;
};

/* False: these are not the first bytes of a frame of any journal. */
bool frame_head_read(const uint8_t *bytes, struct frame_head *head);
void frame_head_write(uint8_t *bytes, const struct frame_head *head);

bool file_holds(const struct journal_file *file, uint64_t released_sequence);
uint64_t journal_op(const struct journal *journal, enum journal_op op);
void journal_write_zeros_init(struct journal *journal);

/* spare.c: a file of zeros in reserve, since overwriting is faster than growing. */
void journal_prepare_spare(struct journal *journal, struct effects *effects);
enum journal_verdict journal_spare_on_disk(struct journal *journal, const struct event_disk *disk,
                                           struct effects *effects);

/* journal_open.c */
void journal_opening_on_disk(struct journal *journal, const struct event_disk *disk, struct effects *effects);

#endif
