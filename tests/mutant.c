/* Tests that are built with known bugs in them: MUTANT=name switches one on. A test that wants to know more, how often
 * it was come by, say, brings its own. */
#include "base/check.h"

#ifdef CHRONIK_MUTANTS
#include <stdlib.h>
#include <string.h>

bool mutant_active(const char *name)
{
    const char *active = getenv("MUTANT");

    return active != NULL && strcmp(active, name) == 0;
}
#endif
