#include "zl_wire.h"

#include <string.h>

uint32_t zl_crc32(const uint8_t *data, size_t size) {
  static const uint32_t table[16] = {
      0x00000000u, 0x1db71064u, 0x3b6e20c8u, 0x26d930acu, 0x76dc4190u, 0x6b6b51f4u, 0x4db26158u, 0x5005713cu,
      0xedb88320u, 0xf00f9344u, 0xd6d6a3e8u, 0xcb61b38cu, 0x9b64c2b0u, 0x86d3d2d4u, 0xa00ae278u, 0xbdbdf21cu};
  uint32_t crc = 0xffffffffu;
  size_t i;
  for (i = 0; i < size; i++) {
    crc = table[(crc ^ data[i]) & 15u] ^ (crc >> 4);
    crc = table[(crc ^ (uint32_t)(data[i] >> 4)) & 15u] ^ (crc >> 4);
  }
  return ~crc;
}

void zl_put32(uint8_t *out, uint32_t number) {
  out[0] = (uint8_t)number;
  out[1] = (uint8_t)(number >> 8);
  out[2] = (uint8_t)(number >> 16);
  out[3] = (uint8_t)(number >> 24);
}

uint32_t zl_get32(const uint8_t *data) {
  return (uint32_t)data[0] | (uint32_t)data[1] << 8 | (uint32_t)data[2] << 16 | (uint32_t)data[3] << 24;
}

size_t zl_varint(uint8_t *out, uint32_t number) {
  size_t size = 0;
  while (number > 0x7fu) {
    out[size++] = (uint8_t)(number | 0x80u);
    number >>= 7;
  }
  out[size++] = (uint8_t)number;
  return size;
}

/* The body lies one byte behind its place, so each code byte overwrites nothing that is still to be read. */
static void stuff(uint8_t *encoded, size_t body_size) {
  size_t code_at = 0, i;
  for (i = 1; i <= body_size; i++) {
    if (encoded[i] == 0) {
      encoded[code_at] = (uint8_t)(i - code_at);
      code_at = i;
    }
  }
  encoded[code_at] = (uint8_t)(body_size + 1 - code_at);
}

size_t zl_encode(uint8_t *out, uint8_t type, uint8_t sequence, const uint8_t *payload, size_t size) {
  uint8_t *body = out + 2;
  if (size > ZL_PAYLOAD_MAX) {
    return 0;
  }
  body[0] = type;
  body[1] = sequence;
  if (size != 0) {
    memcpy(body + 2, payload, size);
  }
  zl_put32(body + 2 + size, zl_crc32(body, 2 + size));
  out[0] = 0;
  stuff(out + 1, 2 + size + 4);
  out[1 + 1 + 2 + size + 4] = 0;
  return size + 9;
}

/* In place: each code byte becomes the zero that it stands for, the first one is left behind. 0 for damage. */
static size_t unstuff(uint8_t *data, size_t size) {
  size_t at = 0;
  while (at < size) {
    size_t code = data[at];
    if (code == 0 || code > size - at) {
      return 0;
    }
    data[at] = 0;
    at += code;
  }
  memmove(data, data + 1, size - 1);
  return size - 1;
}

size_t zl_decode(zl_decoder *decoder, uint8_t byte, uint32_t *bad) {
  size_t size = decoder->size;
  if (byte != 0) {
    if (size < ZL_ENCODED_MAX) {
      decoder->data[decoder->size++] = byte;
    } else {
      decoder->too_long = 1;
    }
    return 0;
  }
  decoder->size = 0;
  if (size == 0) {
    return 0;
  }
  if (decoder->too_long || size < 7) {
    decoder->too_long = 0;
    ++*bad;
    return 0;
  }
  size = unstuff(decoder->data, size);
  if (size < 6 || zl_get32(decoder->data + size - 4) != zl_crc32(decoder->data, size - 4)) {
    ++*bad;
    return 0;
  }
  return size - 4;
}
