// Two memories for an AXI4 master, of which one answers: the simulated DRAM, or, with `outside_i`,
// whatever is attached to the `axi_*` ports, which have the names that cocotbext-axi looks for.
module either_memory #(
  parameter int unsigned BeatBytes   = 16,
  parameter int unsigned Bytes       = 65536,
  parameter int unsigned MaxRequests = 16
) (
  input  logic                   clk_i,
  input  logic                   rst_ni,
  input  logic                   outside_i,
  input  logic [31:0]            latency_i,
  input  logic [31:0]            interval_i,
  input  logic [31:0]            stall_percent_i,
  input  logic [31:0]            fail_read_addr_i,
  input  logic                   fail_write_i,
  input  logic                   silent_i,
  // the master
  input  logic                   arvalid_i,
  output logic                   arready_o,
  input  logic [31:0]            araddr_i,
  input  logic [7:0]             arlen_i,
  input  logic [2:0]             arsize_i,
  input  logic [1:0]             arburst_i,
  output logic                   rvalid_o,
  input  logic                   rready_i,
  output logic [BeatBytes*8-1:0] rdata_o,
  output logic [1:0]             rresp_o,
  output logic                   rlast_o,
  input  logic                   awvalid_i,
  output logic                   awready_o,
  input  logic [31:0]            awaddr_i,
  input  logic [7:0]             awlen_i,
  input  logic [2:0]             awsize_i,
  input  logic [1:0]             awburst_i,
  input  logic                   wvalid_i,
  output logic                   wready_o,
  input  logic [BeatBytes*8-1:0] wdata_i,
  input  logic [BeatBytes-1:0]   wstrb_i,
  input  logic                   wlast_i,
  output logic                   bvalid_o,
  input  logic                   bready_i,
  output logic [1:0]             bresp_o,
  // the memory outside
  output logic                   axi_arvalid,
  input  logic                   axi_arready,
  output logic                   axi_arid,
  output logic [31:0]            axi_araddr,
  output logic [7:0]             axi_arlen,
  output logic [2:0]             axi_arsize,
  output logic [1:0]             axi_arburst,
  input  logic                   axi_rvalid,
  output logic                   axi_rready,
  input  logic                   axi_rid,
  input  logic [BeatBytes*8-1:0] axi_rdata,
  input  logic [1:0]             axi_rresp,
  input  logic                   axi_rlast,
  output logic                   axi_awvalid,
  input  logic                   axi_awready,
  output logic                   axi_awid,
  output logic [31:0]            axi_awaddr,
  output logic [7:0]             axi_awlen,
  output logic [2:0]             axi_awsize,
  output logic [1:0]             axi_awburst,
  output logic                   axi_wvalid,
  input  logic                   axi_wready,
  output logic [BeatBytes*8-1:0] axi_wdata,
  output logic [BeatBytes-1:0]   axi_wstrb,
  output logic                   axi_wlast,
  input  logic                   axi_bvalid,
  output logic                   axi_bready,
  input  logic                   axi_bid,
  input  logic [1:0]             axi_bresp
);

  logic                   arready, rvalid, rlast, awready, wready, bvalid;
  logic [BeatBytes*8-1:0] rdata;
  logic [1:0]             rresp, bresp;

  dram #(
    .BeatBytes(BeatBytes), .Bytes(Bytes), .MaxRequests(MaxRequests)
  ) u_dram (
    .clk_i, .rst_ni, .latency_i, .interval_i, .stall_percent_i, .seed_i(32'd1),
    .fail_read_addr_i, .fail_write_i, .silent_i,
    .arvalid_i(arvalid_i && !outside_i), .arready_o(arready), .araddr_i, .arlen_i,
    .rvalid_o(rvalid), .rready_i, .rdata_o(rdata), .rresp_o(rresp), .rlast_o(rlast),
    .awvalid_i(awvalid_i && !outside_i), .awready_o(awready), .awaddr_i, .awlen_i,
    .wvalid_i(wvalid_i && !outside_i), .wready_o(wready), .wdata_i, .wstrb_i, .wlast_i,
    .bvalid_o(bvalid), .bready_i, .bresp_o(bresp)
  );

  assign arready_o = outside_i ? axi_arready : arready;
  assign rvalid_o  = outside_i ? axi_rvalid : rvalid;
  assign rdata_o   = outside_i ? axi_rdata : rdata;
  assign rresp_o   = outside_i ? axi_rresp : rresp;
  assign rlast_o   = outside_i ? axi_rlast : rlast;
  assign awready_o = outside_i ? axi_awready : awready;
  assign wready_o  = outside_i ? axi_wready : wready;
  assign bvalid_o  = outside_i ? axi_bvalid : bvalid;
  assign bresp_o   = outside_i ? axi_bresp : bresp;

  assign axi_arvalid = arvalid_i && outside_i;
  assign axi_arid    = 1'b0;
  assign axi_araddr  = araddr_i;
  assign axi_arlen   = arlen_i;
  assign axi_arsize  = arsize_i;
  assign axi_arburst = arburst_i;
  assign axi_rready  = rready_i;
  assign axi_awvalid = awvalid_i && outside_i;
  assign axi_awid    = 1'b0;
  assign axi_awaddr  = awaddr_i;
  assign axi_awlen   = awlen_i;
  assign axi_awsize  = awsize_i;
  assign axi_awburst = awburst_i;
  assign axi_wvalid  = wvalid_i && outside_i;
  assign axi_wdata   = wdata_i;
  assign axi_wstrb   = wstrb_i;
  assign axi_wlast   = wlast_i;
  assign axi_bready  = bready_i;

  logic unused;
  assign unused = &{axi_rid, axi_bid};

endmodule
