#ifndef NNET_EMBED_TOKENS_H_
#define NNET_EMBED_TOKENS_H_

#include "blockvit_integer.h"
#include "nnet_common.h"

// `embed` of docs/integer.md: prefix tokens before those of patches, and a position for each.

namespace nnet {

struct embed_tokens_config {
    static const unsigned n_tokens = 1; // with the prefix
    static const unsigned n_prefix = 0;
    static const unsigned n_in = 1;

    static const unsigned io_type = io_parallel;
    static const unsigned reuse_factor = 1; // cycles of a token: n_in / reuse_factor lanes

    typedef ap_int<16> prefix_t;
    typedef ap_int<16> position_t;
};

// One token: its features at `data_first`, its position and its result at `first`.
template <class data_T, class res_T, typename CONFIG_T>
void embed_token(data_T *data, unsigned data_first, res_T *res, unsigned res_first,
                 typename CONFIG_T::position_t *position, unsigned first) {
    #pragma HLS INLINE
    const unsigned lanes = DIV_ROUNDUP(CONFIG_T::n_in, CONFIG_T::reuse_factor);
    const int bits = MAX(data_T::width, CONFIG_T::position_t::width) + 1;
    #pragma HLS ARRAY_PARTITION variable=position cyclic factor=lanes

Features:
    for (unsigned f = 0; f < CONFIG_T::n_in; f += lanes) {
        #pragma HLS PIPELINE II=1
    Lanes:
        for (unsigned i = 0; i < lanes; i++) {
            #pragma HLS UNROLL
            if (f + i < CONFIG_T::n_in) {
                ap_int<bits> sum = data[data_first + f + i] + position[first + f + i];
                res[res_first + f + i] = blockvit::saturate<res_T::width>(sum);
            }
        }
    }
}

// `prefix` is (n_prefix, n_in), with a single unused value if there is none; `position` is
// (n_tokens, n_in).
template <class data_T, class res_T, typename CONFIG_T>
void embed_tokens(data_T data[(CONFIG_T::n_tokens - CONFIG_T::n_prefix) * CONFIG_T::n_in],
                  res_T res[CONFIG_T::n_tokens * CONFIG_T::n_in], typename CONFIG_T::prefix_t *prefix,
                  typename CONFIG_T::position_t position[CONFIG_T::n_tokens * CONFIG_T::n_in]) {
Prefix:
    for (unsigned t = 0; t < CONFIG_T::n_prefix; t++) {
        const unsigned first = t * CONFIG_T::n_in;
        embed_token<typename CONFIG_T::prefix_t, res_T, CONFIG_T>(prefix, first, res, first, position, first);
    }
Patches:
    for (unsigned t = CONFIG_T::n_prefix; t < CONFIG_T::n_tokens; t++) {
        const unsigned first = t * CONFIG_T::n_in;
        embed_token<data_T, res_T, CONFIG_T>(data, first - CONFIG_T::n_prefix * CONFIG_T::n_in, res, first, position,
                                             first);
    }
}

} // namespace nnet

#endif
