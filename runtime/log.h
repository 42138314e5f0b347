/* log.h -- one line on stderr per thing worth reading: time, level, event, text.
 *
 *     2026-01-02T03:04:05.678Z INFO  started         node 1 started: 3 topics, 12 partitions, metadata index 40
 *     {"time":"2026-01-02T03:04:05.678Z","level":"info","event":"started","text":"node 1 started: ..."}
 *
 * What a client may have chosen (names, addresses) cannot break out of its line. Lines of one event are limited to
 * LOG_LINES_PER_SECOND: a hostile client fills a counter, not a disk. Counts go on, lines are summed up afterwards.
 * The log is the one thing here that belongs to the process, not to a host; it may be used from any thread. */
#ifndef CHRONIK_RUNTIME_LOG_H
#define CHRONIK_RUNTIME_LOG_H

#include "base/note.h"

enum { LOG_LINES_PER_SECOND = 20 };

enum log_format { LOG_TEXT, LOG_JSON };

/* Lines below `level` are not written; they are counted all the same. */
void log_set(enum note_level level, enum log_format format);

/* A line of the host's own. `event` is a literal in small letters. */
__attribute__((format(printf, 3, 4))) void log_line(enum note_level level, const char *event, const char *format, ...);

/* A line of the core's. */
void log_note(const struct note *note);

/* How often the core has said it. */
uint64_t log_note_count(enum note_id id);
uint64_t log_lines_dropped(void);

/* The event's name in small letters: "journal_rolled". */
const char *log_note_name(enum note_id id);

#endif
