#include "sim/hunt_store.h"

#include "sim/trace_files.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

const struct hunt_kind_row hunt_kinds[HUNT_KINDS] = {
#define X(kind, words, ...) { #kind, words, { __VA_ARGS__ } },
    EACH_HUNT_KIND(X)
#undef X
};

void hunt_store_init(struct hunt_store *store)
{
    *store = (struct hunt_store){ 0 };
    store->failures = calloc(HUNT_FAILURES_MAX, sizeof *store->failures);
}

void hunt_store_free(struct hunt_store *store)
{
    free(store->failures);
}

/* ---- reading what was written here: flat objects, strings escaped by json_string ---- */

/* What stands behind "name":; NULL: it is not there. */
static const char *field(const char *line, const char *name)
{
    char key[40];

    snprintf(key, sizeof key, "\"%s\":", name);
    const char *at = strstr(line, key);
    return at == NULL ? NULL : at + strlen(key);
}

static double number_of(const char *line, const char *name)
{
    const char *at = field(line, name);
    return at == NULL ? 0 : strtod(at, NULL);
}

static uint64_t count_of(const char *line, const char *name)
{
    const char *at = field(line, name);
    return at == NULL || *at < '0' || *at > '9' ? 0 : strtoull(at, NULL, 10);
}

/* False: there is no such string, or it does not end. */
static bool words_of(const char *line, const char *name, char *text, size_t size)
{
    const char *at = field(line, name);
    size_t used = 0;

    text[0] = 0;
    if (at == NULL || *at != '"') return false;
    for (at++; *at != '"'; at++) {
        char byte = *at;
        if (byte == 0) return false;
        if (byte == '\\' && *++at == 0) return false;
        if (byte == '\\' && *at == 'u') {
            unsigned code;
            if (sscanf(at + 1, "%4x", &code) != 1 || strlen(at) < 5) return false;
            byte = (char)code;
            at += 4;
        } else if (byte == '\\') {
            byte = *at;
        }
        if (used + 1 < size) text[used++] = byte;
    }
    text[used] = 0;
    return true;
}

static enum hunt_kind kind_of(const char *line)
{
    char name[32];
    uint32_t kind = 0;

    if (!words_of(line, "kind", name, sizeof name)) return HUNT_KINDS;
    while (kind < HUNT_KINDS && strcmp(hunt_kinds[kind].name, name) != 0) kind++;
    return (enum hunt_kind)kind;
}

static bool take_runs(struct hunt_store *store, const char *line)
{
    const enum hunt_kind kind = kind_of(line);

    if (kind == HUNT_KINDS) return false;
    struct hunt_figures *figures = &store->figures[kind];
    figures->runs += count_of(line, "runs");
    figures->failed += count_of(line, "failed");
    figures->events += count_of(line, "events");
    figures->seconds += number_of(line, "seconds");
    figures->sim_seconds += number_of(line, "sim_seconds");
    figures->next = MAX(figures->next, count_of(line, "next"));
    return true;
}

static bool take_failure(struct hunt_store *store, const char *line)
{
    struct hunt_failure failure = { .kind = kind_of(line) };

    if (failure.kind == HUNT_KINDS) return false;
    if (!words_of(line, "rule", failure.failure.rule, sizeof failure.failure.rule)) return false;
    if (!words_of(line, "place", failure.failure.place, sizeof failure.failure.place)) return false;
    if (!words_of(line, "story", failure.story, sizeof failure.story)) return false;
    words_of(line, "mutant", failure.mutant, sizeof failure.mutant);
    failure.seed = count_of(line, "seed");
    failure.events = count_of(line, "events");
    hunt_store_failure(store, &failure);
    return true;
}

void hunt_store_line(struct hunt_store *store, const char *line)
{
    char what[16];
    bool good = words_of(line, "what", what, sizeof what) && strchr(line, '}') != NULL;

    if (good && strcmp(what, "runs") == 0) good = take_runs(store, line);
    else if (good && strcmp(what, "failure") == 0) good = take_failure(store, line);
    else if (good && strcmp(what, "canary") == 0) {
        const char *found = field(line, "found");
        store->canaries++;
        store->canaries_missed += found == NULL || *found != 't';
    } else good = false;
    store->odd_lines += !good;
}

