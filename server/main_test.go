package server_test

import (
	"net/http"
	"testing"

	"go.uber.org/goleak"
)

// TestMain fails when a bridge that was stopped left a goroutine behind.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// poster keeps no connections: an idle one is no leak of the bridge.
var poster = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
