// The core with a simulated DRAM, and a checker on every write of the array and the vector unit.
//
// The clock runs here and Python sleeps: it sets `go`, then wakes for `progress` and `finished`.
// Case N reads `DIR/N.memory` (DRAM image), `DIR/N.array` and `DIR/N.vector` (all writes of the array
// and of the vector unit, in order), and writes `DIR/N.log` (what the units did, and when) and
// `DIR/N.result` (the words stored in DRAM). `sim/machine/exchange.py` defines the formats.
module blockvit_sim
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
  parameter int unsigned DramBytes  = 33554432
) ();

  timeunit 1ns; timeprecision 1ps;

  localparam int unsigned Word = Rows > Cols ? Rows : Cols;
  localparam int unsigned MaxRequests = FifoBeats / BurstBeats;

  // Set by Python before `go`
  logic        go = 1'b0;
  int unsigned case_number = 0;
  int unsigned latency = 64;         // cycles from a read address to its first beat
  int unsigned beat_interval = 1;    // cycles from a read beat to the next
  int unsigned stall_percent = 0;    // chance that a handshake waits a cycle
  int unsigned seed = 1;
  int unsigned image_beats = 0;
  int unsigned program_base = 0;     // bytes
  int unsigned program_beats = 0;
  int unsigned result_base = 0;      // bytes
  int unsigned result_beats = 0;
  int unsigned max_cycles = 0;
  int unsigned fail_read = 32'hffffffff;  // the beat with this address answers with an error
  int unsigned fail_write = 0;            // stored words answer with an error
  int unsigned silent_from = 32'hffffffff;  // from this cycle on, memory answers nothing
  // Read by Python
  logic        finished = 1'b0;
  logic        progress = 1'b0;      // changes every 65536 cycles
  int unsigned cycle = 0;
  int unsigned failure = 0;          // 0 none, 1 wrong value, 2 unexpected write, 3 missing write,
                                     // 4 too many cycles
  int unsigned failure_port = 0;     // 0 array, 1 vector unit
  int unsigned failure_number = 0;   // of the write
  int unsigned failure_address = 0;
  logic [Word*16-1:0] failure_expected = '0, failure_actual = '0;
  logic [7:0]  error_code = '0;
  logic [15:0] error_id = '0;

  // Clock and core
  logic clk = 1'b0, clock_on = 1'b0, rst_n = 1'b0, start = 1'b0;
  always #1 if (clock_on) clk = !clk;

  logic                     done, running, op_done, vector_done;
  logic [7:0]               error;
  logic [15:0]              failed_id, op_id, vector_id;
  logic                     arvalid, arready, rvalid, rready, rlast;
  logic                     awvalid, awready, wvalid, wready, wlast, bvalid, bready;
  logic [31:0]              araddr, awaddr;
  logic [7:0]               arlen, awlen;
  logic [2:0]               arsize, awsize;
  logic [1:0]               arburst, awburst, rresp, bresp;
  logic [MemBytes*8-1:0]    rdata, wdata;
  logic [MemBytes-1:0]      wstrb;
  logic [4:0]               grant = '1;
  logic [CycleKinds*32-1:0] op_counts, vector_counts;

  blockvit_core #(
    .Rows(Rows), .Cols(Cols), .Lanes(Lanes), .AccDepth(AccDepth), .ActWords(ActWords),
    .WideWords(WideWords), .NormRows(NormRows), .MemBytes(MemBytes), .BurstBeats(BurstBeats),
    .FifoBeats(FifoBeats), .PackDsp(PackDsp)
  ) u_core (
    .clk_i(clk), .rst_ni(rst_n), .start_i(start), .image_base_i(32'd0),
    .image_beats_i(image_beats), .prog_base_i(program_base), .prog_beats_i(program_beats),
    .done_o(done), .error_o(error), .error_id_o(failed_id), .arvalid_o(arvalid),
    .arready_i(arready), .araddr_o(araddr), .arlen_o(arlen), .arsize_o(arsize),
    .arburst_o(arburst), .rvalid_i(rvalid), .rready_o(rready), .rdata_i(rdata), .rresp_i(rresp),
    .rlast_i(rlast), .awvalid_o(awvalid), .awready_i(awready), .awaddr_o(awaddr),
    .awlen_o(awlen), .awsize_o(awsize), .awburst_o(awburst), .wvalid_o(wvalid),
    .wready_i(wready), .wdata_o(wdata), .wstrb_o(wstrb), .wlast_o(wlast), .bvalid_i(bvalid),
    .bready_o(bready), .bresp_i(bresp), .line_grant_i(grant[0]), .read_grant_i(grant[1]),
    .weight_grant_i(grant[2]), .write_grant_i(grant[3]), .vector_grant_i(grant[4]),
    .running_o(running), .op_done_o(op_done), .op_id_o(op_id), .op_counts_o(op_counts),
    .vector_done_o(vector_done), .vector_id_o(vector_id), .vector_counts_o(vector_counts)
  );

  dram #(
    .BeatBytes(MemBytes), .Bytes(DramBytes), .MaxRequests(MaxRequests)
  ) u_dram (
    .clk_i(clk), .rst_ni(rst_n), .latency_i(latency), .interval_i(beat_interval),
    .stall_percent_i(stall_percent), .seed_i(seed), .fail_read_addr_i(fail_read),
    .fail_write_i(fail_write != 0), .silent_i(cycle >= silent_from), .arvalid_i(arvalid),
    .arready_o(arready), .araddr_i(araddr), .arlen_i(arlen), .rvalid_o(rvalid),
    .rready_i(rready), .rdata_o(rdata), .rresp_o(rresp), .rlast_o(rlast), .awvalid_i(awvalid),
    .awready_o(awready), .awaddr_i(awaddr), .awlen_i(awlen), .wvalid_i(wvalid),
    .wready_o(wready), .wdata_i(wdata), .wstrb_i(wstrb), .wlast_i(wlast), .bvalid_o(bvalid),
    .bready_i(bready), .bresp_o(bresp)
  );

  // Random stalls
  int unsigned random_state = 1;
  function automatic logic stalls();
    random_state ^= random_state << 13;
    random_state ^= random_state >> 17;
    random_state ^= random_state << 5;
    return stall_percent != 0 && (random_state >> 8) % 100 < stall_percent;
  endfunction

  // Checker: what comes next on each port
  int array_file, vector_file, log_file, result_file, memory_file, got;
  int unsigned array_number = 0, vector_number = 0;
  logic [63:0]        head;
  logic [Cols*16-1:0]  array_data;
  logic [Lanes*16-1:0] vector_data;
  logic [63:0]         array_record, vector_record;

  // Records start with memory and slice (8 bits each, 16 unused) and the word's address.
  task automatic fail(
    input int unsigned reason, input int unsigned port, input int unsigned number,
    input int unsigned address
  );
    failure         = reason;
    failure_port    = port;
    failure_number  = number;
    failure_address = address;
  endtask

  task automatic check_array();
    got  = $fread(array_record, array_file);
    got += $fread(array_data, array_file);
    head = {7'd0, u_core.write_wide, 8'(u_core.u_output.step_q[5].slice), 16'd0,
            u_core.write_addr};
    if (got != 8 + 2 * Cols || head != array_record) begin
      fail(2, 0, array_number, u_core.write_addr);
    end else if (array_data != u_core.write_data) begin
      fail(1, 0, array_number, u_core.write_addr);
      failure_expected = (Word * 16)'(array_data);
      failure_actual   = (Word * 16)'(u_core.write_data);
    end
    array_number = array_number + 1;
  endtask

  task automatic check_vector();
    got  = $fread(vector_record, vector_file);
    got += $fread(vector_data, vector_file);
    head = {7'd0, u_core.residual_write, 8'(u_core.u_vector.out.slice), 16'd0,
            u_core.vector_addr};
    if (got != 8 + 2 * Lanes || head != vector_record) begin
      fail(2, 1, vector_number, u_core.vector_addr);
    end else if (vector_data != u_core.vector_data) begin
      fail(1, 1, vector_number, u_core.vector_addr);
      failure_expected = (Word * 16)'(vector_data);
      failure_actual   = (Word * 16)'(u_core.vector_data);
    end
    vector_number = vector_number + 1;
  endtask

  // Log: `a`, `v` an instruction of the array or the vector unit: id, first and last cycle, counts;
  // `o` an output tile: first and last cycle of its writes.
  int unsigned op_start = 0, vector_start = 0, tile_start = 0;
  logic op_begun = 1'b0, vector_begun = 1'b0, tile_begun = 1'b0;

  task automatic log_cycle();
    if (!op_begun && u_core.block_take) begin
      op_begun = 1'b1;
      op_start = cycle;
    end
    if (op_done) begin
      $fwrite(log_file, "a %0d %0d %0d", op_id, op_begun ? op_start : cycle, cycle);
      for (int k = 0; k < CycleKinds; k++) $fwrite(log_file, " %0d", op_counts[k*32+:32]);
      $fwrite(log_file, "\n");
      op_begun = u_core.block_take;
      op_start = cycle;
    end
    if (!vector_begun && u_core.vector_busy) begin
      vector_begun = 1'b1;
      vector_start = cycle;
    end
    if (vector_done) begin
      $fwrite(log_file, "v %0d %0d %0d", vector_id, vector_start, cycle);
      for (int k = 0; k < CycleKinds; k++) $fwrite(log_file, " %0d", vector_counts[k*32+:32]);
      $fwrite(log_file, "\n");
      vector_begun = 1'b0;
    end
    if (u_core.write && !tile_begun) begin
      tile_begun = 1'b1;
      tile_start = cycle;
    end
    if (u_core.free) begin
      $fwrite(log_file, "o %0d %0d\n", tile_start, cycle);
      tile_begun = 1'b0;
    end
  endtask

  always @(posedge clk) begin
    for (int g = 0; g < 5; g++) grant[g] <= !stalls();
    if (running) begin
      if (u_core.write && failure == 0) check_array();
      if ((u_core.normal_write || u_core.residual_write) && failure == 0) check_vector();
      log_cycle();
      if (cycle[15:0] == 16'hffff) progress <= !progress;
      if (cycle >= max_cycles && failure == 0) failure = 4;
      cycle = cycle + 1;
    end
    if (done || failure != 0) clock_on = 1'b0;
  end

  // All expected writes have come
  task automatic check_end();
    if ($fread(array_record, array_file) != 0) fail(3, 0, array_number, 0);
    else if ($fread(vector_record, vector_file) != 0) fail(3, 1, vector_number, 0);
  endtask

  // One case after another
  string folder;
  initial begin
    if (!$value$plusargs("dir=%s", folder)) $fatal(1, "+dir=FOLDER is missing");
    forever begin
      wait (go);
      memory_file = $fopen($sformatf("%s/%0d.memory", folder, case_number), "rb");
      got = $fread(u_dram.mem, memory_file);
      $fclose(memory_file);
      array_file = $fopen($sformatf("%s/%0d.array", folder, case_number), "rb");
      vector_file = $fopen($sformatf("%s/%0d.vector", folder, case_number), "rb");
      log_file = $fopen($sformatf("%s/%0d.log", folder, case_number), "w");
      failure = 0;
      cycle = 0;
      array_number = 0;
      vector_number = 0;
      op_begun = 1'b0;
      vector_begun = 1'b0;
      tile_begun = 1'b0;
      random_state = seed;
      rst_n = 1'b0;
      clock_on = 1'b1;
      @(negedge clk) rst_n = 1'b0;
      @(negedge clk) rst_n = 1'b1;
      @(negedge clk) start = 1'b1;
      @(negedge clk) start = 1'b0;
      wait (!clock_on);
      error_code = error;
      error_id = failed_id;
      if (failure == 0 && error == '0) check_end();
      $fclose(array_file);
      $fclose(vector_file);
      $fclose(log_file);
      result_file = $fopen($sformatf("%s/%0d.result", folder, case_number), "w");
      for (int unsigned b = 0; b < result_beats; b++) begin
        $fwrite(result_file, "%h\n", u_dram.mem[result_base/MemBytes+b]);
      end
      $fclose(result_file);
      finished = 1'b1;
      wait (!go);
      finished = 1'b0;
    end
  end

  logic unused;
  assign unused = &{arsize, arburst, awsize, awburst, got != 0};

endmodule
