#include "broker/apis.h"

#include "base/check.h"
#include "codec/api.h"

enum call_verdict api_handle(struct call *call)
{
    switch ((enum api_key)call->api_key) {
    case API_PRODUCE: return produce_handle(call);
    case API_FETCH: return fetch_handle(call);
    case API_LIST_OFFSETS: return list_offsets_handle(call);
    case API_METADATA: return metadata_handle(call);
    case API_FIND_COORDINATOR: return find_coordinator_handle(call);
    case API_API_VERSIONS: return api_versions_handle(call);
    case API_DELETE_RECORDS: return delete_records_handle(call);
    case API_INIT_PRODUCER_ID: return init_producer_id_handle(call);
    case API_OFFSET_FOR_LEADER_EPOCH: return offset_for_leader_epoch_handle(call);
    case API_DESCRIBE_CLUSTER: return describe_cluster_handle(call);
    case API_DESCRIBE_TOPIC_PARTITIONS: return describe_topic_partitions_handle(call);

    case API_OPERATE: return operate_handle(call);
    case API_DESCRIBE_QUORUM: return describe_quorum_handle(call);
    case API_ADD_RAFT_VOTER: return add_raft_voter_handle(call);
    case API_REMOVE_RAFT_VOTER: return remove_raft_voter_handle(call);
    case API_UNREGISTER_BROKER: return unregister_broker_handle(call);
    case API_ALTER_CLIENT_QUOTAS: return alter_client_quotas_handle(call);
    case API_DESCRIBE_CLIENT_QUOTAS: return describe_client_quotas_handle(call);
    case API_DESCRIBE_USER_SCRAM_CREDENTIALS: return describe_user_scram_credentials_handle(call);
    case API_UPDATE_FEATURES: return update_features_handle(call);

    case API_ELECT_LEADERS: return elect_leaders_handle(call);
    case API_ALTER_PARTITION_REASSIGNMENTS: return alter_partition_reassignments_handle(call);
    case API_LIST_PARTITION_REASSIGNMENTS: return list_partition_reassignments_handle(call);

    case API_CREATE_TOPICS: return create_topics_handle(call);
    case API_DELETE_TOPICS: return delete_topics_handle(call);
    case API_CREATE_PARTITIONS: return create_partitions_handle(call);
    case API_DESCRIBE_CONFIGS: return describe_configs_handle(call);
    case API_ALTER_CONFIGS: return alter_configs_handle(call);
    case API_INCREMENTAL_ALTER_CONFIGS: return incremental_alter_configs_handle(call);
    case API_DESCRIBE_LOG_DIRS: return describe_log_dirs_handle(call);
    case API_DESCRIBE_PRODUCERS: return describe_producers_handle(call);
    case API_DESCRIBE_TRANSACTIONS: return describe_transactions_handle(call);
    case API_LIST_TRANSACTIONS: return list_transactions_handle(call);
    case API_DESCRIBE_ACLS: return describe_acls_handle(call);
    case API_CREATE_ACLS: return create_acls_handle(call);
    case API_DELETE_ACLS: return delete_acls_handle(call);

    case API_JOIN_GROUP: return join_group_handle(call);
    case API_SYNC_GROUP: return sync_group_handle(call);
    case API_HEARTBEAT: return heartbeat_handle(call);
    case API_LEAVE_GROUP: return leave_group_handle(call);
    case API_CONSUMER_GROUP_HEARTBEAT: return consumer_group_heartbeat_handle(call);
    case API_CONSUMER_GROUP_DESCRIBE: return consumer_group_describe_handle(call);
    case API_OFFSET_COMMIT: return offset_commit_handle(call);
    case API_OFFSET_FETCH: return offset_fetch_handle(call);
    case API_OFFSET_DELETE: return offset_delete_handle(call);
    case API_DESCRIBE_GROUPS: return describe_groups_handle(call);
    case API_LIST_GROUPS: return list_groups_handle(call);
    case API_DELETE_GROUPS: return delete_groups_handle(call);
    }
    CHECK(false);
    return CALL_CLOSE;
}
