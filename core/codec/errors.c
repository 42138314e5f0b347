#include "codec/errors.h"

const char *error_name(int error)
{
    switch (error) {
#define X(name, number)                                                                                                \
    case number: return #name;
        EACH_ERROR(X)
#undef X
    }
    return "UNKNOWN";
}
