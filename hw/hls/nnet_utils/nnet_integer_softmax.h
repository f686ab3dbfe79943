#ifndef NNET_INTEGER_SOFTMAX_H_
#define NNET_INTEGER_SOFTMAX_H_

#include "blockvit_integer.h"
#include "nnet_common.h"
#include "nnet_exp2_table.h"

// `softmax` of docs/integer.md: a table of powers of two, and one reciprocal a row and group.

namespace nnet {

struct integer_softmax_config {
    static const unsigned n_tokens = 1; // at most; fewer behind a token selection
    static const unsigned n_groups = 1;
    static const unsigned n_group = 1; // scores of a group; behind a selection, one a live token

    static const unsigned probability_mult = 1; // below 2^24

    static const unsigned io_type = io_parallel;
    static const unsigned reuse_factor = 1; // cycles of a pass over a group: n_group / reuse_factor lanes
};

namespace blockvit {

// A score's distance from the largest is below 2^16: 8 fractional bits, and 8 bits of whole powers,
// of which 16 and more leave nothing of the table's 16 bits.
inline ap_uint<16> exp2_of(ap_uint<16> distance) {
    #pragma HLS INLINE
    const ap_uint<8> fraction = distance & 255;
    const ap_uint<8> whole = distance >> 8;
    const ap_uint<16> power = exp2_table[fraction.to_uint()];
    return whole > 15 ? ap_uint<16>(0) : ap_uint<16>(power >> whole);
}

} // namespace blockvit

// One group of one token: `length` scores, from `first` on.
template <class data_T, class res_T, typename CONFIG_T>
void integer_softmax_group(data_T *data, res_T *res, unsigned first, unsigned length) {
    #pragma HLS INLINE
    const unsigned lanes = DIV_ROUNDUP(CONFIG_T::n_group, CONFIG_T::reuse_factor);
    // A power is at most 2^15, so n of them fit 15 + bits_of(n) bits. The largest score's power is
    // 2^15, so the reciprocal is at most mult * 2^16 / 2^15: a bit more than mult. No power exceeds
    // the sum, so a power times the reciprocal is at most mult * 2^16: 16 more bits and a sign.
    const int mult_bits = blockvit::bits_of(CONFIG_T::probability_mult);
    const int total_bits = 15 + blockvit::bits_of(CONFIG_T::n_group);
    const int reciprocal_bits = mult_bits + 1;
    const int share_bits = mult_bits + 17;

    ap_uint<16> powers[CONFIG_T::n_group];
    #pragma HLS ARRAY_PARTITION variable=powers cyclic factor=lanes

    data_T largest = data[first];
Largest:
    for (unsigned u = 0; u < length; u += lanes) {
        #pragma HLS LOOP_TRIPCOUNT min=1 max=CONFIG_T::reuse_factor
        #pragma HLS PIPELINE II=1
    LargestLanes:
        for (unsigned i = 0; i < lanes; i++) {
            #pragma HLS UNROLL
            if (u + i < length && data[first + u + i] > largest)
                largest = data[first + u + i];
        }
    }

    ap_uint<total_bits> total = 0;
Powers:
    for (unsigned u = 0; u < length; u += lanes) {
        #pragma HLS LOOP_TRIPCOUNT min=1 max=CONFIG_T::reuse_factor
        #pragma HLS PIPELINE II=1
        ap_uint<total_bits> part = 0;
    PowersLanes:
        for (unsigned i = 0; i < lanes; i++) {
            #pragma HLS UNROLL
            if (u + i < length) {
                powers[u + i] = blockvit::exp2_of(largest - data[first + u + i]);
                part += powers[u + i];
            }
        }
        total += part;
    }

    const ap_uint<mult_bits + 16> numerator = ap_uint<mult_bits + 16>(CONFIG_T::probability_mult) << 16;
    const ap_uint<reciprocal_bits> reciprocal =
        blockvit::quotient<reciprocal_bits, mult_bits + 16, total_bits>(numerator, total);
Shares:
    for (unsigned u = 0; u < length; u += lanes) {
        #pragma HLS LOOP_TRIPCOUNT min=1 max=CONFIG_T::reuse_factor
        #pragma HLS PIPELINE II=1
    SharesLanes:
        for (unsigned i = 0; i < lanes; i++) {
            #pragma HLS UNROLL
            if (u + i < length) {
                const ap_int<share_bits> share = powers[u + i] * reciprocal;
                res[first + u + i] = blockvit::saturate<res_T::width>(blockvit::round_shift(share, 28));
            }
        }
    }
}

// All groups of one token, from `first` on.
template <class data_T, class res_T, typename CONFIG_T>
void integer_softmax_token(data_T *data, res_T *res, unsigned first, unsigned length) {
    #pragma HLS INLINE
Groups:
    for (unsigned g = 0; g < CONFIG_T::n_groups; g++) {
        integer_softmax_group<data_T, res_T, CONFIG_T>(data, res, first + g * CONFIG_T::n_group, length);
    }
}

// `data` and `res` are (n_tokens, n_groups n_group).
template <class data_T, class res_T, typename CONFIG_T>
void integer_softmax(data_T data[CONFIG_T::n_tokens * CONFIG_T::n_groups * CONFIG_T::n_group],
                     res_T res[CONFIG_T::n_tokens * CONFIG_T::n_groups * CONFIG_T::n_group]) {
Tokens:
    for (unsigned t = 0; t < CONFIG_T::n_tokens; t++) {
        integer_softmax_token<data_T, res_T, CONFIG_T>(data, res, t * CONFIG_T::n_groups * CONFIG_T::n_group,
                                                       CONFIG_T::n_group);
    }
}

// Behind a token selection: only the live tokens, in rows and in groups.
template <class data_T, class res_T, typename CONFIG_T>
void integer_softmax(data_T data[CONFIG_T::n_tokens * CONFIG_T::n_groups * CONFIG_T::n_group],
                     blockvit::live_t live[2],
                     res_T res[CONFIG_T::n_tokens * CONFIG_T::n_groups * CONFIG_T::n_group]) {
    const unsigned tokens = live[0];
Tokens:
    for (unsigned t = 0; t < tokens; t++) {
        #pragma HLS LOOP_TRIPCOUNT min=1 max=CONFIG_T::n_tokens
        integer_softmax_token<data_T, res_T, CONFIG_T>(data, res, t * CONFIG_T::n_groups * CONFIG_T::n_group, tokens);
    }
}

} // namespace nnet

#endif
