#include "zl_gesture.h"

#include <stddef.h>

typedef struct {
  uint8_t gesture, buttons, presses;
  uint16_t hold_ms;
} row;

static const row rows[ZL_GESTURE_COUNT] = ZL_GESTURES;

static void debounce(zl_gestures *g, int i, int raw, uint32_t now_ms) {
  uint8_t level = raw ? 1 : 0;
  if (level != g->raw[i]) {
    g->raw[i] = level;
    g->raw_ms[i] = now_ms;
  } else if (level != g->level[i] && now_ms - g->raw_ms[i] >= ZL_DEBOUNCE_MS) {
    g->level[i] = level;
    g->down_ms[i] = now_ms;
    g->stuck[i] = 0;
  } else if (level && g->level[i] && now_ms - g->down_ms[i] >= ZL_STUCK_MS) {
    g->stuck[i] = 1;
  }
}

static uint8_t find(uint8_t buttons, uint8_t presses, uint32_t held_ms) {
  size_t i;
  for (i = 0; i < ZL_GESTURE_COUNT; i++) {
    int fits = rows[i].hold_ms ? presses == 0 && held_ms >= rows[i].hold_ms : presses == rows[i].presses;
    if (rows[i].buttons == buttons && fits) {
      return rows[i].gesture;
    }
  }
  return 0;
}

static uint8_t on_down(zl_gestures *g, uint8_t down, uint32_t now_ms) {
  uint8_t gesture;
  if (g->over) {
    return 0;
  }
  if ((down & g->held) != g->held) { /* one of two was let go: this press is nothing */
    g->over = 1;
    g->presses = 0;
    return 0;
  }
  if (down != g->held) { /* the first button, or the second one joins */
    g->held = down;
    g->held_ms = now_ms;
    if (down != ZL_GREY) {
      g->presses = 0;
    }
    return 0;
  }
  gesture = find(down, 0, now_ms - g->held_ms);
  if (gesture) {
    g->over = 1;
    g->presses = 0;
  }
  return gesture;
}

static uint8_t on_up(zl_gestures *g, uint32_t now_ms) {
  uint8_t gesture = 0;
  if (g->held) {
    if (!g->over && g->held == ZL_GREY && now_ms - g->held_ms < ZL_SHORT_MS) {
      if (g->presses < 255) {
        g->presses++;
      }
    } else {
      g->presses = 0;
    }
    g->released_ms = now_ms;
    g->held = 0;
    g->over = 0;
  } else if (g->presses && now_ms - g->released_ms >= ZL_GAP_MS) {
    gesture = find(ZL_GREY, g->presses, 0);
    g->presses = 0;
  }
  return gesture;
}

uint8_t zl_gesture_poll(zl_gestures *g, int red, int grey, uint32_t now_ms) {
  uint8_t down;
  debounce(g, 0, red, now_ms);
  debounce(g, 1, grey, now_ms);
  down = (uint8_t)((g->level[0] && !g->stuck[0] ? ZL_RED : 0) | (g->level[1] && !g->stuck[1] ? ZL_GREY : 0));
  return down ? on_down(g, down, now_ms) : on_up(g, now_ms);
}
