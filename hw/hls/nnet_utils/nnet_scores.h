#ifndef NNET_SCORES_H_
#define NNET_SCORES_H_

#include "nnet_head_product.h"

// `scores` of docs/integer.md: queries times keys, of every head.

namespace nnet {

struct scores_config : head_product_config {};

// `data` is (n_tokens, 3 n_heads n_head): q, then k, then v of all heads. `res` is
// (n_tokens, n_heads n_tokens), a score for each of the first `tokens` tokens.
template <class data_T, class res_T, typename CONFIG_T>
void scores_tokens(data_T *data, unsigned tokens, res_T *res, typename CONFIG_T::mult_t mult[CONFIG_T::n_heads],
                   typename CONFIG_T::shift_t shift[CONFIG_T::n_heads]) {
    #pragma HLS INLINE
    const unsigned width = 3 * CONFIG_T::n_heads * CONFIG_T::n_head;
    const unsigned rows = CONFIG_T::rows;
    const unsigned cols = CONFIG_T::cols;

    data_T keys[CONFIG_T::n_head][CONFIG_T::n_tokens];
    #pragma HLS ARRAY_PARTITION variable=keys cyclic factor=rows dim=1
    #pragma HLS ARRAY_PARTITION variable=keys cyclic factor=cols dim=2

Heads:
    for (unsigned h = 0; h < CONFIG_T::n_heads; h++) {
    Keys:
        for (unsigned t = 0; t < tokens; t++) {
            #pragma HLS LOOP_TRIPCOUNT min=1 max=CONFIG_T::n_tokens
        KeyFeatures:
            for (unsigned f = 0; f < CONFIG_T::n_head; f++) {
                #pragma HLS PIPELINE II=1
                #pragma HLS UNROLL factor=rows
                keys[f][t] = data[t * width + (CONFIG_T::n_heads + h) * CONFIG_T::n_head + f];
            }
        }
    Queries:
        for (unsigned t = 0; t < tokens; t++) {
            #pragma HLS LOOP_TRIPCOUNT min=1 max=CONFIG_T::n_tokens
            head_product<data_T, data_T, res_T, CONFIG_T::n_head, CONFIG_T::n_tokens, CONFIG_T>(
                data, t * width + h * CONFIG_T::n_head, CONFIG_T::n_head, keys, res,
                (t * CONFIG_T::n_heads + h) * CONFIG_T::n_tokens, tokens, mult[h], shift[h]);
        }
    }
}

template <class data_T, class res_T, typename CONFIG_T>
void scores(data_T data[CONFIG_T::n_tokens * 3 * CONFIG_T::n_heads * CONFIG_T::n_head],
            res_T res[CONFIG_T::n_tokens * CONFIG_T::n_heads * CONFIG_T::n_tokens],
            typename CONFIG_T::mult_t mult[CONFIG_T::n_heads], typename CONFIG_T::shift_t shift[CONFIG_T::n_heads]) {
    scores_tokens<data_T, res_T, CONFIG_T>(data, CONFIG_T::n_tokens, res, mult, shift);
}

// Behind a token selection: only the live tokens.
template <class data_T, class res_T, typename CONFIG_T>
void scores(data_T data[CONFIG_T::n_tokens * 3 * CONFIG_T::n_heads * CONFIG_T::n_head], blockvit::live_t live[2],
            res_T res[CONFIG_T::n_tokens * CONFIG_T::n_heads * CONFIG_T::n_tokens],
            typename CONFIG_T::mult_t mult[CONFIG_T::n_heads], typename CONFIG_T::shift_t shift[CONFIG_T::n_heads]) {
    scores_tokens<data_T, res_T, CONFIG_T>(data, live[0], res, mult, shift);
}

} // namespace nnet

#endif
