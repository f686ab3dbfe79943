// One case of blockvit_sim without Python, recording how often every signal of the core toggles.
//
// +dir=FOLDER holds the files of case 0; the other settings come as plusargs, too. Leaves
// `activity.saif` in the working folder.
module saif_bench #(
  parameter int unsigned Rows       = 8,
  parameter int unsigned Cols       = 8,
  parameter int unsigned Lanes      = 8,
  parameter int unsigned AccDepth   = 256,
  parameter int unsigned ActWords   = 65536,
  parameter int unsigned WideWords  = 32768,
  parameter int unsigned NormRows   = 256,
  parameter int unsigned MemBytes   = 16,
  parameter int unsigned BurstBeats = 16,
  parameter int unsigned FifoBeats  = 256,
  parameter bit          PackDsp    = 1'b0,
  parameter int unsigned DramBytes  = 33554432
) ();

  blockvit_sim #(
    .Rows(Rows), .Cols(Cols), .Lanes(Lanes), .AccDepth(AccDepth), .ActWords(ActWords),
    .WideWords(WideWords), .NormRows(NormRows), .MemBytes(MemBytes), .BurstBeats(BurstBeats),
    .FifoBeats(FifoBeats), .PackDsp(PackDsp), .DramBytes(DramBytes)
  ) u_sim ();

  int given;
  initial begin
    given  = $value$plusargs("latency=%d", u_sim.latency);
    given += $value$plusargs("beat_interval=%d", u_sim.beat_interval);
    given += $value$plusargs("image_beats=%d", u_sim.image_beats);
    given += $value$plusargs("program_base=%d", u_sim.program_base);
    given += $value$plusargs("program_beats=%d", u_sim.program_beats);
    given += $value$plusargs("result_base=%d", u_sim.result_base);
    given += $value$plusargs("result_beats=%d", u_sim.result_beats);
    given += $value$plusargs("max_cycles=%d", u_sim.max_cycles);
    if (given != 8) $fatal(1, "a setting is missing");
    $dumpfile("activity.saif");
    $dumpvars(0, u_sim);
    u_sim.go = 1'b1;
    wait (u_sim.finished);
    if (u_sim.failure != 0 || u_sim.error_code != '0) $fatal(1, "the run failed");
    $finish;
  end

endmodule
