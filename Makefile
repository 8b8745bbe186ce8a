# Everything a developer needs: `make run`, `make test`. Needs Go and make, nothing else.

BUF := go tool buf
WORKSPACE := .build/workspace
# Only their .proto files are used, and only here.
PROTOVALIDATE := github.com/bufbuild/protovalidate@v1.2.2
GOOGLEAPIS := github.com/grpc-ecosystem/grpc-gateway@v1.16.0

# The folders with Go sources.
GO := bench client cmd examples internal proto server

.PHONY: run build test race soak fuzz bench examples sdks signer workspace generate lint lint-proto breaking fmt clean

build: ## Build the hookbridge binary into bin/.
	go build -o bin/hookbridge ./cmd/hookbridge

run: build ## Start a bridge with a demo source on an embedded journal in ./data.
	@bin/hookbridge serve --demo

test: ## Run every test.
	go test ./...

bench: build ## Measure the bridge against what the machine could do at most; about a quarter of an hour.
	go run ./bench

examples: ## Run the subscribers in other languages against the real bridge; needs node, npm, python3 with venv, java and mvn.
	HOOKBRIDGE_EXAMPLES=1 go test -count=1 -timeout 30m -run '^TestSubscribers' ./examples/test

sdks: ## Let the providers' own libraries sign and verify; needs node and npm.
	@mkdir -p .build/sdk && cp server/provider/testdata/sdk/* .build/sdk/
	@cd .build/sdk && { npm install --no-audit --no-fund --ignore-scripts --silent || npm install --no-audit --no-fund --ignore-scripts; }
	HOOKBRIDGE_SDKS=$(CURDIR)/.build/sdk go test -count=1 -timeout 20m -run '^TestOfficialSDKs' ./server/provider ./cmd/hookbridge

signer: ## Compare the fixtures' signatures with those of a signer that has nothing of the bridge; needs python3 with venv.
	@test -x .build/signer/bin/pip || python3 -m venv .build/signer
	@.build/signer/bin/pip install --quiet --disable-pip-version-check -r server/provider/testdata/signer/requirements.txt
	.build/signer/bin/python -B server/provider/testdata/signer/signer.py

workspace:
	@rm -rf $(WORKSPACE) && mkdir -p $(WORKSPACE)/deps/google/api $(WORKSPACE)/deps/buf/validate
	@cp -r proto $(WORKSPACE)/proto && cp buf.offline.yaml $(WORKSPACE)/buf.yaml
	@dir=$$(go mod download -json $(PROTOVALIDATE) | sed -n 's/.*"Dir": "\(.*\)".*/\1/p') && \
	  install -m 644 $$dir/proto/protovalidate/buf/validate/validate.proto $(WORKSPACE)/deps/buf/validate/
	@dir=$$(go mod download -json $(GOOGLEAPIS) | sed -n 's/.*"Dir": "\(.*\)".*/\1/p') && \
	  install -m 644 $$dir/third_party/googleapis/google/api/annotations.proto $$dir/third_party/googleapis/google/api/http.proto $(WORKSPACE)/deps/google/api/

generate: workspace ## Generate gen/ from proto/, without any schema registry.
	$(BUF) build $(WORKSPACE) -o .build/image.binpb
	$(BUF) generate .build/image.binpb --path hookbridge

lint-proto: workspace ## Lint and check the format of proto/.
	$(BUF) lint $(WORKSPACE)
	$(BUF) format --diff --exit-code proto

lint: lint-proto ## Format, vet, staticcheck and proto lint.
	@test -z "$$(gofmt -l $(GO))" || { gofmt -l $(GO); echo "run make fmt"; exit 1; }
	go vet ./...
	go tool staticcheck $$(go list ./... | grep -v /gen/)

race: ## Run the tests of everything that has goroutines under the race detector.
	go test -race -short $$(go list ./client/... ./server/... ./cmd/...)

soak: ## Run ten million steps of the subscriptions' simulation, from a seed that is printed.
	HOOKBRIDGE_SIM_STEPS=10000000 go test -count=1 -v -timeout 30m -run '^TestSimulation$$' ./server/subscription/machine

FUZZTIME := 30s
# By default each new input may be made smaller for a minute, on which a short run would spend all its time and seem to hang.
MINIMIZETIME := 1s
fuzz: ## Fuzz every parser of what strangers send, for FUZZTIME each.
	@mkdir -p .build; grep -rl --include=*_test.go '^func Fuzz' client server | xargs -n1 dirname | sort -u | while read -r dir; do \
	  for target in $$(grep -ho '^func Fuzz[A-Za-z0-9]*' $$dir/*_test.go | cut -d' ' -f2); do \
	    echo "$$dir $$target"; .ci/fuzz "$$dir" "$$target" $(FUZZTIME) $(MINIMIZETIME) || exit 1; \
	  done; done

breaking: workspace ## Compare the schema with that of the last release, if there has been one.
	@if [ -f proto/released.binpb ]; then $(BUF) breaking $(WORKSPACE) --against proto/released.binpb; \
	  else echo "no release yet: the schema is free to change"; fi

fmt: ## Format Go and proto sources.
	gofmt -l -w $(GO)
	$(BUF) format -w proto

clean:
	rm -rf bin .build
