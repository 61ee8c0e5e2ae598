#include "zl_pattern.h"

typedef struct {
  uint8_t urgency;
  uint16_t tone_hz;
  uint8_t times, count;
  uint16_t steps[ZL_STEPS_MAX][2];
} row;

static const row rows[ZL_PATTERN_COUNT] = ZL_PATTERNS;

int zl_pattern_play(zl_player *player, uint8_t pattern, uint32_t now_ms) {
  if (pattern >= ZL_PATTERN_COUNT) {
    return 0;
  }
  if (pattern == ZL_PATTERN_OFF || rows[pattern].urgency >= rows[player->pattern].urgency) {
    player->pattern = pattern;
    player->start_ms = now_ms;
  }
  return 1;
}

/* 1 in a step's first part, 0 in its second one, -1 after the last repeat. */
static int sounds(const row *r, uint32_t elapsed_ms) {
  uint32_t cycle_ms = 0;
  uint8_t i;
  for (i = 0; i < r->count; i++) {
    cycle_ms += (uint32_t)r->steps[i][0] + r->steps[i][1];
  }
  if (cycle_ms == 0 || (r->times && elapsed_ms / cycle_ms >= r->times)) {
    return -1;
  }
  elapsed_ms %= cycle_ms;
  for (i = 0; i < r->count; i++) {
    if (elapsed_ms < r->steps[i][0]) {
      return 1;
    }
    elapsed_ms -= r->steps[i][0];
    if (elapsed_ms < r->steps[i][1]) {
      return 0;
    }
    elapsed_ms -= r->steps[i][1];
  }
  return 0;
}

int zl_pattern_poll(zl_player *player, uint32_t now_ms) {
  const row *r = &rows[player->pattern];
  int on = sounds(r, now_ms - player->start_ms);
  uint16_t tone_hz = on > 0 ? r->tone_hz : 0;
  uint8_t vibrate = on > 0;
  int changed = tone_hz != player->tone_hz || vibrate != player->vibrate;
  if (on < 0) {
    player->pattern = ZL_PATTERN_OFF;
  }
  player->tone_hz = tone_hz;
  player->vibrate = vibrate;
  return changed;
}
