/* test_schema.c -- a mistake in a message description is reported with its line, and says what is wrong. */
#include "t.h"

#include <setjmp.h>
#include <stdlib.h>

static FILE *errors;
static const char *text_now;
static jmp_buf left;

static FILE *text_file;

static FILE *open_text(void)
{
    return text_file = fmemopen((void *)(uintptr_t)text_now, strlen(text_now), "r");
}

static int close_text(FILE *file)
{
    text_file = NULL;
    return fclose(file);
}

/* The program reads this text instead of a file, and leaves to us instead of exiting. */
#undef stderr
#define stderr errors
#define fopen(path, mode) open_text()
#define fclose(file) close_text(file)
#define exit(code) longjmp(left, 1)
#include "codec/schema/schema.c"
#undef exit
#undef fopen
#undef fclose

#define A "api a key=1 served=0-3 advertised=0-3 flexible=2\n"
#define REST "response\n    x int8\n"

static const struct mistake_row {
    const char *why, *text, *message;
} mistake_rows[] = {
    { "a right one", A "request\n    x int8\n" REST, "" },
    { "comments and empty lines", "# c\n\n" A "request # c\n    x int8   # c\n" REST, "" },
    { "a record", "record r id=1 versions=0-0 flexible=0\n    x string? 0+\n", "" },
    { "no versions", "record r id=1 flexible=0\n    x int8\n", "f:1: needs id versions flexible" },
    { "an unknown word", "api a key=1 serves=0-3\n", "f:1: \"serves=0-3\" is not understood here" },
    { "a word twice", "api a key=1 key=2\n", "f:1: \"key=2\" comes twice" },
    { "an open range", "record r id=1 versions=0+ flexible=0\n", "f:1: versions: the range must end" },
    { "an empty range", "record r id=1 versions=3-2 flexible=0\n", "f:1: versions: the range \"3-2\" is empty" },
    { "advertised above served", "api a key=1 served=1-3 advertised=1-4 flexible=2\n",
      "f:1: advertised must hold all served versions and end with them" },
    { "advertised inside served", "api a key=1 served=1-3 advertised=2-3 flexible=2\n",
      "f:1: advertised must hold all served versions and end with them" },
    { "no response", A "request\n    x int8\n", "f:2: a has no response" },
    { "no fields", A "request\n" REST, "f:2: a_request has no fields" },
    { "a number twice",
      A "request\n    x int8\n" REST "api b key=1 served=0-0 advertised=no flexible=no\nrequest\n    x int8\n",
      "is taken by" },
    { "a field outside", "    x int8\n", "f:1: a field belongs below request, response or record" },
    { "an unknown type", A "request\n    x int9\n" REST, "f:3: x: not a type, and no fields are indented below it" },
    { "a field without type", A "request\n    x\n", "f:3: x: the type is missing" },
    { "odd indentation", A "request\n   x int8\n", "f:3: indented by 3 spaces, not by a multiple of four" },
    { "a tab", A "request\n\tx int8\n", "f:3: a tab; indentation is four spaces" },
    { "below a scalar", A "request\n    x int8\n        y int8\n",
      "f:4: nothing that holds fields stands above this line" },
    { "a name twice", A "request\n    x int8\n    x int8\n", "f:4: x: its name is taken by x in line 3" },
    { "a name that an array needs", A "request\n    x []int8\n    x_count int8\n",
      "f:4: x_count: its name is taken by x in line 3" },
    { "a structure twice", A "request\n    x []s\n        a int8\n    y []s\n",
      "f:5: the structure a_request_s is described twice" },
    { "outside of its versions", A "request\n    x []s 2+\n        a int8 0-1\n",
      "f:4: a: versions 0-1 lie outside 2-3 of what is around it" },
    { "a tag in an inflexible version", A "request\n    x int8 1+ tag=0\n",
      "f:3: x: a tagged field needs flexible versions" },
    { "a tag twice", A "request\n    x int8 2+ tag=0\n    y int8 2+ tag=0\n", "f:4: y: tag 0 is taken by x in line 3" },
    { "falling tags", A "request\n    x int8 2+ tag=1\n    y int8 2+ tag=0\n", "f:4: y: tags must rise" },
    { "a null number", A "request\n    x int8?\n", "f:3: int8 cannot be null" },
    { "a null tagged structure", A "request\n    x s? 2+ tag=0\n",
      "f:3: x: a tagged structure is absent rather than null" },
    { "a default too large", A "request\n    x int8 = 128\n", "f:3: \"128\" is not a value of int8" },
    { "a default of a string", A "request\n    x string = a\n", "f:3: only numbers and bool have a default to choose" },
    { "no default", A "request\n    x int8 =\n", "f:3: one default value is expected after =, and nothing more" },
    { "a bool that is neither", A "request\n    x bool = 1\n", "f:3: neither true nor false" },
    { "capitals", A "request\n    X int8\n", "f:3: \"X\" is not a name: small letters, digits and _, short" },
    { "an unknown beginning", "message a\n", "f:1: \"message\": expected api, request, response, record" },
    { "a request of nothing", "request\n", "f:1: \"request\" stands alone, below an api line" },
};

TEST(mistakes_are_reported_with_their_line)
{
    FOR_EACH(mistake_row, row, mistake_rows) {
        static char said[4096];
        memset(said, 0, sizeof said);
        memset(structures, 0, sizeof structures);
        message_count = field_count = structure_count = 0;
        in_api = false;
        memset(open_structures, 0, sizeof open_structures);
        text_now = row->text;
        errors = fmemopen(said, sizeof said - 1, "w");
        if (setjmp(left) == 0) {
            schema_read("f");
            schema_finish();
        }
        if (text_file != NULL) close_text(text_file);
        fclose(errors);
        said[strcspn(said, "\n")] = '\0';
        if (strstr(said, row->message) == NULL || (row->message[0] == '\0' && said[0] != '\0')) {
            EXPECT_TEXT(row->why, row->message, said);
        }
    }
}
