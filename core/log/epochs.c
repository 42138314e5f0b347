#include "log/epochs.h"

#include "base/bytes.h"
#include "base/check.h"

static size_t rounded(size_t size)
{
    return (size + 63) / 64 * 64;
}

size_t epochs_size(uint32_t epochs_max)
{
    return rounded(pool_size(epochs_max)) + rounded(epochs_max * sizeof(struct epoch));
}

void epochs_init(struct epochs *epochs, void *memory, uint32_t epochs_max)
{
    pool_init(&epochs->pool, memory, epochs_max);
    epochs->epochs = (struct epoch *)(void *)((uint8_t *)memory + rounded(pool_size(epochs_max)));
}

void epoch_list_init(struct epoch_list *list)
{
    *list = (struct epoch_list){ .newest = { .epoch = -1, .older = POOL_NONE } };
}

/* Cuts the list behind the entry `keep` ages from the newest. */
static void cut(struct epochs *epochs, struct epoch_list *list, uint32_t keep)
{
    struct epoch *last = &list->newest;

    CHECK(keep >= 1);
    if (keep >= list->count) return;
    for (uint32_t age = 1; age < keep; age++) last = &epochs->epochs[last->older];
    for (uint32_t slot = last->older; slot != POOL_NONE;) {
        const uint32_t older = epochs->epochs[slot].older;
        pool_give(&epochs->pool, slot);
        slot = older;
    }
    last->older = POOL_NONE;
    list->count = keep;
}

void epochs_add(struct epochs *epochs, struct epoch_list *list, int32_t epoch, int64_t start_offset)
{
    if (epoch < 0 || epoch <= list->newest.epoch) return;
    uint32_t older = POOL_NONE;

    CHECK(list->count == 0 || start_offset >= list->newest.start_offset);
    if (list->count > 0 && start_offset == list->newest.start_offset) {
        list->newest.epoch = epoch; /* nothing was appended in the one before */
        return;
    }
    if (list->count == EPOCHS_OF_LOG_MAX) cut(epochs, list, EPOCHS_OF_LOG_MAX - 1);
    if (list->count > 0) {
        older = pool_take(&epochs->pool);
        if (older == POOL_NONE && list->count > 1) {
            cut(epochs, list, list->count - 1);
            older = pool_take(&epochs->pool);
        }
        if (older == POOL_NONE) list->count = 0;
        else epochs->epochs[older] = list->newest;
    }
    list->newest = (struct epoch){ start_offset, epoch, older };
    list->count++;
    epochs_check(epochs, list);
}

void epochs_trim(struct epochs *epochs, struct epoch_list *list, int64_t log_start_offset)
{
    uint32_t keep = 1;

    if (list->count == 0) return;
    for (const struct epoch *epoch = &list->newest; epoch->start_offset > log_start_offset && keep < list->count;
         epoch = &epochs->epochs[epoch->older]) {
        keep++;
    }
    cut(epochs, list, keep);
}

void epochs_truncate(struct epochs *epochs, struct epoch_list *list, int64_t end_offset)
{
    const int64_t from = end_offset + (MUTANT(epochs_keep_the_one_at_the_cut) ? 1 : 0);

    while (list->count > 0 && list->newest.start_offset >= from) {
        const uint32_t older = list->newest.older;
        if (older == POOL_NONE) {
            epoch_list_init(list);
            return;
        }
        list->newest = epochs->epochs[older];
        list->count--;
        pool_give(&epochs->pool, older);
    }
}

void epochs_clear(struct epochs *epochs, struct epoch_list *list)
{
    if (list->count > 0) cut(epochs, list, 1);
    epoch_list_init(list);
}

const struct epoch *epochs_at(const struct epochs *epochs, const struct epoch_list *list, uint32_t age)
{
    const struct epoch *epoch = &list->newest;

    if (age >= list->count) return NULL;
    for (; age > 0; age--) epoch = &epochs->epochs[epoch->older];
    return epoch;
}

struct epoch_answer epochs_end(const struct epochs *epochs, const struct epoch_list *list, int32_t epoch,
                               int64_t log_end_offset)
{
    const struct epoch *at = &list->newest;

    if (list->count == 0 || epoch < 0 || epoch > at->epoch) return (struct epoch_answer){ -1, -1 };
    if (epoch == at->epoch) return (struct epoch_answer){ epoch, log_end_offset };
    int64_t end_offset = at->start_offset;
    while (at->older != POOL_NONE) {
        at = &epochs->epochs[at->older];
        if (at->epoch <= epoch) return (struct epoch_answer){ at->epoch, end_offset };
        end_offset = at->start_offset;
    }
    /* Older than all we know: it can have nothing from the first known start on. */
    return (struct epoch_answer){ epoch, end_offset };
}

struct epoch_floor epochs_floor(const struct epochs *epochs, const struct epoch_list *list, int32_t epoch,
                                int64_t log_start_offset, int64_t log_end_offset)
{
    int64_t end_offset = log_end_offset;

    if (list->count == 0 || epoch < 0) return (struct epoch_floor){ false, -1, log_start_offset };
    for (const struct epoch *at = &list->newest;; at = &epochs->epochs[at->older]) {
        if (at->epoch <= epoch) return (struct epoch_floor){ true, at->epoch, end_offset };
        end_offset = at->start_offset;
        if (at->older == POOL_NONE) break;
    }
    /* All records of that epoch are gone, unless older entries were forgotten. */
    const bool known = end_offset <= log_start_offset;
    return (struct epoch_floor){ known, known ? epoch : -1, known ? end_offset : log_start_offset };
}

void epochs_check(const struct epochs *epochs, const struct epoch_list *list)
{
    const struct epoch *epoch = &list->newest;
    uint32_t count = list->count > 0 ? 1 : 0;

    CHECK(list->count <= EPOCHS_OF_LOG_MAX);
    for (; epoch->older != POOL_NONE; count++) {
        const struct epoch *older = &epochs->epochs[epoch->older];
        CHECK(older->epoch < epoch->epoch && older->start_offset < epoch->start_offset); /* (1) */
        epoch = older;
    }
    CHECK(count == list->count);
}
