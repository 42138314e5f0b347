#include "sim/trace.h"

#include <inttypes.h>
#include <string.h>

static const struct note_text {
    const char *name, *format;
} note_texts[NOTE_COUNT] = {
#define X(name, level, format) { #name, format },
    NOTES(X)
#undef X
};

static void begin(FILE *file, uint64_t now_ns, uint32_t machine, const char *mark)
{
    fprintf(file, "[%12.6f] %u %s ", (double)now_ns / 1e9, machine + 1, mark);
}

static const char *result_text(enum disk_result result)
{
    switch (result) {
    case DISK_DONE: return "done";
    case DISK_NOT_FOUND: return "not found";
    case DISK_FULL: return "disk full";
    case DISK_FAILED: return "FAILED";
    }
    return "?";
}

static const char *answer_text(enum event_type type)
{
    switch (type) {
    case EVENT_WRITTEN: return "written";
    case EVENT_SYNCED: return "synced";
    case EVENT_READ_DONE: return "read";
    default: return "file";
    }
}

void trace_event(FILE *file, uint64_t now_ns, uint32_t machine, const struct event *event)
{
    begin(file, now_ns, machine, "<");
    switch (event->type) {
    case EVENT_STARTED: fprintf(file, "started\n"); break;
    case EVENT_TIME_PASSED: fprintf(file, "time passed\n"); break;
    case EVENT_LINK_OPENED: fprintf(file, "link %u opened\n", event->link_opened.link); break;
    case EVENT_LINK_CLOSED: fprintf(file, "link %u closed\n", event->link_closed.link); break;
    case EVENT_RECEIVED: fprintf(file, "link %u received %u\n", event->received.link, event->received.size); break;
    case EVENT_SENT: fprintf(file, "link %u sent\n", event->sent.link); break;
    case EVENT_STOP_ASKED: fprintf(file, "stop asked\n"); break;
    case EVENT_WRITTEN:
    case EVENT_SYNCED:
    case EVENT_READ_DONE:
    case EVENT_FILE_DONE:
        fprintf(file, "%s op=%u:%" PRIx64 " %s", answer_text(event->type), (unsigned)op_owner(event->disk.op),
                event->disk.op & 0xffffffffffffff, result_text(event->disk.result));
        if (event->disk.size > 0) fprintf(file, " size=%u", event->disk.size);
        fputc('\n', file);
        break;
    }
}

static void trace_note(FILE *file, const struct note *note)
{
    const char *format = note_texts[note->id].format;
    unsigned number = 0;

    for (const char *at = format; *at != 0; at++) {
        if (at[0] == '%' && at[1] == 'd') {
            fprintf(file, "%" PRId64, note->numbers[number++ % 4]);
            at++;
        } else if (at[0] == '%' && at[1] == 's') {
            fprintf(file, "%.*s", (int)note->text.size, (const char *)note->text.data);
            at++;
        } else {
            fputc(*at, file);
        }
    }
    fputc('\n', file);
}

static uint64_t pieces_size(const struct piece *pieces, uint32_t count)
{
    uint64_t size = 0;
    for (uint32_t i = 0; i < count; i++) size += pieces[i].size;
    return size;
}

static const char *action_text(enum file_action action)
{
    static const char *const texts[] = { "make directory", "truncate", "rename", "unlink", "sync directory", "list" };
    return texts[action];
}

static void trace_order(FILE *file, const struct effect *effect)
{
    switch (effect->type) {
    case EFFECT_OPEN_LINK:
        fprintf(file, "open link %u to %s:%u\n", effect->open_link.link, effect->open_link.host,
                effect->open_link.port);
        break;
    case EFFECT_RECEIVE: fprintf(file, "receive link %u up to %u\n", effect->receive.link, effect->receive.size); break;
    case EFFECT_SEND:
        fprintf(file, "send link %u %" PRIu64 " in %u pieces\n", effect->send.link,
                pieces_size(effect->send.pieces, effect->send.piece_count), effect->send.piece_count);
        break;
    case EFFECT_CLOSE_LINK: fprintf(file, "close link %u\n", effect->close_link.link); break;
    case EFFECT_WRITE:
        fprintf(file, "write %s at %" PRIu64 " %" PRIu64 " op=%" PRIx64 "\n", effect->write.path,
                effect->write.position, pieces_size(effect->write.pieces, effect->write.piece_count),
                effect->write.op & 0xffffffffffffff);
        break;
    case EFFECT_SYNC:
        fprintf(file, "sync %s op=%" PRIx64 "\n", effect->sync.path, effect->sync.op & 0xffffffffffffff);
        break;
    case EFFECT_READ:
        fprintf(file, "read %s at %" PRIu64 " %u\n", effect->read.path, effect->read.position, effect->read.size);
        break;
    case EFFECT_FILE:
        fprintf(file, "%s %s%s%s\n", action_text(effect->file.action), effect->file.path,
                effect->file.action == FILE_RENAME ? " to " : "",
                effect->file.action == FILE_RENAME ? effect->file.to : "");
        break;
    case EFFECT_NOTE: trace_note(file, &effect->note); break;
    case EFFECT_HALT:
        fprintf(file, "halt reason=%d %s\n", (int)effect->halt.reason,
                effect->halt.path == NULL ? "" : effect->halt.path);
        break;
    }
}

void trace_orders(FILE *file, uint64_t now_ns, uint32_t machine, const struct effects *effects)
{
    for (uint32_t i = 0; i < effects->count; i++) {
        begin(file, now_ns, machine, effects->list[i].type == EFFECT_NOTE ? " " : ">");
        trace_order(file, &effects->list[i]);
    }
}
