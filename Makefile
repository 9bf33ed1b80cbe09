# Two commands do everything on a machine with Python 3.11 or newer and make:
#   make moons    the main job: train, program, infer on a simulated crossbar
#   make test     every check and every test
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready

# Numerical libraries that each start a thread per core slow small matrices down by up to 70 times.
export OPENBLAS_NUM_THREADS ?= 1
export OMP_NUM_THREADS ?= 1

.PHONY: setup moons test check format torture bench clean

setup: $(READY)

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, this is " + sys.version.split()[0])'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@

moons: setup
	$(BIN)/xbar moons

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# A process per core; the tests of a file stay together, because they share what is slow to make.
test: check
	$(BIN)/pytest -n auto --dist loadfile

format: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

torture: setup
	CROSSBAR_EVERY_CALL=1 CROSSBAR_KILLS=20 $(BIN)/pytest tests/test_bench_safety.py tests/faults

bench: setup
	$(BIN)/python benchmarks/moons.py
	$(BIN)/python benchmarks/journal.py
	$(BIN)/python benchmarks/bench_calls.py
	$(BIN)/python benchmarks/bench_agreement.py
	$(BIN)/python benchmarks/bench_coverage.py
	$(BIN)/python benchmarks/bench_devices.py
	$(BIN)/python benchmarks/bench_memsim.py
	$(BIN)/python benchmarks/programming.py
	$(BIN)/python benchmarks/one_shot.py
	$(BIN)/python benchmarks/throughput.py
	$(BIN)/python benchmarks/arrays.py
	$(BIN)/python benchmarks/energy.py
	$(BIN)/python benchmarks/drift_draws.py
	$(BIN)/python benchmarks/certificates.py
	$(BIN)/python benchmarks/fabrication.py
	$(BIN)/python benchmarks/faults.py
	$(BIN)/python benchmarks/faults_source_meters.py
	$(BIN)/python benchmarks/robustness.py $(if $(MNIST),--data $(MNIST))

clean:
	rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
