/* SHA-256, for images. Source: FIPS 180-4, section 6.2. */
#ifndef ZL_SHA256_H
#define ZL_SHA256_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
  uint32_t state[8];
  uint32_t size;
  uint8_t block[64];
} zl_sha256;

void zl_sha256_init(zl_sha256 *sha);
void zl_sha256_add(zl_sha256 *sha, const uint8_t *data, size_t size);
void zl_sha256_end(zl_sha256 *sha, uint8_t digest[32]);

#endif
