#ifndef NNET_EMBED_TOKENS_STREAM_H_
#define NNET_EMBED_TOKENS_STREAM_H_

#include "nnet_embed_tokens.h"
#include "nnet_token_stream.h"

namespace nnet {

template <class data_T, class res_T, typename CONFIG_T>
void embed_tokens(hls::stream<data_T> &data, hls::stream<res_T> &res, typename CONFIG_T::prefix_t *prefix,
                  typename CONFIG_T::position_t position[CONFIG_T::n_tokens * CONFIG_T::n_in]) {
    typename data_T::value_type token[CONFIG_T::n_in];
    typename res_T::value_type embedded[CONFIG_T::n_in];
    #pragma HLS ARRAY_PARTITION variable=token complete
    #pragma HLS ARRAY_PARTITION variable=embedded complete

Prefix:
    for (unsigned t = 0; t < CONFIG_T::n_prefix; t++) {
        const unsigned first = t * CONFIG_T::n_in;
        embed_token<typename CONFIG_T::prefix_t, typename res_T::value_type, CONFIG_T>(prefix, first, embedded, 0,
                                                                                       position, first);
        write_token(res, embedded);
    }
Patches:
    for (unsigned t = CONFIG_T::n_prefix; t < CONFIG_T::n_tokens; t++) {
        read_token(data, token);
        embed_token<typename data_T::value_type, typename res_T::value_type, CONFIG_T>(token, 0, embedded, 0, position,
                                                                                       t * CONFIG_T::n_in);
        write_token(res, embedded);
    }
}

} // namespace nnet

#endif
