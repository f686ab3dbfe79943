#ifndef NNET_TABLE_ACTIVATION_H_
#define NNET_TABLE_ACTIVATION_H_

#include "blockvit_integer.h"
#include "nnet_common.h"

// table[x + 128] of every feature: the activation function behind a linear layer.

namespace nnet {

struct table_activation_config {
    static const unsigned n_tokens = 1; // at most; fewer behind a token selection
    static const unsigned n_in = 1;     // features of a token

    static const unsigned io_type = io_parallel;
    static const unsigned reuse_factor = 1; // cycles of a token: n_in / reuse_factor lanes

    typedef ap_int<8> table_t;
};

template <class data_T, class res_T, typename CONFIG_T>
void table_activation_tokens(data_T data[CONFIG_T::n_tokens * CONFIG_T::n_in], unsigned tokens,
                             res_T res[CONFIG_T::n_tokens * CONFIG_T::n_in], typename CONFIG_T::table_t table[256]) {
    #pragma HLS INLINE
    const unsigned lanes = DIV_ROUNDUP(CONFIG_T::n_in, CONFIG_T::reuse_factor);

Tokens:
    for (unsigned t = 0; t < tokens; t++) {
        #pragma HLS LOOP_TRIPCOUNT min=1 max=CONFIG_T::n_tokens
    Features:
        for (unsigned f = 0; f < CONFIG_T::n_in; f += lanes) {
            #pragma HLS PIPELINE II=1
        Lanes:
            for (unsigned i = 0; i < lanes; i++) {
                #pragma HLS UNROLL
                if (f + i < CONFIG_T::n_in) {
                    const unsigned at = t * CONFIG_T::n_in + f + i;
                    const ap_uint<8> entry = data[at] + 128;
                    res[at] = table[entry];
                }
            }
        }
    }
}

template <class data_T, class res_T, typename CONFIG_T>
void table_activation(data_T data[CONFIG_T::n_tokens * CONFIG_T::n_in], res_T res[CONFIG_T::n_tokens * CONFIG_T::n_in],
                      typename CONFIG_T::table_t table[256]) {
    table_activation_tokens<data_T, res_T, CONFIG_T>(data, CONFIG_T::n_tokens, res, table);
}

// Behind a token selection: only the live tokens.
template <class data_T, class res_T, typename CONFIG_T>
void table_activation(data_T data[CONFIG_T::n_tokens * CONFIG_T::n_in], blockvit::live_t live[2],
                      res_T res[CONFIG_T::n_tokens * CONFIG_T::n_in], typename CONFIG_T::table_t table[256]) {
    table_activation_tokens<data_T, res_T, CONFIG_T>(data, live[0], res, table);
}

} // namespace nnet

#endif
