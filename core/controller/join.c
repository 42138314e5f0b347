#include "controller/join.h"

#include "base/check.h"

enum { VERSION = 1, FLAG_WAS_MEMBER = 1, HEAD_SIZE = 4, ANSWER_HEAD_SIZE = 8, PORT_MAX = 65535 };

uint32_t join_write(const struct join *join, uint8_t bytes[JOIN_SIZE_MAX])
{
    CHECK(join->address.size <= JOIN_ADDRESS_SIZE_MAX);
    bytes[0] = VERSION;
    bytes[1] = join->was_member ? FLAG_WAS_MEMBER : 0;
    bytes[2] = (uint8_t)join->address.size;
    bytes[3] = 0;
    if (join->address.size > 0) memcpy(bytes + HEAD_SIZE, join->address.data, join->address.size);
    return HEAD_SIZE + join->address.size;
}

bool join_read(struct bytes bytes, struct join *join)
{
    if (bytes.size < HEAD_SIZE || bytes.data[0] != VERSION || bytes.data[3] != 0) return false;
    if ((bytes.data[1] & ~FLAG_WAS_MEMBER) != 0 || bytes.size != HEAD_SIZE + (uint32_t)bytes.data[2]) return false;
    struct bytes host;
    uint16_t port;

    *join = (struct join){ bytes.data[1] == FLAG_WAS_MEMBER, { bytes.data + HEAD_SIZE, bytes.data[2] } };
    return join_address_split(join->address, &host, &port);
}

uint32_t join_answer_write(const struct join_answer *answer, uint8_t bytes[JOIN_ANSWER_SIZE_MAX])
{
    CHECK(answer->address.size <= JOIN_ADDRESS_SIZE_MAX);
    bytes[0] = VERSION;
    bytes[1] = (uint8_t)answer->verdict;
    bytes[2] = (uint8_t)answer->address.size;
    bytes[3] = 0;
    store_u32(bytes + 4, (uint32_t)answer->leader_id);
    if (answer->address.size > 0) memcpy(bytes + ANSWER_HEAD_SIZE, answer->address.data, answer->address.size);
    return ANSWER_HEAD_SIZE + answer->address.size;
}

bool join_answer_read(struct bytes bytes, struct join_answer *answer)
{
    if (bytes.size < ANSWER_HEAD_SIZE || bytes.data[0] != VERSION || bytes.data[3] != 0) return false;
    if (bytes.data[1] < JOIN_TAKEN || bytes.data[1] >= JOIN_VERDICT_END) return false;
    if (bytes.size != ANSWER_HEAD_SIZE + (uint32_t)bytes.data[2]) return false;
    struct bytes host;
    uint16_t port;

    *answer = (struct join_answer){ .verdict = (enum join_verdict)bytes.data[1],
                                    .leader_id = (int32_t)load_u32(bytes.data + 4),
                                    .address = { bytes.data + ANSWER_HEAD_SIZE, bytes.data[2] } };
    if (answer->leader_id < -1 || answer->leader_id == 0) return false;
    return answer->address.size == 0 || join_address_split(answer->address, &host, &port);
}

bool join_address_split(struct bytes address, struct bytes *host, uint16_t *port)
{
    uint32_t colon = address.size, number = 0;

    while (colon > 0 && address.data[colon - 1] != ':') colon--;
    if (colon < 2 || colon == address.size || address.size - colon > 5) return false;
    for (uint32_t i = colon; i < address.size; i++) {
        if (address.data[i] < '0' || address.data[i] > '9') return false;
        number = number * 10 + address.data[i] - '0';
    }
    *host = (struct bytes){ address.data, colon - 1 };
    if (host->data[0] == '[' && host->data[host->size - 1] == ']' && host->size > 2) {
        *host = (struct bytes){ host->data + 1, host->size - 2 };
    }
    for (uint32_t i = 0; i < host->size; i++) {
        if (host->data[i] <= ' ' || host->data[i] > '~') return false;
    }
    *port = (uint16_t)number;
    return number >= 1 && number <= PORT_MAX;
}
