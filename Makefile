# Everything a developer needs: `make run`, `make test`. Needs Go and make, nothing else.

BUF := go tool buf
WORKSPACE := .build/workspace
# Only their .proto files are used, and only here.
PROTOVALIDATE := github.com/bufbuild/protovalidate@v1.2.2
GOOGLEAPIS := github.com/grpc-ecosystem/grpc-gateway@v1.16.0

.PHONY: run build test bench workspace generate lint lint-proto fmt clean

build: ## Build the hookbridge binary into bin/.
	go build -o bin/hookbridge ./cmd/hookbridge

run: build ## Start a bridge with a demo source on an embedded journal in ./data.
	@bin/hookbridge serve --demo

test: ## Run every test.
	go test ./...

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

fmt: ## Format Go and proto sources.
	gofmt -l -w cmd server client
	$(BUF) format -w proto

clean:
	rm -rf bin .build
