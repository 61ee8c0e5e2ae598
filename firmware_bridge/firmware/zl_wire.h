/* Frames of the board link: 0x00, COBS(type, sequence, payload, CRC-32), 0x00. Used by zl_link.c. */
#ifndef ZL_WIRE_H
#define ZL_WIRE_H

#include <stddef.h>
#include <stdint.h>

#include "zl_catalog.h"

#define ZL_BODY_MAX (2 + ZL_PAYLOAD_MAX + 4)
#define ZL_ENCODED_MAX (ZL_BODY_MAX + 1)
#define ZL_FRAME_MAX (ZL_ENCODED_MAX + 2)

/* What came since the last delimiter. All zeros is a good beginning. */
typedef struct {
  uint8_t data[ZL_ENCODED_MAX];
  uint16_t size;
  uint8_t too_long;
} zl_decoder;

uint32_t zl_crc32(const uint8_t *data, size_t size);

/* Writes a frame to out (ZL_FRAME_MAX bytes) and returns its size; 0 for a payload that is too long. */
size_t zl_encode(uint8_t *out, uint8_t type, uint8_t sequence, const uint8_t *payload, size_t size);

/* Takes one byte. When it completes a frame with a good CRC: the size of type, sequence and payload, which stand at
   decoder->data until the next call. 0 otherwise; *bad counts what was damaged. */
size_t zl_decode(zl_decoder *decoder, uint8_t byte, uint32_t *bad);

/* Writes a number of seven bits a byte, lowest first; returns how many bytes, 5 at most. */
size_t zl_varint(uint8_t *out, uint32_t number);

void zl_put32(uint8_t *out, uint32_t number);
uint32_t zl_get32(const uint8_t *data);

#endif
