#ifndef NNET_TABLE_ACTIVATION_STREAM_H_
#define NNET_TABLE_ACTIVATION_STREAM_H_

#include "nnet_table_activation.h"
#include "nnet_token_stream.h"

namespace nnet {

template <class data_T, class res_T, typename CONFIG_T>
void table_activation_stream(hls::stream<data_T> &data, unsigned tokens, hls::stream<res_T> &res,
                             typename CONFIG_T::table_t table[256]) {
    #pragma HLS INLINE
    typename data_T::value_type token[CONFIG_T::n_in];
    typename res_T::value_type activated[CONFIG_T::n_in];
    #pragma HLS ARRAY_PARTITION variable=token complete
    #pragma HLS ARRAY_PARTITION variable=activated complete

Tokens:
    for (unsigned t = 0; t < CONFIG_T::n_tokens; t++) {
        read_token(data, token);
        if (t < tokens) {
            table_activation_tokens<typename data_T::value_type, typename res_T::value_type, CONFIG_T>(token, 1,
                                                                                                       activated, table);
            write_token(res, activated);
        } else {
            write_zeros(res);
        }
    }
}

template <class data_T, class res_T, typename CONFIG_T>
void table_activation(hls::stream<data_T> &data, hls::stream<res_T> &res, typename CONFIG_T::table_t table[256]) {
    table_activation_stream<data_T, res_T, CONFIG_T>(data, CONFIG_T::n_tokens, res, table);
}

// Behind a token selection: only the live tokens.
template <class data_T, class res_T, typename CONFIG_T, class live_T>
void table_activation(hls::stream<data_T> &data, hls::stream<live_T> &live, hls::stream<res_T> &res,
                      typename CONFIG_T::table_t table[256]) {
    table_activation_stream<data_T, res_T, CONFIG_T>(data, read_live(live), res, table);
}

} // namespace nnet

#endif
