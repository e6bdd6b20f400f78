# Everything runs in a virtual environment that is made once; `make demo` and `make test` each work on a fresh machine.

VENV ?= .venv
BIN = $(VENV)/bin
STORE ?= demo.store
REPORT ?= report.pdf
# Of the comparison of speeds: on a machine that does other work, fewer than it has cores
THREADS ?= 2
# What docs/trust.md counts, in its order
COUNTS = fuzz_specs fuzz_studies fuzz_parameters damaged_stores kills bias coverage warm_baselines seconds copies \
	few_contributions hostile_cells rankings
# The first interpreter in the supported range, 3.11 to 3.13
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null && echo $$p && break; done)

# Tests start processes, and each of them would compile gradmark anew: 1.5 seconds
export PYTHONDONTWRITEBYTECODE =
# glibc gives large tensors back to the system at once, and takes as long to get their pages again as tests to fill them
export MALLOC_MMAP_THRESHOLD_ = 4000000000
export MALLOC_TRIM_THRESHOLD_ = 4000000000

.PHONY: demo test test-full test-all lint types docs benchmark readme note speed false-alarms clean

demo: $(VENV)/installed
	$(BIN)/gradmark run demo --store $(STORE)
	$(BIN)/gradmark report $(STORE) -o $(REPORT)

# Every check, and of their combinations a cover: about 8 minutes on 2 cores. Ends with the lines that no test ran
test: $(VENV)/installed
	$(BIN)/python -m pytest --numprocesses 2 --cov --cov-report=term

# Every combination, without coverage, which takes half as long as the tests: about 17 minutes
test-full: $(VENV)/installed
	$(BIN)/python -m pytest --numprocesses 2 --full

# All tests, then every count behind docs/trust.md but the false alarms: some hours on 2 quiet cores
test-all: test-full
	for name in $(COUNTS); do echo "== $$name"; $(BIN)/python -m gradmark.benchmarks.trust.$$name || exit 1; done

lint: $(VENV)/installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(VENV)/installed
	$(BIN)/pyright

# The site, in site/; a warning is an error
docs: $(VENV)/documented
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet

benchmark: $(VENV)/installed
	$(BIN)/python -m pytest --benchmark

$(VENV)/installed: pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "gradmark needs Python 3.11, 3.12 or 3.13; install one, or call make PYTHON=/path/to/python3"; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { echo "this Python cannot make virtual environments; on Debian: apt install python3-venv"; exit 2; }
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@mkdir -p .links/gradmark && ln -sfn ../../gradmark/__init__.py .links/gradmark/__init__.py
	@for name in estimators benchmarks reports; do ln -sfn ../../$$name .links/gradmark/$$name; done
	@touch $@

$(VENV)/documented: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[docs]'
	@touch $@

# The note, its report, and the figures of docs/note made again: about eight minutes
note: $(VENV)/installed
	$(BIN)/gradmark run note --store note.store
	$(BIN)/gradmark report note.store -o note.pdf
	mkdir -p note.figures
	$(BIN)/gradmark figures note.store note.figures
	cd docs/note/figures && for f in *.png; do cp ../../../note.figures/$$f .; done

# The table of docs/reference/speed.md, measured again with the peers: about a quarter of an hour on a quiet machine
speed: $(VENV)/compared
	rm -rf speed.store
	$(BIN)/gradmark run speed --store speed.store --threads $(THREADS)
	$(BIN)/python -m gradmark.benchmarks.experiments.speed.counts > counts.md
	$(BIN)/python -m gradmark.benchmarks.speed.compiled > compiled.md
	$(BIN)/python -m gradmark.reports.speed_page speed.store docs/reference/speed.md --counts counts.md --compiled compiled.md
	rm counts.md compiled.md

$(VENV)/compared: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[peers]'
	@touch $@

# The README's figure and numbers, made again: about eight minutes
readme: $(VENV)/installed
	$(BIN)/gradmark run demo --store $(STORE)
	$(BIN)/python -m gradmark.benchmarks.speed.against_loop > loop.md
	$(BIN)/gradmark excerpt $(STORE) --problem 'BayesianLogisticRegression()' --readme README.md --image docs/variance.png --loop loop.md
	rm loop.md

# Every estimator of the catalogue checked against every problem of it: an hour at most, on two cores
false-alarms: $(VENV)/installed
	$(BIN)/python -m gradmark.benchmarks.trust.false_alarms

clean:
	rm -rf $(VENV) .links site $(STORE) $(REPORT) note.store note.figures note.pdf speed.store
