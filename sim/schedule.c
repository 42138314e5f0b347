#include "sim/schedule.h"

#include "base/bytes.h"
#include "base/effect.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(LISTENER_KAFKA == 0 && LISTENER_OPERATOR == 1 && LISTENER_NODE == 2 && LISTENER_WAL == 3,
               "the words of channels are in this order");

static const struct {
    const char *name;
    enum argument arguments[2];
} kinds[FAULT_COUNT] = {
#define X(kind, text, first, second, what) { text, { ARGUMENT_##first, ARGUMENT_##second } },
    EACH_FAULT(X)
#undef X
};

static const struct {
    const char *name, *words;
} arguments[] = {
#define X(argument, text, words) { text, words },
    EACH_ARGUMENT(X)
#undef X
};

static const char *const aims[AIM_COUNT] = {
#define X(aim, text, what) text,
    EACH_AIM(X)
#undef X
};

static const char *const roles[ROLE_COUNT] = { "", "leader", "others", "voter", "head", "follower", "laggard" };

const char *fault_name(enum fault_kind kind)
{
    return kinds[kind].name;
}

bool machine_set_has(const struct machine_set *set, uint32_t machine)
{
    for (uint32_t i = 0; i < set->range_count; i++) {
        if (machine >= set->ranges[i].first && machine <= set->ranges[i].last) return true;
    }
    return false;
}

static int by_time(const void *a, const void *b)
{
    const struct fault *x = a, *y = b;
    if (x->time_us != y->time_us) return x->time_us < y->time_us ? -1 : 1;
    return (int)x->kind - (int)y->kind;
}

void schedule_sort(struct schedule *schedule)
{
    qsort(schedule->list, schedule->count, sizeof schedule->list[0], by_time);
}

/* ---- as text ---- */

struct line {
    char *text;
    uint32_t size, max;
};

__attribute__((format(printf, 2, 3))) static void say(struct line *line, const char *format, ...)
{
    va_list list;

    va_start(list, format);
    const int size = vsnprintf(line->text + line->size, line->max - line->size, format, list);
    va_end(list);
    if (size > 0) line->size = MIN(line->size + (uint32_t)size, line->max - 1);
}

/* The how-manieth word of a list; NULL: there are fewer. Words of bits have a '+' before them. */
static bool word_at(const char *words, uint32_t which, char word[16])
{
    const char *at = words + (*words == '+');
    uint32_t size = 0;

    for (; which > 0; which--) {
        at += strcspn(at, " +");
        if (*at == 0) return false;
        at++;
    }
    size = (uint32_t)strcspn(at, " +");
    if (size == 0 || size >= 16) return false;
    memcpy(word, at, size);
    word[size] = 0;
    return true;
}

static void say_value(struct line *line, enum argument argument, int32_t value)
{
    const char *words = arguments[argument].words;
    char word[16];

    if (argument == ARGUMENT_NONE || value == 0) return;
    say(line, " %s=", arguments[argument].name);
    if (*words == 0) {
        say(line, "%d", (int)value);
    } else if (*words != '+') {
        say(line, "%s", word_at(words, (uint32_t)value, word) ? word : "?");
    } else {
        const char *between = "";
        for (uint32_t bit = 0; word_at(words, bit, word); bit++) {
            if ((value & 1 << bit) == 0) continue;
            say(line, "%s%s", between, word);
            between = "+";
        }
    }
}

static void say_machines(struct line *line, const struct machine_set *set)
{
    if (set->role != ROLE_ANY) say(line, " %s", roles[set->role]);
    for (uint32_t i = 0; i < set->range_count && set->role == ROLE_ANY; i++) {
        say(line, "%c%u", i == 0 ? ' ' : ',', set->ranges[i].first + 1);
        if (set->ranges[i].last > set->ranges[i].first) say(line, "..%u", set->ranges[i].last + 1);
    }
}

