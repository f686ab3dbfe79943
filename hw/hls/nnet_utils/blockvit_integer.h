#ifndef BLOCKVIT_INTEGER_H_
#define BLOCKVIT_INTEGER_H_

#include "ap_int.h"

// The integer arithmetic that all operations share: `Numbers` and `Requantization` of docs/integer.md.

namespace nnet {
namespace blockvit {

typedef ap_uint<16> live_t; // number of live tokens, at most 65535
typedef ap_int<32> sum_t;   // accumulators and biases: sums are modulo 2^32
typedef ap_uint<16> mult_t;
typedef ap_uint<6> shift_t; // 0 to 47

// floor(x / 2^shift + 1/2) = (floor(x / 2^(shift - 1)) + 1) >> 1.
// The increment needs the one bit more where shift is 1 and x is the largest number.
template <int W, int S> ap_int<W> round_shift(ap_int<W> x, ap_uint<S> shift) {
    #pragma HLS INLINE
    if (shift == 0) {
        return x;
    }
    ap_int<W + 1> halves = x >> (shift - 1);
    return (halves + 1) >> 1;
}

// Clamp to the range of BITS bits.
template <int BITS, int W> ap_int<BITS> saturate(ap_int<W> x) {
    #pragma HLS INLINE
    const ap_int<W> high = (ap_int<W>(1) << (BITS - 1)) - 1;
    const ap_int<W> low = -high - 1;
    if (x > high) {
        return high;
    }
    if (x < low) {
        return low;
    }
    return x;
}

// An accumulator as BITS bits. acc + bias wraps to 32 bits; 32 bits times 16 unsigned bits are 48 bits.
template <int BITS> ap_int<BITS> requantize(sum_t acc, sum_t bias, mult_t mult, shift_t shift) {
    #pragma HLS INLINE
    const sum_t total = acc + bias;
    const ap_int<48> product = total * mult;
    return saturate<BITS>(round_shift(product, shift));
}

} // namespace blockvit
} // namespace nnet

#endif
