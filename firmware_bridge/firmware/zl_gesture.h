/* Two buttons' levels to gestures, by the table in zl_catalog.h. */
#ifndef ZL_GESTURE_H
#define ZL_GESTURE_H

#include <stdint.h>

#include "zl_catalog.h"

#define ZL_RED 1
#define ZL_GREY 2
#define ZL_DEBOUNCE_MS 20
/* A button that is down for longer is jammed: it counts as up, so that the other one still works. */
#define ZL_STUCK_MS 10000

/* All zeros is a good beginning. */
typedef struct {
  uint8_t raw[2], level[2], stuck[2];
  uint32_t raw_ms[2], down_ms[2];
  uint8_t held;    /* the buttons of this press */
  uint8_t over;    /* this press is decided, or is nothing: wait for all to be up */
  uint8_t presses; /* short presses of the grey button so far */
  uint32_t held_ms, released_ms;
} zl_gestures;

/* Call it every 10 ms or so, and when a level changes; levels are 1 while a button is down. A gesture or 0. */
uint8_t zl_gesture_poll(zl_gestures *gestures, int red, int grey, uint32_t now_ms);

#endif
