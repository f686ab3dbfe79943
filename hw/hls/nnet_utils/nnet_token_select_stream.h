#ifndef NNET_TOKEN_SELECT_STREAM_H_
#define NNET_TOKEN_SELECT_STREAM_H_

#include "nnet_token_select.h"
#include "nnet_token_stream.h"

namespace nnet {

// All tokens wait for the votes on the last one; then their number leaves, those that stay, the package,
// and zeros.
template <class data_T, class keep_T, class heads_T, class res_T, typename CONFIG_T, class out_T>
void token_select_stream(hls::stream<data_T> &data, hls::stream<keep_T> &keep, hls::stream<heads_T> &heads,
                         unsigned tokens, bool package, hls::stream<res_T> &res,
                         hls::stream<out_T> &live_out) {
    #pragma HLS INLINE
    typedef typename data_T::value_type value_T;
    typedef typename res_T::value_type result_T;
    const unsigned lanes = DIV_ROUNDUP(CONFIG_T::n_in, CONFIG_T::reuse_factor);

    value_T waiting[CONFIG_T::n_tokens][CONFIG_T::n_in];
    typename keep_T::value_type keeps[CONFIG_T::n_tokens * CONFIG_T::n_heads];
    typename heads_T::value_type weights[CONFIG_T::n_tokens * CONFIG_T::n_heads];
    token_fate fates[CONFIG_T::n_tokens];
    result_T token[CONFIG_T::n_in];
    blockvit::weighted_t sum[CONFIG_T::n_in];
    #pragma HLS ARRAY_RESHAPE variable=waiting complete dim=2
    #pragma HLS ARRAY_PARTITION variable=keeps cyclic factor=CONFIG_T::n_heads
    #pragma HLS ARRAY_PARTITION variable=weights cyclic factor=CONFIG_T::n_heads
    #pragma HLS ARRAY_PARTITION variable=token complete
    #pragma HLS ARRAY_PARTITION variable=sum complete

Load:
    for (unsigned t = 0; t < CONFIG_T::n_tokens; t++) {
        #pragma HLS PIPELINE II=1
        read_token(data, waiting[t]);
        const keep_T keep_word = keep.read();
        const heads_T heads_word = heads.read();
    Votes:
        for (unsigned h = 0; h < CONFIG_T::n_heads; h++) {
            #pragma HLS UNROLL
            keeps[t * CONFIG_T::n_heads + h] = keep_word[h];
            weights[t * CONFIG_T::n_heads + h] = heads_word[h];
        }
    }
    const token_count count = token_fates<typename keep_T::value_type, typename heads_T::value_type, CONFIG_T>(
        keeps, weights, tokens, package, fates);
    out_T numbers;
    numbers[0] = count.live;
    numbers[1] = count.dropped;
    live_out.write(numbers);
Clear:
    for (unsigned f = 0; f < CONFIG_T::n_in; f++) {
        #pragma HLS UNROLL
        sum[f] = 0;
    }
Tokens:
    for (unsigned t = 0; t < tokens; t++) {
        #pragma HLS LOOP_TRIPCOUNT min=1 max=CONFIG_T::n_tokens
        const token_fate fate = fates[t];
    Features:
        for (unsigned f = 0; f < CONFIG_T::n_in; f++) {
            #pragma HLS PIPELINE II=1
            #pragma HLS UNROLL factor=lanes
            token[f] = waiting[t][f];
            if (!fate.stays)
                sum[f] += fate.weight * waiting[t][f];
        }
        if (fate.stays)
            write_token(res, token);
    }
    if (count.dropped) {
    Package:
        for (unsigned f = 0; f < CONFIG_T::n_in; f++) {
            #pragma HLS UNROLL
            token[f] = blockvit::average_of<result_T::width>(sum[f]);
        }
        write_token(res, token);
    }
Rest:
    for (unsigned t = count.live; t < CONFIG_T::n_tokens; t++) {
        #pragma HLS LOOP_TRIPCOUNT min=0 max=CONFIG_T::n_tokens
        #pragma HLS PIPELINE II=1
        write_zeros(res);
    }
}

template <class data_T, class keep_T, class heads_T, class res_T, typename CONFIG_T, class out_T>
void token_select(hls::stream<data_T> &data, hls::stream<keep_T> &keep, hls::stream<heads_T> &heads,
                  hls::stream<res_T> &res, hls::stream<out_T> &live_out) {
    token_select_stream<data_T, keep_T, heads_T, res_T, CONFIG_T>(data, keep, heads, CONFIG_T::n_tokens, false, res,
                                                                  live_out);
}

// Behind another selection: its live tokens, the last of which may be its package.
template <class data_T, class keep_T, class heads_T, class res_T, typename CONFIG_T, class live_T, class out_T>
void token_select(hls::stream<data_T> &data, hls::stream<keep_T> &keep, hls::stream<heads_T> &heads,
                  hls::stream<live_T> &live, hls::stream<res_T> &res, hls::stream<out_T> &live_out) {
    const live_T before = live.read();
    token_select_stream<data_T, keep_T, heads_T, res_T, CONFIG_T>(data, keep, heads, before[0], before[1] != 0, res,
                                                                  live_out);
}

} // namespace nnet

#endif
