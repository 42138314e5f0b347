#include "controller/wishes.h"

#include "base/check.h"

size_t wishes_memory_size(uint32_t size_max)
{
    return (size_t)WISHES_OPEN_MAX * size_max;
}

void wishes_init(struct wishes *wishes, void *memory, uint32_t size_max, int32_t node_id,
                 const struct uuid *incarnation)
{
    *wishes = (struct wishes){
        .node_id = node_id,
        .incarnation = *incarnation,
        .size_max = size_max,
        .leader_id = -1,
        .next = 1,
        .first_open = 1,
        .due_ns = WISH_NEVER,
        .memory = memory,
    };
}

/* ---- slots ---- */

static struct wish_slot *find(struct wishes *wishes, uint64_t sequence)
{
    for (uint32_t i = 0; sequence != 0 && i < WISHES_OPEN_MAX; i++) {
        if (wishes->slots[i].sequence == sequence) return &wishes->slots[i];
    }
    return NULL;
}

static struct wish_slot *find_open(struct wishes *wishes, uint64_t sequence)
{
    struct wish_slot *slot = find(wishes, sequence);

    return slot == NULL || slot->verdict != WISH_OPEN ? NULL : slot;
}

static struct wish_slot *find_free(struct wishes *wishes)
{
    for (uint32_t i = 0; i < WISHES_OPEN_MAX; i++) {
        if (wishes->slots[i].sequence == 0) return &wishes->slots[i];
    }
    return NULL;
}

static uint8_t *memory_of(const struct wishes *wishes, const struct wish_slot *slot)
{
    return wishes->memory + (size_t)(slot - wishes->slots) * wishes->size_max;
}

static void free_slot(struct wishes *wishes, struct wish_slot *slot)
{
    if (slot->kind < WISH_INNER) wishes->outer_count--;
    *slot = (struct wish_slot){ 0 };
}

static void raise_first_open(struct wishes *wishes)
{
    uint64_t first = wishes->next;

    for (uint32_t i = 0; i < WISHES_OPEN_MAX; i++) {
        const struct wish_slot *slot = &wishes->slots[i];
        if (slot->sequence != 0 && slot->verdict == WISH_OPEN && slot->sequence < first) first = slot->sequence;
    }
    wishes->first_open = first;
}

/* The answer takes the place of the body. */
static void finish(struct wishes *wishes, struct wish_slot *slot, enum wish_verdict verdict, struct bytes answer)
{
    CHECK(slot->verdict == WISH_OPEN && verdict != WISH_OPEN);
    if (answer.size > wishes->size_max) { /* a leader with other limits than ours */
        verdict = verdict == WISH_GRANTED ? WISH_UNTOLD : WISH_TOO_LARGE;
        answer.size = 0;
    }
    slot->verdict = verdict;
    slot->size = answer.size;
    if (answer.size > 0) memcpy(memory_of(wishes, slot), answer.data, answer.size);
    wishes->untold_count++;
    raise_first_open(wishes);
}

/* ---- wishing ---- */

bool wishes_have_room(const struct wishes *wishes, uint8_t kind)
{
    const uint64_t distance = wishes->next - wishes->first_open;
    uint32_t used = 0;

    if (kind < WISH_INNER) return wishes->outer_count < WISHES_OUTER_MAX && distance < WISHES_OUTER_MAX;
    for (uint32_t i = 0; i < WISHES_OPEN_MAX; i++) used += wishes->slots[i].sequence != 0;
    return used < WISHES_OPEN_MAX && distance < WISHES_OPEN_MAX;
}

uint64_t wishes_open(struct wishes *wishes, uint8_t kind, int16_t version, struct bytes body, uint64_t deadline_ns,
                     bool kept)
{
    CHECK(wishes_have_room(wishes, kind) && body.size <= wishes->size_max);
    struct wish_slot *slot = find_free(wishes);

    CHECK(slot != NULL);
    *slot = (struct wish_slot){
        .sequence = wishes->next++,
        .kept = kept,
        .kind = kind,
        .version = version,
        .verdict = WISH_OPEN,
        .size = body.size,
        .deadline_ns = deadline_ns,
    };
    if (body.size > 0) memcpy(memory_of(wishes, slot), body.data, body.size);
    if (kind < WISH_INNER) wishes->outer_count++;
    wishes->due_ns = 0;
    return slot->sequence;
}

uint64_t wishes_same(const struct wishes *wishes, uint8_t kind, struct bytes body)
{
    for (uint32_t i = 0; i < WISHES_OPEN_MAX; i++) {
        const struct wish_slot *slot = &wishes->slots[i];
        if (slot->sequence == 0 || slot->verdict != WISH_OPEN || slot->kind != kind) continue;
        if (bytes_equal((struct bytes){ memory_of(wishes, slot), slot->size }, body)) return slot->sequence;
    }
    return 0;
}

