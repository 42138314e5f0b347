/* Groups of the newer protocol under fire: members that come, crash, leave and come back, subscriptions and topics that
 * change, answers that are lost, coordinators that start anew or are lost, logs that commit late or lose what was not
 * committed. A seed is a run. What may never happen is judged all the time: no partition is two members', as they see
 * it themselves. And when it gets calm, the group comes to rest, with everything read by somebody. */
#include "base/prng.h"
#include "consumer_world.h"

enum { MEMBERS = 6, TURNS = 400, SEEDS = 40, PARTITIONS = 24, SESSION_MS = 45000 };

/* A member as its client sees it. */
struct client {
    bool here;
    bool whole; /* the last answer was lost: it says everything */
    bool fixed; /* a static member */
    int32_t epoch;
    uint32_t owned; /* partitions that it has, */
    uint32_t said;  /* and those that the coordinator knows that it has */
    uint32_t saying;
    uint64_t waiter;
    uint64_t sent_ns, heard_ns; /* when it asked, and asked what was answered */
    struct told told;           /* the answer that is on its way */
    uint32_t life;
    char id[24], topics[8];
};

struct chaos {
    struct world *world;
    struct prng prng;
    struct client clients[MEMBERS];
    uint64_t waiters;
    bool calm, third; /* the third topic is there */
    uint32_t answers, moves;
    const char *why;
};

static bool chance(struct chaos *chaos, uint64_t one_in)
{
    return !chaos->calm && prng_below(&chaos->prng, one_in) == 0;
}

/* "t0 u3" as a set; topics t, u, v have eight partitions each. */
static uint32_t set_of(const char *words)
{
    uint32_t set = 0;

    while (*words != 0) {
        const struct bytes word = word_next(&words);
        set |= UINT32_C(1) << ((word.data[0] - 't') * 8 + (word.data[1] - '0'));
    }
    return set;
}

static void say_set(uint32_t set, char *text)
{
    text[0] = 0;
    for (int i = 0; i < PARTITIONS; i++) {
        if ((set >> i & 1) != 0) text += sprintf(text, "%c%d ", 't' + i / 8, i % 8);
    }
}

static void judge(const struct chaos *chaos)
{
    uint32_t all = 0;

    for (uint32_t i = 0; i < MEMBERS; i++) {
        EXPECT(chaos->why, (all & chaos->clients[i].owned) == 0);
        all |= chaos->clients[i].owned;
    }
}

/* It gives up everything, and begins anew. */
static void begin_anew(struct client *client)
{
    client->epoch = 0;
    client->owned = client->said = 0;
    client->whole = true;
}

static void go(struct client *client)
{
    begin_anew(client);
    client->here = false;
    client->waiter = 0;
}

static void come(struct chaos *chaos, uint32_t number)
{
    static const char *const topics[] = { "t", "t u", "t u v", "u v" };
    struct client *client = &chaos->clients[number];

    begin_anew(client);
    client->here = true;
    sprintf(client->id, "m%u-%u", number, ++client->life);
    strcpy(client->topics, topics[prng_below(&chaos->prng, 4)]);
}

static void take_told(struct chaos *chaos, struct client *client, const struct told *told)
{
    client->whole = told->error != ERROR_NONE;
    if (told->error == ERROR_FENCED_MEMBER_EPOCH || told->error == ERROR_UNKNOWN_MEMBER_ID ||
        told->error == ERROR_GROUP_ID_NOT_FOUND) {
        begin_anew(client);
    }
    if (told->error != ERROR_NONE) return;
    chaos->answers++;
    EXPECT("epochs of a member grow", told->epoch >= client->epoch);
    client->epoch = told->epoch;
    client->heard_ns = client->sent_ns;
    client->said = client->saying;
    if (!told->tells) return;
    const uint32_t given = set_of(told->parts);
    chaos->moves += client->owned != given;
    client->owned = given; /* what is not in there is given up at once, and said with the next heartbeat */
}

static void take_answer(struct chaos *chaos, struct client *client)
{
    struct groups *groups = chaos->world->groups;

    if (client->waiter == 0 || !groups_is_ready(groups, client->waiter)) return;
    client->told.error = groups_outcome(groups, client->waiter);
    groups_forget(groups, client->waiter);
    client->waiter = 0;
    if (chance(chaos, 10)) client->whole = true; /* it did not arrive */
    else take_told(chaos, client, &client->told);
}

static void send(struct chaos *chaos, uint32_t number, int32_t epoch)
{
    struct client *client = &chaos->clients[number];
    char owned[128], instance[8];
    struct beat beat = { .member = client->id, .epoch = epoch };

    say_set(client->owned, owned);
    sprintf(instance, "i%u", number);
    if (client->fixed) beat.instance = instance;
    beat.full = epoch >= 0 && client->whole;
    if (beat.full) beat.topics = client->topics;
    if (beat.full || client->said != client->owned) beat.owned = owned;
    client->saying = client->owned;
    client->sent_ns = chaos->world->now;
    /* A connection of its own for each. */
    const uint64_t waiter = ++chaos->waiters << 32 | (number + 1);
    client->told = world_send_beat(chaos->world, waiter, &beat);
    if (epoch < 0) return;
    if (client->told.waits) client->waiter = waiter;
    else take_told(chaos, client, &client->told);
}

