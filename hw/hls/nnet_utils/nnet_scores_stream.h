#ifndef NNET_SCORES_STREAM_H_
#define NNET_SCORES_STREAM_H_

#include "nnet_scores.h"
#include "nnet_token_stream.h"

namespace nnet {

// Keys of all heads, and the queries that wait for them, are kept; then a word of scores a token.
template <class data_T, class res_T, typename CONFIG_T>
void scores_stream(hls::stream<data_T> &data, unsigned tokens, hls::stream<res_T> &res,
                   typename CONFIG_T::mult_t mult[CONFIG_T::n_heads],
                   typename CONFIG_T::shift_t shift[CONFIG_T::n_heads]) {
    #pragma HLS INLINE
    typedef typename data_T::value_type value_T;
    const unsigned width = CONFIG_T::n_heads * CONFIG_T::n_head;
    const unsigned rows = CONFIG_T::rows;
    const unsigned cols = CONFIG_T::cols;

    value_T token[3 * width];
    value_T queries[CONFIG_T::n_tokens * width];
    value_T keys[CONFIG_T::n_heads][CONFIG_T::n_head][CONFIG_T::n_tokens];
    typename res_T::value_type row[CONFIG_T::n_heads * CONFIG_T::n_tokens];
    #pragma HLS ARRAY_PARTITION variable=token complete
    #pragma HLS ARRAY_PARTITION variable=queries cyclic factor=rows
    #pragma HLS ARRAY_PARTITION variable=keys cyclic factor=rows dim=2
    #pragma HLS ARRAY_PARTITION variable=keys cyclic factor=cols dim=3
    #pragma HLS ARRAY_PARTITION variable=row complete

Load:
    for (unsigned t = 0; t < CONFIG_T::n_tokens; t++) {
        read_token(data, token);
    LoadHeads:
        for (unsigned h = 0; h < CONFIG_T::n_heads; h++) {
        LoadFeatures:
            for (unsigned f = 0; f < CONFIG_T::n_head; f++) {
                #pragma HLS PIPELINE II=1
                #pragma HLS UNROLL factor=rows
                queries[t * width + h * CONFIG_T::n_head + f] = token[h * CONFIG_T::n_head + f];
                keys[h][f][t] = token[width + h * CONFIG_T::n_head + f];
            }
        }
    }
Clear:
    for (unsigned i = 0; i < CONFIG_T::n_heads * CONFIG_T::n_tokens; i++) {
        #pragma HLS UNROLL
        row[i] = 0;
    }
Queries:
    for (unsigned t = 0; t < CONFIG_T::n_tokens; t++) {
        if (t < tokens) {
        Heads:
            for (unsigned h = 0; h < CONFIG_T::n_heads; h++) {
                head_product<value_T, value_T, typename res_T::value_type, CONFIG_T::n_head, CONFIG_T::n_tokens,
                             CONFIG_T>(queries, t * width + h * CONFIG_T::n_head, CONFIG_T::n_head, keys[h], row,
                                       h * CONFIG_T::n_tokens, tokens, mult[h], shift[h]);
            }
            write_token(res, row);
        } else {
            write_zeros(res);
        }
    }
}

template <class data_T, class res_T, typename CONFIG_T>
void scores(hls::stream<data_T> &data, hls::stream<res_T> &res, typename CONFIG_T::mult_t mult[CONFIG_T::n_heads],
            typename CONFIG_T::shift_t shift[CONFIG_T::n_heads]) {
    scores_stream<data_T, res_T, CONFIG_T>(data, CONFIG_T::n_tokens, res, mult, shift);
}

// Behind a token selection: only the live tokens.
template <class data_T, class res_T, typename CONFIG_T, class live_T>
void scores(hls::stream<data_T> &data, hls::stream<live_T> &live, hls::stream<res_T> &res,
            typename CONFIG_T::mult_t mult[CONFIG_T::n_heads], typename CONFIG_T::shift_t shift[CONFIG_T::n_heads]) {
    scores_stream<data_T, res_T, CONFIG_T>(data, read_live(live), res, mult, shift);
}

} // namespace nnet

#endif
