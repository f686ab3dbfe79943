// LayerNorm, softmax, residual addition, mean and store on LANES lanes, beside the array.
//
//   sums, residual -> lanes -> normal, residual
//                       |  trees over the lanes -> token state -> reciprocals -> lanes
module vector_unit
  import core_pkg::*;
  import blockvit_pkg::*;
#(
  parameter int unsigned Word       = 16,   // features of a word
  parameter int unsigned Lanes      = 16,
  parameter int unsigned Tokens     = 256,
  parameter int unsigned NormRows   = 128,  // word rows that a layer norm may have
  parameter int unsigned StoreBytes = 32
) (
  input  logic                  clk_i,
  input  logic                  rst_ni,
  // instructions
  output logic                  ready_o,
  input  logic                  push_i,
  input  vector_t               vector_i,
  output logic                  busy_o,
  output logic                  steps_o,         /// at work, not waiting for the array
  output logic                  done_o,          /// instruction `id_o` ends with this cycle
  output logic [15:0]           id_o,
  output logic                  norm_free_o,     /// a layer norm is done with its parameters
  input  logic                  grant_i,
  // hazards
  input  logic                  normal_read_i,   /// the array wants to read these normal words
  input  logic [31:0]           read_first_i,
  input  logic [31:0]           read_end_i,
  output logic                  writes_o,        /// some are still to be written
  input  logic                  sums_write_i,    /// the array wants to write these sums
  input  logic [31:0]           write_first_i,
  input  logic [31:0]           write_end_i,
  output logic                  reads_o,         /// some are still to be read
  output logic [31:0]           sums_first_o,
  output logic [31:0]           sums_end_o,
  input  logic                  sums_hazard_i,
  output logic [31:0]           normal_first_o,
  output logic [31:0]           normal_end_o,
  input  logic                  normal_hazard_i,
  // parameters of layer norms
  input  logic                  norm_write_i,
  input  logic [31:0]           norm_addr_i,
  input  logic [1:0]            norm_bank_i,
  input  logic [Word*16-1:0]    norm_data_i,
  // memories
  output logic                  sums_read_o,
  output logic [31:0]           sums_addr_o,
  input  logic [Word*16-1:0]    sums_data_i,
  output logic                  residual_read_o,
  output logic [31:0]           residual_addr_o,
  input  logic [Word*16-1:0]    residual_data_i,
  output logic                  normal_write_o,
  output logic                  residual_write_o,
  output logic [31:0]           write_addr_o,
  output logic [Word/Lanes-1:0] write_slices_o,
  output logic [Lanes*16-1:0]   write_data_o,    /// int16, or int8 in the low half of each
  // store
  output logic                  store_valid_o,
  input  logic                  store_ready_i,
  output logic [31:0]           store_addr_o,
  output logic [Word*16-1:0]    store_data_o,
  input  logic                  store_busy_i
);

  localparam int unsigned TokenBits = $clog2(Tokens);
  localparam int unsigned Levels = $clog2(Lanes);
  localparam int unsigned Slices = Word / Lanes;
  localparam int unsigned Depth = 7;                 // cycles from a step to its write
  localparam int unsigned Drain = 7 + Levels;        // and until its sums can be read
  localparam int unsigned FactorDrain = 47;
  localparam int unsigned NormBits = $clog2(2 * NormRows);

  vector_t            head;
  pass_e              pass;
  logic               row_written, read, factor_step, row_start;
  logic [31:0]        read_addr, second_addr;
  logic [15:0]        row_number;
  vstep_t             step;
  vstep_t             step_q[1:Depth];
  logic [Lanes*16-1:0] sum_2, result_7, value_3, power_5, tree_power;
  logic [Lanes-1:0]   used_1, used_3;
  logic [Lanes*31-1:0] square_3;
  logic [Lanes*32-1:0] tree_square;

  assign id_o = head.id;

  vector_queue u_queue (
    .clk_i, .rst_ni, .ready_o, .push_i, .vector_i, .busy_o, .head_o(head), .done_i(done_o),
    .row_written_i(row_written), .normal_read_i, .read_first_i, .read_end_i, .writes_o,
    .sums_write_i, .write_first_i, .write_end_i, .reads_o
  );

  vector_sequencer #(
    .Word(Word), .Lanes(Lanes), .StoreBytes(StoreBytes), .Drain(Drain), .FactorDrain(FactorDrain)
  ) u_sequencer (
    .clk_i, .rst_ni, .busy_i(busy_o), .head_i(head), .done_o, .steps_o, .grant_i,
    .sums_first_o, .sums_end_o, .sums_hazard_i, .normal_first_o, .normal_end_o, .normal_hazard_i,
    .pass_o(pass), .read_o(read), .read_addr_o(read_addr), .second_addr_o(second_addr),
    .step_o(step), .factor_o(factor_step), .row_o(row_start), .row_number_o(row_number),
    .store_valid_o, .store_ready_i, .store_addr_o, .store_busy_i
  );

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      for (int s = 1; s <= Depth; s++) step_q[s] <= '0;
    end else if (busy_o) begin
      step_q[1]       <= step;
      step_q[1].valid <= step.valid && !factor_step;
      for (int s = 2; s <= Depth; s++) step_q[s] <= step_q[s-1];
    end
  end

  // Operands
  logic second;
  assign second          = head.opcode == OpAdd && head.second;
  assign sums_read_o     = read && (head.sums || second);
  assign sums_addr_o     = second ? second_addr : read_addr;
  assign residual_read_o = read && !head.sums;
  assign residual_addr_o = read_addr;
  assign store_data_o    = head.sums ? sums_data_i : residual_data_i;

  // Parameters: read when a row starts, taken over as its first token passes
  logic                half_q;
  logic [Word*48-1:0]  norm_row;  // gains, then offsets
  logic [Lanes*16-1:0] gain_q;
  logic [Lanes*32-1:0] offset_q;
  logic [NormBits-1:0] norm_read_addr;

  assign norm_free_o    = done_o && pass == PassNorm;
  assign norm_read_addr = NormBits'(row_number) + (half_q ? NormBits'(NormRows) : '0);
  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) half_q <= 1'b0;
    else if (norm_free_o) half_q <= !half_q;
  end

  for (genvar b = 0; b < 3; b++) begin : g_norm
    activation_memory #(
      .Words(2 * NormRows), .WordBytes(2 * Word)
    ) u_memory (
      .clk_i, .read_i(row_start), .read_addr_i(norm_read_addr), .read_data_o(norm_row[b*Word*16+:Word*16]),
      .write_i(norm_write_i && norm_bank_i == 2'(b)), .write_addr_i(norm_addr_i[NormBits-1:0]),
      .write_slices_i(1'b1), .write_data_i(norm_data_i)
    );
  end
  always_ff @(posedge clk_i) begin
    if (step_q[4].valid && step_q[4].first_token) begin
      gain_q   <= norm_row[step_q[4].slice*Lanes*16+:Lanes*16];
      offset_q <= norm_row[Word*16+step_q[4].slice*Lanes*32+:Lanes*32];
    end
  end

  // Token state
  logic signed [27:0]   total_mem [Tokens];
  logic [43:0]          square_mem[Tokens];
  logic [32:0]          factor_mem[Tokens];  // centre, shift, factor
  logic signed [27:0]   total_q, total_2q, tree_total, old_total;
  logic [43:0]          square_q, old_square;
  logic signed [43:0]   tree_squares;
  logic [32:0]          factor_q;
  logic [TokenBits-1:0] early, late, write_token;
  logic                 total_late, square_late, total_write, square_write, accumulate;
  vstep_t               tail_q[1:Levels];
  vstep_t               tail_in;

  // Sums over lanes leave the trees `Levels` cycles after cycle 3, or after cycle 5 for powers.
  assign tail_in = pass == PassSum ? step_q[5] : step_q[3];
  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      for (int s = 1; s <= Levels; s++) tail_q[s] <= '0;
    end else if (busy_o) begin
      tail_q[1] <= tail_in;
      for (int s = 2; s <= Levels; s++) tail_q[s] <= tail_q[s-1];
    end
  end

  assign early        = TokenBits'(step.token);
  assign late         = TokenBits'(tail_q[Levels-1].token);
  assign write_token  = TokenBits'(tail_q[Levels].token);
  assign accumulate   = tail_q[Levels].valid;
  assign total_late   = pass == PassAdd || pass == PassMax;
  assign square_late  = pass == PassAdd || pass == PassSum;
  assign total_write  = accumulate && ((pass == PassAdd && head.stats) || pass == PassMax);
  assign square_write = accumulate && ((pass == PassAdd && head.stats) || pass == PassSum);

  always_ff @(posedge clk_i) begin
    if (busy_o) total_q <= total_mem[total_late ? late : early];
    if (total_write) total_mem[write_token] <= old_total;
  end
  always_ff @(posedge clk_i) begin
    if (busy_o) square_q <= square_mem[square_late ? late : early];
    if (square_write) square_mem[write_token] <= old_square;
  end
  always_comb begin
    old_total  = tree_total;
    old_square = tree_squares;
    if (!tail_q[Levels].fresh) begin
      if (pass != PassMax) old_total = total_q + tree_total;
      else if (total_q > tree_total) old_total = total_q;
      old_square = square_q + tree_squares;
    end
  end

  always_comb begin
    for (int l = 0; l < Lanes; l++) begin
      tree_power[l*16+:16] = value_3[l*16+:16];
      if (pass == PassMax && !used_3[l]) tree_power[l*16+:16] = 16'h8000;
      tree_square[l*32+:32] = pass == PassSum ? {16'd0, power_5[l*16+:16]}
                                              : {1'b0, square_3[l*31+:31]};
    end
  end
  vector_tree #(.Lanes(Lanes), .Bits(16), .Out(28)) u_total (
    .clk_i, .enable_i(busy_o), .max_i(pass == PassMax), .lanes_i(tree_power), .result_o(tree_total)
  );
  vector_tree #(.Lanes(Lanes), .Bits(32), .Out(44)) u_square (
    .clk_i, .enable_i(busy_o), .max_i(1'b0), .lanes_i(tree_square), .result_o(tree_squares)
  );

  // Reciprocals
  logic                 factor_write, softmax, factor_1q;
  logic [TokenBits-1:0] factor_token;
  logic [24:0]          factor;
  logic [5:0]           factor_shift;
  logic [1:0]           factor_centre;
  assign softmax = head.opcode == OpSoftmax;
  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) factor_1q <= 1'b0;
    else factor_1q <= factor_step;
  end
  token_factor #(
    .Tokens(Tokens)
  ) u_factor (
    .clk_i, .rst_ni, .enable_i(busy_o), .softmax_i(softmax), .channels_i(head.valid),
    .epsilon_i({head.second_stride, head.operand}), .numerator_i(head.operand[23:0]),
    .valid_i(factor_1q), .token_i(TokenBits'(step_q[1].token)), .total_i(total_q),
    .square_i(square_q), .valid_o(factor_write), .token_o(factor_token), .factor_o(factor),
    .shift_o(factor_shift), .centre_o(factor_centre)
  );
  always_ff @(posedge clk_i) begin
    if (busy_o) factor_q <= factor_mem[early];
    if (factor_write) factor_mem[factor_token] <= {factor_centre, factor_shift, factor};
  end

  // The state that the lanes see, cycle by cycle
  logic [32:0]        factor_2q, factor_3q, factor_4q, factor_5q;
  logic signed [26:0] lane_factor;
  logic [5:0]         lane_round;
  always_ff @(posedge clk_i) begin
    if (busy_o) begin
      total_2q  <= total_q;
      factor_2q <= factor_q;
      factor_3q <= factor_2q;
      factor_4q <= factor_3q;
      factor_5q <= factor_4q;
    end
  end
  always_comb begin
    unique case (pass)
      PassShare: begin
        lane_factor = 27'(factor_5q[24:0]);
        lane_round  = 6'd28;
      end
      PassMean: begin
        lane_factor = 27'(head.operand[15:0]);
        lane_round  = head.shift;
      end
      default: begin
        lane_factor = 27'(factor_3q[24:0]);
        lane_round  = factor_4q[30:25];
      end
    endcase
  end

  // Lanes
  logic mean;
  assign mean = pass == PassMean;
  for (genvar l = 0; l < Lanes; l++) begin : g_lane
    logic signed [15:0] residual_x, sums_x;
    assign used_1[l]  = step_q[1].left > 16'(l);
    assign residual_x = residual_data_i[(32'(step_q[1].slice)*Lanes+l)*16+:16];
    assign sums_x     = sums_data_i[(32'(step_q[1].slice)*Lanes+l)*16+:16];
    vector_lane u_lane (
      .clk_i, .enable_i(busy_o), .pass_i(pass), .wide_i(mean || head.wide), .used_i(used_1[l]),
      .x_i(head.sums ? sums_x : residual_x), .second_i(second ? sums_x : 16'sd0),
      .valid_2_i(step_q[2].valid), .fresh_2_i(step_q[2].first_token), .total_2_i(total_2q),
      .channels_i(head.valid[12:0]), .centre_3_i(factor_3q[32:31]), .factor_i(lane_factor),
      .round_i(lane_round), .gain_5_i(mean ? 16'sd1 : gain_q[l*16+:16]),
      .offset_5_i(mean ? 32'sd0 : offset_q[l*32+:32]), .shift_i(mean ? 6'd0 : head.shift),
      .sum_2_o(sum_2[l*16+:16]), .value_3_o(value_3[l*16+:16]), .used_3_o(used_3[l]),
      .square_3_o(square_3[l*31+:31]), .power_5_o(power_5[l*16+:16]),
      .result_7_o(result_7[l*16+:16])
    );
  end

  // Results
  logic   add_write, late_write;
  vstep_t out;
  assign add_write        = pass == PassAdd && head.write && step_q[2].valid;
  assign late_write       = step_q[Depth].valid && (pass == PassNorm || pass == PassShare
                            || (pass == PassMean && step_q[Depth].last_token));
  assign out              = pass == PassAdd ? step_q[2] : step_q[Depth];
  assign normal_write_o   = late_write && (pass == PassShare || (pass == PassNorm && !head.wide));
  assign residual_write_o = add_write || (late_write && !normal_write_o);
  assign write_addr_o     = mean ? out.addr - 32'(out.token) : out.addr;
  assign write_data_o     = pass == PassAdd ? sum_2 : result_7;
  assign row_written      = normal_write_o && out.row_last;
  always_comb begin
    for (int s = 0; s < Slices; s++) write_slices_o[s] = out.slice == 7'(s);
  end

  logic unused;
  assign unused = &{head, norm_addr_i, row_number, out, factor_5q};

endmodule
