/* A histogram counts what took no longer than a bound under that bound. */
#include "base/latency.h"
#include "t.h"

TEST(what_takes_long_is_counted_under_its_bound)
{
    static const struct {
        const char *why;
        uint64_t ns;
        uint32_t place;
    } rows[] = {
        { "nothing", 0, 0 },
        { "just the first bound", 250999, 0 },
        { "a little more", 251000, 1 },
        { "a millisecond", 1000000, 2 },
        { "the last bound", UINT64_C(5000000000), LATENCY_BOUNDS - 1 },
        { "longer than all", UINT64_C(5000001000), LATENCY_BOUNDS },
    };
    struct latency latency = { 0 };

    for (uint32_t i = 0; i < COUNT_OF(rows); i++) {
        const uint64_t before = latency.counts[rows[i].place];
        latency_add(&latency, rows[i].ns);
        EXPECT_EQ(rows[i].why, before + 1, latency.counts[rows[i].place]);
        EXPECT_EQ(rows[i].why, i + 1, latency.count);
    }
    EXPECT_EQ("in microseconds", 250 + 251 + 1000 + 5000000 + UINT64_C(5000001), latency.sum_us);
}

TEST(bounds_rise)
{
    for (uint32_t i = 1; i < LATENCY_BOUNDS; i++) EXPECT("each", latency_bounds_us[i - 1] < latency_bounds_us[i]);
}
