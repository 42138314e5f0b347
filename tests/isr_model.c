#include "isr_model.h"

#define FAIL(model, ...)                                                                                               \
    do {                                                                                                               \
        if ((model)->failure[0] == 0) snprintf((model)->failure, sizeof(model)->failure, __VA_ARGS__);                 \
    } while (0)

static uint64_t draw(struct model *model, uint64_t bound)
{
    return prng_below(&model->prng, bound);
}

static bool chance(struct model *model, uint32_t percent)
{
    return prng_chance(&model->prng, percent, 100);
}

/* ---- images ---- */

static const struct image_partition *partition_of(const struct model *model, uint32_t view, uint32_t partition)
{
    const struct image *image = model->views[view].image;
    const uint32_t topic = image_topic_by_name(image, BYTES_LITERAL("t"));
    const uint32_t slot = topic == SLOT_NONE ? SLOT_NONE : image_partition_slot(image, topic, (int32_t)partition);

    return slot == SLOT_NONE ? NULL : image_partition(image, slot);
}

static const struct image_broker *broker_of(const struct model *model, uint32_t view, uint32_t node)
{
    const struct image *image = model->views[view].image;
    const uint32_t slot = image_broker_by_id(image, (int32_t)node);

    return slot == SLOT_NONE ? NULL : image_broker(image, slot);
}

static bool in_set(const struct image_partition *partition, replica_set set, uint32_t node)
{
    return (image_partition_place(partition, (int32_t)node) & set) != 0;
}

static void append_entry(struct model *model, const struct proposal *records)
{
    const struct bytes bytes = proposal_bytes(records);

    if (records->record_count == 0 || model->entry_count == ENTRIES_MAX) return;
    CHECK(bytes.size <= ENTRY_SIZE_MAX);
    memcpy(model->entries[model->entry_count].bytes, bytes.data, bytes.size);
    model->entries[model->entry_count++].size = bytes.size;
}

/* ---- the judge ---- */

static bool holds(const struct replica *replica, uint32_t end, const struct committed *committed)
{
    return end >= committed->count &&
           memcmp(replica->records, committed->records, committed->count * sizeof(uint32_t)) == 0;
}

/* An unclean election may lose anything, and nobody knows what until the chosen one leads: what is committed begins
 * anew. */
static void forgive(struct model *model, uint32_t p, const struct image_partition *partition)
{
    model->committed[p].count = 0;
    model->committed[p].unclean_epoch = partition->last_unclean_leader_epoch;
    model->unclean++;
}

static void judge_partition(struct model *model, uint32_t p)
{
    const struct image_partition *partition = partition_of(model, JUDGE, p);
    struct committed *committed = &model->committed[p];
    if (partition == NULL) return;

    if (partition->last_unclean_leader_epoch > committed->unclean_epoch) forgive(model, p, partition);
    if (partition->leader_epoch < committed->leader_epoch || partition->partition_epoch < committed->partition_epoch) {
        FAIL(model, "an epoch of %u went back", p);
    }
    model->elections += partition->leader_epoch > committed->leader_epoch;
    model->isr_changes += partition->partition_epoch > committed->partition_epoch;
    committed->leader_epoch = partition->leader_epoch;
    committed->partition_epoch = partition->partition_epoch;
    for (uint32_t node = 0; node < NODES; node++) {
        const struct replica *replica = &model->nodes[node].replicas[p];
        if (!in_set(partition, partition->isr | partition->elr, node) || model->nodes[node].damaged) continue;
        if (!holds(replica, replica->durable, committed)) {
            FAIL(model, "node %u is in isr or elr of %u without what is committed", node, p);
        }
    }
    if (partition->leader == -1 || image_is_draining(model->views[JUDGE].image)) return;
    const struct node *leader = &model->nodes[partition->leader];
    const struct image_broker *broker = broker_of(model, JUDGE, (uint32_t)partition->leader);
    const bool same_life = leader->up && broker != NULL && uuid_equal(&broker->incarnation, &leader->incarnation);
    if (same_life && !holds(&leader->replicas[p], leader->replicas[p].log_end, committed)) {
        FAIL(model, "node %d leads %u without what is committed", partition->leader, p);
    }
}

