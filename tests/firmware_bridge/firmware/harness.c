/* A board on a pipe, for tests: the C library with flash, buttons and clock that the test moves.

   Records both ways: a letter, a 16-bit little-endian size, so many bytes. In:
     C config (board u64, hardware, firmware, can, boot, slot, sector: u32)   starts the board; again: a reset
     R bytes   received          T u32   the clock, then poll        B red grey   levels
     S u16 i32 a sample          I u32   an impact                   N u64 i8     a beacon
     G u8      a gesture         U       ask for UTC
     F         the second slot   Q       counters: bad, skipped, dropped
   Out: W bytes written, O u16 u8 output, D text, U u64, F bytes, Q, V header and signature (the answer is one
   record v with a byte, 0 for good), X u8 boot; K ends the answer to each record. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "zl_link.h"

#define SLOT_MAX 65536

static zl_link link_;
static zl_config config;
static zl_update update;
static zl_update_io io;
static uint8_t slot[SLOT_MAX], record[ZL_RECORD_SIZE], in[65536];
static int has_record;
static uint32_t now_ms;

static void out(char letter, const void *data, size_t size) {
  uint8_t head[3];
  head[0] = (uint8_t)letter;
  head[1] = (uint8_t)size;
  head[2] = (uint8_t)(size >> 8);
  fwrite(head, 1, 3, stdout);
  if (size) fwrite(data, 1, size, stdout);
}

static int next(size_t *size) {
  uint8_t head[3];
  if (fread(head, 1, 3, stdin) != 3) return 0;
  *size = (size_t)(head[1] | head[2] << 8);
  if (*size && fread(in, 1, *size, stdin) != *size) return 0;
  return head[0];
}

static void must(int holds, const char *what) {
  if (!holds) {
    fprintf(stderr, "harness: %s\n", what);
    abort();
  }
}

static void on_write(void *user, const uint8_t *data, size_t size) { (void)user; out('W', data, size); }
static void on_show(void *user, const char *text) { (void)user; out('D', text, strlen(text)); }
static void on_output(void *user, uint16_t tone_hz, uint8_t vibrate) {
  uint8_t data[3];
  (void)user;
  data[0] = (uint8_t)tone_hz;
  data[1] = (uint8_t)(tone_hz >> 8);
  data[2] = vibrate;
  out('O', data, 3);
}
static int on_erase(void *user, uint32_t offset, uint32_t size) {
  (void)user;
  must(offset % io.sector_size == 0 && size == io.sector_size && offset + size <= SLOT_MAX, "erase out of place");
  memset(slot + offset, 0xff, size);
  return 0;
}
static int on_flash(void *user, uint32_t offset, const uint8_t *data, size_t size) {
  size_t i;
  (void)user;
  must(offset + size <= SLOT_MAX, "write beyond the slot");
  for (i = 0; i < size; i++) must(slot[offset + i] == 0xff, "write to flash that is not erased");
  memcpy(slot + offset, data, size);
  return 0;
}
static int on_read(void *user, uint32_t offset, uint8_t *data, size_t size) {
  (void)user;
  must(offset + size <= SLOT_MAX, "read beyond the slot");
  memcpy(data, slot + offset, size);
  return 0;
}
static int on_verify(void *user, const uint8_t *header, const uint8_t *signature) {
  uint8_t question[ZL_IMAGE_HEADER_SIZE + ZL_SIGNATURE_SIZE];
  size_t size = 0;
  (void)user;
  memcpy(question, header, ZL_IMAGE_HEADER_SIZE);
  memcpy(question + ZL_IMAGE_HEADER_SIZE, signature, ZL_SIGNATURE_SIZE);
  out('V', question, sizeof question);
  fflush(stdout);
  must(next(&size) == 'v' && size == 1, "an answer to V");
  return in[0];
}
static int on_load(void *user, uint8_t *data) {
  (void)user;
  if (has_record) memcpy(data, record, sizeof record);
  return has_record ? 0 : 1;
}
static int on_save(void *user, const uint8_t *data) {
  (void)user;
  memcpy(record, data, sizeof record);
  has_record = 1;
  return 0;
}
static void on_boot(void *user, zl_boot what) {
  uint8_t number = (uint8_t)what;
  (void)user;
  out('X', &number, 1);
}

static void start(void) {
  memset(&config, 0, sizeof config);
  memset(&io, 0, sizeof io);
  config.board = zl_get32(in) | (uint64_t)zl_get32(in + 4) << 32;
  config.hardware = io.hardware = zl_get32(in + 8);
  config.firmware = io.running_version = zl_get32(in + 12);
  config.can = zl_get32(in + 16);
  config.boot = zl_get32(in + 20);
  io.slot_size = zl_get32(in + 24);
  io.sector_size = zl_get32(in + 28);
  config.write = on_write;
  config.output = on_output;
  config.show = config.can & ZL_CAN_DISPLAY ? on_show : NULL;
  config.update = &update;
  io.erase = on_erase;
  io.write = on_flash;
  io.read = on_read;
  io.verify = on_verify;
  io.load = on_load;
  io.save = on_save;
  io.boot = on_boot;
  zl_update_init(&update, &io, now_ms);
  zl_init(&link_, &config, now_ms);
}

static void take(int letter, size_t size) {
  uint8_t data[12];
  if (letter == 'C' && size == 32) {
    start();
  } else if (letter == 'R') {
    uint8_t *copy = malloc(size ? size : 1); /* of just this size, so that a sanitizer sees a byte too far */
    must(copy != NULL, "memory");
    memcpy(copy, in, size);
    zl_receive(&link_, copy, size, now_ms);
    free(copy);
  } else if (letter == 'T') {
    now_ms = zl_get32(in);
    zl_poll(&link_, now_ms);
  } else if (letter == 'B') {
    zl_buttons(&link_, in[0], in[1], now_ms);
  } else if (letter == 'S') {
    data[0] = (uint8_t)zl_sample(&link_, (uint16_t)(in[0] | in[1] << 8), (int32_t)zl_get32(in + 2));
    out('S', data, 1);
  } else if (letter == 'I') {
    zl_impact(&link_, zl_get32(in), now_ms);
  } else if (letter == 'G') {
    zl_gesture(&link_, in[0], now_ms);
  } else if (letter == 'N') {
    zl_beacon(&link_, zl_get32(in) | (uint64_t)zl_get32(in + 4) << 32, (int8_t)in[8]);
  } else if (letter == 'U') {
    uint64_t utc_ms = zl_utc_ms(&link_, now_ms);
    zl_put32(data, (uint32_t)utc_ms);
    zl_put32(data + 4, (uint32_t)(utc_ms >> 32));
    out('U', data, 8);
  } else if (letter == 'F') {
    out('F', slot, io.slot_size < SLOT_MAX ? io.slot_size : SLOT_MAX - 1);
  } else if (letter == 'Q') {
    zl_put32(data, link_.bad_count);
    zl_put32(data + 4, link_.skipped_count);
    zl_put32(data + 8, link_.dropped_count);
    out('Q', data, 12);
  } else {
    must(0, "a letter that is known");
  }
}

int main(void) {
  size_t size = 0;
  int letter;
  memset(slot, 0x5a, sizeof slot); /* not erased */
  while ((letter = next(&size)) != 0) {
    take(letter, size);
    out('K', NULL, 0);
    fflush(stdout);
  }
  return 0;
}
