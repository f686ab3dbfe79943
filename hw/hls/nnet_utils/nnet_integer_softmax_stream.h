#ifndef NNET_INTEGER_SOFTMAX_STREAM_H_
#define NNET_INTEGER_SOFTMAX_STREAM_H_

#include "nnet_integer_softmax.h"
#include "nnet_token_stream.h"

namespace nnet {

// A word holds the groups of a token; of each group the first `length` features count, and the
// others become zeros.
template <class data_T, class res_T, typename CONFIG_T>
void integer_softmax_stream(hls::stream<data_T> &data, unsigned tokens, unsigned length, hls::stream<res_T> &res) {
    #pragma HLS INLINE
    const unsigned width = CONFIG_T::n_groups * CONFIG_T::n_group;
    typename data_T::value_type token[width];
    typename res_T::value_type shares[width];
    #pragma HLS ARRAY_PARTITION variable=token complete
    #pragma HLS ARRAY_PARTITION variable=shares complete

Clear:
    for (unsigned i = 0; i < width; i++) {
        #pragma HLS UNROLL
        shares[i] = 0;
    }
Tokens:
    for (unsigned t = 0; t < CONFIG_T::n_tokens; t++) {
        read_token(data, token);
        if (t < tokens) {
            integer_softmax_token<typename data_T::value_type, typename res_T::value_type, CONFIG_T>(token, shares, 0,
                                                                                                     length);
            write_token(res, shares);
        } else {
            write_zeros(res);
        }
    }
}

template <class data_T, class res_T, typename CONFIG_T>
void integer_softmax(hls::stream<data_T> &data, hls::stream<res_T> &res) {
    integer_softmax_stream<data_T, res_T, CONFIG_T>(data, CONFIG_T::n_tokens, CONFIG_T::n_group, res);
}

// Behind a token selection: only the live tokens.
template <class data_T, class res_T, typename CONFIG_T, class live_T>
void integer_softmax(hls::stream<data_T> &data, hls::stream<live_T> &live, hls::stream<res_T> &res) {
    const unsigned tokens = read_live(live);
    integer_softmax_stream<data_T, res_T, CONFIG_T>(data, tokens, tokens, res);
}

} // namespace nnet

#endif
