#ifndef NNET_TOKEN_AVERAGE_H_
#define NNET_TOKEN_AVERAGE_H_

#include "blockvit_integer.h"

// `average` of docs/integer.md: weights of tokens in proportion to scores of 1 to 255.

namespace nnet {
namespace blockvit {

typedef ap_uint<8> score_t;
typedef ap_uint<17> weight_t; // weights add up to about 2^17

// 17 bits of weights that add up to 2^17, rounded for at most 2^16 tokens, times 16 bits.
typedef ap_int<34> weighted_t;

// B is the sum of the scores of at most N tokens.
template <unsigned N> struct average_widths { static const int total = bits_of(255ull * N); };

template <int W> struct average_factor {
    ap_uint<25> reciprocal; // 2^(23 + b) // B, from 2^23 to 2^24, b the bits of B
    shift_t shift;          // 6 + b: b is at most 24
};

// B is not 0.
template <int W> average_factor<W> average_factor_of(ap_uint<W> total) {
    #pragma HLS INLINE
    average_factor<W> factor;
    const ap_uint<8> length = bit_length<W>(total);
    const ap_uint<24 + W> numerator = ap_uint<24 + W>(1) << ap_uint<8>(23 + length);
    factor.reciprocal = quotient<25, 24 + W, W>(numerator, total);
    factor.shift = 6 + length;
    return factor;
}

// 8 bits times at most 2^24 are below 2^32.
template <int W> weight_t average_weight(score_t score, average_factor<W> factor) {
    #pragma HLS INLINE
    const ap_int<33> product = score * factor.reciprocal;
    const ap_int<33> weight = round_shift(product, factor.shift);
    return weight >> 17 == 0 ? weight_t(weight) : weight_t(-1);
}

template <int B> ap_int<B> average_of(weighted_t sum) {
    #pragma HLS INLINE
    return saturate<B>(round_shift(sum, 17));
}

} // namespace blockvit
} // namespace nnet

#endif
