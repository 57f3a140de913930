# Each target sets up what it needs in .venv, so `make test` and `make demo` run on a machine that has only
# Python 3.11 or newer, a C compiler and make. A stamp per set of extras makes the second run quick.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

DEMO_EXTRAS := datagen,digits,trainer
TEST_EXTRAS := datagen,service,dask,cloud,digits,trainer,real,docs,dev
ALL_EXTRAS := datagen,service,dask,cloud,digits,trainer,real,nowcasting,mlflow,docs,dev
BENCHMARK_PEERS := opensimplex perlin-numpy
CODE := schemas datagen trainer tests benchmarks docs

PROPERTIES := translation rotation intensity mixed
EXPERTS := translation rotation intensity
DEMO_FIT := ../../$(BIN)/trainer fit --config demo --out ../run

# Two cores run the tests about twice as fast as one; more than four only compete for the disk.
PYTEST_OPTIONS ?= -n logical --maxprocesses 4

INSTALL := $(BIN)/python -m pip install -qq --constraint constraints.txt

.DEFAULT_GOAL := help
.PHONY: help demo test lint format types schemas docs pictures containers bench constraints lower-bounds clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /make \1\t/p' $(MAKEFILE_LIST) | expand -t 18

demo: $(VENV)/demo.stamp ## from nothing to a report in ./demo: render, verify, picture, train, evaluate
	for property in $(PROPERTIES); do \
		store=demo/$$property.zarr; \
		$(BIN)/datagen render --property $$property --n 256 --size 64 --truth all --out $$store \
		&& $(BIN)/datagen verify $$store \
		&& $(BIN)/datagen preview $$store --out demo/$$property.png \
		&& $(BIN)/datagen preview $$store --out demo/$$property.gif \
		|| exit 1; \
	done
	for property in $(EXPERTS); do \
		$(BIN)/datagen render --property $$property --n 4000 --size 32 --noise-ratio 0 --out demo/stores/$$property.zarr || exit 1; \
	done
	$(BIN)/datagen render --preset dynamic-mnist --size 32 --out demo/stores/dynamic-mnist.zarr
	cd demo/stores && $(DEMO_FIT) --phase decoder
	cd demo/stores && for expert in $(EXPERTS); do OMP_NUM_THREADS=1 $(DEMO_FIT) --phase experts --expert $$expert & done; wait
	cd demo/stores && $(DEMO_FIT)
	cd demo/stores && ../../$(BIN)/trainer evaluate ../run
	cd demo/stores && ../../$(BIN)/trainer report ../run > /dev/null
	@echo demo/run/report.html

test: $(VENV)/test.stamp ## run all tests
	$(BIN)/python -m pytest $(PYTEST_OPTIONS)

lint: $(VENV)/test.stamp ## check style and formatting
	$(BIN)/ruff check $(CODE)
	$(BIN)/ruff format --check $(CODE)

format: $(VENV)/test.stamp ## mend style and formatting
	$(BIN)/ruff check --fix $(CODE)
	$(BIN)/ruff format $(CODE)

types: $(VENV)/test.stamp ## check types
	$(BIN)/mypy

schemas: $(VENV)/test.stamp ## write schemas/json and docs/reference from the code
	$(BIN)/python -m schemas.generate
	$(BIN)/python -m datagen.service.openapi
	$(BIN)/python -m docs.reference

# Without --quiet, which would hide the warnings from --strict too.
docs: $(VENV)/test.stamp ## build the documentation; a warning, such as a broken link, is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict
	@echo build/site/index.html

pictures: $(VENV)/test.stamp ## draw the README's pictures anew
	$(BIN)/python docs/pictures.py

containers: $(VENV)/test.stamp ## build both images for the CPU and run the compose stack
	$(BIN)/python -m pytest tests/end_to_end --containers -o faulthandler_timeout=0

bench: $(VENV)/bench.stamp ## print every benchmark's row
	benchmarks/run

clean: ## remove the environment and everything made by a target
	rm -rf $(VENV) $(VENV)-lower demo build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find $(CODE) -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit("error: this is Python %d.%d; give 3.11 or newer, e.g. make PYTHON=python3.11" % sys.version_info[:2] if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)

$(VENV)/demo.stamp: pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing stmoe-synth[$(DEMO_EXTRAS)] into $(VENV)"
	$(INSTALL) --editable '.[$(DEMO_EXTRAS)]'
	@touch $@

$(VENV)/test.stamp: pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing stmoe-synth[$(TEST_EXTRAS)] into $(VENV), a minute or two"
	$(INSTALL) --editable '.[$(TEST_EXTRAS)]'
	@touch $@ $(VENV)/demo.stamp

$(VENV)/bench.stamp: $(VENV)/test.stamp
	$(INSTALL) $(BENCHMARK_PEERS)
	@touch $@

# Resolves every extra anew to the newest versions and writes the outcome; nothing is installed. A local build tag, such as
# that of a CPU build of torch, is dropped, so that any build of the same version will do.
define WRITE_CONSTRAINTS
import json, sys
pins = {item["metadata"]["name"]: item["metadata"]["version"] for item in json.load(sys.stdin)["install"]}
del pins["stmoe-synth"]
print("# What `make test`, `make demo` and every extra install on Python 3.11 and Linux. Written by `make constraints`:")
print("# pip resolves all extras at once with torch held at 2.13.0, for which builds without CUDA exist; do not edit.")
for name in sorted(pins, key=str.lower):
    print(name.lower().replace("_", "-") + "==" + pins[name].partition("+")[0])
endef
export WRITE_CONSTRAINTS

constraints: | $(BIN)/python ## resolve every extra anew and pin it
	$(BIN)/python -m pip install -qq --dry-run --ignore-installed --report - torch==2.13.0 '.[$(ALL_EXTRAS)]' $(BENCHMARK_PEERS) \
		| $(BIN)/python -c "$$WRITE_CONSTRAINTS" > constraints.new
	mv constraints.new constraints.txt

lower-bounds: $(VENV)/test.stamp ## test with the oldest versions that pyproject.toml allows; TESTS has pytest's options
	$(BIN)/python -m tests.packaging.lower_bounds $(TESTS)
