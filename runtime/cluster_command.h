/* cluster_command.h -- `chronik-server cluster COMMAND`: an operator's questions and orders, put to a running node. */
#ifndef CHRONIK_RUNTIME_CLUSTER_COMMAND_H
#define CHRONIK_RUNTIME_CLUSTER_COMMAND_H

#include <stdbool.h>

/* Whether this is one of the commands, and not a flag of a node to be started. */
bool cluster_command_is(const char *word);

/* Runs it; `arguments` begin with the command and end with NULL. The process's exit code: 0 done, 1 refused or not
 * reached, 2 not understood. */
int cluster_command_run(char *const *arguments);

/* What there is, for --help. */
void cluster_command_print(void);
void cluster_command_print_recover(void);

#endif
