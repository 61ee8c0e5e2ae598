/* The board link of Zhantu: include this, fill a zl_config, call the functions below. No heap, no interrupt, no thread:
   call everything from one loop. Times are milliseconds of any clock that runs on; it may wrap. */
#ifndef ZL_LINK_H
#define ZL_LINK_H

#include "zl_catalog.h"
#include "zl_gesture.h"
#include "zl_pattern.h"
#include "zl_update.h"
#include "zl_wire.h"

#define ZL_SAMPLES_MAX 24
#define ZL_EVENTS_MAX 8

typedef struct {
  void *user;
  uint64_t board;    /* this one's number, of no other board; a chip's unique id will do */
  uint32_t hardware; /* the kind of board that an image is made for */
  uint32_t firmware; /* major << 16 | minor << 8 | patch */
  uint32_t can;      /* ZL_CAN_… */
  uint32_t boot;     /* counts starts, kept over them; it may begin anew, but two neighbours must differ */
  uint16_t period_ms; /* between frames of samples; 0 is 1000 */
  /* Sends bytes; must take all of them. At most ZL_FRAME_MAX at once. */
  void (*write)(void *user, const uint8_t *data, size_t size);
  /* Buzzer and vibration. 0 where there is none of that, like the next two. */
  void (*output)(void *user, uint16_t tone_hz, uint8_t vibrate);
  void (*show)(void *user, const char *text); /* UTF-8, at most ZL_SHOW_MAX bytes and a zero */
  zl_update *update; /* made by zl_update_init */
} zl_config;

typedef struct {
  uint16_t field;
  int32_t value;
} zl_value;

typedef struct {
  uint8_t type;
  uint32_t number, born_ms, what;
} zl_event;

typedef struct {
  const zl_config *config;
  zl_decoder decoder;
  zl_gestures gestures;
  zl_player player;
  zl_value values[ZL_SAMPLES_MAX];
  zl_event events[ZL_EVENTS_MAX];
  uint8_t value_count, event_count, sequence, known, red, grey, utc_known;
  uint32_t event_number, sent_ms, said_ms, event_ms, asked_ms, utc_at_ms;
  uint64_t utc_ms;
  uint32_t bad_count;     /* frames that were damaged */
  uint32_t skipped_count; /* frames of unknown types */
  uint32_t dropped_count; /* events that a full queue could not keep; never an SOS while others are there */
} zl_link;

/* `config` must stay where it is. */
void zl_init(zl_link *link, const zl_config *config, uint32_t now_ms);

/* Bytes that came. */
void zl_receive(zl_link *link, const uint8_t *data, size_t size, uint32_t now_ms);

/* Does what is due. Call it every 10 ms or so. */
void zl_poll(zl_link *link, uint32_t now_ms);

/* The buttons' levels, 1 is down. Call it before zl_poll, or when one changes. */
void zl_buttons(zl_link *link, int red, int grey, uint32_t now_ms);

/* A value of a field ZL_…, in its quanta. The newest of a period is sent; 0 when there is no room for another field. */
int zl_sample(zl_link *link, uint16_t field, int32_t value);

/* A gesture that the board recognised by other means, a blow, and a beacon that was heard. */
void zl_gesture(zl_link *link, uint8_t gesture, uint32_t now_ms);
void zl_impact(zl_link *link, uint32_t peak_mg, uint32_t now_ms);
void zl_beacon(zl_link *link, uint64_t id, int8_t rssi_dbm);

/* UTC of now; 0 while nobody has told. */
uint64_t zl_utc_ms(const zl_link *link, uint32_t now_ms);

#endif
