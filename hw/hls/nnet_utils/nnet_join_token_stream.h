#ifndef NNET_JOIN_TOKEN_STREAM_H_
#define NNET_JOIN_TOKEN_STREAM_H_

#include "nnet_join_token.h"
#include "nnet_token_stream.h"

namespace nnet {

template <class data_T, class common_T, class res_T, typename CONFIG_T>
void join_token_stream(hls::stream<data_T> &data, hls::stream<common_T> &common, unsigned tokens,
                       hls::stream<res_T> &res) {
    #pragma HLS INLINE
    typename data_T::value_type token[CONFIG_T::n_in];
    typename common_T::value_type behind[CONFIG_T::n_common];
    typename res_T::value_type joined[CONFIG_T::n_in + CONFIG_T::n_common];
    #pragma HLS ARRAY_PARTITION variable=token complete
    #pragma HLS ARRAY_PARTITION variable=behind complete
    #pragma HLS ARRAY_PARTITION variable=joined complete

    read_token(common, behind);
Tokens:
    for (unsigned t = 0; t < CONFIG_T::n_tokens; t++) {
        read_token(data, token);
        if (t < tokens) {
            join_token_tokens<typename data_T::value_type, typename common_T::value_type, typename res_T::value_type,
                              CONFIG_T>(token, behind, 1, joined);
            write_token(res, joined);
        } else {
            write_zeros(res);
        }
    }
}

template <class data_T, class common_T, class res_T, typename CONFIG_T>
void join_token(hls::stream<data_T> &data, hls::stream<common_T> &common, hls::stream<res_T> &res) {
    join_token_stream<data_T, common_T, res_T, CONFIG_T>(data, common, CONFIG_T::n_tokens, res);
}

// Behind a token selection: only the live tokens.
template <class data_T, class common_T, class res_T, typename CONFIG_T, class live_T>
void join_token(hls::stream<data_T> &data, hls::stream<common_T> &common, hls::stream<live_T> &live,
                hls::stream<res_T> &res) {
    join_token_stream<data_T, common_T, res_T, CONFIG_T>(data, common, read_live(live), res);
}

} // namespace nnet

#endif
