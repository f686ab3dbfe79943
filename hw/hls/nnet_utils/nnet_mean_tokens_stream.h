#ifndef NNET_MEAN_TOKENS_STREAM_H_
#define NNET_MEAN_TOKENS_STREAM_H_

#include "nnet_mean_tokens.h"
#include "nnet_token_stream.h"

namespace nnet {

template <class data_T, class res_T, typename CONFIG_T>
void mean_tokens_stream(hls::stream<data_T> &data, unsigned tokens, hls::stream<res_T> &res) {
    #pragma HLS INLINE
    const unsigned lanes = DIV_ROUNDUP(CONFIG_T::n_in, CONFIG_T::reuse_factor);
    const blockvit::weight_t weight = mean_weight<CONFIG_T>(tokens);

    typename data_T::value_type token[CONFIG_T::n_in];
    blockvit::weighted_t sum[CONFIG_T::n_in];
    typename res_T::value_type mean[CONFIG_T::n_in];
    #pragma HLS ARRAY_PARTITION variable=token complete
    #pragma HLS ARRAY_PARTITION variable=sum complete
    #pragma HLS ARRAY_PARTITION variable=mean complete

Tokens:
    for (unsigned t = 0; t < CONFIG_T::n_tokens; t++) {
        read_token(data, token);
        if (t >= CONFIG_T::start && t < tokens) {
        Features:
            for (unsigned f = 0; f < CONFIG_T::n_in; f++) {
                #pragma HLS PIPELINE II=1
                #pragma HLS UNROLL factor=lanes
                const blockvit::weighted_t before = t == CONFIG_T::start ? blockvit::weighted_t(0) : sum[f];
                sum[f] = before + weight * token[f];
            }
        }
    }
Results:
    for (unsigned f = 0; f < CONFIG_T::n_in; f++) {
        #pragma HLS UNROLL
        mean[f] = blockvit::average_of<res_T::value_type::width>(sum[f]);
    }
    write_token(res, mean);
}

template <class data_T, class res_T, typename CONFIG_T>
void mean_tokens(hls::stream<data_T> &data, hls::stream<res_T> &res) {
    mean_tokens_stream<data_T, res_T, CONFIG_T>(data, CONFIG_T::n_tokens, res);
}

// Behind a token selection: only the live tokens.
template <class data_T, class res_T, typename CONFIG_T, class live_T>
void mean_tokens(hls::stream<data_T> &data, hls::stream<live_T> &live, hls::stream<res_T> &res) {
    mean_tokens_stream<data_T, res_T, CONFIG_T>(data, read_live(live), res);
}

} // namespace nnet

#endif
