/* timeline_page.h -- sim/timeline.html, which the build turns into bytes: a page with a place for a run, @RUN@. */
#ifndef CHRONIK_SIM_TIMELINE_PAGE_H
#define CHRONIK_SIM_TIMELINE_PAGE_H

extern const char timeline_page[];

#endif
