/* Feeds the C library with garbage, with whole frames of garbage and with damaged frames. Arguments: seed, rounds.
   Under sanitizers a fault ends it; it ends well when a good frame is still understood after all that. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "zl_link.h"

static uint32_t seed;
static size_t heard, longest;
static uint8_t slot[8192], record[ZL_RECORD_SIZE];

static uint32_t dice(void) {
  seed ^= seed << 13;
  seed ^= seed >> 17;
  seed ^= seed << 5;
  return seed;
}

static void on_write(void *user, const uint8_t *data, size_t size) {
  (void)user;
  heard += data[size - 1] == 0;
  longest = size > longest ? size : longest;
}
static void on_output(void *user, uint16_t tone_hz, uint8_t vibrate) { (void)user; (void)tone_hz; (void)vibrate; }
static void on_show(void *user, const char *text) { (void)user; heard += strlen(text) > ZL_SHOW_MAX ? abort(), 1 : 0; }
static int on_erase(void *user, uint32_t offset, uint32_t size) {
  (void)user;
  memset(slot + offset, 0xff, size);
  return 0;
}
static int on_flash(void *user, uint32_t offset, const uint8_t *data, size_t size) {
  (void)user;
  if (offset + size > sizeof slot) abort();
  memcpy(slot + offset, data, size);
  return 0;
}
static int on_read(void *user, uint32_t offset, uint8_t *data, size_t size) {
  (void)user;
  if (offset + size > sizeof slot) abort();
  memcpy(data, slot + offset, size);
  return 0;
}
static int on_verify(void *user, const uint8_t *header, const uint8_t *signature) {
  (void)user; (void)header; (void)signature;
  return (int)(dice() & 1); /* also what a good signature lets in must do no harm */
}
static int on_load(void *user, uint8_t *data) { (void)user; memcpy(data, record, sizeof record); return 0; }
static int on_save(void *user, const uint8_t *data) { (void)user; memcpy(record, data, sizeof record); return 0; }
static void on_boot(void *user, zl_boot what) { (void)user; (void)what; }

static size_t random_frame(uint8_t *out) {
  static const uint8_t types[] = {0x40, 0x41, 0x42, 0x43, 0x44, 0x45, 0x50, 0x51, 0x52, 0x53, 0x54, 0x7f};
  uint8_t payload[ZL_PAYLOAD_MAX];
  size_t size = dice() % (ZL_PAYLOAD_MAX + 1), i;
  uint8_t type = types[dice() % sizeof types];
  for (i = 0; i < size; i++) payload[i] = (uint8_t)(dice() & 3 ? dice() : 0);
  if (type == ZL_DOWN_UPDATE_BEGIN && dice() & 1) {
    size = ZL_IMAGE_HEADER_SIZE + ZL_SIGNATURE_SIZE;
    memcpy(payload, "ZTFW\1", 5);
    zl_put32(payload + 8, 3);
    zl_put32(payload + 16, dice() % 9000);
  } else if (type == ZL_DOWN_UPDATE_DATA && size >= 4) {
    zl_put32(payload, dice() % 8 * ZL_CHUNK_SIZE);
    size = dice() & 1 ? 4 + ZL_CHUNK_SIZE : size;
  }
  return zl_encode(out, type, (uint8_t)dice(), payload, size);
}

int main(int argc, char **argv) {
  static zl_link l;
  static zl_update update;
  zl_config config;
  zl_update_io io;
  long rounds = argc > 2 ? atol(argv[2]) : 1000, i;
  uint32_t now_ms = 0xffff0000u; /* the clock wraps on the way */
  uint8_t frame[ZL_FRAME_MAX];
  seed = argc > 1 ? (uint32_t)atol(argv[1]) : 1u;
  memset(&config, 0, sizeof config);
  memset(&io, 0, sizeof io);
  config.write = on_write;
  config.output = on_output;
  config.show = on_show;
  config.update = &update;
  io.hardware = 3;
  io.slot_size = sizeof slot;
  io.sector_size = 1024;
  io.erase = on_erase;
  io.write = on_flash;
  io.read = on_read;
  io.verify = on_verify;
  io.load = on_load;
  io.save = on_save;
  io.boot = on_boot;
  zl_update_init(&update, &io, now_ms);
  zl_init(&l, &config, now_ms);
  for (i = 0; i < rounds; i++) {
    size_t size = random_frame(frame), n;
    uint32_t kind = dice() % 4;
    if (kind == 1) frame[dice() % size] ^= (uint8_t)(1u << (dice() % 8));
    for (n = 0; kind == 2 && n < size; n++) frame[n] = (uint8_t)dice();
    zl_receive(&l, frame, kind == 3 ? dice() % size : size, now_ms);
    if (dice() % 3 == 0) zl_buttons(&l, (int)(dice() & 1), (int)(dice() & 1), now_ms);
    if (dice() % 5 == 0) zl_impact(&l, dice(), now_ms);
    for (n = 0; n < 30; n++) zl_sample(&l, (uint16_t)dice(), (int32_t)dice());
    zl_poll(&l, now_ms);
    now_ms += dice() % 700;
    if (dice() % 500 == 0) { /* a reset, now and then with a damaged record */
      if (dice() & 1) record[dice() % sizeof record] ^= 1;
      zl_update_init(&update, &io, now_ms);
      zl_init(&l, &config, now_ms);
    }
  }
  heard = 0;
  zl_receive(&l, (const uint8_t *)"\0", 1, now_ms);
  zl_receive(&l, frame, zl_encode(frame, ZL_DOWN_HELLO_ASK, 0, NULL, 0), now_ms);
  printf("%ld rounds, longest frame %u, answers after all that %u\n", rounds, (unsigned)longest, (unsigned)heard);
  return heard == 1 && longest <= ZL_FRAME_MAX ? 0 : 1;
}
