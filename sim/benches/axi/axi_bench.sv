// Both AXI4 masters and two memories to choose from.
//
// For another master, the core for one, replace `u_fetch` and `u_store`; `u_memory` stays.
module axi_bench #(
  parameter int unsigned BeatBytes  = 16,
  parameter int unsigned BurstBeats = 16,
  parameter int unsigned FifoBeats  = 256,
  parameter int unsigned WordBytes  = 16,
  parameter int unsigned Bytes      = 65536,
  parameter int unsigned Timeout    = 65536
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
  input  logic                   start_i,
  input  logic [31:0]            first_base_i,
  input  logic [31:0]            first_beats_i,
  input  logic [31:0]            base_i,
  input  logic [31:0]            beats_i,
  output logic                   beat_valid_o,
  output logic [BeatBytes*8-1:0] beat_o,
  input  logic                   beat_pop_i,
  output logic                   exhausted_o,
  input  logic                   word_valid_i,
  output logic                   word_ready_o,
  input  logic [WordBytes*8-1:0] word_i,
  input  logic [31:0]            addr_i,
  output logic                   busy_o,
  output logic [3:0]             errors_o,      // bus error and silence, of reads and writes
  output logic                   read_asked_o,  // handshakes, from which latencies are measured
  output logic                   read_beat_o,
  output logic                   write_last_o,
  output logic                   write_done_o,
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

  logic                   arvalid, arready, rvalid, rready, rlast;
  logic                   awvalid, awready, wvalid, wready, wlast, bvalid, bready;
  logic [31:0]            araddr, awaddr;
  logic [7:0]             arlen, awlen;
  logic [1:0]             rresp, bresp;
  logic [BeatBytes*8-1:0] rdata, wdata;
  logic [BeatBytes-1:0]   wstrb;

  stream_fetch #(
    .BeatBytes(BeatBytes), .BurstBeats(BurstBeats), .FifoBeats(FifoBeats),
    .Timeout(Timeout)
  ) u_fetch (
    .clk_i, .rst_ni, .start_i, .stop_i(1'b0), .first_base_i, .first_beats_i, .base_i, .beats_i,
    .arvalid_o(arvalid), .arready_i(arready), .araddr_o(araddr), .arlen_o(arlen),
    .rvalid_i(rvalid), .rready_o(rready), .rdata_i(rdata), .rresp_i(rresp), .rlast_i(rlast),
    .beat_valid_o, .beat_o, .beat_pop_i, .exhausted_o, .bus_error_o(errors_o[0]),
    .silent_o(errors_o[1])
  );

  axi_store #(
    .BeatBytes(BeatBytes), .WordBytes(WordBytes), .Timeout(Timeout)
  ) u_store (
    .clk_i, .rst_ni, .start_i, .stop_i(1'b0), .word_valid_i, .word_ready_o, .word_i, .addr_i,
    .awvalid_o(awvalid), .awready_i(awready), .awaddr_o(awaddr), .awlen_o(awlen),
    .wvalid_o(wvalid), .wready_i(wready), .wdata_o(wdata), .wstrb_o(wstrb), .wlast_o(wlast),
    .bvalid_i(bvalid), .bready_o(bready), .bresp_i(bresp), .busy_o, .bus_error_o(errors_o[2]),
    .silent_o(errors_o[3])
  );

  either_memory #(
    .BeatBytes(BeatBytes), .Bytes(Bytes), .MaxRequests(FifoBeats / BurstBeats)
  ) u_memory (
    .clk_i, .rst_ni, .outside_i, .latency_i, .interval_i, .stall_percent_i, .fail_read_addr_i,
    .fail_write_i, .silent_i, .arvalid_i(arvalid), .arready_o(arready), .araddr_i(araddr), .arlen_i(arlen), .arsize_i(3'($clog2(BeatBytes))), .arburst_i(2'b01),
    .rvalid_o(rvalid), .rready_i(rready), .rdata_o(rdata), .rresp_o(rresp), .rlast_o(rlast),
    .awvalid_i(awvalid), .awready_o(awready), .awaddr_i(awaddr), .awlen_i(awlen),
    .awsize_i(3'($clog2(BeatBytes))), .awburst_i(2'b01), .wvalid_i(wvalid), .wready_o(wready),
    .wdata_i(wdata), .wstrb_i(wstrb), .wlast_i(wlast), .bvalid_o(bvalid), .bready_i(bready),
    .bresp_o(bresp), .axi_arvalid, .axi_arready, .axi_arid, .axi_araddr, .axi_arlen, .axi_arsize,
    .axi_arburst, .axi_rvalid, .axi_rready, .axi_rid, .axi_rdata, .axi_rresp, .axi_rlast,
    .axi_awvalid, .axi_awready, .axi_awid, .axi_awaddr, .axi_awlen, .axi_awsize, .axi_awburst,
    .axi_wvalid, .axi_wready, .axi_wdata, .axi_wstrb, .axi_wlast, .axi_bvalid, .axi_bready,
    .axi_bid, .axi_bresp
  );

  assign read_asked_o = arvalid && arready;
  assign read_beat_o  = rvalid && rready;
  assign write_last_o = wvalid && wready && wlast;
  assign write_done_o = bvalid && bready;

endmodule
