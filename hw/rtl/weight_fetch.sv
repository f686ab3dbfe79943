// AXI4 read master that streams the program from DRAM into a FIFO, as far ahead as the FIFO holds.
//
// A burst is asked for when the FIFO has room for all of it, so `rready` never falls. Bursts start
// at multiples of their own size and so never cross a 4 KiB boundary.
module weight_fetch #(
  parameter int unsigned BeatBytes  = 16,
  parameter int unsigned BurstBeats = 16,
  parameter int unsigned FifoBeats  = 256
) (
  input  logic                    clk_i,
  input  logic                    rst_ni,
  input  logic                    start_i,
  input  logic [31:0]             base_i,     /// first byte of the program, a multiple of a burst
  input  logic [31:0]             beats_i,    /// length of the program
  output logic                    arvalid_o,
  input  logic                    arready_i,
  output logic [31:0]             araddr_o,
  output logic [7:0]              arlen_o,
  input  logic                    rvalid_i,
  output logic                    rready_o,
  input  logic [BeatBytes*8-1:0]  rdata_i,
  output logic                    beat_valid_o,
  output logic [BeatBytes*8-1:0]  beat_o,
  input  logic                    beat_pop_i  /// the beat has been used up
);

  localparam int unsigned PtrWidth = $clog2(FifoBeats);
  localparam int unsigned CountWidth = $clog2(FifoBeats + 1);

  logic [31:0]            addr_q, left_q;
  logic [CountWidth-1:0]  reserved_q, filled_q;
  logic [PtrWidth-1:0]    read_q, write_q;
  logic [BeatBytes*8-1:0] fifo[FifoBeats];
  logic                   request, push;
  logic [31:0]            burst;

  assign burst     = left_q < BurstBeats ? left_q : BurstBeats;
  assign arvalid_o = left_q != 0 && 32'(reserved_q) + BurstBeats <= FifoBeats;
  assign araddr_o  = addr_q;
  assign arlen_o   = 8'(burst - 1);
  assign rready_o  = 1'b1;
  assign request   = arvalid_o && arready_i;
  assign push      = rvalid_i;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      addr_q     <= '0;
      left_q     <= '0;
      reserved_q <= '0;
      filled_q   <= '0;
      read_q     <= '0;
      write_q    <= '0;
    end else if (start_i) begin
      addr_q <= base_i;
      left_q <= beats_i;
    end else begin
      if (request) begin
        addr_q <= addr_q + burst * BeatBytes;
        left_q <= left_q - burst;
      end
      reserved_q <= reserved_q + (request ? CountWidth'(burst) : '0) - CountWidth'(beat_pop_i);
      filled_q   <= filled_q + CountWidth'(push) - CountWidth'(beat_pop_i);
      read_q     <= read_q + PtrWidth'(beat_pop_i);
      write_q    <= write_q + PtrWidth'(push);
    end
  end

  always_ff @(posedge clk_i) begin
    if (push) fifo[write_q] <= rdata_i;
  end

  assign beat_valid_o = filled_q != 0;
  assign beat_o       = fifo[read_q];

endmodule
