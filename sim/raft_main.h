/* raft_main.h -- the Raft profile of the command: members of one group and nothing of a broker, with either engine. */
#ifndef CHRONIK_SIM_RAFT_MAIN_H
#define CHRONIK_SIM_RAFT_MAIN_H

#include <stdbool.h>

/* Whether these words ask for it: --raft, or --profile raft. */
bool raft_main_is_asked(int argc, char **argv);

/* Does what they ask; the exit code. */
int raft_main(int argc, char **argv);

/* Says how the seed that runs is run again. False: none of this profile runs. */
bool raft_main_replay(void);

#endif