/* ---- failures ---- */

bool hunt_store_failure(struct hunt_store *store, const struct hunt_failure *failure)
{
    for (uint32_t i = 0; i < store->failure_count; i++) {
        struct hunt_failure *known = &store->failures[i];
        if (strcmp(known->failure.rule, failure->failure.rule) != 0) continue;
        if (strcmp(known->failure.place, failure->failure.place) != 0) continue;
        const uint64_t count = known->count + 1;
        const bool smaller = failure->events < known->events;
        if (smaller) *known = *failure;
        known->count = count;
        return smaller;
    }
    if (store->failure_count == HUNT_FAILURES_MAX) {
        store->failures_dropped++;
        return false;
    }
    store->failures[store->failure_count] = *failure;
    store->failures[store->failure_count++].count = 1;
    return true;
}

void hunt_format_replay(const struct hunt_failure *failure, char *text, uint32_t size)
{
    const bool bug = failure->mutant[0] != 0;
    snprintf(text, size, "chronik-sim%s --seed %" PRIu64 "%s%s%s", bug ? "-mutants" : "", failure->seed,
             hunt_kinds[failure->kind].words, bug ? " --mutant " : "", failure->mutant);
}

/* ---- writing ---- */

void hunt_write_runs(FILE *file, enum hunt_kind kind, const struct hunt_figures *figures)
{
    fprintf(file,
            "{\"what\":\"runs\",\"kind\":\"%s\",\"runs\":%" PRIu64 ",\"failed\":%" PRIu64 ",\"next\":%" PRIu64
            ",\"seconds\":%.1f,\"events\":%" PRIu64 ",\"sim_seconds\":%.1f}\n",
            hunt_kinds[kind].name, figures->runs, figures->failed, figures->next, figures->seconds, figures->events,
            figures->sim_seconds);
    fflush(file);
}

static void write_fields(FILE *file, const struct hunt_failure *failure)
{
    char replay[300];

    hunt_format_replay(failure, replay, sizeof replay);
    fprintf(file,
            "\"kind\":\"%s\",\"seed\":%" PRIu64 ",\"events\":%" PRIu64 ",\"rule\":", hunt_kinds[failure->kind].name,
            failure->seed, failure->events);
    json_string(file, failure->failure.rule);
    fputs(",\"place\":", file);
    json_string(file, failure->failure.place);
    fputs(",\"story\":", file);
    json_string(file, failure->story);
    fputs(",\"mutant\":", file);
    json_string(file, failure->mutant);
    fputs(",\"replay\":", file);
    json_string(file, replay);
}

void hunt_write_failure(FILE *file, const struct hunt_failure *failure)
{
    fputs("{\"what\":\"failure\",", file);
    write_fields(file, failure);
    fputs("}\n", file);
    fflush(file);
}

void hunt_write_canary(FILE *file, bool found)
{
    fprintf(file, "{\"what\":\"canary\",\"found\":%s}\n", found ? "true" : "false");
    fflush(file);
}

/* Whole, or not at all: somebody may be looking. */
static bool publish(const struct hunt_store *store, const char *directory, const char *name, bool page)
{
    char path[600], temporary[620];

    snprintf(path, sizeof path, "%s/%s", directory, name);
    snprintf(temporary, sizeof temporary, "%s.new", path);
    FILE *file = fopen(temporary, "w");
    if (file == NULL) return false;
    if (page) hunt_write_page(file, store);
    for (uint32_t i = 0; i < store->failure_count && !page; i++) {
        fprintf(file, "{\"count\":%" PRIu64 ",", store->failures[i].count);
        write_fields(file, &store->failures[i]);
        fputs("}\n", file);
    }
    return fclose(file) == 0 && rename(temporary, path) == 0;
}

bool hunt_store_publish(const struct hunt_store *store, const char *directory)
{
    return publish(store, directory, "failures.jsonl", false) && publish(store, directory, "index.html", true);
}
