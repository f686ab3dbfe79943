// The two functions of zlib that Verilator's FST writer calls, for machines without zlib.
//
// Streams hold stored blocks only: valid for every reader, and the writer itself drops whatever
// does not become smaller.
#pragma once

#include <cstring>

using Bytef = unsigned char;
using uLong = unsigned long;
using uLongf = unsigned long;

constexpr int Z_OK = 0;
constexpr int Z_BUF_ERROR = -5;

inline uLong compressBound(uLong size) { return size + 5 * (size / 65535 + 1) + 6; }

// `target_size` holds the room in `target`, then the bytes written.
inline int compress2(Bytef* target, uLongf* target_size, const Bytef* source, uLong size, int) {
    if (*target_size < compressBound(size)) return Z_BUF_ERROR;
    Bytef* out = target;
    *out++ = 0x78;
    *out++ = 0x01;
    uLong low = 1, high = 0;  // of the Adler-32 checksum
    uLong done = 0;
    do {
        const uLong length = size - done < 65535 ? size - done : 65535;
        *out++ = done + length == size;
        for (uLong field : {length, ~length}) {
            *out++ = field & 0xff;
            *out++ = field >> 8 & 0xff;
        }
        std::memcpy(out, source + done, length);
        for (uLong i = 0; i < length; i++) {
            low = (low + source[done + i]) % 65521;
            high = (high + low) % 65521;
        }
        out += length;
        done += length;
    } while (done < size);
    for (uLong field : {high, low}) {
        *out++ = field >> 8 & 0xff;
        *out++ = field & 0xff;
    }
    *target_size = static_cast<uLong>(out - target);
    return Z_OK;
}
