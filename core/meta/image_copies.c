/* image_copies.c -- which partitions has a broker a copy of, without looking at all of them?
 *
 * Brokers come and go all the time, and each time their partitions are settled anew. A list of them for each broker
 * would take more memory than the partitions themselves; a bit for sixteen partitions and a broker is next to nothing,
 * and sixteen partitions are looked at in no time. A mark that nothing stands behind any more costs only that look. */
#include "base/check.h"
#include "meta/image_state.h"

enum { BLOCK = 16, BLOCKS_PER_WORD = 64 };

uint32_t image_copies_words(uint32_t partitions_max)
{
    return (partitions_max + BLOCK * BLOCKS_PER_WORD - 1) / (BLOCK * BLOCKS_PER_WORD);
}

static uint64_t *words_of(const struct image *image, uint32_t broker)
{
    return image->copies + (size_t)broker * image->copies_words;
}

void image_copies_clear(struct image *image, uint32_t broker)
{
    memset(words_of(image, broker), 0, image->copies_words * sizeof(uint64_t));
}

void image_copies_note_one(struct image *image, uint32_t broker, uint32_t partition)
{
    const uint32_t block = partition / BLOCK;
    words_of(image, broker)[block / BLOCKS_PER_WORD] |= (uint64_t)1 << block % BLOCKS_PER_WORD;
}

static void note_broker(struct image *image, int32_t broker_id, uint32_t partition)
{
    const uint32_t broker = image_broker_by_id(image, broker_id);
    if (broker != SLOT_NONE) image_copies_note_one(image, broker, partition);
}

void image_copies_note(struct image *image, uint32_t slot)
{
    const struct image_partition *partition = &image->partitions[slot];

    for (uint32_t i = 0; i < partition->replica_count; i++) note_broker(image, partition->replicas[i], slot);
    for (uint32_t i = 0; i < partition->observer_count; i++) note_broker(image, partition->observers[i], slot);
}

bool image_copies_may_have(const struct image *image, uint32_t broker, uint32_t partition)
{
    const uint32_t block = partition / BLOCK;
    return (words_of(image, broker)[block / BLOCKS_PER_WORD] >> block % BLOCKS_PER_WORD & 1) != 0;
}

uint32_t image_copies_next(struct image *image, uint32_t broker, uint32_t from)
{
    uint64_t *words = words_of(image, broker);
    uint32_t block = from / BLOCK;

    if (from % BLOCK != 0) return from < image->config.partitions_max ? from : SLOT_NONE; /* within one */
    while (block < image->copies_words * BLOCKS_PER_WORD) {
        const uint64_t left = words[block / BLOCKS_PER_WORD] >> block % BLOCKS_PER_WORD;
        if (left == 0) {
            block = (block / BLOCKS_PER_WORD + 1) * BLOCKS_PER_WORD;
            continue;
        }
        block += (uint32_t)__builtin_ctzll(left);
        words[block / BLOCKS_PER_WORD] &= ~((uint64_t)1 << block % BLOCKS_PER_WORD);
        return block * BLOCK;
    }
    return SLOT_NONE;
}
