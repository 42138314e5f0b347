#include "sim/trace_files.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static bool ends_with(const char *text, const char *end)
{
    const size_t size = strlen(text), end_size = strlen(end);
    return size >= end_size && strcmp(text + size - end_size, end) == 0;
}

enum trace_form trace_form(const char *path)
{
    if (ends_with(path, ".html")) return FORM_HTML;
    if (ends_with(path, ".json")) return FORM_CHROME;
    if (ends_with(path, ".shiviz")) return FORM_SHIVIZ;
    return FORM_TEXT;
}

void json_string(FILE *file, const char *text)
{
    fputc('"', file);
    for (; text != NULL && *text != 0; text++) {
        const unsigned char byte = (unsigned char)*text;
        if (byte == '"' || byte == '\\') fprintf(file, "\\%c", byte);
        else if (byte < 0x20 || byte >= 0x7f || byte == '<' || byte == '&') fprintf(file, "\\u%04x", byte);
        else fputc(byte, file);
    }
    fputc('"', file);
}

/* ---- Chrome ---- */

static double us(uint64_t ns)
{
    return (double)ns / 1e3;
}

static uint32_t track(uint32_t machine)
{
    return machine == MACHINE_NONE ? 0 : machine + 1; /* 0: clients */
}

static void chrome_names(const struct tape *tape, FILE *file)
{
    const char *before = "";

    for (uint32_t i = 0; i <= tape->run->world.machine_count; i++) {
        fprintf(file, "%s{\"ph\":\"M\",\"pid\":1,\"tid\":%u,\"name\":\"thread_name\",\"args\":{\"name\":\"%s", before,
                i, i == 0 ? "clients" : "n");
        if (i > 0) fprintf(file, "%u", i);
        fputs("\"}}", file);
        before = ",\n";
    }
}

static void chrome_message(const struct tape_item *item, uint64_t number, FILE *file)
{
    const uint32_t to = (uint32_t)item->values[MESSAGE_TO];

    for (int end = 0; end < 2; end++) {
        fprintf(file,
                ",\n{\"ph\":\"%s,\"cat\":\"message\",\"id\":%" PRIu64 ",\"pid\":1,\"tid\":%u,\"ts\":%.3f,\"name\":",
                end == 0 ? "s\"" : "f\",\"bp\":\"e\"", number, track(end == 0 ? item->machine : to),
                us(end == 0 ? (uint64_t)item->values[MESSAGE_SENT_NS] : item->time_ns));
        json_string(file, item->text);
        fputc('}', file);
    }
}

static void chrome_item(const struct tape *tape, uint64_t number, FILE *file)
{
    const struct tape_item *item = tape_at(tape, number);
    char name[64];

    switch (item->kind) {
    case TAPE_EVENT:
        fprintf(file,
                ",\n{\"ph\":\"X\",\"pid\":1,\"tid\":%u,\"ts\":%.3f,\"dur\":1,\"args\":{\"event\":%" PRIu64
                ",\"cause\":%" PRIu64 "},\"name\":",
                track(item->machine), us(item->time_ns), item->event, item->cause);
        json_string(file, item->text);
        fputc('}', file);
        break;
    case TAPE_MESSAGE: chrome_message(item, number, file); break;
    case TAPE_REPLICA:
        tape_partition_name(tape->run, (uint32_t)item->values[REPLICA_PARTITION], name);
        fprintf(file,
                ",\n{\"ph\":\"C\",\"pid\":1,\"ts\":%.3f,\"args\":{\"high watermark\":%" PRId64 ",\"end\":%" PRId64
                "},\"name\":\"n%u %s\"}",
                us(item->time_ns), item->values[REPLICA_HIGH_WATERMARK], item->values[REPLICA_END], item->machine + 1,
                name);
        break;
    case TAPE_NOTE:
    case TAPE_FAULT:
    case TAPE_PHASE:
    case TAPE_VERDICT:
        fprintf(file, ",\n{\"ph\":\"i\",\"s\":\"%s\",\"pid\":1,\"tid\":%u,\"ts\":%.3f,\"name\":",
                item->kind == TAPE_NOTE ? "t" : "g", track(item->machine), us(item->time_ns));
        json_string(file, item->text);
        fputc('}', file);
        break;
    case TAPE_ORDER:
    case TAPE_CLIENT:
    case TAPE_SHADOW:
    case TAPE_NODE:
    case TAPE_PARTITION: break;
    }
}

static void write_chrome(const struct tape *tape, FILE *file)
{
    fprintf(file, "{\"otherData\":{\"dropped\":\"%" PRIu64 " items before event %" PRIu64 "\"},\"traceEvents\":[\n",
            tape->first, tape_at(tape, tape->first)->event);
    chrome_names(tape, file);
    for (uint64_t i = tape->first; i < tape->next; i++) chrome_item(tape, i, file);
    fputs("\n]}\n", file);
}

/* ---- ShiViz: a log whose lines carry vector clocks ---- */

struct clocks {
    uint32_t nodes;
    uint64_t first_event;
    uint32_t *of_event; /* by event - first_event, then by node */
    uint32_t *now;      /* by node, then by node */
};

static void tick(struct clocks *clocks, const struct tape_item *item, const struct tape_item *sent)
{
    uint32_t *now = clocks->now + (size_t)item->machine * clocks->nodes;

    if (sent != NULL) {
        const uint32_t *then = clocks->of_event + (sent->event - clocks->first_event) * clocks->nodes;
        for (uint32_t i = 0; i < clocks->nodes; i++) now[i] = now[i] > then[i] ? now[i] : then[i];
    }
    now[item->machine]++;
    memcpy(clocks->of_event + (item->event - clocks->first_event) * clocks->nodes, now, clocks->nodes * sizeof *now);
}

static void write_shiviz(const struct tape *tape, FILE *file)
{
    struct clocks clocks = { .nodes = tape->run->world.machine_count };

    clocks.first_event = tape_at(tape, tape->first)->event;
    const uint64_t events = tape->event - clocks.first_event + 1;
    clocks.of_event = calloc(events * clocks.nodes, sizeof *clocks.of_event);
    clocks.now = calloc((size_t)clocks.nodes * clocks.nodes, sizeof *clocks.now);
    const struct tape_item **by_event = calloc(events, sizeof *by_event);
    for (uint64_t i = tape->first; i < tape->next; i++) {
        const struct tape_item *item = tape_at(tape, i);
        if (item->kind != TAPE_EVENT) continue;
        by_event[item->event - clocks.first_event] = item;
        const bool known = item->cause >= clocks.first_event;
        tick(&clocks, item, known ? by_event[item->cause - clocks.first_event] : NULL);
        const uint32_t *now = clocks.now + (size_t)item->machine * clocks.nodes;
        fprintf(file, "n%u {", item->machine + 1);
        const char *before = "";
        for (uint32_t node = 0; node < clocks.nodes; node++) {
            if (now[node] == 0) continue;
            fprintf(file, "%s\"n%u\":%u", before, node + 1, now[node]);
            before = ", ";
        }
        fprintf(file, "}\n%" PRIu64 " at %.6f: %s\n", item->event, (double)item->time_ns / 1e9, item->text);
    }
    free(clocks.of_event);
    free(clocks.now);
    free(by_event);
}

void trace_write(const struct tape *tape, enum trace_form form, FILE *file)
{
    switch (form) {
    case FORM_TEXT: break; /* it was written while the run went on */
    case FORM_HTML: trace_write_html(tape, file); break;
    case FORM_CHROME: write_chrome(tape, file); break;
    case FORM_SHIVIZ: write_shiviz(tape, file); break;
    }
}
