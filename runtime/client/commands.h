/* commands.h -- `chronik-server topic ...`: commands that speak Kafka, to any broker. */
#ifndef CHRONIK_RUNTIME_CLIENT_COMMANDS_H
#define CHRONIK_RUNTIME_CLIENT_COMMANDS_H

#include <stdbool.h>

/* Whether the first word is that of a command here. */
bool commands_have(const char *noun);

/* Runs what was typed; the exit code: 0 done, 1 refused or not reached, 2 not understood. */
int commands_run(char *const *arguments);

/* What a shell needs to complete what is typed ("bash", "zsh", "fish"), on stdout. False: another shell. */
bool commands_print_completion(const char *shell);

/* The manual's page, for man -l. */
void commands_print_man(void);

#endif
