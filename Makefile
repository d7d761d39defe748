# Everything runs from .venv, made here from the newest Python 3.11+ on PATH. Nothing else is kept
# inside the checkout. Paths in here are relative, so a checkout may stand in a path with spaces.

.DEFAULT_GOAL := help
.PHONY: help demo lab test check release-check format lint types layers floor shell unit verified \
	bench screenshots lock system clean

PYTHON := .venv/bin/python
READY := .venv/ready
ARGS ?=
# Scenarios that run side by side. Each is a whole cluster, so this is not the number of cores.
WORKERS ?= 2

help: ## This list
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' Makefile | expand -t 22

demo: system $(READY) ## The lab, with Tilt's page, until Ctrl-C. ARGS=--once ends after the table
	@$(PYTHON) -m tests.lab.demo $(ARGS)

# Before the tests, so that one sees how far it is.
lab: system $(READY) ## Build the lab's programs into the cache, unless they are there
	@$(PYTHON) -m tests.lab.tools
	@$(PYTHON) -m tests.lab.tools tilt-web || \
	    echo "make: Tilt's page could not be built, so what needs it will be skipped" >&2

test: lab ## Every tier: unit, contract, e2e
	@status=0; \
	$(PYTHON) -m pytest -n $(WORKERS) --dist loadfile tests/unit tests/contract $(ARGS) || status=1; \
	$(PYTHON) -m pytest -n $(WORKERS) --dist loadfile tests/e2e $(ARGS) || status=1; \
	exit $$status

check: format lint types layers floor shell unit verified ## Format, lint, types, layers, shell, the unit tests

release-check: check ## check, and that the contract was tried on the real kubefwd as it is now
	@$(PYTHON) -m tests.contract.kubefwd.verified

format: $(READY)
	$(PYTHON) -m ruff format --check .

lint: $(READY)
	$(PYTHON) -m ruff check .

types: $(READY)
	$(PYTHON) -m mypy

layers: $(READY)
	cd operator && ../$(PYTHON) -c 'from importlinter.cli import lint_imports_command as main; main()' \
	    --no-cache ../pyproject.toml

# What root runs has to run on the system's Python, which is 3.9 on macOS.
floor: $(READY)
	$(PYTHON) -c 'from vermin.main import main; main()' --target=3.9- --violations --no-tips \
	    --eval-annotations operator/kubefwd_operator/root operator/kubefwd_operator/installer.py

shell:
	@if command -v shellcheck >/dev/null; then \
	    echo shellcheck; git ls-files -z '*.sh' .ci/run | xargs -0 shellcheck; \
	else echo 'make: shellcheck is not installed, so shell scripts go unchecked'; fi

unit: $(READY) ## The unit tests alone
	$(PYTHON) -m pytest tests/unit $(ARGS)

# The stand-in for kubefwd is worth what it was compared with.
verified: $(READY)
	@$(PYTHON) -m tests.contract.kubefwd.verified --warn

bench: system $(READY) ## Measure, and write docs/benchmarks.md from what was measured
	$(PYTHON) -m tests.bench $(ARGS)

# The fonts are for the pictures alone: the page takes its own from the internet.
screenshots: lab ## Make the pictures in docs/images anew, from Tilt's real page
	@sh .ci/system.sh fonts-material-design-icons-iconfont fonts-inter fonts-inconsolata
	KUBEFWD_SCREENSHOTS=1 $(PYTHON) -m pytest tests/e2e/screenshots $(ARGS)

# Resolved for every platform at once; all files of a release are hashed, and no address is written.
COMPILE = UV_CUSTOM_COMPILE_COMMAND='make lock' $(PYTHON) -m uv pip compile --quiet --universal \
	--python-version 3.11 --generate-hashes --no-annotate $(ARGS) pyproject.toml

lock: $(READY) ## Pin and hash the requirements again. ARGS=--upgrade takes the latest of all
	$(COMPILE) --output-file operator/requirements.txt
	$(COMPILE) --group dev --constraint operator/requirements.txt --output-file tests/requirements.txt

system: ## What the lab needs of Debian, installed when it is missing (root, or sudo)
	@sh .ci/system.sh

# A venv that works is brought up to date, one that does not is made anew.
$(READY): tests/requirements.txt .ci/venv.sh operator/bootstrap.sh
	@sh .ci/venv.sh

clean: ## Remove .venv and what the tools left
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