void fault_format(const struct fault *fault, char *text, uint32_t size)
{
    struct line line = { text, 0, size };

    say(&line, "%llu %s", (unsigned long long)fault->time_us, fault_name(fault->kind));
    say_machines(&line, &fault->machines);
    for (uint32_t i = 0; i < 2; i++) say_value(&line, kinds[fault->kind].arguments[i], fault->values[i]);
    if (fault->aim != AIM_NONE) say(&line, " aim=%s", aims[fault->aim]);
    if (fault->duration_us > 0) say(&line, " for=%llu", (unsigned long long)fault->duration_us);
}

static bool parse_number(const char *text, uint64_t *value)
{
    char *end;
    if (*text < '0' || *text > '9') return false;
    errno = 0;
    *value = strtoull(text, &end, 10);
    return errno == 0 && *end == 0;
}

static bool parse_machines(char *text, struct machine_set *set)
{
    *set = (struct machine_set){ 0 };
    for (enum machine_role role = ROLE_LEADER; role < ROLE_COUNT; role++) {
        if (strcmp(text, roles[role]) == 0) set->role = role;
    }
    if (set->role != ROLE_ANY) return true;
    for (char *save = NULL, *part = strtok_r(text, ",", &save); part != NULL; part = strtok_r(NULL, ",", &save)) {
        uint64_t first, last;
        char *dots = strstr(part, "..");
        if (dots != NULL) *dots = 0;
        if (set->range_count == SET_RANGES_MAX || !parse_number(part, &first)) return false;
        last = first;
        if (dots != NULL && !parse_number(dots + 2, &last)) return false;
        if (first == 0 || last < first || last > UINT32_MAX) return false;
        set->ranges[set->range_count].first = (uint32_t)first - 1;
        set->ranges[set->range_count++].last = (uint32_t)last - 1;
    }
    return set->range_count > 0;
}

static bool parse_word(const char *words, char *text, int32_t *value)
{
    char word[16];

    if (*words == 0) {
        char *end;
        const long number = strtol(text, &end, 10);
        *value = (int32_t)number;
        return end != text && *end == 0 && number >= INT32_MIN && number <= INT32_MAX;
    }
    *value = 0;
    for (char *save = NULL, *part = strtok_r(text, "+", &save); part != NULL; part = strtok_r(NULL, "+", &save)) {
        uint32_t which = 0;
        while (word_at(words, which, word) && strcmp(word, part) != 0) which++;
        if (!word_at(words, which, word)) return false;
        if (*words != '+') {
            *value = (int32_t)which;
            return *save == 0;
        }
        *value |= 1 << which;
    }
    return true;
}

/* "name=value" */
static bool parse_argument(char *text, struct fault *fault)
{
    char *value = strchr(text, '=');

    if (value == NULL) return false;
    *value++ = 0;
    if (strcmp(text, "for") == 0) return parse_number(value, &fault->duration_us);
    if (strcmp(text, "aim") == 0) {
        uint32_t aim = 0;
        while (aim < AIM_COUNT && strcmp(aims[aim], value) != 0) aim++;
        fault->aim = (enum aim)aim;
        return aim < AIM_COUNT;
    }
    for (uint32_t i = 0; i < 2; i++) {
        const enum argument argument = kinds[fault->kind].arguments[i];
        if (argument == ARGUMENT_NONE || strcmp(arguments[argument].name, text) != 0) continue;
        return parse_word(arguments[argument].words, value, &fault->values[i]);
    }
    return false;
}

bool fault_parse(const char *text, struct fault *fault)
{
    char copy[256], *save = NULL;

    *fault = (struct fault){ 0 };
    if (strlen(text) >= sizeof copy) return false;
    strcpy(copy, text);
    char *time = strtok_r(copy, " \n", &save), *kind = strtok_r(NULL, " \n", &save);
    char *machines = strtok_r(NULL, " \n", &save);
    if (machines == NULL || !parse_number(time, &fault->time_us)) return false;
    uint32_t which = 0;
    while (which < FAULT_COUNT && strcmp(kinds[which].name, kind) != 0) which++;
    if (which == FAULT_COUNT || !parse_machines(machines, &fault->machines)) return false;
    fault->kind = (enum fault_kind)which;
    for (char *part; (part = strtok_r(NULL, " \n", &save)) != NULL;) {
        if (!parse_argument(part, fault)) return false;
    }
    return true;
}
