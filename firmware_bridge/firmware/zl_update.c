#include "zl_update.h"

#include <string.h>

#include "zl_wire.h"

#define HASHED_AT_ONCE 256
#define RESTART_AFTER_MS 200 /* the last status has left the wire by then */

/* The record: state, three zeros, header, offset, CRC-32 of all that. */
#define RECORD_HEADER 4
#define RECORD_OFFSET (RECORD_HEADER + ZL_IMAGE_HEADER_SIZE)
#define RECORD_CRC (RECORD_OFFSET + 4)

static uint32_t image_hardware(const uint8_t *header) { return zl_get32(header + 8); }
static uint32_t image_version(const uint8_t *header) { return zl_get32(header + 12); }
static uint32_t image_size(const uint8_t *header) { return zl_get32(header + 16); }
static const uint8_t *image_digest(const uint8_t *header) { return header + 20; }

static int save(zl_update *u) {
  uint8_t record[ZL_RECORD_SIZE] = {0};
  record[0] = u->state;
  memcpy(record + RECORD_HEADER, u->header, ZL_IMAGE_HEADER_SIZE);
  zl_put32(record + RECORD_OFFSET, u->offset);
  zl_put32(record + RECORD_CRC, zl_crc32(record, RECORD_CRC));
  return u->io->save(u->io->user, record);
}

static void load(zl_update *u) {
  uint8_t record[ZL_RECORD_SIZE];
  if (u->io->load(u->io->user, record) != 0 || zl_get32(record + RECORD_CRC) != zl_crc32(record, RECORD_CRC) ||
      record[0] > ZL_STATE_ROLLED_BACK) {
    return;
  }
  u->state = record[0];
  memcpy(u->header, record + RECORD_HEADER, ZL_IMAGE_HEADER_SIZE);
  u->offset = zl_get32(record + RECORD_OFFSET);
}

static void enter(zl_update *u, uint8_t state) {
  u->state = state;
  if (save(u) != 0) {
    u->error = ZL_ERROR_FLASH;
  }
}

static void roll_back(zl_update *u) {
  enter(u, ZL_STATE_ROLLED_BACK);
  u->said = 1;
  u->io->boot(u->io->user, ZL_BOOT_BACK);
}

void zl_update_init(zl_update *u, const zl_update_io *io, uint32_t now_ms) {
  memset(u, 0, sizeof *u);
  u->io = io;
  u->since_ms = now_ms;
  load(u);
  if (u->state == ZL_STATE_TRYING) {
    int runs = image_version(u->header) == io->running_version;
    enter(u, runs ? ZL_STATE_TRIAL : ZL_STATE_ROLLED_BACK);
  } else if (u->state == ZL_STATE_TRIAL) { /* a reset before it was confirmed */
    if (image_version(u->header) == io->running_version) {
      roll_back(u);
    } else {
      enter(u, ZL_STATE_ROLLED_BACK);
    }
  }
}

static uint8_t check(const zl_update *u, const uint8_t *payload, size_t size) {
  static const uint8_t magic[5] = {'Z', 'T', 'F', 'W', 1};
  const zl_update_io *io = u->io;
  if (size != ZL_IMAGE_HEADER_SIZE + ZL_SIGNATURE_SIZE || memcmp(payload, magic, sizeof magic) != 0) {
    return ZL_ERROR_HEADER;
  }
  if (image_hardware(payload) != io->hardware) {
    return ZL_ERROR_HARDWARE;
  }
  if (image_version(payload) <= io->running_version) { /* old images stay signed for ever, and their faults known */
    return ZL_ERROR_OLDER;
  }
  if (image_size(payload) == 0 || image_size(payload) > io->slot_size) {
    return ZL_ERROR_SIZE;
  }
  return io->verify(io->user, payload, payload + ZL_IMAGE_HEADER_SIZE) == 0 ? ZL_ERROR_NONE : ZL_ERROR_SIGNATURE;
}

static void begin(zl_update *u, const uint8_t *payload, size_t size) {
  int again;
  if (u->state == ZL_STATE_TRYING || u->state == ZL_STATE_TRIAL) {
    u->error = ZL_ERROR_STATE;
    return;
  }
  u->error = check(u, payload, size);
  if (u->error != ZL_ERROR_NONE) {
    return;
  }
  again = u->state == ZL_STATE_RECEIVING && memcmp(u->header, payload, ZL_IMAGE_HEADER_SIZE) == 0 &&
          u->offset <= image_size(payload);
  if (!again) {
    memcpy(u->header, payload, ZL_IMAGE_HEADER_SIZE);
    u->offset = 0;
    u->hashing = 0;
    enter(u, ZL_STATE_RECEIVING);
  }
  u->open = 1;
}

