#include "base/arena.h"
#include "t.h"

TEST(an_arena_hands_out_what_it_has)
{
    _Alignas(8) uint8_t memory[44];
    struct arena arena;

    arena_init(&arena, memory, sizeof memory);
    EXPECT("the first thing", arena_take(&arena, 3, 1) == memory);
    EXPECT("the next one, aligned", arena_take(&arena, 2, 8) == memory + 8);
    EXPECT("nothing needs no room", arena_take(&arena, 0, 100) == memory + 24);
    EXPECT("all that is left, in whole units", arena_take(&arena, 16, 1) == memory + 24);
    EXPECT("nothing still has an address", arena_take(&arena, 0, 8) != NULL);
    EXPECT("not exhausted yet", !arena.exhausted);
    EXPECT("one byte more", arena_take(&arena, 1, 1) == NULL);
    EXPECT("exhausted", arena.exhausted);
    EXPECT("then nothing fits", arena_take(&arena, 0, 1) == NULL);
    arena_reset(&arena);
    EXPECT("all of it again", arena_take(&arena, 40, 1) == memory);
    arena_reset(&arena);
    EXPECT("a product beyond 32 bits", arena_take(&arena, UINT32_MAX, UINT32_MAX) == NULL);
}
