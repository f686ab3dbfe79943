#ifndef NNET_JOIN_TOKEN_H_
#define NNET_JOIN_TOKEN_H_

#include "blockvit_integer.h"
#include "nnet_common.h"

// The features of one token that is common to all, behind those of each token: the second input of a
// linear layer.

namespace nnet {

struct join_token_config {
    static const unsigned n_tokens = 1; // at most; fewer behind a token selection
    static const unsigned n_in = 1;     // features of a token
    static const unsigned n_common = 1; // features of the common token

    static const unsigned io_type = io_parallel;
    static const unsigned reuse_factor = 1; // cycles of a token: features / reuse_factor lanes
};

template <class data_T, class common_T, class res_T, typename CONFIG_T>
void join_token_tokens(data_T data[CONFIG_T::n_tokens * CONFIG_T::n_in], common_T common[CONFIG_T::n_common],
                       unsigned tokens, res_T res[CONFIG_T::n_tokens * (CONFIG_T::n_in + CONFIG_T::n_common)]) {
    #pragma HLS INLINE
    const unsigned n_out = CONFIG_T::n_in + CONFIG_T::n_common;
    const unsigned lanes = DIV_ROUNDUP(n_out, CONFIG_T::reuse_factor);

Tokens:
    for (unsigned t = 0; t < tokens; t++) {
        #pragma HLS LOOP_TRIPCOUNT min=1 max=CONFIG_T::n_tokens
    Features:
        for (unsigned f = 0; f < n_out; f += lanes) {
            #pragma HLS PIPELINE II=1
        Lanes:
            for (unsigned i = 0; i < lanes; i++) {
                #pragma HLS UNROLL
                if (f + i < CONFIG_T::n_in) {
                    res[t * n_out + f + i] = data[t * CONFIG_T::n_in + f + i];
                } else if (f + i < n_out) {
                    res[t * n_out + f + i] = common[f + i - CONFIG_T::n_in];
                }
            }
        }
    }
}

template <class data_T, class common_T, class res_T, typename CONFIG_T>
void join_token(data_T data[CONFIG_T::n_tokens * CONFIG_T::n_in], common_T common[CONFIG_T::n_common],
                res_T res[CONFIG_T::n_tokens * (CONFIG_T::n_in + CONFIG_T::n_common)]) {
    join_token_tokens<data_T, common_T, res_T, CONFIG_T>(data, common, CONFIG_T::n_tokens, res);
}

// Behind a token selection: only the live tokens.
template <class data_T, class common_T, class res_T, typename CONFIG_T>
void join_token(data_T data[CONFIG_T::n_tokens * CONFIG_T::n_in], common_T common[CONFIG_T::n_common],
                blockvit::live_t live[2], res_T res[CONFIG_T::n_tokens * (CONFIG_T::n_in + CONFIG_T::n_common)]) {
    join_token_tokens<data_T, common_T, res_T, CONFIG_T>(data, common, live[0], res);
}

} // namespace nnet

#endif
