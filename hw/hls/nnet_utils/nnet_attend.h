#ifndef NNET_ATTEND_H_
#define NNET_ATTEND_H_

#include "nnet_head_product.h"

// `attend` of docs/integer.md: shares times values, of every head.

namespace nnet {

struct attend_config : head_product_config {};

// `shares` is (n_tokens, n_heads n_tokens), `qkv` (n_tokens, 3 n_heads n_head), `res`
// (n_tokens, n_heads n_head). Only the first `tokens` tokens count.
template <class data_T, class qkv_T, class res_T, typename CONFIG_T>
void attend_tokens(data_T *shares, qkv_T *qkv, unsigned tokens, res_T *res,
                   typename CONFIG_T::mult_t mult[CONFIG_T::n_heads],
                   typename CONFIG_T::shift_t shift[CONFIG_T::n_heads]) {
    #pragma HLS INLINE
    const unsigned width = 3 * CONFIG_T::n_heads * CONFIG_T::n_head;
    const unsigned rows = CONFIG_T::rows;
    const unsigned cols = CONFIG_T::cols;

    qkv_T values[CONFIG_T::n_tokens][CONFIG_T::n_head];
    #pragma HLS ARRAY_PARTITION variable=values cyclic factor=rows dim=1
    #pragma HLS ARRAY_PARTITION variable=values cyclic factor=cols dim=2

Heads:
    for (unsigned h = 0; h < CONFIG_T::n_heads; h++) {
    Values:
        for (unsigned t = 0; t < tokens; t++) {
            #pragma HLS LOOP_TRIPCOUNT min=1 max=CONFIG_T::n_tokens
        ValueFeatures:
            for (unsigned f = 0; f < CONFIG_T::n_head; f++) {
                #pragma HLS PIPELINE II=1
                #pragma HLS UNROLL factor=cols
                values[t][f] = qkv[t * width + (2 * CONFIG_T::n_heads + h) * CONFIG_T::n_head + f];
            }
        }
    Shares:
        for (unsigned t = 0; t < tokens; t++) {
            #pragma HLS LOOP_TRIPCOUNT min=1 max=CONFIG_T::n_tokens
            head_product<data_T, qkv_T, res_T, CONFIG_T::n_tokens, CONFIG_T::n_head, CONFIG_T>(
                shares, (t * CONFIG_T::n_heads + h) * CONFIG_T::n_tokens, tokens, values, res,
                (t * CONFIG_T::n_heads + h) * CONFIG_T::n_head, CONFIG_T::n_head, mult[h], shift[h]);
        }
    }
}

template <class data_T, class qkv_T, class res_T, typename CONFIG_T>
void attend(data_T shares[CONFIG_T::n_tokens * CONFIG_T::n_heads * CONFIG_T::n_tokens],
            qkv_T qkv[CONFIG_T::n_tokens * 3 * CONFIG_T::n_heads * CONFIG_T::n_head],
            res_T res[CONFIG_T::n_tokens * CONFIG_T::n_heads * CONFIG_T::n_head],
            typename CONFIG_T::mult_t mult[CONFIG_T::n_heads], typename CONFIG_T::shift_t shift[CONFIG_T::n_heads]) {
    attend_tokens<data_T, qkv_T, res_T, CONFIG_T>(shares, qkv, CONFIG_T::n_tokens, res, mult, shift);
}

// Behind a token selection: only the live tokens.
template <class data_T, class qkv_T, class res_T, typename CONFIG_T>
void attend(data_T shares[CONFIG_T::n_tokens * CONFIG_T::n_heads * CONFIG_T::n_tokens],
            qkv_T qkv[CONFIG_T::n_tokens * 3 * CONFIG_T::n_heads * CONFIG_T::n_head], blockvit::live_t live[2],
            res_T res[CONFIG_T::n_tokens * CONFIG_T::n_heads * CONFIG_T::n_head],
            typename CONFIG_T::mult_t mult[CONFIG_T::n_heads], typename CONFIG_T::shift_t shift[CONFIG_T::n_heads]) {
    attend_tokens<data_T, qkv_T, res_T, CONFIG_T>(shares, qkv, live[0], res, mult, shift);
}

} // namespace nnet

#endif
