#ifndef NNET_SELECT_TOKEN_STREAM_H_
#define NNET_SELECT_TOKEN_STREAM_H_

#include "nnet_select_token.h"
#include "nnet_token_stream.h"

namespace nnet {

template <class data_T, class res_T, typename CONFIG_T>
void select_token(hls::stream<data_T> &data, hls::stream<res_T> &res) {
    typename data_T::value_type each[CONFIG_T::n_in];
    typename res_T::value_type chosen[CONFIG_T::n_in];
    #pragma HLS ARRAY_PARTITION variable=each complete
    #pragma HLS ARRAY_PARTITION variable=chosen complete

Tokens:
    for (unsigned t = 0; t < CONFIG_T::n_tokens; t++) {
        #pragma HLS PIPELINE II=1
        read_token(data, each);
    Features:
        for (unsigned f = 0; f < CONFIG_T::n_in; f++) {
            #pragma HLS UNROLL
            if (t == CONFIG_T::token)
                chosen[f] = each[f];
        }
    }
    write_token(res, chosen);
}

// Behind a token selection whose count nothing else reads: a stream must be read.
template <class data_T, class res_T, typename CONFIG_T, class live_T>
void select_token(hls::stream<data_T> &data, hls::stream<live_T> &live, hls::stream<res_T> &res) {
    live.read();
    select_token<data_T, res_T, CONFIG_T>(data, res);
}

} // namespace nnet

#endif
