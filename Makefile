# `make` lists what can be made. Settings reach the tools through the environment, word for word, so
# that paths may hold spaces and anything else; flow.mk joins the stages of synth-sim.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules --no-print-directory

define HELP
blockvit: Vision Transformers on a block-sparse systolic array

  make synth-sim   prune, compile, simulate in RTL, report cycles per layer
  make test        all tests but the slow ones         make test-all   all tests
  make tb          list the unit benches; TB=NAME runs one, WAVES=1 keeps its waveforms
  make synth       resources on an UltraScale+ device, module by module, in SYNTH_OUT
  make pnr         place and route a small core for ECP5: a real clock frequency, in SYNTH_OUT
  make bench       measure simulation speed, accuracy of the models, gain of fewer tokens
  make lint        ruff and mypy                       make setup      .venv with everything
  make clean       remove the artifacts in OUT, built simulators and build/synth

  MODEL      demo, deit_t, deit_s, deit_b or a timm ViT's name           demo
  ONNX       file to run instead of pruning: integer, or with Q/DQ nodes none
  BUDGET     share of the dense cost that may stay, in (0, 1]            0.5
  UNIT       what BUDGET counts: cycles, energy or flops                 cycles
  CYCLES ENERGY  shares of cycles and of energy, either or both          BUDGET
  METHOD     pruning method, see `python -m prune run --help`            its default
  BLOCK      prunable block, OUTxIN features                             one tile
  ROWS COLS  array size: input features, output features of a tile       16 16
  LANES      lanes of the vector unit                                    larger of the two
  ACC_DEPTH  tokens that one accumulator bank holds                      256
  ACT_WORDS  depth of each int8 memory, in words                         65536
  WIDE_WORDS depth of each int16 memory, in words                        32768
  CONFIG     JSON file of other fields of ArrayConfig                    none
  CKPT       checkpoint, .safetensors or .pth                            timm's weights
  SELECTORS  checkpoint with token selectors, or a run's folder          none
  DATA       folder of calibration images                                bundled images
  SEED       of random weights and of the choice of images               0
  IMAGE      simulated image: number of a bundled one, or a path         0
  IMAGES     how many are simulated: from IMAGE on, or of its folder     1
  WAVES      1: keep waveforms, in OUT/waves.fst                         off
  OUT        folder of all artifacts                                     build/MODEL; build/onnx
  SYNTH_OUT  folder of synth.json and pnr.json                           build/synth
  TB         bench for `make tb`                                         list them
  PYTHON     interpreter that .venv is made with                         python3.11
endef
export HELP

ifeq ($(value ONNX),)
MODEL ?= demo
endif
SEED ?= 0
PYTHON ?= python3.11
SETTINGS := MODEL ONNX BUDGET UNIT CYCLES ENERGY METHOD BLOCK ROWS COLS LANES ACC_DEPTH ACT_WORDS \
            WIDE_WORDS CONFIG CKPT SELECTORS DATA SEED IMAGE IMAGES WAVES OUT SYNTH_OUT TB PYTHON

# The value of a setting is text: a $ in it means nothing to make, here or in a make below.
$(foreach name,$(filter-out OUT,$(SETTINGS)),$(eval override $(name) := $$(value $(name))))
ifeq ($(value OUT),)
override OUT := build/$(or $(MODEL),onnx)
else
override OUT := $(value OUT)
endif
ifeq ($(value BUDGET)$(value CYCLES)$(value ENERGY)$(value ONNX),)
override BUDGET := 0.5
endif
ifeq ($(WAVES),0)
override WAVES :=
endif
override ROOT := $(CURDIR)
export $(SETTINGS) ROOT
MAKEOVERRIDES :=

RUN := .venv/bin/python
INSTALL := PYTHONWARNINGS=ignore $(RUN) -m pip install --quiet --disable-pip-version-check -c constraints.txt
GEOMETRY := $${CONFIG:+--config "$$CONFIG"} $${ROWS:+--rows "$$ROWS"} $${COLS:+--cols "$$COLS"} \
  $${LANES:+--lanes "$$LANES"} $${ACC_DEPTH:+--acc-depth "$$ACC_DEPTH"} \
  $${ACT_WORDS:+--act-words "$$ACT_WORDS"} $${WIDE_WORDS:+--wide-words "$$WIDE_WORDS"}

.PHONY: help setup synth-sim synth pnr test test-all tb bench lint clean

help:
	@printf '%s\n' "$$HELP"

setup: .venv/setup.stamp

.venv/setup.stamp: pyproject.toml constraints.txt
	@for tool in "$$PYTHON" perl make g++; do \
	  command -v "$$tool" > /dev/null || \
	    { echo "error: $$tool: not found on PATH, setup needs it; install $$tool" >&2; exit 1; }; \
	done
	@"$$PYTHON" -c 'import ensurepip, venv' 2> /dev/null || \
	  { echo "error: $$PYTHON: expected Python 3.11 with venv; install python3.11-venv" >&2; exit 1; }
	@echo 'setting up .venv: some minutes, about 6 GB'
	@"$$PYTHON" -m venv .venv
	@$(INSTALL) -e '.[dev]'
	@touch $@

.venv/bench.stamp: .venv/setup.stamp
	@$(INSTALL) -e '.[dev,bench]'
	@touch $@

synth-sim: setup
	@+mkdir -p -- "$$OUT" && $(MAKE) -C "$$OUT" -f "$$ROOT/flow.mk"

test: setup
	@$(RUN) -m pytest -q -m 'not slow'

test-all: setup
	@$(RUN) -m pytest -q

tb: setup
	@$(RUN) -m sim tb $${TB:+"$$TB"} $${WAVES:+--waves} $(GEOMETRY)

synth: setup
	@$(RUN) -m hw synth $${SYNTH_OUT:+--out "$$SYNTH_OUT"} $(GEOMETRY)

pnr: setup
	@$(RUN) -m hw pnr $${SYNTH_OUT:+--out "$$SYNTH_OUT"} $(GEOMETRY)

bench: .venv/bench.stamp
	@$(RUN) -m sim bench
	@$(RUN) -m prune bench
	@$(RUN) -m prune latency
	@$(RUN) -m prune onnx-latency

lint: setup
	@$(RUN) -m ruff check .
	@$(RUN) -m ruff format --check .
	@$(RUN) -m mypy

clean:
	@if cd -- "$$OUT" 2> /dev/null; then \
	  rm -rf config.json network.json network.safetensors model.onnx pruned.json pruned.safetensors \
	    masks.safetensors curves.safetensors loop.json program.json program.bin cycles.json timeline.json \
	    closed waves.fst report views progress settings; \
	  cd "$$ROOT"; \
	  rmdir -- "$$OUT" 2> /dev/null || true; \
	fi
	@rm -rf -- "$${BLOCKVIT_CACHE:-build/machines}" "$${BLOCKVIT_CACHE:-build}/synth"