static void commit(struct model *model, uint32_t node, uint32_t p)
{
    struct replica *replica = &model->nodes[node].replicas[p];
    struct committed *committed = &model->committed[p];

    if (replica->led_epoch < committed->unclean_epoch) return;
    for (uint32_t i = 0; i < replica->high_watermark; i++) {
        if (i < committed->count && committed->records[i] != replica->records[i]) {
            FAIL(model, "node %u commits another record at %u of %u", node, i, p);
        }
        committed->records[i] = replica->records[i];
    }
    model->commits += replica->high_watermark > committed->count;
    committed->count = MAX(committed->count, replica->high_watermark);
}

/* ---- applying ---- */

static void applied_whole(struct model *model, uint32_t v)
{
    struct view *view = &model->views[v];
    uint64_t *digest = &model->entries[view->applied].digest;

    view->active = false;
    view->applied++;
    image_advance(view->image, view->applied, 1);
    const uint64_t own = image_digest(view->image) | 1;
    if (*digest != 0 && *digest != own) FAIL(model, "images differ after entry %u", view->applied);
    *digest = own;
    const struct image_broker *broker = v < NODES ? broker_of(model, v, v) : NULL;
    if (broker != NULL && uuid_equal(&broker->incarnation, &model->nodes[v].incarnation)) {
        model->nodes[v].registered = true;
    }
    if (chance(model, 10)) image_check(view->image);
}

/* The next record of the next entry, or a piece of what it left to be done. False: there is nothing. */
static bool apply_piece(struct model *model, uint32_t v)
{
    struct view *view = &model->views[v];
    struct image_change change;
    struct bytes record;

    if (image_is_draining(view->image)) {
        image_drain(view->image, &change);
    } else if (view->active && view->rest.size == 0) {
        applied_whole(model, v);
    } else if (view->active) {
        CHECK(proposal_next(&view->rest, &record));
        const enum apply_verdict verdict = image_apply(view->image, view->applied + 1, record, &change);
        CHECK(verdict != APPLY_FULL && verdict != APPLY_MALFORMED);
        if (verdict == APPLY_REFUSED) view->rest.size = 0;
    } else if (view->applied < model->entry_count) {
        view->rest = (struct bytes){ model->entries[view->applied].bytes, model->entries[view->applied].size };
        view->active = true;
    } else {
        return false;
    }
    if (v == JUDGE) {
        for (uint32_t p = 0; p < PARTITIONS; p++) judge_partition(model, p);
    }
    return true;
}

/* ---- who acts ---- */

/* Only in a life that its own image knows to be the present one, with all that followed from that. */
static bool acts(const struct model *model, uint32_t node)
{
    const struct image_broker *broker = broker_of(model, node, node);

    return model->nodes[node].registered && model->nodes[node].ready && broker != NULL &&
           uuid_equal(&broker->incarnation, &model->nodes[node].incarnation);
}

static void follow_image(struct model *model, uint32_t node, uint32_t p)
{
    struct replica *replica = &model->nodes[node].replicas[p];
    const struct image_partition *partition = partition_of(model, node, p);
    const bool leads = partition != NULL && acts(model, node) && partition->leader == (int32_t)node;

    if (partition != NULL && acts(model, node) && !image_partition_has_replica(partition, (int32_t)node)) {
        replica->log_end = replica->durable = replica->high_watermark = 0; /* it was one, and deletes its log */
    }
    if (replica->proposed_epoch != -1 && partition != NULL && partition->partition_epoch > replica->proposed_epoch) {
        replica->proposed_epoch = -1;
        replica->extra = 0;
    }
    if (leads && partition->leader_epoch > replica->led_epoch) {
        replica->led_epoch = partition->leader_epoch;
        replica->epoch_start = replica->log_end;
        memset(replica->matched, 0, sizeof replica->matched);
        replica->extra = 0;
        replica->proposed_epoch = -1;
        CHECK(partition->leader_epoch < EPOCHS_MAX);
        int32_t *other = &model->committed[p].leader_of[partition->leader_epoch];
        if (*other != 0 && *other != (int32_t)node + 1) FAIL(model, "two leaders of %u in one epoch", p);
        *other = (int32_t)node + 1;
        replica->leads = true;
    } else if (!leads || partition->leader_epoch != replica->led_epoch) {
        replica->leads = false;
    }
}

