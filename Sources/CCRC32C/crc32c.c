#include "crc32c.h"
#include <pthread.h>
#include <string.h>

static uint32_t table[8][256];
static pthread_once_t table_made = PTHREAD_ONCE_INIT;

static void make_table(void) {
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t crc = i;
        for (int bit = 0; bit < 8; bit++) crc = (crc >> 1) ^ (crc & 1 ? 0x82F63B78u : 0);
        table[0][i] = crc;
    }
    for (uint32_t i = 0; i < 256; i++)
        for (int slice = 1; slice < 8; slice++) table[slice][i] = (table[slice - 1][i] >> 8) ^ table[0][table[slice - 1][i] & 0xFF];
}

uint32_t forebay_crc32c_table(uint32_t crc, const void *bytes, size_t length) {
    pthread_once(&table_made, make_table);
    const uint8_t *next = bytes;
    crc = ~crc;
    for (; length >= 8; length -= 8, next += 8) {
        uint32_t low, high;
        memcpy(&low, next, 4);
        memcpy(&high, next + 4, 4);
        low ^= crc;
        crc = table[7][low & 0xFF] ^ table[6][(low >> 8) & 0xFF] ^ table[5][(low >> 16) & 0xFF] ^ table[4][low >> 24]
            ^ table[3][high & 0xFF] ^ table[2][(high >> 8) & 0xFF] ^ table[1][(high >> 16) & 0xFF] ^ table[0][high >> 24];
    }
    for (; length > 0; length--) crc = (crc >> 8) ^ table[0][(crc ^ *next++) & 0xFF];
    return ~crc;
}

#if defined(__x86_64__)
#include <nmmintrin.h>
__attribute__((target("sse4.2"))) static uint32_t by_instruction(uint32_t crc, const void *bytes, size_t length) {
    const uint8_t *next = bytes;
    uint64_t running = (uint32_t)~crc;
    for (; length >= 8; length -= 8, next += 8) {
        uint64_t word;
        memcpy(&word, next, 8);
        running = _mm_crc32_u64(running, word);
    }
    for (; length > 0; length--) running = _mm_crc32_u8((uint32_t)running, *next++);
    return ~(uint32_t)running;
}
uint32_t forebay_crc32c(uint32_t crc, const void *bytes, size_t length) {
    static int has_instruction = -1;
    if (has_instruction < 0) has_instruction = __builtin_cpu_supports("sse4.2");
    return has_instruction ? by_instruction(crc, bytes, length) : forebay_crc32c_table(crc, bytes, length);
}
#elif defined(__aarch64__) && defined(__ARM_FEATURE_CRC32)
#include <arm_acle.h>
uint32_t forebay_crc32c(uint32_t crc, const void *bytes, size_t length) {
    const uint8_t *next = bytes;
    crc = ~crc;
    for (; length >= 8; length -= 8, next += 8) {
        uint64_t word;
        memcpy(&word, next, 8);
        crc = __crc32cd(crc, word);
    }
    for (; length > 0; length--) crc = __crc32cb(crc, *next++);
    return ~crc;
}
#else
uint32_t forebay_crc32c(uint32_t crc, const void *bytes, size_t length) { return forebay_crc32c_table(crc, bytes, length); }
#endif
