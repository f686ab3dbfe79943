#ifndef NNET_ATTEND_STREAM_H_
#define NNET_ATTEND_STREAM_H_

#include "nnet_attend.h"
#include "nnet_token_stream.h"

namespace nnet {

// Values of all heads are kept before the first shares are read, so that `qkv` never has to wait.
template <class data_T, class qkv_T, class res_T, typename CONFIG_T>
void attend_stream(hls::stream<data_T> &shares, hls::stream<qkv_T> &qkv, unsigned tokens, hls::stream<res_T> &res,
                   typename CONFIG_T::mult_t mult[CONFIG_T::n_heads],
                   typename CONFIG_T::shift_t shift[CONFIG_T::n_heads]) {
    #pragma HLS INLINE
    typedef typename qkv_T::value_type value_T;
    const unsigned width = CONFIG_T::n_heads * CONFIG_T::n_head;
    const unsigned rows = CONFIG_T::rows;
    const unsigned cols = CONFIG_T::cols;

    value_T token[3 * width];
    value_T values[CONFIG_T::n_heads][CONFIG_T::n_tokens][CONFIG_T::n_head];
    typename data_T::value_type share[CONFIG_T::n_heads * CONFIG_T::n_tokens];
    typename res_T::value_type row[width];
    #pragma HLS ARRAY_PARTITION variable=token complete
    #pragma HLS ARRAY_PARTITION variable=values cyclic factor=rows dim=2
    #pragma HLS ARRAY_PARTITION variable=values cyclic factor=cols dim=3
    #pragma HLS ARRAY_PARTITION variable=share complete
    #pragma HLS ARRAY_PARTITION variable=row complete

Load:
    for (unsigned t = 0; t < CONFIG_T::n_tokens; t++) {
        read_token(qkv, token);
    LoadHeads:
        for (unsigned h = 0; h < CONFIG_T::n_heads; h++) {
        LoadFeatures:
            for (unsigned f = 0; f < CONFIG_T::n_head; f++) {
                #pragma HLS PIPELINE II=1
                #pragma HLS UNROLL factor=cols
                values[h][t][f] = token[2 * width + h * CONFIG_T::n_head + f];
            }
        }
    }
Shares:
    for (unsigned t = 0; t < CONFIG_T::n_tokens; t++) {
        read_token(shares, share);
        if (t < tokens) {
        Heads:
            for (unsigned h = 0; h < CONFIG_T::n_heads; h++) {
                head_product<typename data_T::value_type, value_T, typename res_T::value_type, CONFIG_T::n_tokens,
                             CONFIG_T::n_head, CONFIG_T>(share, h * CONFIG_T::n_tokens, tokens, values[h], row,
                                                         h * CONFIG_T::n_head, CONFIG_T::n_head, mult[h], shift[h]);
            }
            write_token(res, row);
        } else {
            write_zeros(res);
        }
    }
}

template <class data_T, class qkv_T, class res_T, typename CONFIG_T>
void attend(hls::stream<data_T> &shares, hls::stream<qkv_T> &qkv, hls::stream<res_T> &res,
            typename CONFIG_T::mult_t mult[CONFIG_T::n_heads], typename CONFIG_T::shift_t shift[CONFIG_T::n_heads]) {
    attend_stream<data_T, qkv_T, res_T, CONFIG_T>(shares, qkv, CONFIG_T::n_tokens, res, mult, shift);
}

// Behind a token selection: only the live tokens.
template <class data_T, class qkv_T, class res_T, typename CONFIG_T, class live_T>
void attend(hls::stream<data_T> &shares, hls::stream<qkv_T> &qkv, hls::stream<live_T> &live, hls::stream<res_T> &res,
            typename CONFIG_T::mult_t mult[CONFIG_T::n_heads], typename CONFIG_T::shift_t shift[CONFIG_T::n_heads]) {
    attend_stream<data_T, qkv_T, res_T, CONFIG_T>(shares, qkv, read_live(live), res, mult, shift);
}

} // namespace nnet

#endif
