.DEFAULT_GOAL := help
.PHONY: help demo image test test-unit test-containerlab test-debian13 check install install-tests bench docs wheel clean

help: ## Show this list
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-18s %s\n", $$1, $$2}'

install: ## Debian packages and .venv for running labctl
	@scripts/install

install-tests: ## The same, and what the tests need
	@scripts/install --tests

demo: install ## Prepare this host, boot the white paper's lab, prove it, take it down
	@scripts/demo

image: install ## The stand-ins' container images, loaded into Docker where a daemon answers
	@.venv/bin/labctl setup images

test: install-tests ## All tests, the booted ones included
	@.venv/bin/labctl setup build
	@.venv/bin/pytest -m "not docker"

test-containerlab: install-tests ## The container images and the containerlab runtime on real Docker, in an emulated machine
	@.venv/bin/labctl setup build
	@.venv/bin/pytest -m docker -s

test-debian13: install-tests ## The README's commands in a fresh Debian 13 (as root; scripts/fresh-root takes other suites)
	@scripts/fresh-root trixie make demo test-unit

test-unit: install-tests ## The tests that boot nothing
	@.venv/bin/pytest -m "not booted and not docker"

check: install-tests ## Lint, types, import contracts
	@scripts/check

bench: install-tests ## Phases of up, generate, --help and memory as JSON
	@.venv/bin/python -m bench

docs: install-tests ## Pages that are generated out of the code
	@.venv/bin/python -m tests.unit.docs.verbs_page >docs/cli.md
	@.venv/bin/python -m tests.unit.docs.spec_page >docs/spec.md
	@.venv/bin/python -m labctl.labjson >docs/lab.schema.json
	@.venv/bin/python -m labctl.report.evidencefolder >docs/evidence.schema.json
	@.venv/bin/python -m labctl.cli.main graph topologies/whitepaper.yaml -o docs/graph/whitepaper.svg
	@.venv/bin/python -m labctl.paper.reference >docs/whitepaper.md
	@.venv/bin/python -m tests.integration.sabotages >docs/sabotage.md
	@.venv/bin/python -m tests.unit.docs.scenarios_page >docs/scenarios.md

wheel: install-tests ## Build the wheel into dist/
	@.venv/bin/python -m build --wheel

clean: ## Remove what builds and tests made inside the checkout
	rm -rf .venv dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
