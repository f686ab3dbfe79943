// The whole core and two memories to choose from.
module core_bench
  import core_pkg::*;
#(
  parameter int unsigned Rows       = 16,
  parameter int unsigned Cols       = 16,
  parameter int unsigned Lanes      = 16,
  parameter int unsigned AccDepth   = 256,
  parameter int unsigned ActWords   = 65536,
  parameter int unsigned WideWords  = 32768,
  parameter int unsigned NormRows   = 128,
  parameter int unsigned MemBytes   = 16,
  parameter int unsigned BurstBeats = 16,
  parameter int unsigned FifoBeats  = 256,
  parameter bit          PackDsp    = 1'b0,
  parameter int unsigned Bytes      = 1048576
) (
  input  logic                  clk_i,
  input  logic                  rst_ni,
  input  logic                  outside_i,
  input  logic [31:0]           latency_i,
  input  logic [31:0]           interval_i,
  input  logic [31:0]           stall_percent_i,
  input  logic [31:0]           fail_read_addr_i,
  input  logic                  fail_write_i,
  input  logic                  silent_i,
  input  logic                  start_i,
  input  logic [31:0]           image_base_i,
  input  logic [31:0]           image_beats_i,
  input  logic [31:0]           prog_base_i,
  input  logic [31:0]           prog_beats_i,
  output logic                  done_o,
  output logic [7:0]            error_o,
  output logic                  read_asked_o,  // handshakes, from which latencies are measured
  output logic                  read_beat_o,
  output logic                  write_last_o,
  output logic                  write_done_o,
  output logic                  axi_arvalid,
  input  logic                  axi_arready,
  output logic                  axi_arid,
  output logic [31:0]           axi_araddr,
  output logic [7:0]            axi_arlen,
  output logic [2:0]            axi_arsize,
  output logic [1:0]            axi_arburst,
  input  logic                  axi_rvalid,
  output logic                  axi_rready,
  input  logic                  axi_rid,
  input  logic [MemBytes*8-1:0] axi_rdata,
  input  logic [1:0]            axi_rresp,
  input  logic                  axi_rlast,
  output logic                  axi_awvalid,
  input  logic                  axi_awready,
  output logic                  axi_awid,
  output logic [31:0]           axi_awaddr,
  output logic [7:0]            axi_awlen,
  output logic [2:0]            axi_awsize,
  output logic [1:0]            axi_awburst,
  output logic                  axi_wvalid,
  input  logic                  axi_wready,
  output logic [MemBytes*8-1:0] axi_wdata,
  output logic [MemBytes-1:0]   axi_wstrb,
  output logic                  axi_wlast,
  input  logic                  axi_bvalid,
  output logic                  axi_bready,
  input  logic                  axi_bid,
  input  logic [1:0]            axi_bresp
);

  logic                     arvalid, arready, rvalid, rready, rlast;
  logic                     awvalid, awready, wvalid, wready, wlast, bvalid, bready;
  logic [31:0]              araddr, awaddr;
  logic [7:0]               arlen, awlen;
  logic [2:0]               arsize, awsize;
  logic [1:0]               arburst, awburst, rresp, bresp;
  logic [MemBytes*8-1:0]    rdata, wdata;
  logic [MemBytes-1:0]      wstrb;
  logic                     running, op_done, vector_done;
  logic [15:0]              error_id, op_id, vector_id;
  logic [CycleKinds*32-1:0] op_counts, vector_counts;

  blockvit_core #(
    .Rows(Rows), .Cols(Cols), .Lanes(Lanes), .AccDepth(AccDepth), .ActWords(ActWords),
    .WideWords(WideWords), .NormRows(NormRows), .MemBytes(MemBytes), .BurstBeats(BurstBeats),
    .FifoBeats(FifoBeats), .PackDsp(PackDsp)
  ) u_core (
    .clk_i, .rst_ni, .start_i, .image_base_i, .image_beats_i, .prog_base_i, .prog_beats_i,
    .done_o, .error_o, .error_id_o(error_id), .arvalid_o(arvalid), .arready_i(arready),
    .araddr_o(araddr), .arlen_o(arlen), .arsize_o(arsize), .arburst_o(arburst),
    .rvalid_i(rvalid), .rready_o(rready), .rdata_i(rdata), .rresp_i(rresp), .rlast_i(rlast),
    .awvalid_o(awvalid), .awready_i(awready), .awaddr_o(awaddr), .awlen_o(awlen),
    .awsize_o(awsize), .awburst_o(awburst), .wvalid_o(wvalid), .wready_i(wready),
    .wdata_o(wdata), .wstrb_o(wstrb), .wlast_o(wlast), .bvalid_i(bvalid), .bready_o(bready),
    .bresp_i(bresp), .line_grant_i(1'b1), .read_grant_i(1'b1), .weight_grant_i(1'b1),
    .write_grant_i(1'b1), .vector_grant_i(1'b1), .running_o(running), .op_done_o(op_done),
    .op_id_o(op_id), .op_counts_o(op_counts), .vector_done_o(vector_done),
    .vector_id_o(vector_id), .vector_counts_o(vector_counts)
  );

  either_memory #(
    .BeatBytes(MemBytes), .Bytes(Bytes), .MaxRequests(FifoBeats / BurstBeats)
  ) u_memory (
    .clk_i, .rst_ni, .outside_i, .latency_i, .interval_i, .stall_percent_i, .fail_read_addr_i,
    .fail_write_i, .silent_i, .arvalid_i(arvalid), .arready_o(arready), .araddr_i(araddr),
    .arlen_i(arlen), .arsize_i(arsize), .arburst_i(arburst), .rvalid_o(rvalid),
    .rready_i(rready), .rdata_o(rdata), .rresp_o(rresp), .rlast_o(rlast), .awvalid_i(awvalid),
    .awready_o(awready), .awaddr_i(awaddr), .awlen_i(awlen), .awsize_i(awsize),
    .awburst_i(awburst), .wvalid_i(wvalid), .wready_o(wready), .wdata_i(wdata),
    .wstrb_i(wstrb), .wlast_i(wlast), .bvalid_o(bvalid), .bready_i(bready), .bresp_o(bresp),
    .axi_arvalid, .axi_arready, .axi_arid, .axi_araddr, .axi_arlen, .axi_arsize, .axi_arburst,
    .axi_rvalid, .axi_rready, .axi_rid, .axi_rdata, .axi_rresp, .axi_rlast, .axi_awvalid,
    .axi_awready, .axi_awid, .axi_awaddr, .axi_awlen, .axi_awsize, .axi_awburst, .axi_wvalid,
    .axi_wready, .axi_wdata, .axi_wstrb, .axi_wlast, .axi_bvalid, .axi_bready, .axi_bid,
    .axi_bresp
  );

  assign read_asked_o = arvalid && arready;
  assign read_beat_o  = rvalid && rready;
  assign write_last_o = wvalid && wready && wlast;
  assign write_done_o = bvalid && bready;

  logic unused;
  assign unused = &{running, op_done, vector_done, error_id, op_id, vector_id, op_counts,
                    vector_counts};

endmodule
