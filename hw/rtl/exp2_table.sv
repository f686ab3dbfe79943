// 2^15 * 2^(-k/256) for k = 0..255: `blockvit_pkg` holds the values of `hw/integer.py`.
module exp2_table
  import blockvit_pkg::*;
(
  input  logic [7:0]  fraction_i,
  output logic [15:0] power_o
);

  assign power_o = Exp2Table[fraction_i*16+:16];

endmodule
