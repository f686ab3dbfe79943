#ifndef NNET_SELECT_TOKEN_H_
#define NNET_SELECT_TOKEN_H_

#include "nnet_common.h"

// `select` of docs/integer.md: one token.

namespace nnet {

struct select_token_config {
    static const unsigned n_tokens = 1;
    static const unsigned n_in = 1;
    static const unsigned token = 0;

    static const unsigned io_type = io_parallel;
    static const unsigned reuse_factor = 1; // cycles: n_in / reuse_factor lanes
};

// Live or not, the token is there: no live count is needed.
template <class data_T, class res_T, typename CONFIG_T>
void select_token(data_T data[CONFIG_T::n_tokens * CONFIG_T::n_in], res_T res[CONFIG_T::n_in]) {
    const unsigned lanes = DIV_ROUNDUP(CONFIG_T::n_in, CONFIG_T::reuse_factor);

Features:
    for (unsigned f = 0; f < CONFIG_T::n_in; f++) {
        #pragma HLS PIPELINE II=1
        #pragma HLS UNROLL factor=lanes
        res[f] = data[CONFIG_T::token * CONFIG_T::n_in + f];
    }
}

} // namespace nnet

#endif
