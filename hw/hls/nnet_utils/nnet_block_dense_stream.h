#ifndef NNET_BLOCK_DENSE_STREAM_H_
#define NNET_BLOCK_DENSE_STREAM_H_

#include "nnet_block_dense.h"
#include "nnet_token_stream.h"

namespace nnet {

template <class data_T, class res_T, typename CONFIG_T>
void block_dense_stream(hls::stream<data_T> &data, unsigned tokens, hls::stream<res_T> &res,
                        typename CONFIG_T::weight_t payload[block_dense_sizes<CONFIG_T>::payload],
                        typename CONFIG_T::index_t rows[block_dense_sizes<CONFIG_T>::blocks],
                        typename CONFIG_T::index_t columns[block_dense_sizes<CONFIG_T>::blocks],
                        ap_uint<1> ends[block_dense_sizes<CONFIG_T>::blocks],
                        typename CONFIG_T::index_t empty[block_dense_sizes<CONFIG_T>::empty],
                        typename CONFIG_T::bias_t bias[CONFIG_T::n_out], typename CONFIG_T::mult_t mult[CONFIG_T::n_out],
                        typename CONFIG_T::shift_t shift[CONFIG_T::n_out]) {
    #pragma HLS INLINE
    typename data_T::value_type token[CONFIG_T::n_in];
    typename res_T::value_type result[CONFIG_T::n_out];
    #pragma HLS ARRAY_PARTITION variable=token complete
    #pragma HLS ARRAY_PARTITION variable=result complete

Tokens:
    for (unsigned t = 0; t < CONFIG_T::n_tokens; t++) {
        read_token(data, token);
        if (t < tokens) {
            block_dense_tokens<typename data_T::value_type, typename res_T::value_type, CONFIG_T>(
                token, 1, result, payload, rows, columns, ends, empty, bias, mult, shift);
            write_token(res, result);
        } else {
            write_zeros(res);
        }
    }
}

template <class data_T, class res_T, typename CONFIG_T>
void block_dense(hls::stream<data_T> &data, hls::stream<res_T> &res,
                 typename CONFIG_T::weight_t payload[block_dense_sizes<CONFIG_T>::payload],
                 typename CONFIG_T::index_t rows[block_dense_sizes<CONFIG_T>::blocks],
                 typename CONFIG_T::index_t columns[block_dense_sizes<CONFIG_T>::blocks],
                 ap_uint<1> ends[block_dense_sizes<CONFIG_T>::blocks],
                 typename CONFIG_T::index_t empty[block_dense_sizes<CONFIG_T>::empty],
                 typename CONFIG_T::bias_t bias[CONFIG_T::n_out], typename CONFIG_T::mult_t mult[CONFIG_T::n_out],
                 typename CONFIG_T::shift_t shift[CONFIG_T::n_out]) {
    block_dense_stream<data_T, res_T, CONFIG_T>(data, CONFIG_T::n_tokens, res, payload, rows, columns, ends, empty, bias,
                                                mult, shift);
}

// Behind a token selection: only the live tokens.
template <class data_T, class res_T, typename CONFIG_T, class live_T>
void block_dense(hls::stream<data_T> &data, hls::stream<live_T> &live, hls::stream<res_T> &res,
                 typename CONFIG_T::weight_t payload[block_dense_sizes<CONFIG_T>::payload],
                 typename CONFIG_T::index_t rows[block_dense_sizes<CONFIG_T>::blocks],
                 typename CONFIG_T::index_t columns[block_dense_sizes<CONFIG_T>::blocks],
                 ap_uint<1> ends[block_dense_sizes<CONFIG_T>::blocks],
                 typename CONFIG_T::index_t empty[block_dense_sizes<CONFIG_T>::empty],
                 typename CONFIG_T::bias_t bias[CONFIG_T::n_out], typename CONFIG_T::mult_t mult[CONFIG_T::n_out],
                 typename CONFIG_T::shift_t shift[CONFIG_T::n_out]) {
    block_dense_stream<data_T, res_T, CONFIG_T>(data, read_live(live), res, payload, rows, columns, ends, empty, bias,
                                                mult, shift);
}

} // namespace nnet

#endif
