#include "zl_link.h"

#include <string.h>

#define HELLO_MS 1000        /* until the gateway answers */
#define HELLO_KNOWN_MS 5000  /* afterwards: a gateway that was replaced learns who is there */
#define EVENT_MS 300
#define ASK_MS 60000
#define ASK_FIRST_MS 2000

static void send(zl_link *l, uint8_t type, const uint8_t *payload, size_t size) {
  uint8_t frame[ZL_FRAME_MAX];
  size_t frame_size = zl_encode(frame, type, l->sequence++, payload, size);
  if (frame_size != 0) {
    l->config->write(l->config->user, frame, frame_size);
  }
}

static void put64(uint8_t *out, uint64_t number) {
  zl_put32(out, (uint32_t)number);
  zl_put32(out + 4, (uint32_t)(number >> 32));
}

static uint64_t get64(const uint8_t *data) { return zl_get32(data) | (uint64_t)zl_get32(data + 4) << 32; }

static void say_hello(zl_link *l, uint32_t now_ms) {
  uint8_t payload[25];
  const zl_config *c = l->config;
  payload[0] = ZL_VERSION;
  put64(payload + 1, c->board);
  zl_put32(payload + 9, c->hardware);
  zl_put32(payload + 13, c->firmware);
  zl_put32(payload + 17, c->can);
  zl_put32(payload + 21, c->boot);
  l->said_ms = now_ms;
  send(l, ZL_UP_HELLO, payload, sizeof payload);
}

static void say_update(zl_link *l) {
  uint8_t payload[6];
  if (l->config->update != NULL && l->config->update->said) {
    l->config->update->said = 0;
    zl_update_status(l->config->update, payload);
    send(l, ZL_UP_UPDATE_STATUS, payload, sizeof payload);
  }
}

/* Each sample's field takes at most 3 bytes and its value 5, so 24 of them and the time fit a frame of 240. */
static void send_samples(zl_link *l, uint32_t now_ms) {
  uint8_t payload[ZL_PAYLOAD_MAX];
  size_t size = zl_varint(payload, now_ms);
  uint8_t i;
  l->sent_ms = now_ms;
  for (i = 0; i < l->value_count; i++) {
    uint32_t raw = (uint32_t)l->values[i].value;
    size += zl_varint(payload + size, l->values[i].field);
    size += zl_varint(payload + size, l->values[i].value < 0 ? ~(raw << 1) : raw << 1);
  }
  if (l->value_count != 0) {
    send(l, ZL_UP_SAMPLES, payload, size);
  }
  l->value_count = 0;
}

static void send_event(zl_link *l, uint32_t now_ms) {
  uint8_t payload[16];
  const zl_event *event = &l->events[0];
  zl_put32(payload, l->config->boot);
  zl_put32(payload + 4, event->number);
  zl_put32(payload + 8, now_ms - event->born_ms);
  zl_put32(payload + 12, event->what);
  l->event_ms = now_ms;
  send(l, event->type, payload, event->type == ZL_UP_GESTURE ? 13 : 16);
}

static void drop_event(zl_link *l, uint8_t i) {
  l->event_count--;
  memmove(l->events + i, l->events + i + 1, (size_t)(l->event_count - i) * sizeof l->events[0]);
}

/* In the order in which they happened, one at a time: a cancel must not overtake an SOS, nor the other way. */
static void push_event(zl_link *l, uint8_t type, uint32_t what, uint32_t now_ms) {
  zl_event *event;
  if (l->event_count == ZL_EVENTS_MAX) {
    uint8_t i = 0;
    while (i < ZL_EVENTS_MAX && l->events[i].type == ZL_UP_GESTURE && l->events[i].what == ZL_GESTURE_SOS) {
      i++;
    }
    l->dropped_count++;
    if (i == ZL_EVENTS_MAX) {
      return; /* eight cries for help wait: one more says nothing new */
    }
    drop_event(l, i);
  }
  event = &l->events[l->event_count++];
  event->type = type;
  event->number = ++l->event_number;
  event->born_ms = now_ms;
  event->what = what;
  if (l->event_count == 1) {
    send_event(l, now_ms);
  }
}

static void on_event_ack(zl_link *l, const uint8_t *payload, size_t size, uint32_t now_ms) {
  if (size < 8 || l->event_count == 0 || zl_get32(payload) != l->config->boot ||
      zl_get32(payload + 4) != l->events[0].number) {
    return;
  }
  drop_event(l, 0);
  if (l->event_count != 0) {
    send_event(l, now_ms);
  }
}

static void on_time(zl_link *l, const uint8_t *payload, size_t size, uint32_t now_ms) {
  if (size < 8) {
    return;
  }
  l->utc_ms = get64(payload);
  l->utc_at_ms = now_ms;
  l->utc_known = 1;
  if (size >= 12 && now_ms - zl_get32(payload + 8) < ASK_FIRST_MS) { /* half the way there and back */
    l->utc_ms += (now_ms - zl_get32(payload + 8)) / 2;
  }
}

static uint8_t play(zl_link *l, const uint8_t *payload, size_t size, uint32_t now_ms) {
  if (l->config->output == NULL) {
    return ZL_RESULT_CANNOT;
  }
  return size >= 1 && zl_pattern_play(&l->player, payload[0], now_ms) ? ZL_RESULT_DONE : ZL_RESULT_WRONG;
}

