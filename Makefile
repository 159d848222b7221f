# make quickstart   install, train the three experiments on digits, print Table I
# make test         run the tests (make test-slow: those that take minutes)
# make docs         build the documentation into site/
# make notebooks    execute the notebooks, in place

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
QUICK := results/runs/quickstart
STAMP := $(VENV)/installed

.PHONY: quickstart test test-slow lint docs notebooks lock clean

$(STAMP): requirements.lock setup.py pyproject.toml
	$(PYTHON) -c "import sys; v = sys.version_info[:2]; sys.exit(None if (3, 10) <= v < (3, 14) else \
	'Error: this is Python %d.%d and node-transfer needs 3.10 to 3.13: pass one, as in make PYTHON=python3.11 quickstart.' % v)"
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $(STAMP)

quickstart: $(STAMP)
	$(BIN)/python experiments/reproduce.py --preset=quickstart --output_dir=$(QUICK)
	for run in baseline node_rk node_adjoint; do \
	  $(BIN)/python experiments/evaluate.py --model=$(QUICK)/seed-0/$$run || exit 1; done
	$(BIN)/python experiments/table_1.py \
	  --runs=$(QUICK)/seed-0/baseline,$(QUICK)/seed-0/node_rk,$(QUICK)/seed-0/node_adjoint

test: $(STAMP)
	$(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder

test-slow: $(STAMP)
	$(BIN)/python -m pytest -m slow

lint: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

# A warning, such as a broken link, is an error. Needs no network.
docs: $(STAMP)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	test -s site/reference/odeint.html

notebooks: $(STAMP)
	$(BIN)/python -m notebooks.execute

# Pins every dependency, for all Pythons and platforms. Needs uv.
lock:
	uv pip compile --universal --python-version 3.10 --extra all --extra test --extra docs setup.py --no-header \
	  --no-annotate --quiet --output-file requirements.lock

clean:
	rm -rf $(VENV) $(QUICK) site *.egg-info
