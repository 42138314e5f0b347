#include "sim/schedule.h"

#include "sim/world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *fault_name(enum fault_kind kind)
{
    static const char *const names[FAULT_COUNT] = {
#define X(kind, text, what) text,
        EACH_FAULT(X)
#undef X
    };
    return names[kind];
}

static int by_time(const void *a, const void *b)
{
    const struct fault *x = a, *y = b;
    if (x->time_us != y->time_us) return x->time_us < y->time_us ? -1 : 1;
    return (int)x->kind - (int)y->kind;
}

static void draw_details(struct fault *fault, struct prng *prng, bool aimed)
{
    fault->duration_us = 1000 + prng_below(prng, 400 * 1000);
    switch (fault->kind) {
    case FAULT_POWER_LOSS:
        fault->argument = (uint32_t)prng_below(prng, LOSS_COUNT + 1);
        if (fault->argument >= LOSS_COUNT) fault->argument = LOSS_MIXED;
        break;
    case FAULT_STALL:
        fault->argument = 2 + (uint32_t)prng_below(prng, 200) + ((uint32_t)prng_below(prng, STALLED_COUNT) << 12);
        break;
    case FAULT_STOP: fault->argument = (uint32_t)prng_below(prng, 2); break;
    case FAULT_SYNC_FAILS:
        fault->argument = 1 + (uint32_t)prng_below(prng, prng_chance(prng, 1, 2) ? 3 : 20) +
                          ((uint32_t)prng_below(prng, STALLED_COUNT) << 12);
        break;
    case FAULT_RESET:
    case FAULT_CLOG: fault->argument = 1 + (uint32_t)prng_below(prng, 4); break;
    case FAULT_CLOCK_STEP: fault->argument = (uint16_t)(int16_t)((int)prng_below(prng, 3000) - 1500); break;
    case FAULT_PAUSE: fault->duration_us *= 1 + prng_below(prng, 20); break;
    default: break;
    }
    const bool crash = fault->kind == FAULT_POWER_LOSS || fault->kind == FAULT_KILL;
    const uint32_t aim = (uint32_t)prng_below(prng, AIM_COUNT);
    if (aimed && crash) fault->argument |= aim << AIM_SHIFT;
}

void schedule_draw(struct schedule *schedule, uint64_t seed, const struct fault_rates *rates, uint32_t machines,
                   uint64_t begin_us, uint64_t end_us)
{
    schedule->count = 0;
    for (enum fault_kind kind = 0; kind < FAULT_COUNT; kind++) {
        struct prng prng; /* one stream per kind: switching one off leaves the others where they were */
        prng_init(&prng, seed, (uint64_t)STREAM_FAULTS << 32 | kind);
        if (rates->per_100_s[kind] == 0) continue;
        const uint64_t every_us = 100 * 1000 * 1000 / rates->per_100_s[kind];
        uint64_t time_us = begin_us;
        for (;;) {
            struct fault fault = { .kind = kind };
            time_us += 1 + prng_below(&prng, 2 * every_us);
            fault.time_us = time_us;
            fault.machine = (uint32_t)prng_below(&prng, machines);
            draw_details(&fault, &prng, rates->aimed);
            if (time_us >= end_us || schedule->count == SCHEDULE_MAX) break;
            schedule->list[schedule->count++] = fault;
        }
    }
    qsort(schedule->list, schedule->count, sizeof schedule->list[0], by_time);
}

static bool read_line(const char *text, struct fault *fault)
{
    char name[32];
    unsigned long long time, duration;
    unsigned machine, argument;

    if (sscanf(text, "%llu %31s %u %u %llu", &time, name, &machine, &argument, &duration) != 5) return false;
    for (enum fault_kind kind = 0; kind < FAULT_COUNT; kind++) {
        if (strcmp(name, fault_name(kind)) != 0) continue;
        *fault = (struct fault){ time, kind, machine, argument, duration };
        return machine < MACHINES_MAX && argument >> AIM_SHIFT < AIM_COUNT;
    }
    return false;
}

bool schedule_read(struct schedule *schedule, const char *path, uint32_t *line)
{
    char text[256];
    FILE *file = fopen(path, "r");

    *line = 0;
    schedule->count = 0;
    if (file == NULL) return false;
    while (fgets(text, sizeof text, file) != NULL) {
        ++*line;
        if (text[0] == '#' || text[0] == '\n') continue;
        if (schedule->count == SCHEDULE_MAX || !read_line(text, &schedule->list[schedule->count])) {
            fclose(file);
            return false;
        }
        schedule->count++;
    }
    fclose(file);
    qsort(schedule->list, schedule->count, sizeof schedule->list[0], by_time);
    return true;
}

bool schedule_write(const struct schedule *schedule, const char *path)
{
    FILE *file = fopen(path, "w");

    if (file == NULL) return false;
    fprintf(file, "# time kind machine argument duration; microseconds\n");
    for (uint32_t i = 0; i < schedule->count; i++) {
        const struct fault *fault = &schedule->list[i];
        fprintf(file, "%llu %s %u %u %llu\n", (unsigned long long)fault->time_us, fault_name(fault->kind),
                fault->machine, fault->argument, (unsigned long long)fault->duration_us);
    }
    return fclose(file) == 0;
}
