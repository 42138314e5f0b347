/* image_quotas.c -- what clients may send and take in a second. */
#include "base/check.h"
#include "meta/image_state.h"

uint32_t image_quota_count(const struct image *image)
{
    return image->quota_count;
}

const struct image_quota *image_quota(const struct image *image, uint32_t number)
{
    CHECK(number < image->quota_count);
    return &image->quotas[number];
}

static struct bytes bytes_of(const struct quota_name *name)
{
    return (struct bytes){ name->bytes, name->size };
}

/* ---- which one counts ---- */

/* How well it fits, the larger the better; 0: it does not. */
static uint32_t fit_of(const struct quota_name *name, struct bytes wanted)
{
    switch ((enum quota_part)name->part) {
    case QUOTA_PART_NONE: return 1;
    case QUOTA_PART_DEFAULT: return 2;
    case QUOTA_PART_NAMED: return bytes_equal(bytes_of(name), wanted) ? 3 : 0;
    }
    return 0;
}

const struct image_quota *image_quota_of(const struct image *image, enum quota_key key, struct bytes user,
                                         struct bytes client_id)
{
    enum { USER_COMES_FIRST = 8 };
    const struct image_quota *best = NULL;
    uint32_t best_fit = 0;

    for (uint32_t i = 0; i < image->quota_count; i++) {
        const struct image_quota *quota = &image->quotas[i];
        const uint32_t by_user = fit_of(&quota->user, user), by_client = fit_of(&quota->client_id, client_id);
        if (quota->rates[key] == 0 || by_user == 0 || by_client == 0) continue;
        const uint32_t fit = by_user * USER_COMES_FIRST + by_client;
        if (fit <= best_fit) continue;
        best = quota;
        best_fit = fit;
    }
    return best;
}

/* ---- applying ---- */

static bool name_read(int8_t part, struct bytes bytes, struct quota_name *name)
{
    *name = (struct quota_name){ .part = (uint8_t)part, .size = (uint8_t)bytes.size };
    if (part < QUOTA_PART_NONE || part > QUOTA_PART_NAMED || bytes.size > QUOTA_NAME_SIZE_MAX) return false;
    if (part != QUOTA_PART_NAMED && bytes.size > 0) return false;
    if (bytes.size > 0) memcpy(name->bytes, bytes.data, bytes.size);
    return true;
}

static bool names_equal(const struct quota_name *a, const struct quota_name *b)
{
    return a->part == b->part && bytes_equal(bytes_of(a), bytes_of(b));
}

static uint32_t find(const struct image *image, const struct image_quota *wanted)
{
    uint32_t at = 0;

    while (at < image->quota_count && !(names_equal(&image->quotas[at].user, &wanted->user) &&
                                        names_equal(&image->quotas[at].client_id, &wanted->client_id))) {
        at++;
    }
    return at;
}

static bool limits_anything(const struct image_quota *quota)
{
    for (uint32_t key = 0; key < QUOTA_KEYS; key++) {
        if (quota->rates[key] != 0) return true;
    }
    return false;
}

enum apply_verdict image_apply_client_quota(struct image *image, const struct metadata_client_quota_record *record)
{
    struct image_quota made = { 0 };

    if (!name_read(record->user_part, record->user, &made.user)) return APPLY_MALFORMED;
    if (!name_read(record->client_id_part, record->client_id, &made.client_id)) return APPLY_MALFORMED;
    if (record->key < 0 || record->key >= QUOTA_KEYS || record->rate < 0) return APPLY_MALFORMED;
    if (made.user.part == QUOTA_PART_NONE && made.client_id.part == QUOTA_PART_NONE) return APPLY_MALFORMED;
    const uint32_t at = find(image, &made);
    if (at == image->quota_count) {
        if (record->rate == 0) return APPLY_DONE;
        if (at == QUOTAS_MAX) return APPLY_FULL;
        image->quotas[image->quota_count++] = made;
    }
    image->quotas[at].rates[record->key] = record->rate;
    if (limits_anything(&image->quotas[at])) return APPLY_DONE;
    memmove(&image->quotas[at], &image->quotas[at + 1], (image->quota_count - at - 1) * sizeof image->quotas[0]);
    image->quota_count--;
    return APPLY_DONE;
}

void image_forget_quotas(struct image *image)
{
    image->quota_count = 0;
}
