# make figures | test | lab | clean: the four things people do here.
# PROFILE=smoke|demo|paper and CORES=n are understood by `make figures`.
PROFILE ?= demo
CORES   ?= $(shell nproc 2>/dev/null || echo 2)
PYTHON  ?= $(shell command -v python3.12 || command -v python3.11 || command -v python3)
VENV    ?= .venv
BIN      = $(abspath $(VENV))/bin

# Model hubs are never contacted unless a profile says `hub: online`.
export HF_HUB_OFFLINE = 1
export TRANSFORMERS_OFFLINE = 1

.PHONY: figures test test-long lab clean lock lint env

READY = $(VENV)/.ready

# The lock is the environment: a changed lock reinstalls, an unchanged one costs nothing.
$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v <= (3, 12) else f"Python 3.11 or 3.12 is needed, found {v[0]}.{v[1]}; name one with: make PYTHON=python3.12 $(MAKECMDGOALS)")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --no-deps --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

env: $(READY)
