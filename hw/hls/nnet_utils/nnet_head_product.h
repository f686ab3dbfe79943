#ifndef NNET_HEAD_PRODUCT_H_
#define NNET_HEAD_PRODUCT_H_

#include "blockvit_integer.h"
#include "nnet_common.h"

// The two products of attention, a head at a time: a matrix that was loaded once, times a token.

namespace nnet {

struct head_product_config {
    // Layer sizes
    static const unsigned n_tokens = 1; // at most; fewer behind a token selection
    static const unsigned n_heads = 1;
    static const unsigned n_head = 1; // features of a head

    // rows x cols products at once: rows inputs, cols outputs
    static const unsigned rows = 1;
    static const unsigned cols = 1;
    static const unsigned io_type = io_parallel;
    static const unsigned reuse_factor = 1; // products of a token that a multiplier takes

    // A product of two int8 is at most 2^14, so n of them need 15 + bits_of(n) bits, up to the 32
    // of an accumulator; n is n_head for scores, n_tokens for attend.
    typedef blockvit::sum_t accum_t;
    typedef blockvit::mult_t mult_t;
    typedef blockvit::shift_t shift_t;
};

// res[o] = requantize(sum over i of data[i] * weight[i][o]) of a token of a head, from `data_first`
// and `res_first` on. Only the first `n_in` inputs and `n_out` outputs count.
template <class data_T, class weight_T, class res_T, unsigned N_IN, unsigned N_OUT, typename CONFIG_T>
void head_product(data_T *data, unsigned data_first, unsigned n_in, weight_T weight[N_IN][N_OUT], res_T *res,
                  unsigned res_first, unsigned n_out, typename CONFIG_T::mult_t mult,
                  typename CONFIG_T::shift_t shift) {
    #pragma HLS INLINE
    const unsigned output_steps = DIV_ROUNDUP(N_OUT, CONFIG_T::cols);
    const unsigned input_steps = DIV_ROUNDUP(N_IN, CONFIG_T::rows);

    typename CONFIG_T::accum_t acc[CONFIG_T::cols];
    #pragma HLS ARRAY_PARTITION variable=acc complete

Outputs:
    for (unsigned o = 0; o < n_out; o += CONFIG_T::cols) {
        #pragma HLS LOOP_TRIPCOUNT min=1 max=output_steps
    Inputs:
        for (unsigned i = 0; i < n_in; i += CONFIG_T::rows) {
            #pragma HLS LOOP_TRIPCOUNT min=1 max=input_steps
            #pragma HLS PIPELINE II=1
        Columns:
            for (unsigned c = 0; c < CONFIG_T::cols; c++) {
                #pragma HLS UNROLL
                typename CONFIG_T::accum_t sum = 0;
            Rows:
                for (unsigned r = 0; r < CONFIG_T::rows; r++) {
                    #pragma HLS UNROLL
                    if (i + r < n_in && o + c < N_OUT)
                        sum += data[data_first + i + r] * weight[i + r][o + c];
                }
                acc[c] = i == 0 ? sum : typename CONFIG_T::accum_t(acc[c] + sum);
                if (i + CONFIG_T::rows >= n_in && o + c < n_out)
                    res[res_first + o + c] = blockvit::requantize<res_T::width>(acc[c], 0, mult, shift);
            }
        }
    }
}

} // namespace nnet

#endif
