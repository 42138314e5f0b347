/* apis.h -- the API files of this room, one function each; api.h says what they may rely on. */
#ifndef CHRONIK_BROKER_APIS_H
#define CHRONIK_BROKER_APIS_H

#include "broker/api.h"

enum call_verdict add_raft_voter_handle(struct call *call);
enum call_verdict alter_client_quotas_handle(struct call *call);
enum call_verdict alter_configs_handle(struct call *call);
enum call_verdict alter_partition_reassignments_handle(struct call *call);
enum call_verdict api_versions_handle(struct call *call);
enum call_verdict create_acls_handle(struct call *call);
enum call_verdict create_partitions_handle(struct call *call);
enum call_verdict create_topics_handle(struct call *call);
enum call_verdict delete_acls_handle(struct call *call);
enum call_verdict delete_groups_handle(struct call *call);
enum call_verdict delete_records_handle(struct call *call);
enum call_verdict delete_topics_handle(struct call *call);
enum call_verdict describe_acls_handle(struct call *call);
enum call_verdict describe_client_quotas_handle(struct call *call);
enum call_verdict describe_cluster_handle(struct call *call);
enum call_verdict describe_configs_handle(struct call *call);
enum call_verdict describe_groups_handle(struct call *call);
enum call_verdict describe_log_dirs_handle(struct call *call);
enum call_verdict describe_producers_handle(struct call *call);
enum call_verdict describe_transactions_handle(struct call *call);
enum call_verdict list_transactions_handle(struct call *call);
enum call_verdict describe_quorum_handle(struct call *call);
enum call_verdict describe_topic_partitions_handle(struct call *call);
enum call_verdict describe_user_scram_credentials_handle(struct call *call);
enum call_verdict elect_leaders_handle(struct call *call);
enum call_verdict fetch_handle(struct call *call);
enum call_verdict find_coordinator_handle(struct call *call);
enum call_verdict heartbeat_handle(struct call *call);
enum call_verdict incremental_alter_configs_handle(struct call *call);
enum call_verdict init_producer_id_handle(struct call *call);
enum call_verdict join_group_handle(struct call *call);
enum call_verdict leave_group_handle(struct call *call);
enum call_verdict list_groups_handle(struct call *call);
enum call_verdict list_offsets_handle(struct call *call);
enum call_verdict list_partition_reassignments_handle(struct call *call);
enum call_verdict metadata_handle(struct call *call);
enum call_verdict consumer_group_heartbeat_handle(struct call *call);
enum call_verdict consumer_group_describe_handle(struct call *call);
enum call_verdict offset_commit_handle(struct call *call);
enum call_verdict offset_delete_handle(struct call *call);
enum call_verdict offset_fetch_handle(struct call *call);
enum call_verdict offset_for_leader_epoch_handle(struct call *call);
enum call_verdict operate_handle(struct call *call);
enum call_verdict produce_handle(struct call *call);
enum call_verdict remove_raft_voter_handle(struct call *call);
enum call_verdict sync_group_handle(struct call *call);
enum call_verdict unregister_broker_handle(struct call *call);
enum call_verdict update_features_handle(struct call *call);

/* A version of ApiVersions that is not ours gets an answer in version 0, from which clients learn ours (KIP-511). */
enum call_verdict api_versions_unserved(struct call *call);

#endif
