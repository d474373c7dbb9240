# Two commands do everything on a fresh machine: `make run` and `make test`.
SHELL := /bin/bash
PYTHON ?= python3
export PYTHON
BIN := .venv/bin
RUN := build/run

MINUTES ?= 10

.PHONY: run test soak check screenshot screenshots clean

run: .venv/run.stamp
	@mkdir -p $(RUN)
	@if [ -n "$$DISPLAY$$WAYLAND_DISPLAY" ]; then \
	  $(BIN)/orapp live --source simulated: ; \
	else \
	  echo "No display: 15 seconds offscreen" && \
	  $(BIN)/orapp live --source simulated: --seconds 15 --headless \
	    --screenshot $(RUN)/screenshot.png --report $(RUN)/report.json && \
	  echo "$(RUN)/screenshot.png" && echo "$(RUN)/report.json" ; \
	fi

# What watches the clock comes last, with the machine for itself.
test: check
	$(BIN)/python -m pytest -m "not alone" -n logical --dist loadfile --no-loadscope-reorder
	$(BIN)/python -m pytest -m alone

# Random faults for so many minutes, judged by log, report, recordings and the window's pixels:
# `make soak MINUTES=60 SEED=7`; the record is written to build/soak.
soak: .venv/test.stamp
	xvfb-run -a -s "-screen 0 1920x1080x24 -noreset" $(BIN)/python -m tools.soak --minutes $(MINUTES) \
	  $(if $(SEED),--seed $(SEED)) --out build/soak

check: .venv/test.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# The picture in the README: the window after 8 seconds of the simulated C-arm.
screenshot: .venv/run.stamp
	$(BIN)/orapp live --source "simulated:?seed=7" --seconds 8 --headless --screenshot docs/screenshot.png

# Every state of the screen, for docs/screens.
screenshots: .venv/test.stamp
	xvfb-run -a -s "-screen 0 1920x1080x24 -noreset" $(BIN)/python -m tools.screenshots

.venv/run.stamp: pyproject.toml tools/setup.sh
	tools/setup.sh run
	@touch $@

.venv/test.stamp: pyproject.toml tools/setup.sh
	tools/setup.sh test
	@touch $@ .venv/run.stamp

clean:
	rm -rf .venv build .mypy_cache .pytest_cache .ruff_cache
