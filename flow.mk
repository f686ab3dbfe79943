# The stages of `make synth-sim`. It runs in the folder of the artifacts, so that every file has a
# plain name here, whatever the folder is called; the settings come through the environment.
#
# A file in settings/ holds what a stage depends on besides files of earlier stages: its variables and
# the checksum of its code. It is written anew only when that text changes.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.ONESHELL:
.DEFAULT_GOAL := all
FLOW := . "$$ROOT/flow.sh"

.PHONY: all FORCE
all: report/report.json
	@echo "report: $$OUT/report/report.md"

FORCE:

settings/config: FORCE
	@+$(FLOW)
	{ show ROWS COLS LANES ACC_DEPTH ACT_WORDS WIDE_WORDS CONFIG; dated "$$CONFIG"; code hw/config.py; } | keep $@

settings/prune: FORCE
	@+$(FLOW)
	{
	  show ONNX MODEL BUDGET UNIT CYCLES ENERGY METHOD BLOCK CKPT SELECTORS DATA SEED
	  dated "$$ONNX"
	  dated "$$CKPT"
	  dated "$$SELECTORS"
	  dated "$$DATA"
	  code prune 'hw/*.py' hw/program sim/cycles.py sim/events.py sim/live.py sim/reference.py \
	    $${ONNX:+hw/onnx}
	} | keep $@

settings/compile: FORCE
	@+$(FLOW)
	code 'hw/*.py' hw/program | keep $@

settings/run: FORCE
	@+$(FLOW)
	{
	  show IMAGE IMAGES WAVES
	  case $$IMAGE in *[!0-9]*) dated "$$IMAGE" ;; esac
	  code 'hw/*.py' hw/program hw/rtl 'sim/*.py' sim/cli/run.py sim/machine
	} | keep $@

settings/report: FORCE
	@+$(FLOW)
	{
	  dated "$${BLOCKVIT_CACHE:-build}/synth"
	  code sim/report sim/cli/report.py sim/activity.py sim/energy.py hw/synth hw/rtl
	} | keep $@

config.json: settings/config
	@$(FLOW)
	trap 'rm -f .config.json' EXIT
	tool hw config $${ROWS:+--rows "$$ROWS"} $${COLS:+--cols "$$COLS"} \
	  $${LANES:+--lanes "$$LANES"} $${ACC_DEPTH:+--acc-depth "$$ACC_DEPTH"} \
	  $${ACT_WORDS:+--act-words "$$ACT_WORDS"} $${WIDE_WORDS:+--wide-words "$$WIDE_WORDS"} \
	  $${CONFIG:+--config "$$CONFIG"} > .config.json
	mv .config.json $@

ifneq ($(value ONNX),)
network.json: config.json settings/prune
	@$(FLOW)
	check_import
	tool hw import "$$ONNX" --out "$$OUT"

closed: cycles.json  # an imported network has no budget
	@touch $@
else
network.json: config.json settings/prune
	@$(FLOW)
	check_budget
	tool prune run "$$MODEL" --out "$$OUT" --seed "$$SEED" --config "$$OUT/config.json" \
	  $${BUDGET:+"--$${UNIT:-cycles}" "$$BUDGET"} $${CYCLES:+--cycles "$$CYCLES"} \
	  $${ENERGY:+--energy "$$ENERGY"} $${METHOD:+--method "$$METHOD"} \
	  $${BLOCK:+--block "$$BLOCK"} $${CKPT:+--ckpt "$$CKPT"} $${DATA:+--data "$$DATA"} \
	  $${SELECTORS:+--selectors "$$SELECTORS"}
	[ -e $@ ] || { echo "error: $$MODEL is pruned, but cannot be compiled; see $$OUT/pruned.json" >&2; exit 2; }

# Closing prunes again (status 3) while the measured cycles miss the budget, at most three times.
closed: cycles.json
	@$(FLOW)
	for round in 1 2 3; do
	  status=0
	  tool prune close "$$OUT" || status=$$?
	  case $$status in
	    0) break ;;
	    3) compile; simulate ;;
	    *) exit $$status ;;
	  esac
	done
	touch $@
endif

program.json: network.json settings/compile
	@$(FLOW)
	compile

cycles.json: program.json settings/run
	@$(FLOW)
	simulate

report/report.json: closed settings/report
	@$(FLOW)
	tool sim report "$$OUT"
