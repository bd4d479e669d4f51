.DEFAULT_GOAL := help
.PHONY: help setup fmt check test quick full serve bench clean

help: ## list the commands
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 10

setup: ## make .venv with everything for development
	@bash -c '. scripts/venv.sh && prepare_venv test'

fmt: setup ## format, and fix what ruff can fix
	.venv/bin/ruff format .
	.venv/bin/ruff check --fix .

check: ## format, lint, imports and types, without tests
	./run_tests.sh --lint

test: ## the CI tier
	./run_tests.sh

quick: ## the quick tier, while working
	./run_tests.sh --quick

full: ## every test, every size
	./run_tests.sh --full

serve: ## start the service
	./run.sh

bench: setup ## the figures of bench/
	@test -x bench/run.sh || { echo "There is no bench/run.sh yet."; exit 1; }
	bench/run.sh

clean: ## remove .venv, caches and builds; .env and data stay
	rm -rf .venv .venv.lock build dist *.egg-info .coverage .coverage.* htmlcov
	rm -rf .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find storage_service tests scripts -name __pycache__ -prune -exec rm -rf {} +
