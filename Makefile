# Two commands are enough: `make run` opens the shop on this machine, `make test` proves it.
PYTHON ?= python3
PORT ?= 8000
BIN := .venv/bin
STAMP := .venv/.installed
PYTEST := $(BIN)/python -m pytest
# Each worker has a database server of its own; three keep two cores busy, because one of them mostly
# waits for a browser or a killed process. `make test WORKERS=0` runs in one process.
WORKERS ?= 3
PARALLEL = -n $(WORKERS)

# What `make test-fast` leaves out besides, so that it takes less than a minute: the tools around the
# shop, every address as everybody, and the modules that mostly wait, for races, for gateways that
# hang and for days that pass.
SLOW := $(addprefix tests/, embedded_mongodb razorpay_sandbox dev books test_addresses.py \
	console/test_support.py console/test_lists.py invoices/test_pages.py \
	accounts/test_abuse.py accounts/test_races.py invoices/test_races.py orders/test_races.py \
	orders/test_races_in_order.py orders/test_auto_renewal.py orders/test_periods.py \
	subscriptions/test_lifecycle.py subscriptions/test_pool.py telegram_alerts/test_delivery.py \
	wallet/test_gateway.py wallet/test_source_refunds.py wallet/test_reconciliation.py)

# The shop's processes, and the many that tests start, share what Python has compiled.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help run test test-fast test-deep bench lint lock install

help:
	@echo "make run        open the shop on http://127.0.0.1:$(PORT) (PORT=8001 for another port)"
	@echo "make test       every test but the deep ones"
	@echo "make test-fast  the quick tests: no browser, crash, load, race or matrix of all addresses"
	@echo "make test-deep  long random and fault runs"
	@echo "make bench      drive the running shop and print what each page costs (Linux)"
	@echo "make lint       ruff, djlint, mypy"
	@echo "make lock       write the hashed requirements again (needs uv)"

run: $(STAMP)
	@$(BIN)/python -m dev.run --port $(PORT)

test: $(STAMP)
	$(PYTEST) $(PARALLEL) -m "not deep"

# Nothing waits here, so two are enough.
test-fast: WORKERS := 2
test-fast: $(STAMP)
	$(PYTEST) $(PARALLEL) -m "not browser and not crash and not load and not deep" $(SLOW:%=--ignore=%)

test-deep: $(STAMP)
	$(PYTEST) -m deep -o faulthandler_timeout=0

bench: $(STAMP)
	$(BIN)/python -m benchmarks

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/djlint templates --profile=django --lint
	$(BIN)/mypy

install: $(STAMP)

$(STAMP): requirements/dev.txt
	@$(PYTHON) -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "OTTSONLY needs Python 3.11 or newer with its venv module, and \`$(PYTHON)\` is not that: install it, or name it with PYTHON=/path/to/python3." >&2; \
		exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --disable-pip-version-check --quiet --require-hashes -r requirements/dev.txt
	@touch $@

lock:
	@command -v uv >/dev/null || { echo "The lock is written by uv: install it first (pip install uv)." >&2; exit 1; }
	for name in base dev; do \
		uv pip compile --universal --python-version 3.11 --prerelease if-necessary-or-explicit \
			--generate-hashes --no-emit-index-url --no-emit-find-links --no-header \
			requirements/$$name.in -o requirements/$$name.txt || exit 1; \
	done
