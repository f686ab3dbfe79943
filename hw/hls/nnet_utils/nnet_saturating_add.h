#ifndef NNET_SATURATING_ADD_H_
#define NNET_SATURATING_ADD_H_

#include "blockvit_integer.h"
#include "nnet_common.h"

// `add` of docs/integer.md: two tensors of one scale.

namespace nnet {

struct saturating_add_config {
    static const unsigned n_tokens = 1; // at most; fewer behind a token selection
    static const unsigned n_in = 1;

    static const unsigned io_type = io_parallel;
    static const unsigned reuse_factor = 1; // cycles of a token: n_in / reuse_factor lanes
};

// One token, from `first` on. A sum has a bit more than its summands.
template <class data1_T, class data2_T, class res_T, typename CONFIG_T>
void saturating_add_token(data1_T *data1, data2_T *data2, res_T *res, unsigned first) {
    #pragma HLS INLINE
    const unsigned lanes = DIV_ROUNDUP(CONFIG_T::n_in, CONFIG_T::reuse_factor);
    const int bits = MAX(data1_T::width, data2_T::width) + 1;

Features:
    for (unsigned f = 0; f < CONFIG_T::n_in; f += lanes) {
        #pragma HLS PIPELINE II=1
    Lanes:
        for (unsigned i = 0; i < lanes; i++) {
            #pragma HLS UNROLL
            if (f + i < CONFIG_T::n_in) {
                ap_int<bits> sum = data1[first + f + i] + data2[first + f + i];
                res[first + f + i] = blockvit::saturate<res_T::width>(sum);
            }
        }
    }
}

template <class data1_T, class data2_T, class res_T, typename CONFIG_T>
void saturating_add_tokens(data1_T *data1, data2_T *data2, unsigned tokens, res_T *res) {
    #pragma HLS INLINE
Tokens:
    for (unsigned t = 0; t < tokens; t++) {
        #pragma HLS LOOP_TRIPCOUNT min=1 max=CONFIG_T::n_tokens
        saturating_add_token<data1_T, data2_T, res_T, CONFIG_T>(data1, data2, res, t * CONFIG_T::n_in);
    }
}

template <class data1_T, class data2_T, class res_T, typename CONFIG_T>
void saturating_add(data1_T data1[CONFIG_T::n_tokens * CONFIG_T::n_in],
                    data2_T data2[CONFIG_T::n_tokens * CONFIG_T::n_in], res_T res[CONFIG_T::n_tokens * CONFIG_T::n_in]) {
    saturating_add_tokens<data1_T, data2_T, res_T, CONFIG_T>(data1, data2, CONFIG_T::n_tokens, res);
}

// Behind a token selection: only the live tokens.
template <class data1_T, class data2_T, class res_T, typename CONFIG_T>
void saturating_add(data1_T data1[CONFIG_T::n_tokens * CONFIG_T::n_in],
                    data2_T data2[CONFIG_T::n_tokens * CONFIG_T::n_in], blockvit::live_t live[2],
                    res_T res[CONFIG_T::n_tokens * CONFIG_T::n_in]) {
    saturating_add_tokens<data1_T, data2_T, res_T, CONFIG_T>(data1, data2, live[0], res);
}

} // namespace nnet

#endif
