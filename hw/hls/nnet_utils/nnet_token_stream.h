#ifndef NNET_TOKEN_STREAM_H_
#define NNET_TOKEN_STREAM_H_

#include "blockvit_integer.h"
#include "hls_stream.h"
#include "nnet_common.h"
#include "nnet_types.h"

// Tensors as streams: a word, `nnet::array`, holds the features of a token. A stream always has
// n_tokens words, so that it can be cloned and counted; behind a token selection those beyond the
// live tokens are zeros.

namespace nnet {

template <class word_T>
void read_token(hls::stream<word_T> &stream, typename word_T::value_type token[word_T::size]) {
    #pragma HLS INLINE
    const word_T word = stream.read();
Unpack:
    for (unsigned i = 0; i < word_T::size; i++) {
        #pragma HLS UNROLL
        token[i] = word[i];
    }
}

template <class word_T>
void write_token(hls::stream<word_T> &stream, typename word_T::value_type token[word_T::size]) {
    #pragma HLS INLINE
    word_T word;
    PRAGMA_DATA_PACK(word)
Pack:
    for (unsigned i = 0; i < word_T::size; i++) {
        #pragma HLS UNROLL
        word[i] = token[i];
    }
    stream.write(word);
}

template <class word_T> void write_zeros(hls::stream<word_T> &stream) {
    #pragma HLS INLINE
    word_T word;
    PRAGMA_DATA_PACK(word)
Zeros:
    for (unsigned i = 0; i < word_T::size; i++) {
        #pragma HLS UNROLL
        word[i] = 0;
    }
    stream.write(word);
}

// The live tokens, from the one word of their stream.
template <class live_T> unsigned read_live(hls::stream<live_T> &live) {
    #pragma HLS INLINE
    const live_T numbers = live.read();
    return numbers[0];
}

} // namespace nnet

#endif