static void leave(struct chaos *chaos, uint32_t number)
{
    struct client *client = &chaos->clients[number];

    client->owned = 0;
    send(chaos, number, client->fixed && chance(chaos, 2) ? -2 : -1);
    go(client);
}

static void act(struct chaos *chaos, uint32_t number)
{
    struct client *client = &chaos->clients[number];

    take_answer(chaos, client);
    if (client->here && chance(chaos, 80)) go(client); /* crash */
    if (client->here && client->waiter == 0 && chance(chaos, 80)) leave(chaos, number);
    if (!client->here && (chaos->calm || chance(chaos, 10))) come(chaos, number);
    if (!client->here || client->waiter != 0) return;
    if (chance(chaos, 60)) {
        strcpy(client->topics, client->topics[1] == 0 ? "t u" : "t");
        client->whole = true;
    }
    if (chaos->calm || prng_below(&chaos->prng, 3) == 0) send(chaos, number, client->epoch);
}

/* Its process is gone, and with it what it knew; its log may have lost what was not committed. */
static void lose_coordinator(struct chaos *chaos)
{
    struct world *world = chaos->world;
    struct fake_log *log = &world->logs->logs[world_log_of(world, "g")];

    for (uint32_t i = 0; i < MEMBERS; i++) { /* connections are closed */
        if (chaos->clients[i].waiter != 0) chaos->clients[i].whole = true;
        chaos->clients[i].waiter = 0;
    }
    if (chance(chaos, 2)) {
        while (log->batch_count > 0 && log->batches[log->batch_count - 1].last_offset >= log->offsets.high_watermark) {
            free(log->batches[--log->batch_count].data);
        }
        log->offsets.log_end_offset = log->offsets.high_watermark;
    }
    world_restart(world);
}

/* Who has not been answered for a session gives up what it has: it may be somebody else's. */
static void age(struct chaos *chaos)
{
    for (uint32_t i = 0; i < MEMBERS; i++) {
        struct client *client = &chaos->clients[i];
        if (client->owned != 0 && chaos->world->now - client->heard_ns >= SESSION_MS * MS) begin_anew(client);
    }
}

static void turn(struct chaos *chaos)
{
    struct world *world = chaos->world;

    age(chaos);
    for (uint32_t i = 0; i < MEMBERS; i++) {
        act(chaos, i);
        judge(chaos);
    }
    if (chance(chaos, 3) || chaos->calm) world_commit(world);
    if (chance(chaos, 40)) lose_coordinator(chaos);
    if (chance(chaos, 50)) groups_on_lost(world->groups, world_log_of(world, "g")); /* in another epoch */
    if (!chaos->third && chance(chaos, TURNS / 2)) {
        world_topic(world, "v", 8);
        chaos->third = true;
    }
    world_pass(world, chaos->calm ? 1000 : prng_below(&chaos->prng, chance(chaos, 30) ? 20000 : 500));
}

static bool is_at_rest(const struct chaos *chaos)
{
    uint32_t all = 0, wanted = 0;

    for (uint32_t i = 0; i < MEMBERS; i++) {
        const struct client *client = &chaos->clients[i];
        if (!client->here || client->epoch != chaos->clients[0].epoch) return false;
        all |= client->owned;
        for (const char *words = client->topics; *words != 0;) {
            const struct bytes word = word_next(&words);
            if (word.data[0] != 'v' || chaos->third) wanted |= UINT32_C(0xff) << (word.data[0] - 't') * 8;
        }
    }
    return all == wanted && strcmp(world_state(chaos->world, "g"), "Stable") == 0;
}

TEST(groups_of_the_newer_protocol_survive_what_may_happen)
{
    struct chaos *chaos = calloc(1, sizeof *chaos);
    uint32_t answers = 0, moves = 0;

    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        char why[32];
        *chaos = (struct chaos){ .world = world_new(), .why = why };
        prng_init(&chaos->prng, seed, 0);
        sprintf(why, "seed %d", (int)seed);
        for (uint32_t i = 0; i < MEMBERS; i++) chaos->clients[i].fixed = i % 3 == 0;
        chaos->world->slow = true;
        for (uint32_t i = 0; i < TURNS; i++) turn(chaos);
        chaos->calm = true;
        chaos->world->slow = false;
        for (uint32_t i = 0; i < TURNS && !is_at_rest(chaos); i++) turn(chaos);
        EXPECT(why, is_at_rest(chaos));
        answers += chaos->answers;
        moves += chaos->moves;
        world_free(chaos->world);
    }
    EXPECT("something was done", answers > SEEDS * 100 && moves > SEEDS * 10);
    free(chaos);
}
