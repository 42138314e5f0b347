/* paths.h -- where does what lie on the disk? Names of directories and files, both ways.
 *
 *     wal/<topic>.<topic id>/<partition>/<base offset, 20 digits>.log  .index  .timeindex  .index.new ...
 *
 * A segment that compaction made has its edition before the suffix, `<base offset>.<edition>.log`: it has often the
 * base offset of one that it was made of, and both are there for a while.
 *
 * A topic's directory carries its id, so that a topic and a later one of the same name never meet. Names of our own
 * begin with two underscores and hold no dot followed by an id. */
#ifndef CHRONIK_LOG_PATHS_H
#define CHRONIK_LOG_PATHS_H

#include "base/effect.h"
#include "base/uuid.h"

#define DATA_DIRECTORY "."
#define WAL_DIRECTORY "wal"
#define JOURNAL_DIRECTORY "wal/__journal"
#define CHECKPOINT_PATH "wal/__checkpoint"
#define CHECKPOINT_NEW_PATH "wal/__checkpoint.new"

enum segment_file { SEGMENT_LOG, SEGMENT_INDEX, SEGMENT_TIME_INDEX };
enum { SEGMENT_FILES = 3 };

/* Which partition. */
struct log_place {
    struct uuid topic_id;
    struct bytes topic; /* its name, at most 249 bytes */
    int32_t partition;  /* not negative */
};

/* Each writes a path with its terminator: `path` has PATH_SIZE_MAX bytes. */
void path_of_topic(char *path, const struct log_place *place);
void path_of_partition(char *path, const struct log_place *place);
void path_of_segment(char *path, const struct log_place *place, int64_t base_offset, uint32_t edition,
                     enum segment_file file);

/* Of a file that is being made anew, until it takes the other's name: with ".new" behind it. */
void path_of_new_segment(char *path, const struct log_place *place, int64_t base_offset, uint32_t edition,
                         enum segment_file file);

/* A path of something in a directory; false: too long to be ours. */
bool path_of_name(char *path, const char *directory, struct bytes name);

/* False: no name that path_of_segment gives. */
bool segment_name_read(struct bytes name, int64_t *base_offset, uint32_t *edition, enum segment_file *file);

/* Whether path_of_new_segment gives it. */
bool is_new_segment_name(struct bytes name);

/* The id in "<topic>.<topic id>"; false: no such name. */
bool topic_directory_read(struct bytes name, struct uuid *topic_id);

/* One entry of a FILE_LIST. */
struct listed_file {
    uint64_t size;
    bool is_directory;
    struct bytes name;
};

/* Takes the next entry off what a FILE_LIST filled; false: there is none. */
bool listed_file_read(struct bytes *list, struct listed_file *file);

#endif
