#ifndef NNET_SATURATING_ADD_STREAM_H_
#define NNET_SATURATING_ADD_STREAM_H_

#include "nnet_saturating_add.h"
#include "nnet_token_stream.h"

namespace nnet {

template <class data1_T, class data2_T, class res_T, typename CONFIG_T>
void saturating_add_stream(hls::stream<data1_T> &data1, hls::stream<data2_T> &data2, unsigned tokens,
                           hls::stream<res_T> &res) {
    #pragma HLS INLINE
    typename data1_T::value_type token1[CONFIG_T::n_in];
    typename data2_T::value_type token2[CONFIG_T::n_in];
    typename res_T::value_type sum[CONFIG_T::n_in];
    #pragma HLS ARRAY_PARTITION variable=token1 complete
    #pragma HLS ARRAY_PARTITION variable=token2 complete
    #pragma HLS ARRAY_PARTITION variable=sum complete

Tokens:
    for (unsigned t = 0; t < CONFIG_T::n_tokens; t++) {
        read_token(data1, token1);
        read_token(data2, token2);
        if (t < tokens) {
            saturating_add_token<typename data1_T::value_type, typename data2_T::value_type, typename res_T::value_type,
                                 CONFIG_T>(token1, token2, sum, 0);
            write_token(res, sum);
        } else {
            write_zeros(res);
        }
    }
}

template <class data1_T, class data2_T, class res_T, typename CONFIG_T>
void saturating_add(hls::stream<data1_T> &data1, hls::stream<data2_T> &data2, hls::stream<res_T> &res) {
    saturating_add_stream<data1_T, data2_T, res_T, CONFIG_T>(data1, data2, CONFIG_T::n_tokens, res);
}

// Behind a token selection: only the live tokens.
template <class data1_T, class data2_T, class res_T, typename CONFIG_T, class live_T>
void saturating_add(hls::stream<data1_T> &data1, hls::stream<data2_T> &data2, hls::stream<live_T> &live,
                    hls::stream<res_T> &res) {
    saturating_add_stream<data1_T, data2_T, res_T, CONFIG_T>(data1, data2, read_live(live), res);
}

} // namespace nnet

#endif
