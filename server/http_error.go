package server

import (
	"encoding/json"
	"net/http"
	"unicode/utf8"

	"github.com/streamsql/streamsql/sql"
	"github.com/streamsql/streamsql/types"
)

// errorBody is an error as clients get it.
type errorBody struct {
	Code     types.Code `json:"code"` // SQLSTATE
	Message  string     `json:"message"`
	Detail   string     `json:"detail,omitempty"`
	Hint     string     `json:"hint,omitempty"`
	Position int        `json:"position,omitempty"` // in characters of the query, from 1
	Line     int        `json:"line,omitempty"`     // from 1, as is the column
	Column   int        `json:"column,omitempty"`
}

// errorOf describes an error; text is the query that its place refers to.
func errorOf(err error, text string) errorBody {
	e := types.AsError(err)
	b := errorBody{Code: e.Code, Message: e.Msg, Detail: e.Detail, Hint: e.Hint}
	if b.Code == "" {
		b.Code = types.CodeInternal
	}
	if !e.Span.IsZero() && e.Span.Start <= len(text) {
		b.Position = utf8.RuneCountInString(text[:e.Span.Start]) + 1
		b.Line, b.Column = sql.Position(text, e.Span.Start)
	}
	return b
}

// statusOf is the HTTP status of an error, by the class of its SQLSTATE.
func statusOf(err error) int {
	code := string(types.CodeOf(err))
	switch {
	case code == string(types.CodeShutdown):
		return http.StatusServiceUnavailable
	case code == string(types.CodeCanceled):
		return http.StatusRequestTimeout
	case len(code) < 2:
		return http.StatusInternalServerError
	}
	switch code[:2] {
	case "0A", "08", "21", "22", "25", "26", "34", "3D", "3F", "42", "44", "54", "55", "2B":
		return http.StatusBadRequest
	case "23", "40":
		return http.StatusConflict
	case "28":
		return http.StatusUnauthorized
	case "53":
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

func writeError(w http.ResponseWriter, status int, err error, text string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	body, _ := json.Marshal(map[string]errorBody{"error": errorOf(err, text)}) // strings and numbers
	_, _ = w.Write(append(body, '\n'))                                         // a client that has gone needs no answer
}