enum wish_verdict wishes_outcome(const struct wishes *wishes, uint64_t sequence, struct bytes *answer)
{
    const struct wish_slot *slot = find((struct wishes *)(uintptr_t)wishes, sequence);

    *answer = (struct bytes){ 0 };
    if (slot == NULL) return WISH_GIVEN_UP;
    if (slot->verdict != WISH_OPEN) *answer = (struct bytes){ memory_of(wishes, slot), slot->size };
    return slot->verdict;
}

void wishes_forget(struct wishes *wishes, uint64_t sequence)
{
    struct wish_slot *slot = find(wishes, sequence);

    if (slot == NULL) return;
    slot->kept = false;
    if (slot->told) free_slot(wishes, slot);
}

void wishes_withdraw(struct wishes *wishes, uint64_t sequence)
{
    struct wish_slot *slot = find_open(wishes, sequence);

    if (slot != NULL) finish(wishes, slot, WISH_GIVEN_UP, (struct bytes){ 0 });
}

/* ---- facts ---- */

static void ask_all(struct wishes *wishes, uint64_t now_ns)
{
    for (uint32_t i = 0; i < WISHES_OPEN_MAX; i++) {
        struct wish_slot *slot = &wishes->slots[i];
        if (slot->sequence != 0 && slot->verdict == WISH_OPEN) slot->due_ns = now_ns;
    }
    wishes->due_ns = now_ns;
}

void wishes_on_leader(struct wishes *wishes, uint64_t now_ns, int32_t node_id, uint64_t term)
{
    if (node_id == wishes->leader_id && term == wishes->term) return;
    wishes->leader_id = node_id;
    wishes->term = term;
    if (node_id >= 0) ask_all(wishes, now_ns);
}

void wishes_on_link_up(struct wishes *wishes, uint64_t now_ns, int32_t node_id)
{
    if (node_id == wishes->leader_id && node_id != wishes->node_id) ask_all(wishes, now_ns);
}

void wishes_on_lost(struct wishes *wishes, uint64_t now_ns, uint64_t sequence)
{
    struct wish_slot *slot = find_open(wishes, sequence);

    if (slot == NULL) return;
    slot->due_ns = now_ns + WISH_LATER_NS;
    wishes->due_ns = MIN(wishes->due_ns, slot->due_ns);
}

bool wishes_on_answer(struct wishes *wishes, uint64_t now_ns, const struct wish_answer *answer)
{
    struct wish_slot *slot = find_open(wishes, answer->sequence);

    if (slot == NULL || !uuid_equal(&answer->incarnation, &wishes->incarnation)) return false;
    /* An earlier asking may have been refused, and a later one granted: only what is said to the last one counts. */
    const bool last = answer->term == slot->term && answer->attempt == slot->attempt && slot->attempt != 0;
    if (!last && !MUTANT(wish_heeds_old_answers)) return false;
    switch (answer->verdict) {
    case WISH_ANSWERED:
    case WISH_MALFORMED:
    case WISH_TOO_LARGE: finish(wishes, slot, answer->verdict, answer->answer); break;
    case WISH_GRANTED: slot->due_ns = now_ns + WISH_RETRY_NS; break; /* our own log will tell */
    case WISH_LATER:
        slot->due_ns = now_ns + WISH_LATER_NS;
        wishes->due_ns = MIN(wishes->due_ns, slot->due_ns);
        break;
    case WISH_OPEN:
    case WISH_UNTOLD:
    case WISH_GIVEN_UP: CHECK(false); /* said by nobody */
    }
    return true;
}

void wishes_on_applied(struct wishes *wishes, uint64_t sequence, struct bytes answer, bool whole)
{
    struct wish_slot *slot = find_open(wishes, sequence);

    if (slot == NULL) return; /* given up */
    finish(wishes, slot, whole ? WISH_GRANTED : WISH_UNTOLD, answer);
}

void wishes_on_window(struct wishes *wishes, const struct wish_window *window)
{
    for (uint32_t i = 0; i < WISHES_OPEN_MAX; i++) {
        struct wish_slot *slot = &wishes->slots[i];
        if (slot->sequence == 0 || slot->verdict != WISH_OPEN) continue;
        if (wish_window_has(window, slot->sequence)) finish(wishes, slot, WISH_UNTOLD, (struct bytes){ 0 });
    }
}

void wishes_on_time(struct wishes *wishes, uint64_t now_ns)
{
    uint64_t due_ns = WISH_NEVER;

    if (now_ns < wishes->due_ns) return;
    for (uint32_t i = 0; i < WISHES_OPEN_MAX; i++) {
        struct wish_slot *slot = &wishes->slots[i];
        if (slot->sequence == 0 || slot->verdict != WISH_OPEN) continue;
        if (slot->deadline_ns <= now_ns) finish(wishes, slot, WISH_GIVEN_UP, (struct bytes){ 0 });
        else due_ns = MIN(due_ns, MIN(slot->deadline_ns, wishes->leader_id < 0 ? WISH_NEVER : slot->due_ns));
    }
    wishes->due_ns = due_ns;
}

