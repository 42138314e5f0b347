/* trace_files.h -- a tape in the forms that others read, told apart by the end of a file's name:
 *
 *   .html     a page of its own, to look at in any browser: a lane per node, messages, how every partition stands
 *   .json     Chrome's trace events, for ui.perfetto.dev: a track per node, arrows for messages
 *   .shiviz   a log with vector clocks, for ShiViz
 *   else      text; see trace_text.h, which has written it already */
#ifndef CHRONIK_SIM_TRACE_FILES_H
#define CHRONIK_SIM_TRACE_FILES_H

#include "sim/tape.h"

enum trace_form { FORM_TEXT, FORM_HTML, FORM_CHROME, FORM_SHIVIZ };

enum trace_form trace_form(const char *path);
void trace_write(const struct tape *tape, enum trace_form form, FILE *file);

/* As a string of JSON that may also stand in a page. */
void json_string(FILE *file, const char *text);

/* trace_html.c */
void trace_write_html(const struct tape *tape, FILE *file);

#endif
