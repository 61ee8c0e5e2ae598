/* Patterns of sound and vibration, by the table in zl_catalog.h. A higher urgency silences a lower one. */
#ifndef ZL_PATTERN_H
#define ZL_PATTERN_H

#include <stdint.h>

#include "zl_catalog.h"

/* All zeros is a good beginning: silence. */
typedef struct {
  uint8_t pattern;
  uint32_t start_ms;
  uint16_t tone_hz;
  uint8_t vibrate;
} zl_player;

/* Begins a pattern; ZL_PATTERN_OFF silences all. One that is less urgent than the running one is left out.
   0 for a pattern that is not in the table. */
int zl_pattern_play(zl_player *player, uint8_t pattern, uint32_t now_ms);

/* Sets tone_hz and vibrate for now; 1 when one of them changed. */
int zl_pattern_poll(zl_player *player, uint32_t now_ms);

#endif
