// Two banks of COLS int32 sums a token: one adds up an output tile while the other is read out.
//
// The array's sums arrive in the cycle after their tag. A block's first token finds address 0.
module accumulator
  import core_pkg::*;
#(
  parameter int unsigned Cols  = 16,
  parameter int unsigned Depth = 256
) (
  input  logic                     clk_i,
  input  logic                     rst_ni,
  input  tag_t                     tag_i,        /// of the sums of the next cycle
  input  logic [Cols*32-1:0]       sum_i,
  output logic                     tile_done_o,  /// an output tile's last sum is being written
  output logic [1:0]               tile_slot_o,  /// which tile
  input  logic                     read_i,       /// read out a token's sums
  input  logic                     read_bank_i,
  input  logic [$clog2(Depth)-1:0] read_addr_i,
  output logic [Cols*32-1:0]       read_data_o   /// a cycle later
);

  localparam int unsigned AddrWidth = $clog2(Depth);

  logic [AddrWidth-1:0] token_q, write_addr_q;
  tag_t                 tag_q;
  logic                 read_bank_q;
  logic [Cols*32-1:0]   old, total;
  logic [Cols*32-1:0]   bank_data[2];

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      token_q      <= '0;
      write_addr_q <= '0;
      tag_q        <= '0;
      read_bank_q  <= 1'b0;
    end else begin
      tag_q       <= tag_i;
      read_bank_q <= read_bank_i;
      if (tag_i.valid) begin
        write_addr_q <= token_q;
        token_q      <= tag_i.last_token ? '0 : token_q + 1'b1;
      end
    end
  end

  for (genvar b = 0; b < 2; b++) begin : g_bank
    localparam logic Bank = 1'(b);
    (* ram_style = "block" *) logic [Cols*32-1:0] mem[Depth];
    logic [Cols*32-1:0] data_q;
    logic               adding;
    logic [AddrWidth-1:0] addr;
    assign adding = tag_i.valid && tag_i.bank == Bank;
    assign addr   = adding ? token_q : read_addr_i;
    always_ff @(posedge clk_i) begin
      if (adding || (read_i && read_bank_i == Bank)) data_q <= mem[addr];
    end
    always_ff @(posedge clk_i) begin
      if (tag_q.valid && tag_q.bank == Bank) mem[write_addr_q] <= total;
    end
    assign bank_data[b] = data_q;
  end

  assign old = bank_data[tag_q.bank];
  always_comb begin
    total = sum_i;
    if (!tag_q.first) begin
      for (int c = 0; c < Cols; c++) total[c*32+:32] = sum_i[c*32+:32] + old[c*32+:32];
    end
  end

  assign tile_done_o = tag_q.valid && tag_q.last && tag_q.last_token;
  assign tile_slot_o = tag_q.slot;
  assign read_data_o = bank_data[read_bank_q];

endmodule
