// The two functions of lz4 that Verilator's FST writer calls, for machines without lz4.
//
// Blocks hold literals only: valid for every reader, and the writer itself drops whatever does not
// become smaller.
#pragma once

#include <cstddef>
#include <cstring>

inline int LZ4_compressBound(int size) { return size + size / 255 + 16; }

// Returns the bytes written to `target`, 0 when it is too small.
inline int LZ4_compress_default(const char* source, char* target, int size, int capacity) {
    if (capacity < LZ4_compressBound(size)) return 0;
    auto* out = reinterpret_cast<unsigned char*>(target);
    if (size < 15) {
        *out++ = static_cast<unsigned char>(size << 4);
    } else {
        *out++ = 15 << 4;
        int rest = size - 15;
        for (; rest >= 255; rest -= 255) *out++ = 255;
        *out++ = static_cast<unsigned char>(rest);
    }
    std::memcpy(out, source, static_cast<std::size_t>(size));
    return static_cast<int>(out - reinterpret_cast<unsigned char*>(target)) + size;
}
