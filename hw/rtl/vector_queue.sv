// Vector instructions in program order, up to four; the head is at work until it is done.
//
// Knows which words of the sums each has yet to read and which words of the normal memory it has yet
// to write, so that the array keeps its distance.
module vector_queue
  import blockvit_pkg::*;
(
  input  logic        clk_i,
  input  logic        rst_ni,
  output logic        ready_o,
  input  logic        push_i,
  input  vector_t     vector_i,
  output logic        busy_o,         /// there is a head
  output vector_t     head_o,
  input  logic        done_i,         /// the head is done
  input  logic        row_written_i,  /// the head has written its next word row
  // what the array is about to do
  input  logic        normal_read_i,  /// read these words of the normal memory
  input  logic [31:0] read_first_i,
  input  logic [31:0] read_end_i,
  output logic        writes_o,       /// some are still to be written
  input  logic        sums_write_i,   /// write these words of the sums
  input  logic [31:0] write_first_i,
  input  logic [31:0] write_end_i,
  output logic        reads_o         /// some are still to be read
);

  localparam int unsigned Places = 4;

  vector_t            queue_q[Places];
  logic [1:0]         head_q;
  logic [2:0]         count_q;
  logic [Places-1:0]  valid_q, reads_q, writes_q;
  logic [31:0]        in_first_q [Places];
  logic [31:0]        in_end_q   [Places];
  logic [31:0]        out_first_q[Places];
  logic [31:0]        out_end_q  [Places];
  logic [1:0]         tail;
  logic               second, reads, writes;
  logic [31:0]        in_first, in_end, out_end;

  assign ready_o = count_q != 3'(Places);
  assign busy_o  = count_q != '0;
  assign tail    = head_q + count_q[1:0];
  assign head_o  = queue_q[head_q];

  assign second   = (vector_i.opcode == OpAdd && vector_i.second) || vector_i.opcode == OpScore;
  assign reads    = second || vector_i.sums;
  assign writes   = vector_i.opcode == OpSoftmax
                    || (vector_i.opcode == OpLayernorm && !vector_i.wide);
  assign in_first = second ? vector_i.operand : vector_i.in_addr;
  assign in_end   = in_first + 32'(vector_i.tokens) + 32'(vector_i.rows - 16'd1)
                    * 32'(second ? vector_i.second_stride : vector_i.in_stride);
  assign out_end  = vector_i.out_addr + 32'(vector_i.tokens)
                    + 32'(vector_i.rows - 16'd1) * 32'(vector_i.out_stride);

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      head_q  <= '0;
      count_q <= '0;
      valid_q <= '0;
    end else begin
      count_q <= count_q + 3'(push_i) - 3'(done_i);
      if (push_i) valid_q[tail] <= 1'b1;
      if (done_i) begin
        head_q          <= head_q + 2'd1;
        valid_q[head_q] <= 1'b0;
      end
    end
  end

  always_ff @(posedge clk_i) begin
    if (row_written_i) begin
      out_first_q[head_q] <= out_first_q[head_q] + 32'(head_o.out_stride);
    end
    if (push_i) begin
      queue_q[tail]     <= vector_i;
      reads_q[tail]     <= reads;
      writes_q[tail]    <= writes;
      in_first_q[tail]  <= in_first;
      in_end_q[tail]    <= in_end;
      out_first_q[tail] <= vector_i.out_addr;
      out_end_q[tail]   <= out_end;
    end
  end

  always_comb begin
    writes_o = 1'b0;
    reads_o  = 1'b0;
    for (int p = 0; p < Places; p++) begin
      if (normal_read_i && valid_q[p] && writes_q[p] && read_first_i < out_end_q[p]
          && out_first_q[p] < read_end_i) writes_o = 1'b1;
      if (sums_write_i && valid_q[p] && reads_q[p] && write_first_i < in_end_q[p]
          && in_first_q[p] < write_end_i) reads_o = 1'b1;
    end
  end

endmodule
