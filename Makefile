# Casefile's commands. Everything happens in .venv and in .casefile; see docs/deploy.md
# for production.

PYTHON ?= python3
LAUNCH := $(PYTHON) -m config.launcher
VENV := .venv/bin
TEMPLATES = $(wildcard */templates)
ARGS ?=
# Test files are spread over the machine's cores, in the order that tests/conftest.py
# gives them. PARALLEL= runs them one by one.
PARALLEL ?= -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

.DEFAULT_GOAL := help
.PHONY: help run test browser live walk long apart coverage slow faults documents bench bench-scale lint lock sbom licences audit deploy-check access manage install clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' Makefile

run: ## Run Casefile on http://127.0.0.1:8000 (PORT=… VERBOSE=1) until Ctrl-C; data is kept
	@$(LAUNCH) run

test: ## Run the tests beside servers of their own (ARGS="tests/policy -x")
	@$(LAUNCH) test -- $(PARALLEL) $(ARGS)

browser: ## Run the tests of pages in a real browser
	@$(LAUNCH) test -- $(PARALLEL) -m "browser and not slow" $(ARGS)

live: ## Run the tests that start whole programs: runs, servers, real workers
	@$(LAUNCH) test -- $(PARALLEL) -m "live and not browser and not slow" $(ARGS)

walk: ## Run every command; send hostile values to every page, form and filter
	@$(LAUNCH) test -- $(PARALLEL) -m "walk and not slow" $(ARGS)

long: ## Run the tests that build whole cases, archives or accounts before they look
	@$(LAUNCH) test -- $(PARALLEL) -m "long and not (browser or live or walk) and not slow" $(ARGS)

apart: ## Run browser, live, walk and long in one go, but for what `make test` runs too
	@$(LAUNCH) test -- $(PARALLEL) -m "(browser or live or walk or long) and not (essential or slow)" $(ARGS)

slow: ## Run the tests that take long, fuzzing above all
	@$(LAUNCH) test -- -m slow $(ARGS)

faults: ## Break what can break and print a table of what that cost (FULL=1: at full length)
	@$(if $(FULL),FAULTS_BROKER_SECONDS=300 FAULTS_WORKERS_REALLY_AWAY=1) $(LAUNCH) test -- -m faults -n 0 $(ARGS)

coverage: ## Run test, browser, live, walk and long, and add up what they cover: the floor only rises
	@rm -f .coverage .coverage.*
	@status=0; for kind in test browser live walk long; do \
		$(MAKE) --no-print-directory $$kind \
			ARGS="--cov --cov-append --cov-report= --cov-fail-under=0" || status=1; \
	done; $(VENV)/coverage report --format=total && exit $$status

documents: ## Type every command of the documents into a shell, beside a run
	@$(LAUNCH) test -- -m documents $(ARGS)

bench: install ## Measure, and print what was measured
	@for file in tests/bench/bench_*.py; do \
		module=$$(echo "$${file%.py}" | tr / .); \
		echo "== $$module"; \
		$(LAUNCH) beside $(VENV)/python -m "$$module" $(ARGS) || exit 1; \
	done

bench-scale: install ## Measure with N cases (N=100000 KEEP=1 OUT=FILE COMPARE=FILE ONLY=pattern)
	@$(VENV)/python -m tests.bench.scale --cases $(or $(N),10000) $(if $(KEEP),--keep) \
		$(if $(OUT),--out $(OUT)) $(if $(COMPARE),--compare $(COMPARE)) \
		$(if $(ONLY),--only '$(ONLY)') $(ARGS)

lint: install ## Check format, style, types, migrations and production settings
	$(VENV)/ruff format --check .
	$(VENV)/ruff check .
	$(VENV)/djade --target-version 5.2 --check $$(find $(TEMPLATES) -name '*.html')
	$(VENV)/djlint --lint --quiet $(TEMPLATES)
	$(VENV)/mypy manage.py config evidence policy incidents
	@! $(VENV)/vulture | grep -E "unused (function|method|class|import|property)|100% confidence"
	@$(LAUNCH) beside $(VENV)/python manage.py makemigrations --check --dry-run
	@$(LAUNCH) beside $(VENV)/python -m config.launcher.deploy_check

lock: install ## Pin and hash what requirements*.in ask for (ARGS="--upgrade-package celery")
	@$(VENV)/python -m config.launcher.lock $(ARGS)

sbom: install ## Write what production is made of, as CycloneDX (ARGS=path)
	@$(VENV)/python -m config.launcher.sbom $(ARGS)

licences: install ## Write docs/licences.md
	@$(VENV)/python -m config.launcher.licences

audit: install ## Ask for known vulnerabilities; exit code 3 where that could not be asked
	@$(VENV)/python -m config.launcher.audit

deploy-check: install ## Run what deploy/ ships, step by step (ARGS="nginx")
	@$(VENV)/python -m pip install --quiet --disable-pip-version-check --require-hashes \
		--no-deps --only-binary :all: -r requirements-manifests.txt
	@$(LAUNCH) beside $(VENV)/python -m tests.deploy.check $(ARGS)

access: install ## Write docs/access.md: who may do what, as tests/access states it
	@$(LAUNCH) beside $(VENV)/python -m tests.access.written

manage: ## Run a management command, beside a run or without (ARGS="verify_audit")
	@$(LAUNCH) manage -- $(ARGS)

install: ## Make .venv and install everything into it
	@$(LAUNCH) install

clean: ## Remove caches and .venv, and the local run's data after a question
	@$(PYTHON) -m config.launcher.clean
