#include "sim/plan.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_WORDS "chronik-sim schedule "
enum { VERSION = 3, LINE_SIZE = 400 };

/* ---- reading ---- */

__attribute__((format(printf, 2, 3))) static bool fails(char problem[PROBLEM_SIZE], const char *format, ...)
{
    va_list list;

    va_start(list, format);
    vsnprintf(problem, PROBLEM_SIZE, format, list);
    va_end(list);
    return false;
}

static bool read_first(const char *line, char problem[PROBLEM_SIZE])
{
    char *end;

    if (strncmp(line, FIRST_WORDS, sizeof FIRST_WORDS - 1) != 0) {
        return fails(problem, "no schedule: its first line is not '" FIRST_WORDS "%d'", VERSION);
    }
    const long version = strtol(line + sizeof FIRST_WORDS - 1, &end, 10);
    if (*end == 0 && version == VERSION) return true;
    if (*end == 0 && version > 0 && version < VERSION) {
        return fails(problem, "a schedule of version %ld, and this is version %d: run its seed with --save-schedule",
                     version, VERSION);
    }
    return fails(problem, "a schedule of version %.20s, and this is version %d", line + sizeof FIRST_WORDS - 1,
                 VERSION);
}

static bool read_seed(struct plan *plan, const char *text, char problem[PROBLEM_SIZE])
{
    char *end;

    errno = 0;
    plan->seed = strtoull(text, &end, 10);
    if (errno != 0 || end == text || *end != 0 || *text == '-') return fails(problem, "not a seed: %.40s", text);
    return true;
}

static bool read_settings(struct plan *plan, char *text, char problem[PROBLEM_SIZE])
{
    const char *why;

    for (char *save = NULL, *part = strtok_r(text, " ", &save); part != NULL; part = strtok_r(NULL, " ", &save)) {
        if (!settings_parse(&plan->settings, part, &why)) return fails(problem, "%.60s: %s", part, why);
    }
    return true;
}

static bool read_failure(struct failure *failure, const char *text, char problem[PROBLEM_SIZE])
{
    const size_t length = strcspn(text, " ");

    if (length == 0 || length >= sizeof failure->rule) return fails(problem, "no rule: %.40s", text);
    *failure = (struct failure){ 0 };
    memcpy(failure->rule, text, length);
    snprintf(failure->place, sizeof failure->place, "%s", text[length] == 0 ? "" : text + length + 1);
    return true;
}

/* What follows a word and a space; NULL: it is another word. */
static char *after(char *line, const char *word)
{
    const size_t length = strlen(word);
    return strncmp(line, word, length) == 0 && line[length] == ' ' ? line + length + 1 : NULL;
}

static bool read_line(struct plan *plan, char *line, char problem[PROBLEM_SIZE])
{
    struct schedule *schedule = &plan->schedule;
    char *rest;

    if ((rest = after(line, "seed")) != NULL) return read_seed(plan, rest, problem);
    if ((rest = after(line, "set")) != NULL) return read_settings(plan, rest, problem);
    if ((rest = after(line, "breaks")) != NULL) return read_failure(&plan->breaks, rest, problem);
    if ((rest = after(line, "mutant")) != NULL) {
        snprintf(plan->mutant, sizeof plan->mutant, "%s", rest);
        return true;
    }
    if (schedule->count == SCHEDULE_MAX) return fails(problem, "more than %d faults", SCHEDULE_MAX);
    if (!fault_parse(line, &schedule->list[schedule->count])) return fails(problem, "not a fault: %.80s", line);
    schedule->count++;
    return true;
}

static bool read_lines(struct plan *plan, FILE *file, const char *path, char problem[PROBLEM_SIZE])
{
    char line[LINE_SIZE], why[PROBLEM_SIZE];
    uint32_t number = 0;

    while (fgets(line, sizeof line, file) != NULL) {
        const bool whole = strchr(line, '\n') != NULL || feof(file);
        line[strcspn(line, "\r\n")] = 0;
        bool good = whole || fails(why, "longer than %d characters", LINE_SIZE - 2);
        if (++number == 1) good = good && read_first(line, why);
        else if (good && line[0] != '#' && line[0] != 0) good = read_line(plan, line, why);
        if (!good) return fails(problem, "%s: line %u: %.250s", path, number, why);
    }
    if (number == 0) return fails(problem, "%s: empty", path);
    return true;
}

bool failure_is_same(const struct failure *a, const struct failure *b)
{
    return strcmp(a->rule, b->rule) == 0 && strcmp(a->place, b->place) == 0;
}

bool plan_read(struct plan *plan, const char *path, char problem[PROBLEM_SIZE])
{
    FILE *file = fopen(path, "r");

    *plan = (struct plan){ .seed = 1, .has_faults = true };
    if (file == NULL) return fails(problem, "%s: %s", path, strerror(errno));
    const bool good = read_lines(plan, file, path, problem);
    fclose(file);
    if (!good) return false;
    schedule_sort(&plan->schedule);
    const char *contradiction = plan_contradiction(plan);
    return contradiction == NULL || fails(problem, "%s: no run can be made of it: %s", path, contradiction);
}

/* ---- writing ---- */

bool plan_write(const struct plan *plan, const char *path, const char *about)
{
    char text[256];
    FILE *file = fopen(path, "w");

    if (file == NULL) return false;
    fprintf(file, FIRST_WORDS "%d\n", VERSION);
    while (about != NULL && *about != 0) {
        const size_t length = strcspn(about, "\n");
        fprintf(file, "# %.*s\n", (int)length, about);
        about += length + (about[length] != 0);
    }
    fprintf(file, "seed %" PRIu64 "\n", plan->seed);
    if (plan->mutant[0] != 0) fprintf(file, "mutant %s\n", plan->mutant);
    if (plan->breaks.rule[0] != 0) fprintf(file, "breaks %s %s\n", plan->breaks.rule, plan->breaks.place);
    for (uint32_t at = 0; at < SETTING_COUNT;) {
        at = settings_format(&plan->settings, at, text, 110);
        if (text[0] != 0) fprintf(file, "set %s\n", text);
    }
    for (uint32_t i = 0; i < plan->schedule.count; i++) {
        fault_format(&plan->schedule.list[i], text, sizeof text);
        fprintf(file, "%s\n", text);
    }
    return fclose(file) == 0;
}

/* ---- what it makes ---- */

void plan_fix(struct plan *plan)
{
    struct knobs knobs;
    struct config config;

    knobs_draw(&knobs, &config, plan->seed, &plan->wishes);
    settings_apply(&plan->settings, &knobs, &config);
    settings_take(&plan->settings, &knobs, &config);
    if (!plan->has_faults) knobs_draw_faults(&knobs, &plan->schedule, plan->seed);
    plan->has_faults = true;
}

const char *plan_contradiction(const struct plan *plan)
{
    return settings_contradiction(&plan->settings, plan->seed, &plan->wishes);
}