/* ---- the data plane ---- */

static void append_records(struct model *model, uint32_t node, uint32_t p)
{
    struct replica *replica = &model->nodes[node].replicas[p];
    if (!replica->leads) return;

    for (uint64_t count = 1 + draw(model, 3); count > 0 && replica->log_end < RECORDS_MAX; count--) {
        int32_t *made_in = &model->committed[p].made_in[replica->log_end];
        if (*made_in == replica->led_epoch + 1) FAIL(model, "two records at one place of %u in one epoch", p);
        *made_in = replica->led_epoch + 1;
        replica->records[replica->log_end++] = model->next_record++;
    }
}

static void replicate(struct model *model, uint32_t leader, uint32_t follower, uint32_t p)
{
    struct replica *from = &model->nodes[leader].replicas[p], *to = &model->nodes[follower].replicas[p];
    const struct image_partition *theirs = partition_of(model, leader, p), *own = partition_of(model, follower, p);
    const struct image_broker *life = broker_of(model, follower, follower);
    const struct image_broker *known = broker_of(model, leader, follower);
    uint32_t same = 0;

    if (leader == follower || !from->leads || !acts(model, follower) || own == NULL || known == NULL) return;
    if (known->epoch != life->epoch || MAX(own->leader_epoch, to->led_epoch) > from->led_epoch) return;
    if (!image_partition_has_replica(theirs, (int32_t)follower)) return;
    if (!image_partition_has_replica(own, (int32_t)follower)) return;
    to->leads = false; /* it hears of a newer epoch than it leads in, before its image says so */
    to->led_epoch = from->led_epoch;
    while (same < to->log_end && same < from->log_end && to->records[same] == from->records[same]) same++;
    to->log_end = same;
    to->durable = MIN(to->durable, same);
    to->high_watermark = MIN(to->high_watermark, same); /* only an unclean election makes that necessary */
    for (uint64_t count = model->heals ? RECORDS_MAX : draw(model, 4); count > 0; count--) {
        if (to->log_end == from->log_end) break;
        to->records[to->log_end] = from->records[to->log_end];
        to->log_end++;
    }
    if (chance(model, 80)) to->durable = to->log_end;
    to->high_watermark = MAX(to->high_watermark, MIN(from->high_watermark, to->log_end));
    from->matched[follower] = true;
    from->acked[follower] = to->durable;
    from->acked_epoch[follower] = life->epoch;
}

static void raise_high_watermark(struct model *model, uint32_t node, uint32_t p)
{
    struct replica *replica = &model->nodes[node].replicas[p];
    const struct image_partition *partition = partition_of(model, node, p);
    uint32_t bound = replica->durable;

    if (!replica->leads || replica_set_count(partition->isr) < partition->min_isr) return;
    for (uint32_t other = 0; other < NODES; other++) {
        const bool counts = in_set(partition, partition->isr, other) || (replica->extra >> other & 1) != 0;
        if (other == node || !counts) continue;
        bound = MIN(bound, replica->matched[other] ? replica->acked[other] : 0);
    }
    if (bound <= replica->high_watermark) return;
    replica->high_watermark = bound;
    commit(model, node, p);
}

/* ---- ISR changes ---- */

static void crash(struct model *model, uint32_t n, bool badly)
{
    struct node *node = &model->nodes[n];
    const bool loses = chance(model, badly ? 60 : 20), wiped = loses && chance(model, 50);

    node->up = false;
    node->registered = false;
    node->ready = false;
    for (uint32_t p = 0; p < PARTITIONS; p++) {
        struct replica *replica = &node->replicas[p];
        if (loses) replica->durable = wiped ? 0 : (uint32_t)draw(model, replica->durable + 1);
        replica->log_end = replica->durable;
        replica->high_watermark = MIN(replica->high_watermark, replica->log_end);
        replica->leads = false;
        replica->led_epoch = -1;
        replica->extra = 0;
        replica->proposed_epoch = -1;
    }
    node->damaged |= loses;
    node->was_wiped |= wiped;
}

