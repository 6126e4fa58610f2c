//go:build noui

package ui_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/bellwether-llm/bellwether/ui"
)

func TestABuildWithoutDashboardSaysSo(t *testing.T) {
	for path, want := range map[string]int{"/": http.StatusNotImplemented, "/assets/a.js": http.StatusNotFound} {
		w := httptest.NewRecorder()
		ui.Handler().ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		if w.Code != want {
			t.Errorf("GET %s = %d, want %d", path, w.Code, want)
		}
	}
}
