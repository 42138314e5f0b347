/* describe.h -- settings as texts: what DescribeConfigs and the answer to CreateTopics say about one. */
#ifndef CHRONIK_BROKER_DESCRIBE_H
#define CHRONIK_BROKER_DESCRIBE_H

#include "broker/api.h"
#include "codec/messages.h"
#include "meta/image.h"

/* The text of a value, in the arena; null if that is exhausted. */
struct bytes describe_value(struct call *call, enum config_id id, int64_t value);

/* All settings of a topic that was just made, into the arena. False: it is exhausted. */
bool describe_made_topic(struct call *call, const struct topic_settings *settings,
                         struct create_topics_response_topic *answer);

/* Whether a client cannot change it, or to nothing else. */
bool describe_read_only(enum config_id id);

#endif