static void wish_isr(struct model *model, uint32_t node, uint32_t p, uint32_t members)
{
    const struct image_partition *partition = partition_of(model, node, p);
    struct replica *replica = &model->nodes[node].replicas[p];
    struct model_wish *wish = &model->wishes[draw(model, WISHES_MAX)]; /* another one may be lost */

    *wish = (struct model_wish){ .node = (int32_t)node,
                                 .partition = p,
                                 .broker_epoch = broker_of(model, node, node)->epoch,
                                 .wish = { .topic_id = cluster_topic_id(),
                                           .index = (int32_t)p,
                                           .leader_epoch = partition->leader_epoch,
                                           .partition_epoch = partition->partition_epoch } };
    for (uint32_t other = 0; other < NODES; other++) {
        if ((members >> other & 1) == 0) continue;
        const bool joins = !in_set(partition, partition->isr, other) && other != node;
        wish->members[wish->wish.isr_count++] =
            (struct wish_isr_record_member){ (int32_t)other, joins ? replica->acked_epoch[other]
                                                                   : broker_of(model, node, other)->epoch };
    }
    replica->asked = replica->proposed_epoch == -1 ? 1 : replica->asked + 1;
    replica->extra |= members;
    replica->proposed_epoch = partition->partition_epoch;
    /* A dangerous moment: who is to join loses all before that is decided. */
    for (uint32_t i = 0; i < wish->wish.isr_count; i++) {
        const uint32_t other = (uint32_t)wish->members[i].broker_id;
        if (other != node && model->nodes[other].up && chance(model, 5) && !model->heals) crash(model, other, true);
    }
}

static void change_isr(struct model *model, uint32_t node, uint32_t p)
{
    struct replica *replica = &model->nodes[node].replicas[p];
    const struct image_partition *partition = partition_of(model, node, p);
    const uint32_t other = (uint32_t)draw(model, NODES);
    uint32_t members = 0;

    if (!replica->leads) return;
    if (replica->proposed_epoch != -1 && !chance(model, 10)) return; /* else it was lost, or is slow: another one */
    for (uint32_t i = 0; i < NODES; i++) members |= in_set(partition, partition->isr, i) ? 1u << i : 0;
    const bool member = (members >> other & 1) != 0;
    if (partition->recovering) {
        if (members == 1u << node) wish_isr(model, node, p, members);
    } else if (member && other != node && chance(model, model->calm ? 3 : 30) && !model->heals) {
        wish_isr(model, node, p, members & ~(1u << other));
    } else if (member && other == node && members != 1u << node && chance(model, model->calm ? 3 : 20) &&
               !model->heals) {
        wish_isr(model, node, p, members & ~(1u << node)); /* its disk is full */
    } else if (!member && image_partition_has_replica(partition, (int32_t)other) && replica->matched[other] &&
               replica->acked[other] >= MAX(replica->high_watermark, replica->epoch_start)) {
        const struct image_broker *broker = broker_of(model, node, other);
        if (broker != NULL && !broker->fenced && !broker->in_controlled_shutdown) {
            wish_isr(model, node, p, members | 1u << other);
        }
    }
}

static void decide_wish(struct model *model)
{
    struct model_wish *wish = &model->wishes[draw(model, WISHES_MAX)];
    const struct image *image = model->views[CONTROLLER].image;
    uint8_t memory[ENTRY_SIZE_MAX];
    struct proposal records = proposal_in(memory, sizeof memory);

    if (wish->node < 0 || image_is_draining(image)) return;
    wish->wish.isr = wish->members;
    enum error error = decide_origin(image, wish->node, wish->broker_epoch);
    if (error == ERROR_NONE) error = decide_isr(image, wish->node, &wish->wish, &records);
    append_entry(model, &records);
    struct replica *replica = &model->nodes[wish->node].replicas[wish->partition];
    const bool same =
        replica->proposed_epoch == wish->wish.partition_epoch && replica->led_epoch == wish->wish.leader_epoch;
    if (records.record_count == 0 && same && replica->asked == 1 && chance(model, 80)) {
        /* It is told that nothing came of the only wish it had: if there had been another one, that may have been
         * granted. This time the answer is not lost. */
        replica->proposed_epoch = -1;
        replica->extra = 0;
    }
    wish->node = -1;
}