static void fail(zl_update *u, uint8_t error) {
  u->open = 0;
  u->hashing = 0;
  u->offset = 0;
  enter(u, ZL_STATE_IDLE);
  u->error = error;
}

static void data(zl_update *u, const uint8_t *payload, size_t size) {
  const zl_update_io *io = u->io;
  uint32_t left = image_size(u->header) - u->offset;
  if (!u->open) {
    u->error = ZL_ERROR_STATE;
    return;
  }
  if (size < 4 || zl_get32(payload) != u->offset || left == 0) {
    return; /* a repeat, or a hole: the status says where to go on */
  }
  if (size - 4 != (left < ZL_CHUNK_SIZE ? left : ZL_CHUNK_SIZE)) {
    u->error = ZL_ERROR_SIZE;
    return;
  }
  if (u->offset % io->sector_size == 0 && io->erase(io->user, u->offset, io->sector_size) != 0) {
    fail(u, ZL_ERROR_FLASH);
    return;
  }
  if (io->write(io->user, u->offset, payload + 4, size - 4) != 0) {
    fail(u, ZL_ERROR_FLASH);
    return;
  }
  u->error = ZL_ERROR_NONE;
  u->offset += (uint32_t)(size - 4);
  if (u->offset % io->sector_size == 0 || u->offset == image_size(u->header)) {
    enter(u, ZL_STATE_RECEIVING); /* a reset goes on from here */
  }
}

static void end(zl_update *u) {
  if (u->state == ZL_STATE_TRYING || u->hashing) {
    return;
  }
  if (!u->open) {
    u->error = ZL_ERROR_STATE;
  } else if (u->offset != image_size(u->header)) {
    u->error = ZL_ERROR_SIZE;
  } else {
    u->hashing = 1;
    u->hashed = 0;
    zl_sha256_init(&u->sha);
  }
}

static void confirm(zl_update *u) {
  if (u->state == ZL_STATE_TRIAL) {
    u->io->boot(u->io->user, ZL_BOOT_KEEP);
    u->error = ZL_ERROR_NONE;
    enter(u, ZL_STATE_CONFIRMED);
  } else if (u->state != ZL_STATE_CONFIRMED) {
    u->error = ZL_ERROR_STATE;
  }
}

static void abandon(zl_update *u) {
  if (u->state == ZL_STATE_TRIAL) {
    roll_back(u);
  } else if (u->state == ZL_STATE_RECEIVING) {
    fail(u, ZL_ERROR_NONE);
  }
}

void zl_update_take(zl_update *u, uint8_t type, const uint8_t *payload, size_t size) {
  u->said = 1;
  if (type == ZL_DOWN_UPDATE_BEGIN) {
    begin(u, payload, size);
  } else if (type == ZL_DOWN_UPDATE_DATA) {
    data(u, payload, size);
  } else if (type == ZL_DOWN_UPDATE_END) {
    end(u);
  } else if (type == ZL_DOWN_UPDATE_CONFIRM) {
    confirm(u);
  } else if (type == ZL_DOWN_UPDATE_ABORT) {
    abandon(u);
  }
}

static void hash(zl_update *u, uint32_t now_ms) {
  uint8_t piece[HASHED_AT_ONCE], digest[32];
  uint32_t left = image_size(u->header) - u->hashed;
  uint32_t size = left < HASHED_AT_ONCE ? left : HASHED_AT_ONCE;
  if (size != 0) {
    if (u->io->read(u->io->user, u->hashed, piece, size) != 0) {
      fail(u, ZL_ERROR_FLASH);
      u->said = 1;
      return;
    }
    zl_sha256_add(&u->sha, piece, size);
    u->hashed += size;
    return;
  }
  zl_sha256_end(&u->sha, digest);
  u->hashing = 0;
  u->said = 1;
  if (memcmp(digest, image_digest(u->header), sizeof digest) != 0) {
    fail(u, ZL_ERROR_HASH);
    return;
  }
  u->open = 0;
  u->error = ZL_ERROR_NONE;
  enter(u, ZL_STATE_TRYING);
  u->restart = u->error == ZL_ERROR_NONE;
  u->since_ms = now_ms;
}

void zl_update_poll(zl_update *u, uint32_t now_ms) {
  if (u->hashing) {
    hash(u, now_ms);
  } else if (u->restart && now_ms - u->since_ms >= RESTART_AFTER_MS) {
    u->restart = 0;
    u->io->boot(u->io->user, ZL_BOOT_TRY);
  } else if (u->state == ZL_STATE_TRIAL && now_ms - u->since_ms >= ZL_TRIAL_MS) {
    roll_back(u);
  }
}

void zl_update_status(const zl_update *u, uint8_t payload[6]) {
  payload[0] = u->state;
  payload[1] = u->error;
  zl_put32(payload + 2, u->offset);
}
