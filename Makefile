# The things people do here:  make figures | why | verify | verify-provenance | sbom | test | test-long | bench | growth | lab | explore | clean
# `make figures` understands PROFILE=smoke|demo|paper, DATASET=file.yaml and CORES=n; the first use of any target makes the environment.
PROFILE ?= demo
PORT    ?= 8866
CORES   ?= $(shell nproc 2>/dev/null || echo 2)
GPUS    ?= $(if $(ELSEWHERE),,$(shell nvidia-smi --list-gpus 2>/dev/null | grep -c . | grep -v '^0'))
VENV    ?= .venv
BIN      = $(abspath $(VENV))/bin
READY    = $(VENV)/.ready

# Where jobs run: here (local), or wherever workflow/profiles/$(EXECUTOR) says (slurm). A cluster's jobs are planned and
# submitted from a small environment of its own and run in the other one. OPTIONS are more words for Snakemake.
EXECUTOR   ?= local
OPTIONS    ?=
CONTROLLER ?= $(VENV)-controller
ELSEWHERE   = $(filter-out local,$(EXECUTOR))
PLACE       = $(if $(ELSEWHERE),--executor $(EXECUTOR) --controller $(abspath $(CONTROLLER))/bin/python) $(OPTIONS)

# The first interpreter that really runs and is 3.11 or 3.12 (a version manager's shim may exist and not run).
RUNS     = -c 'import sys, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))' 2>/dev/null
PYTHON  ?= $(shell for p in python3.12 python3.11 python3; do if "$$p" $(RUNS); then echo "$$p"; break; fi; done)

# Model hubs are never contacted; the notebook runner lifts this for a profile that says `hub: online`.
export HF_HUB_OFFLINE = 1
export TRANSFORMERS_OFFLINE = 1
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.PHONY: figures bundle why verify test test-long bench growth lab explore env lint lock readme strip third-party \
	verify-provenance sbom clean
.DEFAULT_GOAL = help
.NOTPARALLEL:

help:
	@sed -n '1,2s/^# //p' Makefile

# With SCORES=folder the figures are drawn from what a borrowed GPU left there (`make bundle`, avsep_lib/borrowed).
# With DATASET=garden.yaml the profile becomes one of its own: PROFILE with that dataset, e.g. demo-garden.
figures: $(READY) $(if $(ELSEWHERE),$(CONTROLLER)/.ready)
	@profile=$(PROFILE); \
	if [ -n "$(DATASET)" ]; then \
		profile=$$($(BIN)/python -m avsep_lib.recorded.own_profile --profile $(PROFILE) --dataset "$(DATASET)") || exit 1; \
	fi; \
	if [ -n "$(SCORES)" ]; then \
		$(BIN)/python -m avsep_lib.borrowed.receive --profile $$profile --scores "$(SCORES)" || exit 1; \
	fi; \
	$(BIN)/python workflow/regenerate.py --profile $$profile --cores $(CORES) --gpus "$(GPUS)" $(PLACE) && \
	$(BIN)/python -m avsep_lib.publish --profile $$profile --changes

# The GPU part of a profile for a machine without a network: what to run there is printed. BUNDLE=folder says where.
BUNDLE ?= build/borrowed
bundle: $(READY)
	@$(BIN)/python -m avsep_lib.borrowed.bundle --profile $(PROFILE) --out "$(BUNDLE)"

# Why a figure, a table, a run_id, a notebook or (without FIGURE) the report would be made again: make why FIGURE=fig_ablation_grid
why: $(READY)
	@$(BIN)/python -m avsep_lib.changes.why "$(FIGURE)" --profile $(PROFILE)

# Regenerate without publishing, then compare with the committed figures/PROFILE; avsep_lib/changes/tolerances.py says how closely.
verify: $(READY)
	$(BIN)/python workflow/regenerate.py --profile $(PROFILE) --cores $(CORES) --gpus "$(GPUS)" --target report
	@$(BIN)/python -m avsep_lib.changes.verify --profile $(PROFILE)

