package api

import (
	"embed"
	"encoding/json"
	"net/http"
	"path"

	contract "github.com/stockfold/stockfold/proto"
)

//go:embed docs
var docs embed.FS

// docsPolicy lets the page load nothing from elsewhere.
const docsPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// pages are what is served beside the contract's routes.
func (s *Server) pages() map[string]http.HandlerFunc {
	return map[string]http.HandlerFunc{
		"/":              func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/docs", http.StatusFound) },
		"/docs":          file("docs/index.html", "text/html; charset=utf-8"),
		"/docs/page.css": file("docs/page.css", "text/css; charset=utf-8"),
		"/docs/page.js":  file("docs/page.js", "text/javascript; charset=utf-8"),
		"/openapi.json":  func(w http.ResponseWriter, _ *http.Request) { send(w, jsonType, contract.OpenAPI) },
		"/healthz":       s.healthz,
		"/readyz":        s.readyz,
	}
}

func file(name, kind string) http.HandlerFunc {
	data, err := docs.ReadFile(path.Clean(name))
	if err != nil {
		panic(err) // it is part of the program
	}
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Security-Policy", docsPolicy)
		send(w, kind, data)
	}
}

func send(w http.ResponseWriter, kind string, data []byte) {
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Cache-Control", "no-cache")
	_, _ = w.Write(data) // a caller who left needs no answer
}

// healthz says that the process answers.
func (s *Server) healthz(w http.ResponseWriter, _ *http.Request) { state(w, http.StatusOK, "ok", "") }

// readyz says whether the service can serve: 200, or 503 with what it waits for.
func (s *Server) readyz(w http.ResponseWriter, _ *http.Request) {
	if err := s.ready(); err != nil {
		state(w, http.StatusServiceUnavailable, "not ready", err.Error())
		return
	}
	state(w, http.StatusOK, "ready", "")
}

func state(w http.ResponseWriter, code int, status, why string) {
	body, _ := json.Marshal(struct {
		Status string `json:"status"`
		Why    string `json:"why,omitempty"`
	}{status, why}) // two texts: it cannot fail
	w.Header().Set("Content-Type", jsonType)
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	_, _ = w.Write(body)
}
