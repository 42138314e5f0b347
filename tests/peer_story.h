/* peer_story.h -- what a world of nodes and the network between them is made of, and how it tells what happens.
 *
 * Used by peer_world.h alone, which moves it. */
#ifndef CHRONIK_TESTS_PEER_STORY_H
#define CHRONIK_TESTS_PEER_STORY_H

#include "base/crc32c.h"
#include "base/prng.h"
#include "peer/peers.h"
#include "peer/wire.h"
#include "t.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/mman.h>

enum {
    WORLD_NODES_MAX = 8,
    WORLD_LINKS = 16,     /* of each kind */
    WORLD_FIRST_LINK = 5, /* as if there were clients */
    WORLD_WIRES_MAX = 4096,
    WORLD_HAPPENINGS_MAX = 65536,
    WORLD_WINDOW = 96 << 10, /* bytes that the network takes before somebody reads them */
    WORLD_FRAMES_MAX = 4096,
    WORLD_CONTROL_MAX = 100000,
    WORLD_DATA_MAX = 1 << 20,
};
#define WORLD_MS 1000000ull
#define WORLD_DELAY (WORLD_MS / 5)

enum side { DIALER, CALLED };

struct wire_end {
    bool used;    /* the node has the number, and has not been told of its end */
    bool opened;  /* it was told that it is open */
    bool closing; /* LINK_CLOSED is on the way */
    bool receiving, sending, blocked;
    bool ended; /* the other end has closed: behind what is on the way comes the end */
    struct effect_receive receive;
    struct effect_send send;
    uint32_t send_crc;
    uint32_t link;
    uint32_t node;
    uint8_t *data; /* on the way to this end */
    uint32_t size, capacity;
};

struct wire {
    bool used;
    struct wire_end ends[2];
};

enum world_happening { WORLD_CONNECT, WORLD_OPENED, WORLD_ARRIVE, WORLD_SENT, WORLD_CLOSED };

struct happening {
    uint64_t time_ns, sequence;
    enum world_happening kind;
    uint32_t wire;
    enum side side;
    bool refused;
};

/* A frame that a room handed out. */
struct got_frame {
    int32_t from;
    enum peer_channel channel;
    uint64_t member_id;
    uint8_t kind;
    uint32_t size, checked_size;
    uint32_t crc;
};

struct world_node {
    bool alive;
    struct peers *peers;
    size_t size;
    struct peers_config config;
    struct peer_identity identity;
    uint16_t speaks; /* another version of the protocol; 0: this one */
    bool holds;      /* takes no frames of data */
    bool holds_all;  /* nor others */
    uint32_t frames_per_step;
    uint32_t frame_count;
    struct got_frame frames[WORLD_FRAMES_MAX];
    uint32_t returned_sent, returned_dropped;
    uint64_t last_cookie;
    uint32_t ups, downs, misses, turned_away;
    struct peer_change last_down, last_miss, last_turned_away;
    bool did_nothing;
    uint32_t spins;                    /* steps in a row that it asked for, and did nothing in */
    uint32_t wire_of[2 * WORLD_LINKS]; /* by link */
};

struct world {
    uint64_t now_ns;
    struct prng prng;
    uint32_t node_count;
    struct world_node nodes[WORLD_NODES_MAX + 1]; /* by node id */
    struct wire wires[WORLD_WIRES_MAX];
    uint32_t wire_count;
    struct happening happenings[WORLD_HAPPENINGS_MAX];
    uint32_t happening_count;
    uint64_t sequence;
    bool cut[WORLD_NODES_MAX + 1][WORLD_NODES_MAX + 1]; /* [from][to] */
    uint64_t close_delay_ns;                            /* of a host: what is under way may come before it */
    uint32_t chunk_max;                                 /* 0: as it comes; else pieces of 1 to so many bytes */
    uint64_t bytes_moved;
    uint32_t flips; /* bytes still to be spoiled on their way */
    char *story;
    size_t story_size, story_max;
};

/* ---- the story ---- */

__attribute__((format(printf, 2, 3))) static inline void world_say(struct world *world, const char *format, ...)
{
    va_list list;

    if (world->story == NULL) return;
    va_start(list, format);
    world->story_size += (size_t)snprintf(world->story + world->story_size, world->story_max - world->story_size,
                                          "[%5llu] ", (unsigned long long)(world->now_ns / WORLD_MS));
    world->story_size +=
        (size_t)vsnprintf(world->story + world->story_size, world->story_max - world->story_size, format, list);
    va_end(list);
    world->story[world->story_size++] = '\n';
    world->story[world->story_size] = 0;
    CHECK(world->story_size < world->story_max - 400);
}

static inline void world_say_note(struct world *world, int32_t id, const struct note *note)
{
#define X(name, level, format) format,
    static const char *const formats[] = { NOTES(X) };
#undef X
    char text[300];
    uint32_t size = 0, number = 0;

    for (const char *at = formats[note->id]; *at != 0 && size < sizeof text - 100; at++) {
        if (at[0] == '%' && at[1] == 'd') {
            size += (uint32_t)snprintf(text + size, sizeof text - size, "%" PRId64, note->numbers[number++ % 4]);
            at++;
        } else if (at[0] == '%' && at[1] == 's') {
            size += (uint32_t)snprintf(text + size, sizeof text - size, "%.*s", (int)note->text.size,
                                       (const char *)note->text.data);
            at++;
        } else {
            text[size++] = *at;
        }
    }
    text[size] = 0;
    world_say(world, "%d   %s", id, text);
}

#endif
