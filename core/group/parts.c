#include "group/parts.h"

int part_compare(const struct part *a, const struct part *b)
{
    const int topics = memcmp(a->topic.bytes, b->topic.bytes, sizeof a->topic.bytes);

    if (topics != 0) return topics;
    return a->index < b->index ? -1 : a->index > b->index;
}

bool parts_have(struct part_list parts, const struct part *part)
{
    uint32_t begin = 0, end = parts.count;

    while (begin < end) {
        const uint32_t middle = begin + (end - begin) / 2;
        const int order = part_compare(&parts.list[middle], part);
        if (order == 0) return true;
        if (order < 0) begin = middle + 1;
        else end = middle;
    }
    return false;
}

bool parts_equal(struct part_list a, struct part_list b)
{
    return bytes_equal(parts_bytes(a), parts_bytes(b));
}

bool parts_within(struct part_list inner, struct part_list outer)
{
    for (uint32_t i = 0; i < inner.count; i++) {
        if (!parts_have(outer, &inner.list[i])) return false;
    }
    return true;
}

bool parts_meet(struct part_list a, struct part_list b)
{
    for (uint32_t i = 0; i < a.count; i++) {
        if (parts_have(b, &a.list[i])) return true;
    }
    return false;
}

static void sift(struct part *heap, uint32_t count, uint32_t at)
{
    for (;;) {
        uint32_t child = 2 * at + 1;
        if (child >= count) return;
        if (child + 1 < count && part_compare(&heap[child + 1], &heap[child]) > 0) child++;
        if (part_compare(&heap[at], &heap[child]) >= 0) return;
        const struct part swapped = heap[at];
        heap[at] = heap[child];
        heap[child] = swapped;
        at = child;
    }
}

uint32_t parts_sort(struct part *list, uint32_t count)
{
    uint32_t left = count, kept = 0;

    for (uint32_t at = count / 2; at-- > 0;) sift(list, count, at);
    while (left > 1) {
        const struct part last = list[--left];
        list[left] = list[0];
        list[0] = last;
        sift(list, left, 0);
    }
    for (uint32_t i = 0; i < count; i++) {
        if (kept == 0 || part_compare(&list[kept - 1], &list[i]) != 0) list[kept++] = list[i];
    }
    return kept;
}

uint32_t parts_of_topic(struct part_list parts)
{
    uint32_t count = 0;

    while (count < parts.count && uuid_equal(&parts.list[count].topic, &parts.list[0].topic)) count++;
    return count;
}

uint32_t parts_topic_count(struct part_list parts)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < parts.count; i++) {
        count += i == 0 || !uuid_equal(&parts.list[i].topic, &parts.list[i - 1].topic);
    }
    return count;
}
