#ifndef NNET_BLOCK_DENSE_H_
#define NNET_BLOCK_DENSE_H_

#include "blockvit_integer.h"
#include "nnet_common.h"

// A linear layer of which only the kept blocks of the weight exist: `linear` of docs/integer.md.
//
// The kept blocks come row by row. A cycle takes `multipliers` products of one block: part of a row
// of the block, or several whole rows. The last block of a row of blocks turns the sums into results.

namespace nnet {

struct block_dense_config {
    static const unsigned n_tokens = 1; // at most; fewer behind a token selection
    static const unsigned n_in = 1;
    static const unsigned n_out = 1;

    static const unsigned block_out = 1; // the last blocks may hang over n_out and n_in
    static const unsigned block_in = 1;
    static const unsigned n_blocks = 1; // kept
    static const unsigned n_empty = 0;  // rows of blocks without a kept one

    static const unsigned io_type = io_parallel;
    static const unsigned strategy = resource;
    static const unsigned reuse_factor = 1; // products of a token that a multiplier takes
    static const unsigned multipliers = 1;  // divides block_in, or is a multiple of it that divides the block

    typedef blockvit::sum_t accum_t;
    typedef ap_int<8> weight_t;
    typedef blockvit::sum_t bias_t;
    typedef blockvit::mult_t mult_t;
    typedef blockvit::shift_t shift_t;
    typedef ap_uint<16> index_t;
};

// Where the blocks are. An array has an entry even if nothing is in it.
template <typename CONFIG_T> struct block_dense_sizes {
    static const unsigned blocks = MAX(CONFIG_T::n_blocks, 1u);
    static const unsigned empty = MAX(CONFIG_T::n_empty, 1u);
    static const unsigned payload = blocks * CONFIG_T::block_out * CONFIG_T::block_in;
    static const unsigned tile_in = MIN(CONFIG_T::multipliers, CONFIG_T::block_in);
    static const unsigned tile_out = DIV_ROUNDUP(CONFIG_T::multipliers, CONFIG_T::block_in);
    static const unsigned parts = CONFIG_T::block_in / tile_in;
    static const unsigned steps = CONFIG_T::block_out / tile_out * parts;
};

// `payload` holds (n_blocks, block_out, block_in) weights; block b is at `rows[b]`, `columns[b]` of the
// grid of blocks, and `ends[b]` says that it is the last of its row. `empty` lists the rows without one.
template <class data_T, class res_T, typename CONFIG_T>
void block_dense_tokens(data_T data[CONFIG_T::n_tokens * CONFIG_T::n_in], unsigned tokens,
                        res_T res[CONFIG_T::n_tokens * CONFIG_T::n_out],
                        typename CONFIG_T::weight_t payload[block_dense_sizes<CONFIG_T>::payload],
                        typename CONFIG_T::index_t rows[block_dense_sizes<CONFIG_T>::blocks],
                        typename CONFIG_T::index_t columns[block_dense_sizes<CONFIG_T>::blocks],
                        ap_uint<1> ends[block_dense_sizes<CONFIG_T>::blocks],
                        typename CONFIG_T::index_t empty[block_dense_sizes<CONFIG_T>::empty],
                        typename CONFIG_T::bias_t bias[CONFIG_T::n_out],
                        typename CONFIG_T::mult_t mult[CONFIG_T::n_out],
                        typename CONFIG_T::shift_t shift[CONFIG_T::n_out]) {
    #pragma HLS INLINE
    const unsigned multipliers = CONFIG_T::multipliers;
    const unsigned tile_in = block_dense_sizes<CONFIG_T>::tile_in;
    const unsigned tile_out = block_dense_sizes<CONFIG_T>::tile_out;
    const unsigned parts = block_dense_sizes<CONFIG_T>::parts;
    const unsigned steps = block_dense_sizes<CONFIG_T>::steps;

    if (CONFIG_T::strategy == latency) {
        #pragma HLS ARRAY_PARTITION variable=payload complete
    } else {
        #pragma HLS ARRAY_RESHAPE variable=payload cyclic factor=multipliers
        #pragma HLS BIND_STORAGE variable=payload type=rom_1p impl=bram
    }
    #pragma HLS ARRAY_RESHAPE variable=bias cyclic factor=tile_out
    #pragma HLS ARRAY_RESHAPE variable=mult cyclic factor=tile_out
    #pragma HLS ARRAY_RESHAPE variable=shift cyclic factor=tile_out

    typename CONFIG_T::accum_t acc[CONFIG_T::block_out];
    #pragma HLS ARRAY_PARTITION variable=acc complete

    bool begins = true; // a row of blocks
Tokens:
    for (unsigned t = 0; t < tokens; t++) {
        #pragma HLS LOOP_TRIPCOUNT min=1 max=CONFIG_T::n_tokens
    Steps:
        for (unsigned k = 0; k < CONFIG_T::n_blocks * steps; k++) {
            #pragma HLS PIPELINE II=1
            const unsigned b = k / steps;
            const unsigned part = k % parts;
            const unsigned first = k % steps / parts * tile_out;
            const unsigned in = columns[b] * CONFIG_T::block_in + part * tile_in;
            const unsigned out = rows[b] * CONFIG_T::block_out + first;
        Rows:
            for (unsigned o = 0; o < tile_out; o++) {
                #pragma HLS UNROLL
                typename CONFIG_T::accum_t sum = 0;
            Products:
                for (unsigned i = 0; i < tile_in; i++) {
                    #pragma HLS UNROLL
                    if (in + i < CONFIG_T::n_in) {
                        sum += data[t * CONFIG_T::n_in + in + i] * payload[k * multipliers + o * tile_in + i];
                    }
                }
                if (!begins || part > 0) {
                    sum += acc[first + o];
                }
                acc[first + o] = sum;
                if (ends[b] && part == parts - 1 && out + o < CONFIG_T::n_out) {
                    res[t * CONFIG_T::n_out + out + o] =
                        blockvit::requantize<res_T::width>(sum, bias[out + o], mult[out + o], shift[out + o]);
                }
            }
            if (k % steps == steps - 1) {
                begins = ends[b];
            }
        }
    }
EmptyTokens:
    for (unsigned t = 0; t < tokens; t++) {
        #pragma HLS LOOP_TRIPCOUNT min=1 max=CONFIG_T::n_tokens
    EmptyRows:
        for (unsigned k = 0; k < CONFIG_T::n_empty * CONFIG_T::block_out; k++) {
            #pragma HLS PIPELINE II=1
            const unsigned out = empty[k / CONFIG_T::block_out] * CONFIG_T::block_out + k % CONFIG_T::block_out;
            if (out < CONFIG_T::n_out) {
                res[t * CONFIG_T::n_out + out] =
                    blockvit::requantize<res_T::width>(0, bias[out], mult[out], shift[out]);
            }
        }
    }
}

template <class data_T, class res_T, typename CONFIG_T>
void block_dense(data_T data[CONFIG_T::n_tokens * CONFIG_T::n_in], res_T res[CONFIG_T::n_tokens * CONFIG_T::n_out],
                 typename CONFIG_T::weight_t payload[block_dense_sizes<CONFIG_T>::payload],
                 typename CONFIG_T::index_t rows[block_dense_sizes<CONFIG_T>::blocks],
                 typename CONFIG_T::index_t columns[block_dense_sizes<CONFIG_T>::blocks],
                 ap_uint<1> ends[block_dense_sizes<CONFIG_T>::blocks],
                 typename CONFIG_T::index_t empty[block_dense_sizes<CONFIG_T>::empty],
                 typename CONFIG_T::bias_t bias[CONFIG_T::n_out], typename CONFIG_T::mult_t mult[CONFIG_T::n_out],
                 typename CONFIG_T::shift_t shift[CONFIG_T::n_out]) {
    block_dense_tokens<data_T, res_T, CONFIG_T>(data, CONFIG_T::n_tokens, res, payload, rows, columns, ends, empty, bias,
                                                mult, shift);
}

// Behind a token selection: only the live tokens.
template <class data_T, class res_T, typename CONFIG_T>
void block_dense(data_T data[CONFIG_T::n_tokens * CONFIG_T::n_in], blockvit::live_t live[2],
                 res_T res[CONFIG_T::n_tokens * CONFIG_T::n_out],
                 typename CONFIG_T::weight_t payload[block_dense_sizes<CONFIG_T>::payload],
                 typename CONFIG_T::index_t rows[block_dense_sizes<CONFIG_T>::blocks],
                 typename CONFIG_T::index_t columns[block_dense_sizes<CONFIG_T>::blocks],
                 ap_uint<1> ends[block_dense_sizes<CONFIG_T>::blocks],
                 typename CONFIG_T::index_t empty[block_dense_sizes<CONFIG_T>::empty],
                 typename CONFIG_T::bias_t bias[CONFIG_T::n_out], typename CONFIG_T::mult_t mult[CONFIG_T::n_out],
                 typename CONFIG_T::shift_t shift[CONFIG_T::n_out]) {
    block_dense_tokens<data_T, res_T, CONFIG_T>(data, live[0], res, payload, rows, columns, ends, empty, bias, mult,
                                                shift);
}

} // namespace nnet

#endif
