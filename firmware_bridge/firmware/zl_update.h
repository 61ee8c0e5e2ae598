/* Update of the board's own firmware: signed, resumed after a reset, rolled back when the new image is not confirmed.

   The new image goes to a second slot while the old one runs. It is started once on trial; if nobody confirms it within
   ZL_TRIAL_MS, or the board is reset before, the old one comes back. MCUboot and the like offer exactly these steps. */
#ifndef ZL_UPDATE_H
#define ZL_UPDATE_H

#include "zl_catalog.h"
#include "zl_sha256.h"

#define ZL_TRIAL_MS 60000
#define ZL_RECORD_SIZE 64

typedef enum {
  ZL_BOOT_TRY,  /* start the second slot once, on trial */
  ZL_BOOT_KEEP, /* what runs now is good */
  ZL_BOOT_BACK  /* start the old image again */
} zl_boot;

/* What the board does. Functions that return int: 0 is well, anything else is a failure. */
typedef struct {
  void *user;
  uint32_t hardware, running_version;
  uint32_t slot_size;
  uint32_t sector_size; /* what is erased at once; a multiple of ZL_CHUNK_SIZE */
  int (*erase)(void *user, uint32_t offset, uint32_t size);
  int (*write)(void *user, uint32_t offset, const uint8_t *data, size_t size);
  int (*read)(void *user, uint32_t offset, uint8_t *data, size_t size);
  /* Ed25519 of the header with the vendor's public key; 0 only for a good signature. */
  int (*verify)(void *user, const uint8_t header[ZL_IMAGE_HEADER_SIZE], const uint8_t signature[ZL_SIGNATURE_SIZE]);
  /* ZL_RECORD_SIZE bytes that outlive a reset. Saved once a sector and at each change of state. */
  int (*load)(void *user, uint8_t *record);
  int (*save)(void *user, const uint8_t *record);
  /* TRY and BACK restart the board; they return only where that takes effect later. */
  void (*boot)(void *user, zl_boot what);
} zl_update_io;

typedef struct {
  const zl_update_io *io;
  uint8_t state, error;
  uint8_t open;    /* a signed header was seen since the start: data may come */
  uint8_t hashing; /* the image is being read back */
  uint8_t said;    /* a status is to be sent */
  uint8_t restart;
  uint8_t header[ZL_IMAGE_HEADER_SIZE];
  uint32_t offset, hashed, since_ms;
  zl_sha256 sha;
} zl_update;

void zl_update_init(zl_update *update, const zl_update_io *io, uint32_t now_ms);

/* A frame of the gateway of type ZL_DOWN_UPDATE_…; sets `said` where there is a status to send. */
void zl_update_take(zl_update *update, uint8_t type, const uint8_t *payload, size_t size);

/* Hashes a piece, ends a trial. */
void zl_update_poll(zl_update *update, uint32_t now_ms);

/* state, error, offset: the payload of UPDATE_STATUS. */
void zl_update_status(const zl_update *update, uint8_t payload[6]);

#endif