/* ---- what is to be done ---- */

static struct wish wish_of(const struct wishes *wishes, const struct wish_slot *slot)
{
    return (struct wish){
        .broker_id = wishes->node_id,
        .incarnation = wishes->incarnation,
        .sequence = slot->sequence,
        .first_open = wishes->first_open,
        .term = slot->term,
        .attempt = slot->attempt,
        .kind = slot->kind,
        .version = slot->version,
        .body = { memory_of(wishes, slot), slot->size },
    };
}

/* The due one with the lowest sequence: they are asked in the order in which they were opened. */
static struct wish_slot *next_due(struct wishes *wishes, uint64_t now_ns)
{
    struct wish_slot *first = NULL;

    for (uint32_t i = 0; i < WISHES_OPEN_MAX; i++) {
        struct wish_slot *slot = &wishes->slots[i];
        if (slot->sequence == 0 || slot->verdict != WISH_OPEN || slot->due_ns > now_ns) continue;
        if (first == NULL || slot->sequence < first->sequence) first = slot;
    }
    return first;
}

/* What must never happen to a wish that is asked again; for tests that are broken on purpose. */
static void renumber(struct wishes *wishes, struct wish_slot *slot)
{
    if (slot->attempt == 0 || !wishes_have_room(wishes, slot->kind)) return;
    slot->sequence = wishes->next++;
    raise_first_open(wishes);
}

bool wishes_next(struct wishes *wishes, uint64_t now_ns, struct wish *wish)
{
    if (wishes->leader_id < 0 || now_ns < wishes->due_ns) return false;
    struct wish_slot *slot = next_due(wishes, now_ns);

    if (slot == NULL) {
        wishes_on_time(wishes, now_ns); /* finds out when the next one is */
        return false;
    }
    if (MUTANT(wish_is_renumbered)) renumber(wishes, slot);
    slot->term = wishes->term;
    slot->attempt++;
    /* A call to ourselves is not lost; if we cease to lead, another leader is another fact. */
    slot->due_ns = wishes->leader_id == wishes->node_id ? WISH_NEVER : now_ns + WISH_RETRY_NS;
    *wish = wish_of(wishes, slot);
    return true;
}

uint64_t wishes_next_done(struct wishes *wishes)
{
    if (wishes->untold_count == 0) return 0;
    for (uint32_t i = 0; i < WISHES_OPEN_MAX; i++) {
        struct wish_slot *slot = &wishes->slots[i];
        const uint64_t sequence = slot->sequence;
        if (sequence == 0 || slot->verdict == WISH_OPEN || slot->told) continue;
        slot->told = true;
        wishes->untold_count--;
        if (!slot->kept) free_slot(wishes, slot);
        return sequence;
    }
    CHECK(false);
    return 0;
}

bool wishes_asked(const struct wishes *wishes, uint64_t sequence, uint64_t term, struct wish *wish)
{
    const struct wish_slot *slot = find_open((struct wishes *)(uintptr_t)wishes, sequence);

    if (slot == NULL || slot->term != term || slot->attempt == 0) return false;
    *wish = wish_of(wishes, slot);
    return true;
}

uint32_t wishes_open_count(const struct wishes *wishes)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < WISHES_OPEN_MAX; i++) {
        count += wishes->slots[i].sequence != 0 && wishes->slots[i].verdict == WISH_OPEN;
    }
    return count;
}

uint64_t wishes_deadline_ns(const struct wishes *wishes)
{
    return wishes->untold_count > 0 ? 0 : wishes->due_ns;
}

void wishes_check(const struct wishes *wishes)
{
    uint32_t outer = 0, untold = 0;

    for (uint32_t i = 0; i < WISHES_OPEN_MAX; i++) {
        const struct wish_slot *slot = &wishes->slots[i];
        if (slot->sequence == 0) continue;
        const bool open = slot->verdict == WISH_OPEN;
        CHECK(slot->sequence < wishes->next && slot->size <= wishes->size_max);
        if (open) CHECK(slot->sequence >= wishes->first_open);                                             /* (1) */
        if (open && wishes->leader_id >= 0) CHECK(wishes->due_ns <= MIN(slot->due_ns, slot->deadline_ns)); /* (3) */
        for (uint32_t j = 0; j < i; j++) CHECK(wishes->slots[j].sequence != slot->sequence);               /* (2) */
        outer += slot->kind < WISH_INNER;
        untold += !open && !slot->told;
    }
    CHECK(wishes->next - wishes->first_open <= WISHES_OPEN_MAX); /* (1) */
    CHECK(outer == wishes->outer_count && untold == wishes->untold_count);
}
