#ifndef NNET_INTEGER_LAYERNORM_H_
#define NNET_INTEGER_LAYERNORM_H_

#include "blockvit_integer.h"
#include "nnet_common.h"

// `layernorm` of docs/integer.md: one root and one reciprocal a token.

namespace nnet {

struct integer_layernorm_config {
    static const unsigned n_tokens = 1; // at most; fewer behind a token selection
    static const unsigned n_in = 1;     // at most 4096

    static const unsigned shift = 0;              // of the result
    static const unsigned long long epsilon = 1; // below 2^48

    static const unsigned io_type = io_parallel;
    static const unsigned reuse_factor = 1; // cycles of a pass over a token: n_in / reuse_factor lanes

    typedef ap_int<16> gain_t;
    typedef ap_int<32> offset_t;
};

namespace blockvit {

// Widths for C channels of int16.
template <unsigned C> struct layernorm_widths {
    // |sum| <= C 2^15
    static const int total = 16 + bits_of(C);
    // sum of squares <= C 2^30
    static const int squares = 30 + bits_of(C);
    // C times that, plus an epsilon below 2^48
    static const int variance = 1 + larger(30 + bits_of((unsigned long long)C * C), 48);
    // C x - sum is the sum of C - 1 differences below 2^16
    static const int centred = 17 + bits_of(C - 1);
    // Bits that it gives up where v >= 2^32. What is left has 27: by the bits given up there, and
    // elsewhere because d^2 <= C v < 2^12 2^32.
    static const int lost = bits_of(C - 1) > 10 ? bits_of(C - 1) - 10 : 0;
    static const int kept = smaller(centred, 27);
    // |d| / sqrt(v) <= sqrt(C), with 12 fractional bits, a sign, and one bit for what rounding adds
    static const int normalized = 14 + (bits_of(C - 1) + 1) / 2;
    // times a gain of 16 bits, plus an offset of 32
    static const int result = 1 + larger(normalized + 16, 32);
};

struct layernorm_factor {
    ap_uint<17> reciprocal; // 2^31 // root, where 2^15 <= root < 2^16
    ap_int<6> half_shift;   // h: 2^30 <= v 4^h < 2^32, and v has 1 to 57 bits, so -13 <= h <= 15
};

template <int V> layernorm_factor layernorm_factor_of(ap_uint<V> variance) {
    #pragma HLS INLINE
    layernorm_factor factor;
    const ap_int<8> excess = 32 - bit_length<V>(variance);
    factor.half_shift = excess >> 1;
    ap_uint<larger(V, 32)> scaled = variance;
    if (factor.half_shift < 0)
        scaled >>= ap_uint<6>(-2 * factor.half_shift);
    else
        scaled <<= ap_uint<6>(2 * factor.half_shift);
    const ap_uint<16> root = square_root<16>(scaled);
    factor.reciprocal = quotient<17, 32, 16>(ap_uint<32>(1) << 31, root);
    return factor;
}

} // namespace blockvit

// One token, from `first` on.
template <class data_T, class res_T, typename CONFIG_T>
void integer_layernorm_token(data_T *data, res_T *res, unsigned first, typename CONFIG_T::gain_t gain[CONFIG_T::n_in],
                             typename CONFIG_T::offset_t offset[CONFIG_T::n_in]) {
    #pragma HLS INLINE
    const ap_uint<blockvit::bits_of(CONFIG_T::n_in)> channels = CONFIG_T::n_in;
    const unsigned lanes = DIV_ROUNDUP(CONFIG_T::n_in, CONFIG_T::reuse_factor);
    typedef blockvit::layernorm_widths<CONFIG_T::n_in> widths;
    #pragma HLS ARRAY_PARTITION variable=gain cyclic factor=lanes
    #pragma HLS ARRAY_PARTITION variable=offset cyclic factor=lanes

    ap_int<widths::total> total = 0;
    ap_uint<widths::squares> squares = 0;
Sums:
    for (unsigned f = 0; f < CONFIG_T::n_in; f += lanes) {
        #pragma HLS PIPELINE II=1
        ap_int<widths::total> part = 0;
        ap_uint<widths::squares> part_squares = 0;
    SumsLanes:
        for (unsigned i = 0; i < lanes; i++) {
            #pragma HLS UNROLL
            if (f + i < CONFIG_T::n_in) {
                const data_T x = data[first + f + i];
                part += x;
                part_squares += x * x;
            }
        }
        total += part;
        squares += part_squares;
    }

    const ap_uint<widths::variance> variance = channels * squares - total * total + ap_uint<48>(CONFIG_T::epsilon);
    const blockvit::layernorm_factor factor = blockvit::layernorm_factor_of<widths::variance>(variance);
    const ap_uint<2> lost = factor.half_shift < 0 ? widths::lost : 0;
    const blockvit::shift_t fraction = 19 - factor.half_shift - lost;
Normalize:
    for (unsigned f = 0; f < CONFIG_T::n_in; f += lanes) {
        #pragma HLS PIPELINE II=1
    NormalizeLanes:
        for (unsigned i = 0; i < lanes; i++) {
            #pragma HLS UNROLL
            if (f + i < CONFIG_T::n_in) {
                const ap_int<widths::centred> centred = channels * data[first + f + i] - total;
                const ap_int<widths::kept> kept = centred >> lost;
                const ap_int<widths::kept + 17> product = kept * factor.reciprocal;
                const ap_int<widths::normalized> normalized = blockvit::round_shift(product, fraction);
                const ap_int<widths::result> result = normalized * gain[f + i] + offset[f + i];
                res[first + f + i] = blockvit::saturate<res_T::width>(blockvit::round_shift(result, CONFIG_T::shift));
            }
        }
    }
}

template <class data_T, class res_T, typename CONFIG_T>
void integer_layernorm_tokens(data_T *data, unsigned tokens, res_T *res,
                              typename CONFIG_T::gain_t gain[CONFIG_T::n_in],
                              typename CONFIG_T::offset_t offset[CONFIG_T::n_in]) {
    #pragma HLS INLINE
Tokens:
    for (unsigned t = 0; t < tokens; t++) {
        #pragma HLS LOOP_TRIPCOUNT min=1 max=CONFIG_T::n_tokens
        integer_layernorm_token<data_T, res_T, CONFIG_T>(data, res, t * CONFIG_T::n_in, gain, offset);
    }
}

template <class data_T, class res_T, typename CONFIG_T>
void integer_layernorm(data_T data[CONFIG_T::n_tokens * CONFIG_T::n_in], res_T res[CONFIG_T::n_tokens * CONFIG_T::n_in],
                       typename CONFIG_T::gain_t gain[CONFIG_T::n_in],
                       typename CONFIG_T::offset_t offset[CONFIG_T::n_in]) {
    integer_layernorm_tokens<data_T, res_T, CONFIG_T>(data, CONFIG_T::n_tokens, res, gain, offset);
}

// Behind a token selection: only the live tokens.
template <class data_T, class res_T, typename CONFIG_T>
void integer_layernorm(data_T data[CONFIG_T::n_tokens * CONFIG_T::n_in], blockvit::live_t live[2],
                       res_T res[CONFIG_T::n_tokens * CONFIG_T::n_in], typename CONFIG_T::gain_t gain[CONFIG_T::n_in],
                       typename CONFIG_T::offset_t offset[CONFIG_T::n_in]) {
    integer_layernorm_tokens<data_T, res_T, CONFIG_T>(data, live[0], res, gain, offset);
}

} // namespace nnet

#endif
