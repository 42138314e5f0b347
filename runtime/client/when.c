#include "runtime/client/when.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

static bool read_whole(const char *text, int64_t *number)
{
    char *end;

    if (strspn(text, "0123456789") != strlen(text) || text[0] == 0 || strlen(text) > 18) return false;
    *number = strtoll(text, &end, 10);
    return true;
}

static bool read_time(const char *text, int64_t *ms)
{
    static const char *const formats[] = { "%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%SZ" };

    if (read_whole(text, ms)) return true;
    for (unsigned i = 0; i < sizeof formats / sizeof formats[0]; i++) {
        struct tm day = { 0 };
        const char *end = strptime(text, formats[i], &day);
        if (end == NULL || *end != 0) continue;
        *ms = (int64_t)timegm(&day) * 1000;
        return true;
    }
    return false;
}

bool when_parse(const char *text, struct when *when)
{
    *when = (struct when){ .kind = WHEN_OFFSET };
    if (strcmp(text, "beginning") == 0) when->kind = WHEN_BEGINNING;
    else if (strcmp(text, "end") == 0) when->kind = WHEN_END;
    else if (text[0] == '@') {
        when->kind = WHEN_TIME;
        return read_time(text + 1, &when->number);
    } else if (text[0] == '-') {
        when->kind = WHEN_LAST;
        return read_whole(text + 1, &when->number);
    } else {
        return read_whole(text, &when->number);
    }
    return true;
}

int64_t when_offset(const struct when *when, int64_t first, int64_t end, int64_t timed)
{
    switch (when->kind) {
    case WHEN_BEGINNING: return first;
    case WHEN_END: return end;
    case WHEN_OFFSET: return when->number;
    case WHEN_LAST: return end - when->number > first ? end - when->number : first;
    case WHEN_TIME: return timed >= 0 ? timed : end;
    }
    return end;
}
