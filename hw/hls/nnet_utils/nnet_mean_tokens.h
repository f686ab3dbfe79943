#ifndef NNET_MEAN_TOKENS_H_
#define NNET_MEAN_TOKENS_H_

#include "nnet_common.h"
#include "nnet_token_average.h"

// `mean` of docs/integer.md: the average of the tokens from `start` on.

namespace nnet {

struct mean_tokens_config {
    static const unsigned n_tokens = 1; // at most; fewer behind a token selection
    static const unsigned n_in = 1;
    static const unsigned start = 0;

    static const unsigned io_type = io_parallel;
    static const unsigned reuse_factor = 1; // cycles of a token: n_in / reuse_factor lanes
};

// The weight of each of the first `tokens` tokens from `start` on.
template <typename CONFIG_T> blockvit::weight_t mean_weight(unsigned tokens) {
    #pragma HLS INLINE
    const int bits = blockvit::bits_of(CONFIG_T::n_tokens);
    return blockvit::average_weight<bits>(1, blockvit::average_factor_of<bits>(tokens - CONFIG_T::start));
}

template <class data_T, class res_T, typename CONFIG_T>
void mean_of_tokens(data_T *data, unsigned tokens, res_T *res) {
    #pragma HLS INLINE
    const unsigned lanes = DIV_ROUNDUP(CONFIG_T::n_in, CONFIG_T::reuse_factor);
    const blockvit::weight_t weight = mean_weight<CONFIG_T>(tokens);

    blockvit::weighted_t sum[lanes];
    #pragma HLS ARRAY_PARTITION variable=sum complete

Features:
    for (unsigned f = 0; f < CONFIG_T::n_in; f += lanes) {
    Tokens:
        for (unsigned t = CONFIG_T::start; t < tokens; t++) {
            #pragma HLS LOOP_TRIPCOUNT min=1 max=CONFIG_T::n_tokens
            #pragma HLS PIPELINE II=1
        Lanes:
            for (unsigned i = 0; i < lanes; i++) {
                #pragma HLS UNROLL
                if (f + i < CONFIG_T::n_in) {
                    const blockvit::weighted_t before = t == CONFIG_T::start ? blockvit::weighted_t(0) : sum[i];
                    sum[i] = before + weight * data[t * CONFIG_T::n_in + f + i];
                }
            }
        }
    Results:
        for (unsigned i = 0; i < lanes; i++) {
            #pragma HLS UNROLL
            if (f + i < CONFIG_T::n_in)
                res[f + i] = blockvit::average_of<res_T::width>(sum[i]);
        }
    }
}

template <class data_T, class res_T, typename CONFIG_T>
void mean_tokens(data_T data[CONFIG_T::n_tokens * CONFIG_T::n_in], res_T res[CONFIG_T::n_in]) {
    mean_of_tokens<data_T, res_T, CONFIG_T>(data, CONFIG_T::n_tokens, res);
}

// Behind a token selection: only the live tokens.
template <class data_T, class res_T, typename CONFIG_T>
void mean_tokens(data_T data[CONFIG_T::n_tokens * CONFIG_T::n_in], blockvit::live_t live[2],
                 res_T res[CONFIG_T::n_in]) {
    mean_of_tokens<data_T, res_T, CONFIG_T>(data, live[0], res);
}

} // namespace nnet

#endif
