#include "base/effect.h"

#include "base/check.h"

struct effect *effects_add(struct effects *effects, enum effect_type type)
{
    CHECK(effects->count < EFFECTS_MAX);
    struct effect *effect = &effects->list[effects->count++];
    *effect = (struct effect){ .type = type };
    return effect;
}

void note_add(struct effects *effects, const struct note *note)
{
    /* The last quarter is kept for orders: a chatty step must not run into the CHECK above. */
    if (effects->count >= EFFECTS_MAX - EFFECTS_MAX / 4) {
        effects->notes_dropped++;
        return;
    }
    effects_add(effects, EFFECT_NOTE)->note = *note;
}
