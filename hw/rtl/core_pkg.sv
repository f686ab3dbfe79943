// Types that travel between the units of the core.
package core_pkg;

  // What the loader hands to the issue stage, in program order.
  typedef enum logic [1:0] {
    ItemBlock,   // a weight block waits in the shadow registers
    ItemEmpty,   // an output tile without blocks: its result is the bias
    ItemVector,  // an instruction for the vector unit
    ItemEnd      // the program is over
  } item_kind_e;

  typedef struct packed {
    item_kind_e  kind;
    logic        first;      // first block of its output tile
    logic        last;       // last block of its output tile
    logic        op_last;    // last item of its instruction
    logic        normal;     // tokens come from the normal memory, else from the features
    logic        common;     // one word for all tokens, else a word each
    logic        wide;       // results go to the sums memory, else to the features
    logic [1:0]  slot;       // output tile's place in the tile queue
    logic        bank;       // accumulator bank of its sums
    logic [15:0] id;         // position of the instruction in the program
    logic [15:0] tokens;
    logic [31:0] in_addr;    // word of the first token
    logic [6:0]  in_slice;   // which ROWS features of the word
    logic [31:0] out_first;  // words that the output tile will write: [out_first, out_end)
    logic [31:0] out_end;
  } item_t;

  // An output tile in flight, from the loader to the output stage.
  typedef struct packed {
    logic        wide;    // int16 results, for the sums memory
    logic        gelu;    // results pass through the GELU table
    logic        empty;   // no blocks: the accumulators count as zero
    logic        bank;    // accumulator bank of its sums
    logic [15:0] tokens;
    logic [31:0] addr;    // word of the first result
    logic [6:0]  slice;   // which COLS features of the word
  } tile_t;

  // What the loader waits for, for the cycle counters.
  typedef enum logic [2:0] {
    LoadControl,  // reading instructions, biases and scales
    LoadWeight,   // waiting for the weight stream, or loading a block
    LoadInput,    // waiting for activations that serve as weights
    LoadOutput,   // waiting for a free output tile, or for the vector unit's parameters
    LoadCount     // waiting for the number of tokens that a selector keeps
  } load_state_e;

  // Exactly one per cycle.
  typedef enum logic [2:0] {
    CycleControl,
    CycleCompute,
    CycleWeightWait,
    CycleInputWait,
    CycleOutputWait,
    CycleFillDrain,
    CycleVector,
    CycleSelector
  } cycle_kind_e;

  localparam int unsigned CycleKinds = 8;

  // Flags that travel with a token down the array.
  typedef struct packed {
    logic       valid;
    logic       first;       // of the first block of its output tile: overwrite, do not add
    logic       last;        // of the last block of its output tile
    logic       last_token;  // of its block
    logic [1:0] slot;
    logic       bank;
  } tag_t;

  // Stages of a vector instruction. A pass goes through its word rows, one after another.
  typedef enum logic [3:0] {
    PassAdd,     // add, write, gather sums for a layer norm
    PassNorm,    // normalize
    PassMax,     // largest score of a token
    PassSum,     // sum of its powers
    PassShare,   // powers to shares of the sum
    PassScore,   // gather each token's keep values and their weights
    PassSelect,  // kept tokens move together; the average of the others, or of all, behind them
    PassStore,   // words to DRAM
    PassFactor,  // not a pass over rows: from a token's sums to its reciprocal, or keep score
    PassRecip,   // nor this: the reciprocal of the scores of the dropped tokens
    PassWeight   // nor this: from a token's keep score to its weight in the package
  } pass_e;

  // What travels with a token down the vector pipeline.
  typedef struct packed {
    logic        valid;
    logic        first_token;  // of its word row
    logic        row_last;     // last token of the last slice of its word row
    logic        packed_one;   // no token of the memory: the package, behind all tokens
    logic        fresh;        // first of its features: its sums start anew
    logic [15:0] token;        // in the token state
    logic [15:0] left;         // features that are left, this slice included
    logic [6:0]  slice;        // which LANES features of the word
    logic [31:0] addr;         // word of the result
  } vstep_t;

endpackage
