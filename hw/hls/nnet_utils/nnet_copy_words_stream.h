#ifndef NNET_COPY_WORDS_STREAM_H_
#define NNET_COPY_WORDS_STREAM_H_

#include "nnet_token_stream.h"

// A stream has one reader: its words for that one, and once more for those behind it.

namespace nnet {

struct copy_words_config {
    static const unsigned n_tokens = 1; // words
    static const unsigned n_in = 1;     // numbers of a word

    static const unsigned io_type = io_stream;
    static const unsigned reuse_factor = 1;
};

template <class data_T, class copy_T, typename CONFIG_T, class rest_T>
void copy_words(hls::stream<data_T> &data, hls::stream<copy_T> &copy, hls::stream<rest_T> &rest) {
    typename data_T::value_type word[CONFIG_T::n_in];
    #pragma HLS ARRAY_PARTITION variable=word complete

Words:
    for (unsigned t = 0; t < CONFIG_T::n_tokens; t++) {
        #pragma HLS PIPELINE II=1
        read_token(data, word);
        write_token(copy, word);
        write_token(rest, word);
    }
}

} // namespace nnet

#endif
