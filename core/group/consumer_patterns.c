/* consumer_patterns.c -- regular expressions of groups: which topics do they mean?
 *
 * All names of topics are looked at, some in each step, one expression after the other. As long as one was never looked
 * through it means nothing; when topics have changed it means what it meant until that was done. What it means is in
 * the log, so that the next coordinator goes on with it. */
#include "base/check.h"
#include "group/state.h"
#include "meta/image.h"

uint32_t pattern_find(const struct groups *groups, uint32_t group, struct bytes text)
{
    for (uint32_t at = groups->groups[group].consumer.pattern_first; at != NONE; at = groups->patterns[at].next) {
        if (texts_equal(&groups->texts, &groups->patterns[at].text, text)) return at;
    }
    return NONE;
}

uint32_t pattern_make(struct groups *groups, uint32_t group, struct bytes text)
{
    const uint32_t made = pool_take(&groups->pattern_pool);
    struct kept kept;

    if (made == POOL_NONE) return NONE;
    if (!texts_keep(&groups->texts, text, &kept)) {
        pool_give(&groups->pattern_pool, made);
        return NONE;
    }
    groups->patterns[made] =
        (struct pattern){ .group = group, .next = groups->groups[group].consumer.pattern_first, .text = kept };
    groups->groups[group].consumer.pattern_first = made;
    return made;
}

void pattern_free(struct groups *groups, uint32_t number)
{
    struct pattern *pattern = &groups->patterns[number];
    uint32_t *link = &groups->groups[pattern->group].consumer.pattern_first;

    while (*link != number) link = &groups->patterns[*link].next;
    *link = pattern->next;
    chain_remove(&groups->unresolved, number);
    if (groups->resolving.pattern == number) groups->resolving.pattern = NONE;
    texts_give(&groups->texts, &pattern->text);
    texts_give(&groups->texts, &pattern->topics);
    pool_give(&groups->pattern_pool, number);
}

/* Without users it goes when the log has been told so. */
void pattern_leave(struct groups *groups, uint32_t member)
{
    const uint32_t number = groups->members[member].consumer.pattern;

    if (number == NONE) return;
    groups->members[member].consumer.pattern = NONE;
    CHECK(groups->patterns[number].users > 0);
    if (--groups->patterns[number].users > 0) return;
    groups->patterns[number].dirty = true;
    write_want(groups, groups->patterns[number].group);
}

bool pattern_set(struct groups *groups, uint32_t member, struct bytes text)
{
    const uint32_t group = groups->members[member].group;
    uint32_t number = NONE;

    if (text.size > 0) {
        number = pattern_find(groups, group, text);
        if (number == NONE) number = pattern_make(groups, group, text);
        if (number == NONE) return false;
        groups->patterns[number].users++;
        groups->patterns[number].dirty &= groups->patterns[number].resolved;
    }
    pattern_leave(groups, member);
    groups->members[member].consumer.pattern = number;
    patterns_refresh(groups, group);
    return true;
}

void patterns_refresh(struct groups *groups, uint32_t group)
{
    const uint64_t seen = image_view(groups->rooms.image).topic_changes + 1;

    for (uint32_t at = groups->groups[group].consumer.pattern_first; at != NONE; at = groups->patterns[at].next) {
        if (groups->patterns[at].seen == seen || groups->patterns[at].users == 0) continue;
        chain_add(&groups->unresolved, at);
        groups->due = true;
    }
}

/* ---- looking through the topics ---- */

static bool begin(struct groups *groups)
{
    struct resolving *resolving = &groups->resolving;

    resolving->pattern = groups->unresolved.first;
    if (resolving->pattern == CHAIN_NONE) return false;
    resolving->topic = image_first_topic(groups->rooms.image);
    resolving->seen = image_view(groups->rooms.image).topic_changes + 1;
    resolving->count = 0;
    const struct bytes text = kept_bytes(groups, &groups->patterns[resolving->pattern].text);
    if (regex_compile(&resolving->regex, text)) return true;
    resolving->topic = SLOT_NONE; /* of a log that others wrote, in another syntax: it means nothing */
    return true;
}

static void finish(struct groups *groups)
{
    struct resolving *resolving = &groups->resolving;
    struct pattern *pattern = &groups->patterns[resolving->pattern];
    bool changed;

    if (!names_keep(groups, groups->matched, resolving->count, &pattern->topics, &changed)) changed = false;
    chain_remove(&groups->unresolved, resolving->pattern);
    resolving->pattern = NONE;
    pattern->seen = resolving->seen;
    if (pattern->resolved && !changed) return;
    pattern->resolved = true;
    pattern->dirty = true;
    groups->groups[pattern->group].consumer.topics_seen = 0;
    write_want(groups, pattern->group);
}

void patterns_work(struct groups *groups)
{
    struct resolving *resolving = &groups->resolving;
    uint64_t left = REGEX_WORK_PER_STEP_MAX;

    while (resolving->pattern != NONE || groups->unresolved.count > 0) {
        /* Names may lie elsewhere by now, and topics be others. */
        const bool stale = resolving->seen != image_view(groups->rooms.image).topic_changes + 1;
        if ((resolving->pattern == NONE || stale) && !begin(groups)) return;
        while (resolving->topic != SLOT_NONE && left > 0) {
            const struct bytes name = image_topic_name(groups->rooms.image, resolving->topic);
            if (resolving->count < groups->workshop.topics_max && regex_matches(&resolving->regex, name)) {
                groups->matched[resolving->count++] = name;
            }
            left -= MIN(left, (uint64_t)(name.size + 1) * resolving->regex.code_count);
            resolving->topic = image_next_topic(groups->rooms.image, resolving->topic);
        }
        if (resolving->topic != SLOT_NONE) {
            groups->due = true;
            return;
        }
        finish(groups);
        left -= MIN(left, (uint64_t)1024);
        if (left == 0) groups->due = true;
        if (left == 0) return;
    }
}