/* ---- lives ---- */

static void start(struct model *model, uint32_t n)
{
    struct node *node = &model->nodes[n];
    uint8_t memory[ENTRY_SIZE_MAX];
    struct proposal records = proposal_in(memory, sizeof memory);

    const bool at_once = !node->damaged && chance(model, 20); /* registered and unfenced by one record */
    node->up = true;
    node->registered = false;
    store_u64(node->incarnation.bytes, prng_next(&model->prng));
    const struct metadata_broker_record record = { .broker_id = (int32_t)n,
                                                   .incarnation = node->incarnation,
                                                   .epoch = -1,
                                                   .fenced = !at_once,
                                                   .unclean = node->was_wiped,
                                                   .unfenced_epoch = -1 };
    proposal_add_broker(&records, &record);
    append_entry(model, &records);
}

static void say(struct model *model, enum session_decision_kind kind, uint32_t n, bool unclean)
{
    const struct image_broker *broker = broker_of(model, CONTROLLER, n);
    const struct session_decision decision = { kind, (int32_t)n, broker->epoch, false };
    uint8_t memory[ENTRY_SIZE_MAX];
    struct proposal records = proposal_in(memory, sizeof memory);
    struct metadata_broker_change_record lost = metadata_broker_change_record_default;

    lost.broker_id = (int32_t)n;
    lost.epoch = broker->epoch;
    lost.unclean = true;
    if (unclean) proposal_add_broker_change(&records, &lost);
    decide_session(&decision, &records);
    append_entry(model, &records);
}

static void change_broker(struct model *model, uint32_t n)
{
    struct node *node = &model->nodes[n];
    const struct image_broker *broker = broker_of(model, CONTROLLER, n);
    const struct image_broker *own = broker_of(model, n, n);

    if (broker == NULL) {
        if (!node->up) start(model, n);
        return;
    }
    const bool same_life =
        node->up && own != NULL && own->epoch == broker->epoch && uuid_equal(&own->incarnation, &node->incarnation);
    if (same_life && !node->ready) {
        node->ready = true;
    } else if (same_life && broker->fenced && chance(model, 60)) {
        say(model, SESSION_UNFENCE, n, node->damaged && !node->was_wiped);
    } else if (!broker->fenced && chance(model, node->up ? 20 : 60)) {
        say(model, SESSION_FENCE, n, false);
    } else if (node->up && !broker->fenced && chance(model, 10)) {
        say(model, SESSION_SHUT_DOWN, n, false);
    } else if (node->up && chance(model, 30)) {
        crash(model, n, false);
    } else if (!node->up) {
        start(model, n);
    }
}

/* What was damaged is known by now: it is in no ISR or ELR of before. */
static void look_after_damage(struct model *model, uint32_t n)
{
    struct node *node = &model->nodes[n];
    const struct image_broker *broker = broker_of(model, JUDGE, n);

    if (!node->up || !node->damaged || broker == NULL) return;
    if (!uuid_equal(&broker->incarnation, &node->incarnation)) return;
    if (!node->was_wiped && broker->fenced) return;
    node->damaged = false;
    node->was_wiped = false;
}

/* The next thing that a node needs to be whole again. */
static void bring_back(struct model *model, uint32_t n)
{
    const struct image_broker *broker = broker_of(model, CONTROLLER, n);
    struct node *node = &model->nodes[n];

    if (!node->up) start(model, n);
    else if (broker == NULL || !uuid_equal(&broker->incarnation, &node->incarnation)) return;
    else if (broker->in_controlled_shutdown) crash(model, n, false);
    else node->ready |= broker_of(model, n, n) != NULL && broker_of(model, n, n)->epoch == broker->epoch;
    if (broker != NULL && node->ready && broker->fenced) {
        say(model, SESSION_UNFENCE, n, node->damaged && !node->was_wiped);
    }
}

/* ---- administration ---- */

