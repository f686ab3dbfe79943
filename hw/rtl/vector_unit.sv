// LayerNorm, softmax, residual addition, token selection, mean and store on LANES lanes, beside the
// array.
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
  parameter int unsigned StoreBytes = 32,
  parameter bit          Selectors  = 1'b1  // else it knows no SCORE and no SELECT
) (
  input  logic                  clk_i,
  input  logic                  rst_ni,
  input  logic                  start_i,         /// a program begins
  // instructions
  output logic                  ready_o,
  input  logic                  push_i,
  input  vector_t               vector_i,
  output logic                  busy_o,
  output logic                  steps_o,         /// at work, not waiting for the array
  output logic                  done_o,          /// instruction `id_o` ends with this cycle
  output logic [15:0]           id_o,
  output logic                  norm_free_o,     /// a layer norm is done with its parameters
  output logic                  drops_o,         /// the instruction at work is a selector's
  output logic                  live_valid_o,    /// a SCORE ends:
  output logic [15:0]           live_o,          /// tokens alive from now on
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
  logic [Lanes*16-1:0] sum_2, result_7, value_3, power_5;
  logic [Lanes-1:0]   used_1, used_3;
  logic [Lanes*31-1:0] square_3;
  logic               score, mean, select;

  assign score   = Selectors && head.opcode == OpScore;
  assign mean    = head.opcode == OpMean;
  assign select  = pass == PassSelect;
  assign drops_o = score || (Selectors && head.opcode == OpSelect);

  assign id_o = head.id;

  vector_queue u_queue (
    .clk_i, .rst_ni, .ready_o, .push_i, .vector_i, .busy_o, .head_o(head), .done_i(done_o),
    .row_written_i(row_written), .normal_read_i, .read_first_i, .read_end_i, .writes_o,
    .sums_write_i, .write_first_i, .write_end_i, .reads_o
  );

  vector_sequencer #(
    .Word(Word), .Lanes(Lanes), .StoreBytes(StoreBytes), .Drain(Drain), .FactorDrain(FactorDrain),
    .Selectors(Selectors)
  ) u_sequencer (
    .clk_i, .rst_ni, .busy_i(busy_o), .head_i(head), .done_o, .steps_o, .grant_i,
    .sums_first_o, .sums_end_o, .sums_hazard_i, .normal_first_o, .normal_end_o, .normal_hazard_i,
    .pass_o(pass), .read_o(read), .read_addr_o(read_addr), .second_addr_o(second_addr),
    .step_o(step), .factor_o(factor_step), .row_o(row_start), .row_number_o(row_number),
    .store_valid_o, .store_ready_i, .store_addr_o, .store_busy_i
  );

  // A dropped token ends in cycle 2; those behind it move up, the package behind all.
  logic        keep_1, drop_1, drop_2q, drop_3q, gather_2q, gather_3q, dropped;
  logic [15:0] skipped_q;  // dropped tokens of the row, up to the one in cycle 2
  logic [32:0] factor_q;   // of the token in cycle 1

  assign keep_1 = step_q[1].packed_one ? mean || dropped : !mean && factor_q[32];
  assign drop_1 = select && step_q[1].valid && !step_q[1].packed_one && !keep_1;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      for (int s = 1; s <= Depth; s++) step_q[s] <= '0;
      drop_2q   <= 1'b0;
      drop_3q   <= 1'b0;
      gather_2q <= 1'b0;
      gather_3q <= 1'b0;
      skipped_q <= '0;
    end else if (busy_o) begin
      step_q[1]       <= step;
      step_q[1].valid <= step.valid && !factor_step;
      step_q[2]       <= step_q[1];
      step_q[2].valid <= step_q[1].valid && (!select || keep_1);
      step_q[3]       <= step_q[2];
      step_q[3].token <= step_q[2].token - (select ? skipped_q : 16'd0);
      for (int s = 4; s <= Depth; s++) step_q[s] <= step_q[s-1];
      drop_2q   <= drop_1;
      drop_3q   <= drop_2q;
      gather_2q <= select && step_q[1].valid;
      gather_3q <= gather_2q;
      if (step_q[1].valid) skipped_q <= (step_q[1].first_token ? '0 : skipped_q) + 16'(drop_1);
    end
  end

  // Operands
  logic second, second_read;
  assign second          = head.opcode == OpAdd && head.second;
  assign second_read     = second || score;
  assign sums_read_o     = read && (head.sums || second_read);
  assign sums_addr_o     = second_read ? second_addr : read_addr;
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
  logic signed [27:0] total;
  logic [43:0]        square;
  token_state #(
    .Lanes(Lanes), .Tokens(Tokens)
  ) u_state (
    .clk_i, .rst_ni, .enable_i(busy_o), .pass_i(pass), .stats_i(head.stats || score),
    .token_i(step.token), .step_3_i(step_q[3]), .step_5_i(step_q[5]), .value_3_i(value_3),
    .used_3_i(used_3), .square_3_i(square_3), .power_5_i(power_5), .total_o(total),
    .square_o(square)
  );

  // Reciprocals and keep scores
  logic                 factor_write, factor_1q;
  logic [TokenBits-1:0] factor_token;
  logic [24:0]          factor;
  logic [5:0]           factor_shift;
  logic [1:0]           factor_centre;
  logic [52:0]          dividend;
  logic [27:0]          divisor;
  logic [23:0]          package_sum, package_top;
  always_comb begin
    dividend = {13'd0, head.operand[23:0], 16'd0};  // softmax
    divisor  = square[27:0];
    if (pass == PassRecip) begin
      dividend = {5'd0, package_top, 24'd0};
      divisor  = 28'(package_sum);
    end else if (score) begin
      dividend = {24'd0, square[27:0], 1'b0};
      divisor  = total == '0 ? 28'd1 : total;
    end
  end
  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) factor_1q <= 1'b0;
    else factor_1q <= factor_step;
  end
  token_factor #(
    .Tokens(Tokens)
  ) u_factor (
    .clk_i, .rst_ni, .enable_i(busy_o), .direct_i(head.opcode != OpLayernorm),
    .channels_i(head.valid), .epsilon_i({head.second_stride, head.operand}),
    .valid_i(factor_1q && pass == PassFactor), .token_i(TokenBits'(step_q[1].token)),
    .total_i(total), .square_i(square), .dividend_i(dividend), .divisor_i(divisor),
    .valid_o(factor_write), .token_o(factor_token), .factor_o(factor), .shift_o(factor_shift),
    .centre_o(factor_centre)
  );

  // Selection: the score becomes the token's weight in place.
  logic        keep, weight_2q, weight_3q;
  logic [16:0] weight_3;
  assign live_valid_o = done_o && score;
  token_package #(
    .Tokens(Tokens), .Selectors(Selectors)
  ) u_package (
    .clk_i, .rst_ni, .enable_i(busy_o), .start_i, .begin_i(pass == PassScore),
    .score_valid_i(score && factor_write), .score_token_i(factor_token), .score_i(factor[7:0]),
    .tokens_i(head.tokens), .prefix_i(head.first_token), .threshold_i(head.threshold),
    .keep_o(keep), .end_i(live_valid_o), .live_o, .dropped_o(dropped), .mean_i(mean),
    .sum_o(package_sum), .top_o(package_top), .recip_valid_i(pass == PassRecip),
    .recip_i(factor), .score_1_i(factor_q[7:0]), .weight_3_o(weight_3)
  );
  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) {weight_2q, weight_3q} <= '0;
    else {weight_2q, weight_3q} <= {factor_1q && pass == PassWeight, weight_2q};
  end

  // Of each token centre, shift and factor; or whether it stays, and its score, then weight
  logic [32:0]          factor_mem[Tokens];
  logic [32:0]          factor_2q, factor_3q, factor_4q, factor_5q, factor_data;
  logic [TokenBits-1:0] write_token;
  always_comb begin
    write_token = factor_token;
    factor_data = {factor_centre, factor_shift, factor};
    if (score) factor_data = {keep, 24'd0, factor[7:0]};
    if (weight_3q) begin
      write_token = TokenBits'(step_q[3].token);
      factor_data = {factor_3q[32], 15'd0, weight_3};
    end
  end
  always_ff @(posedge clk_i) begin
    if (busy_o) factor_q <= factor_mem[TokenBits'(step.token)];
    if (factor_write || weight_3q) factor_mem[write_token] <= factor_data;
  end

  // The state that the lanes see, cycle by cycle
  logic signed [27:0] total_2q;
  logic signed [26:0] lane_factor;
  logic signed [17:0] lane_scale;
  logic [5:0]         lane_round;
  logic               scaled;
  always_ff @(posedge clk_i) begin
    if (busy_o) begin
      total_2q  <= total;
      factor_2q <= factor_q;
      factor_3q <= factor_2q;
      factor_4q <= factor_3q;
      factor_5q <= factor_4q;
    end
  end
  assign lane_factor = 27'(pass == PassShare ? factor_5q[24:0] : factor_3q[24:0]);
  assign lane_round  = pass == PassShare ? 6'd28 : factor_4q[30:25];
  assign scaled      = pass == PassNorm || drop_2q;
  always_comb begin
    lane_scale = {1'b0, mean ? weight_3 : factor_2q[16:0]};
    if (pass == PassNorm) lane_scale = 18'(head.valid[12:0]);
  end

  // Lanes
  for (genvar l = 0; l < Lanes; l++) begin : g_lane
    logic signed [15:0] residual_x, sums_x;
    assign used_1[l]  = step_q[1].left > 16'(l);
    assign residual_x = residual_data_i[(32'(step_q[1].slice)*Lanes+l)*16+:16];
    assign sums_x     = sums_data_i[(32'(step_q[1].slice)*Lanes+l)*16+:16];
    vector_lane #(
      .Selectors(Selectors)
    ) u_lane (
      .clk_i, .enable_i(busy_o), .pass_i(pass), .wide_i(head.wide), .used_i(used_1[l]),
      .x_i(head.sums ? sums_x : residual_x), .second_i(second ? sums_x : 16'sd0),
      .keep_i(sums_x[7:0]), .package_1_i(step_q[1].packed_one), .total_2_i(total_2q),
      .scaled_2_i(scaled), .scale_2_i(lane_scale), .gather_3_i(gather_3q),
      .fresh_3_i(step_q[3].first_token), .drop_3_i(drop_3q), .centre_3_i(factor_3q[32:31]),
      .factor_i(lane_factor), .round_i(lane_round), .gain_5_i(gain_q[l*16+:16]),
      .offset_5_i(offset_q[l*32+:32]), .shift_i(head.shift), .sum_2_o(sum_2[l*16+:16]),
      .value_3_o(value_3[l*16+:16]), .used_3_o(used_3[l]), .square_3_o(square_3[l*31+:31]),
      .power_5_o(power_5[l*16+:16]), .result_7_o(result_7[l*16+:16])
    );
  end

  // Results
  logic   early, early_write, late_write;
  vstep_t out;
  assign early            = pass == PassAdd || select;
  assign early_write      = step_q[2].valid && ((pass == PassAdd && head.write) || select);
  assign late_write       = step_q[Depth].valid && (pass == PassNorm || pass == PassShare);
  assign out              = early ? step_q[2] : step_q[Depth];
  assign normal_write_o   = late_write && (pass == PassShare || (pass == PassNorm && !head.wide));
  assign residual_write_o = early_write || (late_write && !normal_write_o);
  assign write_addr_o     = out.addr - (select ? 32'(skipped_q) : 32'd0);
  assign write_data_o     = early ? sum_2 : result_7;
  assign row_written      = normal_write_o && out.row_last;
  always_comb begin
    for (int s = 0; s < Slices; s++) write_slices_o[s] = out.slice == 7'(s);
  end

  logic unused;
  assign unused = &{head, norm_addr_i, row_number, out, factor_5q};

endmodule
