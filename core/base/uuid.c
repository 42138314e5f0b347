#include "base/uuid.h"

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* The six bits of character `index`, counted from the left; the last character holds two bits and four zeros. */
static unsigned six_bits(const struct uuid *uuid, unsigned index)
{
    const unsigned bit = index * 6, byte = bit / 8;
    const unsigned pair = (unsigned)uuid->bytes[byte] << 8 | (byte + 1 < 16 ? uuid->bytes[byte + 1] : 0);
    return pair >> (10 - bit % 8) & 63;
}

void uuid_format(const struct uuid *uuid, char *text)
{
    for (unsigned i = 0; i < UUID_TEXT_SIZE; i++) text[i] = digits[six_bits(uuid, i)];
}

static int digit_value(uint8_t digit)
{
    for (int value = 0; value < 64; value++) {
        if ((uint8_t)digits[value] == digit) return value;
    }
    return -1;
}

bool uuid_parse(struct bytes text, struct uuid *uuid)
{
    if (text.size != UUID_TEXT_SIZE) return false;
    struct uuid parsed = { { 0 } };
    for (unsigned i = 0; i < UUID_TEXT_SIZE; i++) {
        const int value = digit_value(text.data[i]);
        if (value < 0) return false;
        for (unsigned bit = 0; bit < 6; bit++) {
            const unsigned at = i * 6 + bit;
            if ((value >> (5 - bit) & 1) == 0) continue;
            if (at >= 128) return false; /* the four spare bits of the last character */
            parsed.bytes[at / 8] |= (uint8_t)(0x80 >> at % 8);
        }
    }
    *uuid = parsed;
    return true;
}
