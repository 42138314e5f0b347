/* Random lives of a cluster in which every promise is kept; then all is healed, and every partition has a leader.
 * ISR_SEEDS=A..B runs other seeds than the usual ones; with -DCHRONIK_MUTANTS, MUTANT=name switches a known bug on. */
#include "isr_model.h"

enum { STEPS = 4000 };

static uint32_t commits, elections, unclean, isr_changes, moves;

static void live(struct model *model, uint64_t seed)
{
    char why[300];

    model_init(model, seed);
    for (uint32_t step = 0; step < STEPS && model_step(model); step++) continue;
    model_heal(model);
    snprintf(why, sizeof why, "seed %d: %s", (int)seed, model->failure);
    EXPECT(why, model->failure[0] == 0);
    for (uint32_t p = 0; p < PARTITIONS && model->failure[0] == 0; p++) {
        const struct image *image = model->views[CONTROLLER].image;
        const uint32_t topic = image_topic_by_name(image, BYTES_LITERAL("t"));
        const struct image_partition *partition =
            image_partition(image, image_partition_slot(image, topic, (int32_t)p));
        snprintf(why, sizeof why, "seed %d: %u has a leader when all are alive", (int)seed, p);
        EXPECT(why, partition->leader != -1);
        snprintf(why, sizeof why, "seed %d: %u can commit when all are alive", (int)seed, p);
        EXPECT(why, replica_set_count(partition->isr) >= partition->min_isr);
    }
    commits += model->commits;
    elections += model->elections;
    unclean += model->unclean;
    isr_changes += model->isr_changes;
    moves += model->moves;
    model_free(model);
}

TEST(promises_are_kept_in_any_life)
{
    struct model *model = malloc(sizeof *model);
    const char *seeds = getenv("ISR_SEEDS");
    unsigned first = 1, last = 40;

    if (seeds != NULL) sscanf(seeds, "%u..%u", &first, &last);
    for (uint64_t seed = first; seed <= last; seed++) live(model, seed);
    EXPECT("and much happened in them", commits > 100 && elections > 100 && isr_changes > 100 && moves > 100);
    EXPECT("even the worst", unclean > 0);
    if (seeds != NULL) {
        fprintf(stderr, "commits %u elections %u unclean %u changes %u moves %u\n", commits, elections, unclean,
                isr_changes, moves);
    }
    free(model);
}
