// Cuts the beats of the memory port into the lines that the loader takes in a cycle.
module line_split #(
  parameter int unsigned BeatBytes = 16,
  parameter int unsigned LineBytes = 16
) (
  input  logic                   clk_i,
  input  logic                   rst_ni,
  input  logic                   beat_valid_i,
  input  logic [BeatBytes*8-1:0] beat_i,
  output logic                   beat_pop_o,
  output logic                   line_valid_o,
  output logic [LineBytes*8-1:0] line_o,
  input  logic                   line_pop_i
);

  localparam int unsigned Lines = BeatBytes / LineBytes;

  assign line_valid_o = beat_valid_i;

  if (Lines == 1) begin : g_same
    assign line_o     = beat_i;
    assign beat_pop_o = line_pop_i;
    logic unused;
    assign unused = &{clk_i, rst_ni};
  end else begin : g_split
    logic [$clog2(Lines)-1:0] line_q;
    assign line_o     = beat_i[line_q*LineBytes*8+:LineBytes*8];
    assign beat_pop_o = line_pop_i && &line_q;
    always_ff @(posedge clk_i or negedge rst_ni) begin
      if (!rst_ni) line_q <= '0;
      else if (line_pop_i) line_q <= line_q + 1'b1;
    end
  end

endmodule