static void set_something(struct model *model)
{
    uint8_t memory[ENTRY_SIZE_MAX];
    struct proposal records = proposal_in(memory, sizeof memory);
    const bool unclean = model->unclean_allowed && chance(model, 30);
    const char *const values[] = { "1", "2", "3" };
    const struct metadata_config_record record = {
        .resource_type = 2,
        .topic_id = cluster_topic_id(),
        .name = text_of(unclean ? "unclean.leader.election.enable" : "min.insync.replicas"),
        .value = text_of(unclean ? (chance(model, 30) ? "true" : "false") : values[draw(model, 3)]),
    };

    proposal_add_config(&records, &record);
    append_entry(model, &records);
}

static void administer(struct model *model)
{
    const struct image *image = model->views[CONTROLLER].image;
    const uint32_t p = (uint32_t)draw(model, PARTITIONS);
    const uint32_t slot = image_partition_slot(image, image_topic_by_name(image, BYTES_LITERAL("t")), (int32_t)p);
    uint8_t memory[ENTRY_SIZE_MAX];
    char words[256];
    struct proposal records = proposal_in(memory, sizeof memory);
    struct text message = text_in(words, sizeof words);
    struct decision decision = { .image = image, .records = &records, .message = &message };
    int32_t target[NODES];
    uint32_t count = 0;

    if (image_is_draining(image)) return;
    const uint64_t what = draw(model, 10);
    if (what < 2) set_something(model);
    else if (what < 4) decide_election(image, slot, ELECT_PREFERRED, &records);
    else if (what == 4 && model->unclean_allowed) decide_election(image, slot, ELECT_ANYBODY, &records);
    else if (what == 5) decide_reassignment(&decision, slot, NULL, 0);
    else if (what > 6) {
        const uint64_t first = draw(model, NODES), wanted = 1 + draw(model, 4);
        for (uint64_t i = 0; count < wanted; i++) target[count++] = (int32_t)((first + i) % NODES);
        if (decide_reassignment(&decision, slot, target, count) == ERROR_NONE) model->moves++;
    }
    append_entry(model, &records);
}

/* ---- all of it ---- */

void model_init(struct model *model, uint64_t seed)
{
    static const struct image_config config = {
        .node_id = 1, .topics_max = 2, .partitions_max = 4, .brokers_max = NODES, .settings_max = 4, .hash_seed = 3
    };
    const size_t size = (image_size(&config) + 63) / 64 * 64;

    memset(model, 0, sizeof *model);
    prng_init(&model->prng, seed, 0);
    model->seed = seed;
    model->next_record = 1;
    model->unclean_allowed = chance(model, 30);
    model->calm = chance(model, 50);
    for (uint32_t v = 0; v < IMAGES; v++) {
        model->views[v].image = aligned_alloc(64, size);
        memset(model->views[v].image, 0, size);
        image_init(model->views[v].image, &config);
    }
    for (uint32_t i = 0; i < WISHES_MAX; i++) model->wishes[i].node = -1;
    for (uint32_t n = 0; n < NODES; n++) {
        start(model, n);
        for (uint32_t p = 0; p < PARTITIONS; p++) model->nodes[n].replicas[p].led_epoch = -1;
        for (uint32_t p = 0; p < PARTITIONS; p++) model->nodes[n].replicas[p].proposed_epoch = -1;
    }
    for (uint32_t n = 0; n < NODES; n++) {
        while (apply_piece(model, CONTROLLER)) continue;
        say(model, SESSION_UNFENCE, n, false);
    }
    uint8_t memory[ENTRY_SIZE_MAX];
    struct proposal records = proposal_in(memory, sizeof memory);
    proposal_add_topic(&records, &(struct metadata_topic_record){
                                     .name = BYTES_LITERAL("t"), .topic_id = cluster_topic_id(), .replica_target = 3 });
    for (int32_t p = 0; p < PARTITIONS; p++) {
        const int32_t replicas[] = { p, p + 1, p + 2 };
        struct metadata_partition_record record = metadata_partition_record_default;
        record.topic_id = cluster_topic_id();
        record.index = p;
        record.replicas = replicas;
        record.replicas_count = 1 + (uint32_t)draw(model, 3);
        record.leader = p;
        proposal_add_partition(&records, &record);
    }
    append_entry(model, &records);
    for (uint32_t v = 0; v < IMAGES; v++) {
        while (apply_piece(model, v)) continue;
    }
    for (uint32_t n = 0; n < NODES; n++) model->nodes[n].ready = true;
}

