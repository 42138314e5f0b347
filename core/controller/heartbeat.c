#include "controller/heartbeat.h"

#include "base/check.h"

enum { VERSION = 1 };
enum { FLAG_READY = 1, FLAG_CRASHED = 2, FLAG_WANTS_SHUTDOWN = 4, FLAGS = 7 };
enum { FLAG_MAY_GO = 1 };

void heartbeat_write(const struct heartbeat *heartbeat, uint8_t *bytes)
{
    bytes[0] = VERSION;
    bytes[1] = (uint8_t)((heartbeat->ready ? FLAG_READY : 0) | (heartbeat->crashed ? FLAG_CRASHED : 0) |
                         (heartbeat->wants_shutdown ? FLAG_WANTS_SHUTDOWN : 0));
    store_u16(bytes + 2, 0);
    store_u32(bytes + 4, (uint32_t)heartbeat->broker_id);
    store_u64(bytes + 8, (uint64_t)heartbeat->broker_epoch);
    store_u64(bytes + 16, heartbeat->applied_index);
}

bool heartbeat_read(struct bytes bytes, struct heartbeat *heartbeat)
{
    if (bytes.size != HEARTBEAT_SIZE || bytes.data[0] != VERSION) return false;
    if ((bytes.data[1] & ~FLAGS) != 0 || load_u16(bytes.data + 2) != 0) return false;
    *heartbeat = (struct heartbeat){
        .broker_id = (int32_t)load_u32(bytes.data + 4),
        .broker_epoch = (int64_t)load_u64(bytes.data + 8),
        .applied_index = load_u64(bytes.data + 16),
        .ready = (bytes.data[1] & FLAG_READY) != 0,
        .crashed = (bytes.data[1] & FLAG_CRASHED) != 0,
        .wants_shutdown = (bytes.data[1] & FLAG_WANTS_SHUTDOWN) != 0,
    };
    return heartbeat->broker_id >= 0 && heartbeat->broker_epoch >= 0;
}

void heartbeat_answer_write(const struct heartbeat_answer *answer, uint8_t *bytes)
{
    bytes[0] = VERSION;
    bytes[1] = answer->may_go ? FLAG_MAY_GO : 0;
    bytes[2] = (uint8_t)answer->verdict;
    bytes[3] = 0;
    store_u32(bytes + 4, 0);
    store_u64(bytes + 8, (uint64_t)answer->broker_epoch);
}

bool heartbeat_answer_read(struct bytes bytes, struct heartbeat_answer *answer)
{
    if (bytes.size != HEARTBEAT_ANSWER_SIZE || bytes.data[0] != VERSION) return false;
    if ((bytes.data[1] & ~FLAG_MAY_GO) != 0 || bytes.data[2] > HEARTBEAT_UNKNOWN) return false;
    if (bytes.data[3] != 0 || load_u32(bytes.data + 4) != 0) return false;
    *answer = (struct heartbeat_answer){ .broker_epoch = (int64_t)load_u64(bytes.data + 8),
                                         .verdict = (enum heartbeat_verdict)bytes.data[2],
                                         .may_go = (bytes.data[1] & FLAG_MAY_GO) != 0 };
    return true;
}
