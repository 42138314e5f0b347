/* UpdateFeatures, at the leader of three brokers: which level of metadata.version is taken, and what is said. */
#include "codec/api.h"
#include "meta/image_state.h"
#include "plane_world.h"

static bool says(struct bytes bytes, const char *words)
{
    if (words == NULL) return bytes.data == NULL;
    return bytes.size == strlen(words) && memcmp(bytes.data, words, bytes.size) == 0;
}

/* As brokers of a later version do. */
static void understand_2(struct plane *plane)
{
    struct image *image = (struct image *)(uintptr_t)plane_image(plane);

    for (uint32_t slot = image_first_broker(image); slot != SLOT_NONE; slot = image_next_broker(image, slot)) {
        image->brokers[slot].feature_level_max = 2;
    }
}

#define INVALID(level, feature, why) "Invalid update version " level " for feature " feature ". " why
#define LOWER                                                                                                          \
    "Can't downgrade the version of this feature without setting the upgrade type to either safe or unsafe downgrade."

static const struct feature_row {
    const char *why;
    const char *feature;
    int16_t level;
    int8_t type;
    bool validates;
    enum error error;
    const char *message;
    int16_t present; /* afterwards */
} feature_rows[] = {
    { "the present one", "metadata.version", 1, 1, false, ERROR_NONE, NULL, 1 },
    { "another one, which is only asked about", "metadata.version", 2, 1, true, ERROR_NONE, NULL, 1 },
    { "one that not all understand", "metadata.version", 3, 1, false, ERROR_INVALID_UPDATE_VERSION,
      INVALID("3", "metadata.version", "Broker 1 does not understand level 3 of metadata.version."), 1 },
    { "a negative one", "metadata.version", -1, 1, false, ERROR_INVALID_UPDATE_VERSION,
      INVALID("-1", "metadata.version", "A feature version cannot be less than 0."), 1 },
    { "it cannot be taken away", "metadata.version", 0, 3, false, ERROR_INVALID_UPDATE_VERSION,
      INVALID("0", "metadata.version", "Broker 1 does not understand level 0 of metadata.version."), 1 },
    { "another feature", "kraft.version", 1, 1, false, ERROR_INVALID_UPDATE_VERSION,
      INVALID("1", "kraft.version", "The controller does not support this feature."), 1 },
    { "no way of doing it", "metadata.version", 1, 0, false, ERROR_INVALID_UPDATE_VERSION,
      INVALID("1", "metadata.version", "The controller does not support the given upgrade type."), 1 },
    { "nor this", "metadata.version", 1, 4, false, ERROR_INVALID_UPDATE_VERSION,
      INVALID("1", "metadata.version", "The controller does not support the given upgrade type."), 1 },
    { "up by a way down", "metadata.version", 2, 2, false, ERROR_INVALID_UPDATE_VERSION,
      INVALID("2", "metadata.version", "Can't downgrade to a newer version."), 1 },
    { "up", "metadata.version", 2, 1, false, ERROR_NONE, NULL, 2 },
    { "down by a way up", "metadata.version", 1, 1, false, ERROR_INVALID_UPDATE_VERSION,
      INVALID("1", "metadata.version", LOWER), 2 },
    { "down", "metadata.version", 1, 2, false, ERROR_NONE, NULL, 1 },
    { "up again", "metadata.version", 2, 1, false, ERROR_NONE, NULL, 2 },
    { "and down whatever it costs", "metadata.version", 1, 3, false, ERROR_NONE, NULL, 1 },
};

TEST(all_have_to_understand_a_level)
{
    struct plane *plane = plane_new(3);

    understand_2(plane);
    FOR_EACH(feature_row, row, feature_rows) {
        struct update_features_request_feature_update update = { .feature = text_of(row->feature),
                                                                 .max_version_level = row->level,
                                                                 .upgrade_type = row->type };
        PLANE_ASK(update_features, API_UPDATE_FEATURES, 1, .feature_updates = &update, .feature_updates_count = 1,
                  .validate_only = row->validates)
        EXPECT_EQ(row->why, ERROR_NONE, update_features_answer.error_code);
        EXPECT_EQ(row->why, 1, update_features_answer.results_count);
        EXPECT_EQ(row->why, row->error, (enum error)update_features_answer.results[0].error_code);
        EXPECT(row->why, says(update_features_answer.results[0].error_message, row->message));
        EXPECT_EQ(row->why, row->present, image_view(plane_image(plane)).feature_level);
    }
    plane_free(plane);
}

TEST(the_first_version_has_a_flag_for_the_way_down)
{
    struct plane *plane = plane_new(1);

    understand_2(plane);
    for (int16_t level = 2; level >= 1; level--) {
        struct update_features_request_feature_update update = { .feature = BYTES_LITERAL("metadata.version"),
                                                                 .max_version_level = level,
                                                                 .allow_downgrade = level == 1 };
        PLANE_ASK(update_features, API_UPDATE_FEATURES, 0, .feature_updates = &update, .feature_updates_count = 1)
        EXPECT_EQ("taken", ERROR_NONE, update_features_answer.results[0].error_code);
        EXPECT_EQ("it is so", level, image_view(plane_image(plane)).feature_level);
    }
    plane_free(plane);
}

TEST(a_feature_is_named_once)
{
    struct plane *plane = plane_new(1);
    struct update_features_request_feature_update updates[2] = {
        { .feature = BYTES_LITERAL("metadata.version"), .max_version_level = 1, .upgrade_type = 1 },
        { .feature = BYTES_LITERAL("metadata.version"), .max_version_level = 1, .upgrade_type = 1 },
    };

    PLANE_ASK(update_features, API_UPDATE_FEATURES, 1, .feature_updates = updates, .feature_updates_count = 2)
    EXPECT_EQ("the first one counts", ERROR_NONE, update_features_answer.results[0].error_code);
    EXPECT_EQ("the other one is too many", ERROR_INVALID_REQUEST, update_features_answer.results[1].error_code);
    plane_free(plane);
}
