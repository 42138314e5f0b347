/* Any bytes as a schedule of the simulator: it is refused in one line, or it is one that is written and read again as
 * it was, and of which a run can be made. */
#include "base/check.h"
#include "sim/plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t read_all(int file, char *into, size_t size_max)
{
    const ssize_t size = pread(file, into, size_max, 0);

    CHECK(size >= 0);
    return (size_t)size;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct plan plan, again;
    static char written[1 << 20], rewritten[1 << 20];
    char problem[PROBLEM_SIZE] = "", path[64];
    const int file = memfd_create("schedule", 0);

    CHECK(file >= 0);
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    if (size > 0) CHECK(write(file, data, size) == (ssize_t)size);
    if (!plan_read(&plan, path, problem)) {
        CHECK(problem[0] != 0 && memchr(problem, 0, sizeof problem) != NULL && strchr(problem, '\n') == NULL);
    } else {
        CHECK(plan_contradiction(&plan) == NULL);
        CHECK(plan_write(&plan, path, "what was read"));
        const size_t once = read_all(file, written, sizeof written);
        CHECK(plan_read(&again, path, problem));
        CHECK(plan_write(&again, path, "what was read"));
        CHECK(read_all(file, rewritten, sizeof rewritten) == once && memcmp(written, rewritten, once) == 0);
    }
    close(file);
    return 0;
}
