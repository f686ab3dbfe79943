#ifndef BLOCKVIT_INTEGER_H_
#define BLOCKVIT_INTEGER_H_

// The integer arithmetic that the operations share; docs/integer.md says what it means.

#include "ap_int.h"

namespace nnet {
namespace blockvit {

typedef ap_int<32> sum_t;    // accumulators and biases: sums are modulo 2^32
typedef ap_uint<16> mult_t;  // multipliers
typedef ap_uint<6> shift_t;  // 0 to 47

// Behind a token selection two numbers go with a tensor, `live[2]`: how many of its tokens there are,
// and whether the last of them is a package token.
typedef ap_uint<16> live_t;

// Bits of a number known at compile time, to derive widths: 0 has none, 255 has 8, 256 has 9.
constexpr unsigned bits_of(unsigned long long x) { return x == 0 ? 0 : 1 + bits_of(x / 2); }

constexpr unsigned smaller(unsigned a, unsigned b) { return a < b ? a : b; }
constexpr unsigned larger(unsigned a, unsigned b) { return a < b ? b : a; }

// floor(x / 2^shift + 1/2). One bit more than x holds 2x + 1, so that no shift needs a case.
template <int W> ap_int<W> round_shift(ap_int<W> x, shift_t shift) {
    #pragma HLS INLINE
    ap_int<W + 1> twice = x;
    twice <<= 1;
    ap_int<W + 1> halves = twice >> shift;
    halves += 1;
    return halves >> 1;
}

// Clamps to the range of B bits.
template <int B, int W> ap_int<B> saturate(ap_int<W> x) {
    #pragma HLS INLINE
    static_assert(W >= B, "nothing to saturate");
    const ap_int<B> least = ap_int<B>(1) << (B - 1);
    const ap_int<B> most = ~least;
    ap_int<B> cut = x;
    return cut == x ? cut : (x < 0 ? least : most);
}

// saturate(round_shift((acc + bias) * mult, shift)). The sum wraps to 32 bits; its product with a
// multiplier of 16 bits is below 2^31 * 2^16 in magnitude: 48 bits with the sign.
template <int B> ap_int<B> requantize(sum_t acc, sum_t bias, mult_t mult, shift_t shift) {
    #pragma HLS INLINE
    sum_t total = acc + bias;
    ap_int<48> product = total * mult;
    return saturate<B, 48>(round_shift<48>(product, shift));
}

// Position of the leading one plus one; 0 for 0.
template <int W> ap_uint<8> bit_length(ap_uint<W> x) {
    #pragma HLS INLINE
    ap_uint<8> length = 0;
BitLength:
    for (int i = 0; i < W; i++) {
        #pragma HLS UNROLL
        if (x[i])
            length = i + 1;
    }
    return length;
}

// floor(sqrt(x)), a bit a step. What is left of x stays at most twice the root: B + 1 bits, and two
// more that move in from x.
template <int B> ap_uint<B> square_root(ap_uint<2 * B> x) {
    #pragma HLS INLINE off
    #pragma HLS PIPELINE
    ap_uint<B> root = 0;
    ap_uint<B + 3> left = 0;
SquareRoot:
    for (int i = B - 1; i >= 0; i--) {
        #pragma HLS UNROLL
        left = (left << 2) | ((x >> (2 * i)) & 3);
        ap_uint<B + 3> trial = root;
        trial = (trial << 2) | 1;
        bool one = left >= trial;
        if (one)
            left -= trial;
        root = (root << 1) | (one ? 1 : 0);
    }
    return root;
}

// n // d where the quotient is known to be below 2^Q: a bit a step, Q steps instead of N. What is
// left stays below d, so n >> Q does, too, and takes D bits, and one more for the bit that moves in.
template <int Q, int N, int D> ap_uint<Q> quotient(ap_uint<N> n, ap_uint<D> d) {
    #pragma HLS INLINE off
    #pragma HLS PIPELINE
    ap_uint<Q> result = 0;
    ap_uint<D + 1> left = n >> Q;
Quotient:
    for (int i = Q - 1; i >= 0; i--) {
        #pragma HLS UNROLL
        left = (left << 1) | ((n >> i) & 1);
        bool one = left >= d;
        if (one)
            left -= d;
        result = (result << 1) | (one ? 1 : 0);
    }
    return result;
}

} // namespace blockvit
} // namespace nnet

#endif
