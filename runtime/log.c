#include "log.h"

#include "base/check.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

enum {
    TEXT_SIZE_MAX = 1024,                    /* longer texts are cut */
    LINE_SIZE_MAX = TEXT_SIZE_MAX * 6 + 160, /* every byte escaped as \u00xx */
    NAME_SIZE_MAX = 40,
    EVENTS_MAX = 64, /* of the host's own */
};

/* What one event has written in the present second. */
struct pace {
    const char *event;
    time_t second;
    uint32_t lines;
    uint32_t dropped;
};

static struct {
    enum note_level level;
    enum log_format format;
    uv_once_t once;
    uv_mutex_t mutex; /* over what follows */
    struct pace note_paces[NOTE_COUNT];
    struct pace line_paces[EVENTS_MAX];
    uint64_t dropped;
    uint64_t note_counts[NOTE_COUNT];
    char note_names[NOTE_COUNT][NAME_SIZE_MAX];
} log_state = { .level = NOTE_INFO, .once = UV_ONCE_INIT };

#define NOTE_ROW(name, note_level, note_format) { #name, note_level, note_format },
static const struct {
    const char *name;
    enum note_level level;
    const char *format;
} notes[] = { NOTES(NOTE_ROW) };
#undef NOTE_ROW

static const char *const level_words[] = { "DEBUG", "INFO ", "WARN ", "ERROR" };
static const char *const level_names[] = { "debug", "info", "warning", "error" };

static void open_once(void)
{
    uv_mutex_init(&log_state.mutex);
    for (uint32_t id = 0; id < NOTE_COUNT; id++) {
        for (uint32_t i = 0; i + 1 < NAME_SIZE_MAX && notes[id].name[i] != 0; i++) {
            const char letter = notes[id].name[i];
            log_state.note_names[id][i] = (char)(letter >= 'A' && letter <= 'Z' ? letter + 32 : letter);
        }
    }
}

void log_set(enum note_level level, enum log_format format)
{
    log_state.level = level;
    log_state.format = format;
}

static void write_all(const char *text, size_t size)
{
    while (size > 0) {
        const ssize_t written = write(STDERR_FILENO, text, size);
        if (written <= 0) return; /* there is nobody left to tell */
        text += written;
        size -= (size_t)written;
    }
}

static char *put_time(char *at, char *end)
{
    struct timespec now;
    struct tm utc;

    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    at += strftime(at, (size_t)(end - at), "%Y-%m-%dT%H:%M:%S", &utc);
    return at + snprintf(at, (size_t)(end - at), ".%03dZ", (int)(now.tv_nsec / 1000000));
}

/* Printable ASCII goes as it is. Anything else may be a newline or a terminal's escape, and is spelled out. */
static char *put_escaped(char *at, const char *text, bool json)
{
    for (; *text != 0; text++) {
        const unsigned char c = (unsigned char)*text;
        if (json && (c == '"' || c == '\\')) {
            *at++ = '\\';
            *at++ = (char)c;
        } else if (c >= 0x20 && c < 0x7f) {
            *at++ = (char)c;
        } else {
            at += sprintf(at, json ? "\\u%04x" : "\\x%02x", c);
        }
    }
    return at;
}

static void emit(enum note_level level, const char *event, const char *text)
{
    char line[LINE_SIZE_MAX];
    char *const end = line + sizeof line;
    char *at = line;

    if (log_state.format == LOG_JSON) {
        at += sprintf(at, "{\"time\":\"");
        at = put_time(at, end);
        at += sprintf(at, "\",\"level\":\"%s\",\"event\":\"%s\",\"text\":\"", level_names[level], event);
        at = put_escaped(at, text, true);
        at += sprintf(at, "\"}");
    } else {
        at = put_time(at, end);
        at += sprintf(at, " %s %-15s ", level_words[level], event);
        at = put_escaped(at, text, false);
    }
    *at++ = '\n';
    write_all(line, (size_t)(at - line));
}

/* Whether this event may have one more line in this second; tells about dropped ones when it may again. */
static bool may_write(struct pace *pace, enum note_level level, const char *event)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    if (pace->second != now.tv_sec) {
        if (pace->dropped > 0) {
            char text[80];
            snprintf(text, sizeof text, "%u more lines like this were left out", pace->dropped);
            emit(level, event, text);
        }
        *pace = (struct pace){ .event = event, .second = now.tv_sec };
    }
    if (pace->lines < LOG_LINES_PER_SECOND) {
        pace->lines++;
        return true;
    }
    pace->dropped++;
    log_state.dropped++;
    return false;
}

static struct pace *pace_of(const char *event)
{
    for (uint32_t i = 0; i < EVENTS_MAX - 1; i++) {
        struct pace *pace = &log_state.line_paces[i];
        if (pace->event == NULL) pace->event = event;
        if (strcmp(pace->event, event) == 0) return pace;
    }
    return &log_state.line_paces[EVENTS_MAX - 1];
}

void log_line(enum note_level level, const char *event, const char *format, ...)
{
    char text[TEXT_SIZE_MAX];
    va_list list;

    if (level < log_state.level) return;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);

    uv_once(&log_state.once, open_once);
    uv_mutex_lock(&log_state.mutex);
    if (may_write(pace_of(event), level, event)) emit(level, event, text);
    uv_mutex_unlock(&log_state.mutex);
}

/* Fills %d from the numbers and %s from the text, in order. */
static void format_note(const struct note *note, char *text, size_t size)
{
    char *at = text;
    char *const end = text + size - 1;
    uint32_t number = 0;

    for (const char *from = notes[note->id].format; *from != 0 && at < end; from++) {
        if (from[0] != '%') {
            *at++ = *from;
            continue;
        }
        from++;
        if (*from == 'd' && number < COUNT_OF(note->numbers)) {
            const int wrote = snprintf(at, (size_t)(end - at), "%lld", (long long)note->numbers[number++]);
            at += MIN(wrote, end - at);
        } else if (*from == 's') {
            for (uint32_t i = 0; i < note->text.size && at < end; i++) {
                /* A zero byte would hide what follows it. */
                *at++ = note->text.data[i] == 0 ? '\x01' : (char)note->text.data[i];
            }
        }
    }
    *at = 0;
}

void log_note(const struct note *note)
{
    CHECK(note->id < NOTE_COUNT);
    uv_once(&log_state.once, open_once);
    uv_mutex_lock(&log_state.mutex);
    log_state.note_counts[note->id]++;
    const enum note_level level = notes[note->id].level;
    const char *name = log_state.note_names[note->id];
    if (level >= log_state.level && may_write(&log_state.note_paces[note->id], level, name)) {
        char text[TEXT_SIZE_MAX];
        format_note(note, text, sizeof text);
        emit(level, name, text);
    }
    uv_mutex_unlock(&log_state.mutex);
}

uint64_t log_note_count(enum note_id id)
{
    uv_once(&log_state.once, open_once);
    uv_mutex_lock(&log_state.mutex);
    const uint64_t count = log_state.note_counts[id];
    uv_mutex_unlock(&log_state.mutex);
    return count;
}

uint64_t log_lines_dropped(void)
{
    return log_state.dropped;
}

const char *log_note_name(enum note_id id)
{
    uv_once(&log_state.once, open_once);
    return log_state.note_names[id];
}