static uint8_t show(zl_link *l, const uint8_t *payload, size_t size) {
  char text[ZL_SHOW_MAX + 1];
  if (l->config->show == NULL) {
    return ZL_RESULT_CANNOT;
  }
  if (size > ZL_SHOW_MAX) {
    return ZL_RESULT_WRONG;
  }
  memcpy(text, payload, size);
  text[size] = 0;
  l->config->show(l->config->user, text);
  return ZL_RESULT_DONE;
}

static void on_frame(zl_link *l, size_t size, uint32_t now_ms) {
  const uint8_t *payload = l->decoder.data + 2;
  uint8_t type = l->decoder.data[0];
  uint8_t answer[2];
  answer[0] = l->decoder.data[1];
  size -= 2;
  if (type == ZL_DOWN_HELLO_ASK) {
    say_hello(l, now_ms);
  } else if (type == ZL_DOWN_HELLO_ACK) {
    l->known = 1;
  } else if (type == ZL_DOWN_TIME) {
    on_time(l, payload, size, now_ms);
  } else if (type == ZL_DOWN_EVENT_ACK) {
    on_event_ack(l, payload, size, now_ms);
  } else if (type == ZL_DOWN_PLAY || type == ZL_DOWN_SHOW) {
    answer[1] = type == ZL_DOWN_PLAY ? play(l, payload, size, now_ms) : show(l, payload, size);
    send(l, ZL_UP_COMMAND_ACK, answer, sizeof answer);
  } else if (type >= ZL_DOWN_UPDATE_BEGIN && type <= ZL_DOWN_UPDATE_ABORT && l->config->update != NULL) {
    zl_update_take(l->config->update, type, payload, size);
    say_update(l);
  } else {
    l->skipped_count++;
  }
}

void zl_init(zl_link *l, const zl_config *config, uint32_t now_ms) {
  memset(l, 0, sizeof *l);
  l->config = config;
  l->sent_ms = now_ms;
  l->asked_ms = now_ms - ASK_MS + ASK_FIRST_MS;
  say_hello(l, now_ms);
}

void zl_receive(zl_link *l, const uint8_t *data, size_t size, uint32_t now_ms) {
  size_t i;
  for (i = 0; i < size; i++) {
    size_t found = zl_decode(&l->decoder, data[i], &l->bad_count);
    if (found != 0) {
      on_frame(l, found, now_ms);
    }
  }
}

void zl_poll(zl_link *l, uint32_t now_ms) {
  const zl_config *c = l->config;
  uint8_t payload[4];
  uint8_t gesture = zl_gesture_poll(&l->gestures, l->red, l->grey, now_ms);
  if (gesture) {
    zl_gesture(l, gesture, now_ms);
  }
  if (now_ms - l->said_ms >= (l->known ? HELLO_KNOWN_MS : HELLO_MS)) {
    say_hello(l, now_ms);
  }
  if (l->event_count != 0 && now_ms - l->event_ms >= EVENT_MS) {
    send_event(l, now_ms);
  }
  if (now_ms - l->sent_ms >= (c->period_ms ? c->period_ms : 1000u)) {
    send_samples(l, now_ms);
  }
  if (l->known && now_ms - l->asked_ms >= ASK_MS) {
    l->asked_ms = now_ms;
    zl_put32(payload, now_ms);
    send(l, ZL_UP_TIME_ASK, payload, 4);
  }
  if (zl_pattern_poll(&l->player, now_ms) && c->output != NULL) {
    c->output(c->user, l->player.tone_hz, l->player.vibrate);
  }
  if (c->update != NULL) {
    zl_update_poll(c->update, now_ms);
    say_update(l);
  }
}

void zl_buttons(zl_link *l, int red, int grey, uint32_t now_ms) {
  uint8_t gesture;
  l->red = red ? 1 : 0;
  l->grey = grey ? 1 : 0;
  gesture = zl_gesture_poll(&l->gestures, red, grey, now_ms);
  if (gesture) {
    zl_gesture(l, gesture, now_ms);
  }
}

int zl_sample(zl_link *l, uint16_t field, int32_t value) {
  uint8_t i;
  for (i = 0; i < l->value_count && l->values[i].field != field; i++) {
  }
  if (i == ZL_SAMPLES_MAX) {
    return 0;
  }
  if (i == l->value_count) {
    l->value_count++;
  }
  l->values[i].field = field;
  l->values[i].value = value;
  return 1;
}

void zl_gesture(zl_link *l, uint8_t gesture, uint32_t now_ms) { push_event(l, ZL_UP_GESTURE, gesture, now_ms); }

void zl_impact(zl_link *l, uint32_t peak_mg, uint32_t now_ms) { push_event(l, ZL_UP_IMPACT, peak_mg, now_ms); }

void zl_beacon(zl_link *l, uint64_t id, int8_t rssi_dbm) {
  uint8_t payload[9];
  put64(payload, id);
  payload[8] = (uint8_t)rssi_dbm;
  send(l, ZL_UP_BEACON, payload, sizeof payload);
}

uint64_t zl_utc_ms(const zl_link *l, uint32_t now_ms) {
  return l->utc_known ? l->utc_ms + (now_ms - l->utc_at_ms) : 0;
}
