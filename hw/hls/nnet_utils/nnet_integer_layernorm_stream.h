#ifndef NNET_INTEGER_LAYERNORM_STREAM_H_
#define NNET_INTEGER_LAYERNORM_STREAM_H_

#include "nnet_integer_layernorm.h"
#include "nnet_token_stream.h"

namespace nnet {

template <class data_T, class res_T, typename CONFIG_T>
void integer_layernorm_stream(hls::stream<data_T> &data, unsigned tokens, hls::stream<res_T> &res,
                              typename CONFIG_T::gain_t gain[CONFIG_T::n_in],
                              typename CONFIG_T::offset_t offset[CONFIG_T::n_in]) {
    #pragma HLS INLINE
    typename data_T::value_type token[CONFIG_T::n_in];
    typename res_T::value_type normalized[CONFIG_T::n_in];
    #pragma HLS ARRAY_PARTITION variable=token complete
    #pragma HLS ARRAY_PARTITION variable=normalized complete

Tokens:
    for (unsigned t = 0; t < CONFIG_T::n_tokens; t++) {
        read_token(data, token);
        if (t < tokens) {
            integer_layernorm_token<typename data_T::value_type, typename res_T::value_type, CONFIG_T>(
                token, normalized, 0, gain, offset);
            write_token(res, normalized);
        } else {
            write_zeros(res);
        }
    }
}

template <class data_T, class res_T, typename CONFIG_T>
void integer_layernorm(hls::stream<data_T> &data, hls::stream<res_T> &res,
                       typename CONFIG_T::gain_t gain[CONFIG_T::n_in],
                       typename CONFIG_T::offset_t offset[CONFIG_T::n_in]) {
    integer_layernorm_stream<data_T, res_T, CONFIG_T>(data, CONFIG_T::n_tokens, res, gain, offset);
}

// Behind a token selection: only the live tokens.
template <class data_T, class res_T, typename CONFIG_T, class live_T>
void integer_layernorm(hls::stream<data_T> &data, hls::stream<live_T> &live, hls::stream<res_T> &res,
                       typename CONFIG_T::gain_t gain[CONFIG_T::n_in],
                       typename CONFIG_T::offset_t offset[CONFIG_T::n_in]) {
    integer_layernorm_stream<data_T, res_T, CONFIG_T>(data, read_live(live), res, gain, offset);
}

} // namespace nnet

#endif
