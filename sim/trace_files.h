/* trace_files.h -- a tape in the forms that others read, told apart by the end of a file's name:
 *
 *   .json     Chrome's trace events, for ui.perfetto.dev: a track per node, arrows for messages
 *   .shiviz   a log with vector clocks, for ShiViz
 *   else      text; see trace_text.h, which has written it already */
#ifndef CHRONIK_SIM_TRACE_FILES_H
#define CHRONIK_SIM_TRACE_FILES_H

#include "sim/tape.h"

enum trace_form { FORM_TEXT, FORM_CHROME, FORM_SHIVIZ };

enum trace_form trace_form(const char *path);
void trace_write(const struct tape *tape, enum trace_form form, FILE *file);

/* As a string of JSON that may also stand in a page. */
void json_string(FILE *file, const char *text);

#endif
