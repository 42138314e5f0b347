#include "sim/why.h"

#include <inttypes.h>
#include <string.h>

enum { CHAIN_MAX = 40 };

/* The item of an event; UINT64_MAX: it is not on the tape. Items come in the order of events. */
static uint64_t find_event(const struct tape *tape, uint64_t event)
{
    uint64_t low = tape->first, high = tape->next;

    while (low < high) {
        const uint64_t middle = low + (high - low) / 2;
        if (tape_at(tape, middle)->event < event) low = middle + 1;
        else high = middle;
    }
    for (; low < tape->next && tape_at(tape, low)->event == event; low++) {
        if (tape_at(tape, low)->kind == TAPE_EVENT) return low;
    }
    return UINT64_MAX;
}

/* How its cause led to it. */
static void print_because(const struct tape_item *item, const struct tape_item *cause, FILE *file)
{
    const char *how = "";

    switch ((enum event_type)item->values[0]) {
    case EVENT_STARTED: how = "a process begins"; break;
    case EVENT_STOP_ASKED: how = "somebody asked for it"; break;
    case EVENT_TIME_PASSED: how = "set this deadline"; break;
    case EVENT_LINK_OPENED: how = "dialed"; break;
    case EVENT_LINK_CLOSED: how = "used or closed the link"; break;
    case EVENT_RECEIVED: how = "sent it"; break;
    case EVENT_SENT: how = "wanted it sent"; break;
    case EVENT_WRITTEN:
    case EVENT_SYNCED:
    case EVENT_READ_DONE:
    case EVENT_FILE_DONE: how = "ordered it from the disk"; break;
    }
    if (cause == NULL) fprintf(file, "%s%s", how[0] == 'a' || how[0] == 's' ? "" : "a client or nobody known ", how);
    else fprintf(file, "n%u %s in event %" PRIu64, cause->machine + 1, how, cause->event);
}

/* What came in with it, and what it made the node say and order. */
static void print_around(const struct tape *tape, uint64_t at, FILE *file)
{
    const uint64_t event = tape_at(tape, at)->event;
    uint32_t orders = 0;

    for (uint64_t i = at + 1; i < tape->next && tape_at(tape, i)->event == event; i++) {
        const struct tape_item *item = tape_at(tape, i);
        if (item->kind == TAPE_MESSAGE && item->values[MESSAGE_TO] == tape_at(tape, at)->machine) {
            fprintf(file, " [%s, %" PRId64 " bytes]", item->text, item->values[MESSAGE_SIZE]);
        }
    }
    for (uint64_t i = at + 1; i < tape->next && tape_at(tape, i)->event == event; i++) {
        const struct tape_item *item = tape_at(tape, i);
        if (item->kind == TAPE_NOTE) fprintf(file, "\n%32s %s", "", item->text);
        if (item->kind == TAPE_ORDER && strncmp(item->text, "receive ", 8) == 0) continue;
        if (item->kind == TAPE_ORDER && orders++ < 4) fprintf(file, "\n%32s > %s", "", item->text);
    }
    if (orders > 4) fprintf(file, "\n%32s > and %u more", "", orders - 4);
}

void why_print(const struct tape *tape, uint64_t event, FILE *file)
{
    uint64_t chain[CHAIN_MAX];
    uint32_t count = 0;
    uint64_t at = find_event(tape, event);

    if (at == UINT64_MAX) {
        fprintf(file, "event %" PRIu64 " is not on the tape, which has events %" PRIu64 " to %" PRIu64 "\n", event,
                tape_at(tape, tape->first)->event, tape->event);
        return;
    }
    while (at != UINT64_MAX && count < CHAIN_MAX) {
        const uint64_t cause = tape_at(tape, at)->cause;
        /* That something was sent says no more than that it was ordered. */
        const bool tells = count == 0 || cause == 0 || tape_at(tape, at)->values[0] != EVENT_SENT;
        if (tells) chain[count++] = at;
        at = cause == 0 ? UINT64_MAX : find_event(tape, cause);
    }
    if (at != UINT64_MAX) fprintf(file, "(it goes on before that: --why %" PRIu64 ")\n", tape_at(tape, at)->event);
    for (uint32_t i = count; i-- > 0;) {
        const struct tape_item *item = tape_at(tape, chain[i]);
        fprintf(file, "%8" PRIu64 " %11.6f n%-3u %s", item->event, (double)item->time_ns / 1e9, item->machine + 1,
                item->text == NULL ? "" : item->text);
        print_around(tape, chain[i], file);
        fprintf(file, "\n%32s because: ", "");
        print_because(item, i + 1 < count ? tape_at(tape, chain[i + 1]) : NULL, file);
        fputc('\n', file);
    }
}