void model_free(struct model *model)
{
    for (uint32_t v = 0; v < IMAGES; v++) free(model->views[v].image);
}

/* Mostly one that leads the partition, or believes to. */
static uint32_t any_node(struct model *model, uint32_t p)
{
    const uint32_t first = (uint32_t)draw(model, NODES);

    for (uint32_t i = 0; i < NODES && chance(model, 95); i++) {
        if (model->nodes[(first + i) % NODES].replicas[p].leads) return (first + i) % NODES;
    }
    return first;
}

bool model_step(struct model *model)
{
    const uint32_t p = (uint32_t)draw(model, PARTITIONS), node = any_node(model, p);
    const uint64_t what = draw(model, 100);

    if (what < 30) apply_piece(model, (uint32_t)draw(model, JUDGE));
    else if (what < 40) apply_piece(model, CONTROLLER);
    else if (what < 48) append_records(model, node, p);
    else if (what < 66) replicate(model, node, (uint32_t)draw(model, NODES), p);
    else if (what < 70) model->nodes[node].replicas[p].durable = model->nodes[node].replicas[p].log_end;
    else if (what < 82) raise_high_watermark(model, node, p);
    else if (what < 88) change_isr(model, node, p);
    else if (what < 93) decide_wish(model);
    else if (what < 95 && model->calm) bring_back(model, (uint32_t)draw(model, NODES));
    else if (!chance(model, model->calm ? 10 : 100)) append_records(model, node, p);
    else if (what < 97) change_broker(model, (uint32_t)draw(model, NODES));
    else if (chance(model, 50)) administer(model);
    while (apply_piece(model, JUDGE)) continue;
    for (uint32_t n = 0; n < NODES; n++) {
        look_after_damage(model, n);
        for (uint32_t each = 0; each < PARTITIONS; each++) follow_image(model, n, each);
    }
    return model->failure[0] == 0 && model->entry_count < ENTRIES_MAX - 2 * NODES;
}

/* Where an administrator has allowed to lose all who were eligible, he has to choose; and where the last leader came
 * back with another disk. */
static void elect_anybody(struct model *model)
{
    const struct image *image = model->views[CONTROLLER].image;

    for (int32_t p = 0; p < PARTITIONS; p++) {
        uint8_t memory[ENTRY_SIZE_MAX];
        struct proposal records = proposal_in(memory, sizeof memory);
        const struct image_partition *partition = partition_of(model, CONTROLLER, (uint32_t)p);
        const uint32_t topic = image_topic_by_name(image, BYTES_LITERAL("t"));
        if (!model->unclean_allowed && (partition->last_leader != -1 || partition->elr != 0)) continue;
        decide_election(image, image_partition_slot(image, topic, p), ELECT_ANYBODY, &records);
        append_entry(model, &records);
    }
}

void model_heal(struct model *model)
{
    model->heals = true;
    for (uint32_t round = 0; round < 200 && model->failure[0] == 0; round++) {
        for (uint32_t v = 0; v < IMAGES; v++) {
            while (apply_piece(model, v)) continue;
        }
        for (uint32_t n = 0; n < NODES; n++) {
            look_after_damage(model, n);
            for (uint32_t p = 0; p < PARTITIONS; p++) follow_image(model, n, p);
        }
        if (round % 4 == 0) {
            for (uint32_t n = 0; n < NODES; n++) bring_back(model, n);
            if (round > 100) elect_anybody(model);
            continue;
        }
        for (uint32_t p = 0; p < PARTITIONS; p++) {
            for (uint32_t n = 0; n < NODES; n++) {
                for (uint32_t other = 0; other < NODES; other++) replicate(model, n, other, p);
                raise_high_watermark(model, n, p);
                change_isr(model, n, p);
            }
        }
        for (uint32_t i = 0; i < 4 * WISHES_MAX; i++) decide_wish(model);
    }
}
