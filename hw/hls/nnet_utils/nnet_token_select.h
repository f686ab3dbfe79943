#ifndef NNET_TOKEN_SELECT_H_
#define NNET_TOKEN_SELECT_H_

#include "nnet_common.h"
#include "nnet_token_average.h"

// `token_select` of docs/integer.md: the tokens that stay, then the average of the others.

namespace nnet {

struct token_select_config {
    static const unsigned n_tokens = 1; // at most; fewer behind another selection
    static const unsigned n_in = 1;
    static const unsigned n_heads = 1;

    static const unsigned threshold = 127; // of a score of 0 to 254
    static const unsigned prefix = 1;      // tokens in front that always stay

    static const unsigned io_type = io_parallel;
    static const unsigned reuse_factor = 1; // cycles of a token: n_in / reuse_factor lanes
};

// 0 to 255 of a token whose votes are at `first`. Votes are 0 to 127, so a product of two fits 14 bits,
// and 2 N // D is at most 254; without any vote N is 0.
template <class keep_T, class heads_T, typename CONFIG_T>
blockvit::score_t token_score(keep_T *keep, heads_T *heads, unsigned first) {
    #pragma HLS INLINE
    const int head_bits = blockvit::bits_of(CONFIG_T::n_heads);
    ap_uint<14 + head_bits> votes = 0;
    ap_uint<7 + head_bits> total = 0;
Votes:
    for (unsigned h = 0; h < CONFIG_T::n_heads; h++) {
        #pragma HLS UNROLL
        const ap_uint<7> weight = heads[first + h];
        votes += ap_uint<7>(keep[first + h]) * weight;
        total += weight;
    }
    if (total == 0)
        total = 1;
    const ap_uint<15 + head_bits> twice = ap_uint<15 + head_bits>(votes) << 1;
    return blockvit::quotient<8, 15 + head_bits, 7 + head_bits>(twice, total);
}

// What happens to a token: it stays, or counts with a weight in the package.
struct token_fate {
    bool stays;
    blockvit::weight_t weight;
};

// What comes out: so many tokens, the package among them if any was dropped.
struct token_count {
    blockvit::live_t live;
    bool dropped;
};

// The fates of the first `tokens` tokens.
template <class keep_T, class heads_T, typename CONFIG_T>
token_count token_fates(keep_T *keep, heads_T *heads, unsigned tokens, bool package,
                        token_fate fates[CONFIG_T::n_tokens]) {
    #pragma HLS INLINE
    const int bits = blockvit::average_widths<CONFIG_T::n_tokens>::total;
    blockvit::score_t scores[CONFIG_T::n_tokens];
    ap_uint<bits> total = 0;
    blockvit::live_t stay = 0;

Scores:
    for (unsigned t = 0; t < tokens; t++) {
        #pragma HLS LOOP_TRIPCOUNT min=1 max=CONFIG_T::n_tokens
        #pragma HLS PIPELINE
        const blockvit::score_t score = token_score<keep_T, heads_T, CONFIG_T>(keep, heads, t * CONFIG_T::n_heads);
        const bool is_package = package && t == tokens - 1;
        fates[t].stays = !is_package && (t < CONFIG_T::prefix || score >= CONFIG_T::threshold);
        scores[t] = score == 0 ? blockvit::score_t(1) : score;
        if (fates[t].stays)
            stay++;
        else
            total += scores[t];
    }
    token_count count;
    count.dropped = total != 0;
    count.live = stay + (count.dropped ? 1 : 0);
    // Without a dropped token no weight counts; 1 keeps the division defined.
    const blockvit::average_factor<bits> factor =
        blockvit::average_factor_of<bits>(count.dropped ? total : ap_uint<bits>(1));
Weights:
    for (unsigned t = 0; t < tokens; t++) {
        #pragma HLS LOOP_TRIPCOUNT min=1 max=CONFIG_T::n_tokens
        #pragma HLS PIPELINE II=1
        fates[t].weight = blockvit::average_weight<bits>(scores[t], factor);
    }
    return count;
}

template <class data_T, class keep_T, class heads_T, class res_T, typename CONFIG_T>
void select_tokens(data_T *data, keep_T *keep, heads_T *heads, unsigned tokens, bool package, res_T *res,
                   blockvit::live_t live_out[2]) {
    #pragma HLS INLINE
    const unsigned lanes = DIV_ROUNDUP(CONFIG_T::n_in, CONFIG_T::reuse_factor);
    token_fate fates[CONFIG_T::n_tokens];
    const token_count count = token_fates<keep_T, heads_T, CONFIG_T>(keep, heads, tokens, package, fates);
    live_out[0] = count.live;
    live_out[1] = count.dropped;

    blockvit::weighted_t sum[lanes];
    #pragma HLS ARRAY_PARTITION variable=sum complete

Features:
    for (unsigned f = 0; f < CONFIG_T::n_in; f += lanes) {
    Clear:
        for (unsigned i = 0; i < lanes; i++) {
            #pragma HLS UNROLL
            sum[i] = 0;
        }
        unsigned place = 0;
    Tokens:
        for (unsigned t = 0; t < tokens; t++) {
            #pragma HLS LOOP_TRIPCOUNT min=1 max=CONFIG_T::n_tokens
            #pragma HLS PIPELINE II=1
            const token_fate fate = fates[t];
        Lanes:
            for (unsigned i = 0; i < lanes; i++) {
                #pragma HLS UNROLL
                if (f + i < CONFIG_T::n_in) {
                    const data_T x = data[t * CONFIG_T::n_in + f + i];
                    if (fate.stays)
                        res[place * CONFIG_T::n_in + f + i] = x;
                    else
                        sum[i] += fate.weight * x;
                }
            }
            if (fate.stays)
                place++;
        }
    Package:
        for (unsigned i = 0; i < lanes; i++) {
            #pragma HLS UNROLL
            if (count.dropped && f + i < CONFIG_T::n_in)
                res[place * CONFIG_T::n_in + f + i] = blockvit::average_of<res_T::width>(sum[i]);
        }
    }
}

// `data` and `res` are (n_tokens, n_in); `keep` and `heads` are (n_tokens, n_heads), 0 to 127.
template <class data_T, class keep_T, class heads_T, class res_T, typename CONFIG_T>
void token_select(data_T data[CONFIG_T::n_tokens * CONFIG_T::n_in], keep_T keep[CONFIG_T::n_tokens * CONFIG_T::n_heads],
                  heads_T heads[CONFIG_T::n_tokens * CONFIG_T::n_heads], res_T res[CONFIG_T::n_tokens * CONFIG_T::n_in],
                  blockvit::live_t live_out[2]) {
    select_tokens<data_T, keep_T, heads_T, res_T, CONFIG_T>(data, keep, heads, CONFIG_T::n_tokens, false, res,
                                                            live_out);
}

// Behind another selection: its live tokens, the last of which may be its package.
template <class data_T, class keep_T, class heads_T, class res_T, typename CONFIG_T>
void token_select(data_T data[CONFIG_T::n_tokens * CONFIG_T::n_in], keep_T keep[CONFIG_T::n_tokens * CONFIG_T::n_heads],
                  heads_T heads[CONFIG_T::n_tokens * CONFIG_T::n_heads], blockvit::live_t live[2],
                  res_T res[CONFIG_T::n_tokens * CONFIG_T::n_in], blockvit::live_t live_out[2]) {
    select_tokens<data_T, keep_T, heads_T, res_T, CONFIG_T>(data, keep, heads, live[0], live[1] != 0, res, live_out);
}

} // namespace nnet

#endif
