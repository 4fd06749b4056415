# make survey    survey a built-in network and say where the report lies
# make map       draw the loss around it, as a picture and as numbers
# make explore   make a page of landscapes to learn from
# make test      lint, types and tests
# make viewer    build the report's script anew (needs npm)
# make bench     measure what a product costs

PYTHON ?= python3
VENV ?= .venv
TARGET ?= digits-cnn
BUDGET ?= 60s
BIN = $(VENV)/bin
PIP = $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: survey map explore test viewer bench clean

survey: $(VENV)/installed
	$(BIN)/theodolite survey $(TARGET) --budget $(BUDGET)

map: $(VENV)/installed
	$(BIN)/theodolite map $(TARGET)

explore: $(VENV)/installed
	$(BIN)/theodolite explore

test: $(VENV)/installed-test viewer/node_modules/.package-lock.json
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/basedpyright
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile

bench: $(VENV)/installed
	$(BIN)/python benchmarks/products.py

viewer: viewer/node_modules/.package-lock.json
	cd viewer && npm run check && npm run build

# without npm the tests of the viewer's sources skip, and say so
viewer/node_modules/.package-lock.json: viewer/package-lock.json
	if command -v npm >/dev/null; then cd viewer && npm ci --no-audit --no-fund; fi

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) --editable '.[figures,align]'
	touch $@

$(VENV)/installed-test: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) --editable '.[test]'
	touch $@ $(VENV)/installed

clean:
	rm -rf $(VENV) build dist