# Are figures and tables what their sidecars say, and these what was published; are N of them (chosen by SEED, or by chance)
# made of what they name; do REBUILD of these come out equal when they are made again from their sidecars alone.
N       ?= 5
SEED    ?=
REBUILD ?= 1
verify-provenance: $(READY)
	@$(BIN)/python -m avsep_lib.lineage --profile $(PROFILE) --n $(N) --rebuild $(REBUILD) $(if $(SEED),--seed $(SEED))

# What is installed, as CycloneDX; `make figures` leaves it beside the figures as well.
sbom: $(READY)
	@$(BIN)/python -m avsep_lib.lineage.sbom --out build/sbom.json

test: $(READY)
	$(BIN)/python -m pytest

# What is too long for `make test`; ONLY='killed or numbers' runs some. Counts and tables go to tests/long_report.md and .json.
test-long: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m long tests/long $(if $(ONLY),-k "$(ONLY)") --long-report tests/long_report.md

# Ratios to plain references: benchmarks/README.md. ROWS='pattern|pattern' chooses; ROWS=ALL includes the long ones.
ROWS ?=
bench: $(READY)
	$(BIN)/python -m benchmarks --rows "$(ROWS)"

# Time and memory of the workflow with 1, 4 and 16 times the clips; a quarter of an hour of one core.
growth: $(READY)
	$(BIN)/python -m benchmarks.growth

# Opens on the tour; the other notebooks and the glossary lie beside it. For this machine only, behind the printed token.
lab: $(READY)
	$(BIN)/python -m avsep_lib.serving

# The explorer (notebook 12) as a page of its own, likewise; PROFILE says whose results, PORT where.
explore: $(READY)
	$(BIN)/python -m avsep_lib.explorer --profile $(PROFILE) --port $(PORT)

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python tools/strip_notebooks.py --check
	$(BIN)/python tools/notebooks_readme.py --check
	$(BIN)/python tools/readme.py --check
	$(BIN)/python tools/third_party.py --check

env: $(READY)

# The lock is the environment: a changed lock reinstalls, an unchanged one costs nothing, an interrupted one is redone.
$(READY): requirements.lock pyproject.toml
	@test -n "$(PYTHON)" && "$(PYTHON)" $(RUNS) || { echo "Python 3.11 or 3.12 (with venv) is needed and was not found; name one: make PYTHON=/path/to/python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || "$(PYTHON)" -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --no-deps --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

$(CONTROLLER)/.ready: requirements-controller.lock
	@$(abspath $(CONTROLLER))/bin/python -m pip --version >/dev/null 2>&1 || "$(PYTHON)" -m venv --clear $(CONTROLLER)
	$(CONTROLLER)/bin/python -m pip install --quiet --no-deps --require-hashes -r requirements-controller.lock
	@touch $@

# For maintainers. uv resolves for every platform and both Pythons at once; it is not part of the environment.
lock:
	uv pip compile --universal --generate-hashes --python-version 3.11 --extra dev --no-annotate --no-header \
		--no-emit-package pyaudio pyproject.toml -o requirements.lock
	mkdir -p build && sed '/^numpy==/,/[^\\]$$/d' requirements.lock > build/constraints.txt
	uv pip compile --universal --generate-hashes --python-version 3.11 --no-annotate --no-header \
		-c build/constraints.txt requirements-controller.in -o requirements-controller.lock
	$(PYTHON) tools/environment_versions.py

readme: $(READY)
	$(BIN)/python tools/notebooks_readme.py
	$(BIN)/python tools/readme.py

# The licences in THIRD_PARTY.md, after `make lock`.
third-party: $(READY)
	$(BIN)/python tools/third_party.py

strip: $(READY)
	$(BIN)/python tools/strip_notebooks.py

# Everything that can be made again, except the environment and the tracked figures.
clean:
	rm -rf results .snakemake build figures/*/report .pytest_cache .ruff_cache
