/* Clients that send anything, a log and a disk that do anything: a list of small commands, read from the bytes. The
 * broker checks itself; at the end, with all links closed, nothing may be left pinned or taken. */
#include "broker_world.h"

enum { FRAME_MAX = 8 << 10, COMMANDS_MAX = 200 };

static uint8_t taken(struct reader *input)
{
    return reader_uint8(input);
}

/* As many bytes as are asked for, or as there are. */
static struct bytes some_bytes(struct reader *input, uint32_t wanted)
{
    const uint32_t size = MIN(wanted, reader_left(input));

    return (struct bytes){ reader_take(input, size), size };
}

static void raw_bytes(struct world *world, struct reader *input)
{
    const uint32_t link = taken(input) % WORLD_LINKS, wanted = taken(input);
    const struct bytes bytes = some_bytes(input, wanted);

    if (bytes.size > 0) world_send(world, link, bytes.data, bytes.size);
}

/* A request with a true header and any body. */
static void request(struct world *world, struct reader *input)
{
    const uint32_t link = taken(input) % WORLD_LINKS;
    const struct api *api = &api_table[taken(input) % API_COUNT];
    const uint32_t versions = (uint32_t)(api->served_max - api->served_min + 2);
    const int16_t version = (int16_t)(api->served_min + (int16_t)(taken(input) % versions));
    const uint32_t wanted = reader_uint16(input) % FRAME_MAX;
    struct frame_out frame = frame_begin(api->key, version, 1);

    writer_raw(&frame.writer, some_bytes(input, wanted));
    const struct bytes bytes = frame_end(&frame);
    world_send(world, link, bytes.data, bytes.size);
}

static void progress(struct world *world, uint8_t choice)
{
    const uint32_t log = choice % FAKE_LOGS_MAX;
    struct log_offsets *offsets = &world->logs->logs[log].offsets;

    world_begin(world);
    if (choice >= 192) {
        switch (choice / 4 % 3) {
        case 0: broker_on_log_lost(world->broker, log); break;
        case 1: broker_on_leadership_lost(world->broker, log); break;
        default: broker_on_min_isr_lost(world->broker, log);
        }
    } else {
        offsets->durable_offset = offsets->log_end_offset;
        if (choice < 128) offsets->high_watermark = offsets->durable_offset;
        broker_on_high_watermark(world->broker, log);
    }
    world_end(world);
}

static void knob(struct world *world, uint8_t which, uint8_t value)
{
    switch (which % 8) {
    case 0: world->logs->appends_left = value % 4 == 0 ? FAKE_NO_LIMIT : value % 4; break;
    case 1: world->logs->reads_waiting = value % 4; break;
    case 2: world->logs->read_next = value % 4 == 0 ? READ_CORRUPT : READ_OK; break;
    case 3: world->chunk_size = value == 0 ? UINT32_MAX : value; break;
    case 6: world->replicas.partitions[value % FAKE_LOGS_MAX].unready = value >= 128; break;
    case 7: world->replicas.partitions[value % FAKE_LOGS_MAX].unknown = value >= 128; break;
    case 4: world->wires[value % WORLD_LINKS].slow = value >= 128; break;
    default: world->logs->logs[value % FAKE_LOGS_MAX].on_disk = value >= 128;
    }
}

/* Something comes of the oldest open wish, or of a younger one. */
static void wish(struct world *world, uint8_t which, uint8_t what)
{
    static const enum wish_verdict verdicts[] = { WISH_ANSWERED,  WISH_GRANTED, WISH_MALFORMED,
                                                  WISH_TOO_LARGE, WISH_UNTOLD,  WISH_GIVEN_UP };
    const uint64_t last = world->controller.wish;
    const enum wish_verdict verdict = verdicts[what % COUNT_OF(verdicts)];

    world->controller.refusals_left = what >= 128 ? which % 4 : 0;
    if (last == 0) return;
    const uint64_t chosen = last - which % MIN(last, UINT64_C(8));
    if (fake_wish_at(&world->controller, chosen)->verdict != WISH_OPEN) return;
    world_done(world, chosen, verdict, verdict <= WISH_GRANTED ? BYTES_LITERAL("\1answer") : (struct bytes){ 0 });
}

static void command(struct world *world, struct reader *input)
{
    const uint8_t what = taken(input);
    const uint32_t link = what / 16 % WORLD_LINKS;

    switch (what % 16) {
    case 0: raw_bytes(world, input); break;
    case 1:
    case 2:
    case 3: request(world, input); break;
    case 4: progress(world, taken(input)); break;
    case 5: knob(world, taken(input), taken(input)); break;
    case 6:
        if (world->wires[link].open) world_close(world, link);
        else world_open(world, link);
        break;
    case 7: world_pass(world, (uint64_t)taken(input) * taken(input)); break;
    case 8: world_read_done(world); break;
    case 9: wish(world, taken(input), taken(input)); break;
    case 10: world->controller.producer_id_end += 2; break;
    case 11: world_move(world, link); break;
    default: world_run(world);
    }
}

static void finish(struct world *world)
{
    world->logs->appends_left = FAKE_NO_LIMIT;
    world->logs->reads_waiting = 0;
    for (uint32_t link = 0; link < WORLD_LINKS; link++) world->wires[link].slow = false;
    world_read_done(world);
    for (uint32_t link = 0; link < WORLD_LINKS; link++) {
        if (world->wires[link].open) world_close(world, link);
    }
    broker_check(world->broker);
    const struct broker_usage usage = broker_usage(world->broker);
    CHECK(usage.links == 0 && usage.links_waiting == 0 && usage.fetches_waiting == 0 && usage.answers_waiting == 0);
    CHECK(usage.frames_size == 0 && usage.answers_size == 0 && usage.pinned_size == 0);
    CHECK(world->logs->pins == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct reader input = reader_of((struct bytes){ data, (uint32_t)size });
    struct broker_config config = world_broker_config;

    config.request_size_max = 64 << 10;
    config.request_memory_size = 512 << 10;
    config.tail_memory_size = 64 << 10;
    config.message_size_max = 16 << 10;
    struct world *world = world_new(&config);
    world_topic(world, "t", 4, 1);
    world_topic(world, "far", 1, 2);
    for (uint32_t link = 0; link < 4; link++) world_open(world, link);
    broker_open(world->broker);
    for (int i = 0; i < COMMANDS_MAX && reader_left(&input) > 0; i++) command(world, &input);
    world_run(world);
    finish(world);
    world_free(world);
    return 0;
}
