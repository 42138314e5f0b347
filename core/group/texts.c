#include "group/texts.h"

#include "base/check.h"

enum {
    ALIGNMENT = 64,
    BLOCK_SIZE_MAX = 1 << 30,
};

static struct buddy_config config_of(uint64_t memory_size)
{
    return (struct buddy_config){
        .range_size = memory_size,
        .block_min = TEXT_BLOCK_SIZE,
        .block_max = (uint32_t)MIN(memory_size, (uint64_t)BLOCK_SIZE_MAX),
    };
}

static size_t tree_size(uint64_t memory_size)
{
    const struct buddy_config config = config_of(memory_size);

    return (buddy_size(&config) + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

size_t texts_size(uint64_t memory_size)
{
    return tree_size(memory_size) + (size_t)memory_size;
}

void texts_init(struct texts *texts, void *memory, uint64_t memory_size)
{
    const struct buddy_config config = config_of(memory_size);

    buddy_init(&texts->buddy, memory, &config);
    texts->memory = (uint8_t *)memory + tree_size(memory_size);
}

uint8_t *texts_take(struct texts *texts, uint32_t size, struct kept *kept)
{
    *kept = (struct kept){ 0 };
    if (size == 0) return texts->memory;
    const uint64_t at = buddy_take(&texts->buddy, size);
    if (at == BUDDY_NONE) return NULL;
    *kept = (struct kept){ (uint32_t)(at / TEXT_BLOCK_SIZE), size };
    return texts->memory + at;
}

bool texts_keep(struct texts *texts, struct bytes bytes, struct kept *kept)
{
    uint8_t *to = texts_take(texts, bytes.size, kept);

    if (to == NULL) return false;
    if (bytes.size > 0) memcpy(to, bytes.data, bytes.size);
    return true;
}

void texts_give(struct texts *texts, struct kept *kept)
{
    if (kept->size > 0) buddy_give(&texts->buddy, (uint64_t)kept->block * TEXT_BLOCK_SIZE);
    *kept = (struct kept){ 0 };
}

bool texts_replace(struct texts *texts, struct kept *kept, struct bytes bytes)
{
    struct kept newer;

    if (texts_equal(texts, kept, bytes)) return true;
    if (!texts_keep(texts, bytes, &newer)) return false;
    texts_give(texts, kept);
    *kept = newer;
    return true;
}

struct bytes texts_bytes(const struct texts *texts, const struct kept *kept)
{
    return (struct bytes){ texts->memory + (uint64_t)kept->block * TEXT_BLOCK_SIZE, kept->size };
}
