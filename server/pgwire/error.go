package pgwire

import (
	"context"
	"errors"
	"unicode/utf8"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/streamsql/streamsql"
	"github.com/streamsql/streamsql/sql"
	"github.com/streamsql/streamsql/types"
)

// SQLSTATEs of connections.
const (
	codeTooManyConnections types.Code = "53300"
	codeInvalidPassword    types.Code = "28P01"
	codeInvalidAuth        types.Code = "28000"
	codeCrash              types.Code = "57P02"
)

var (
	errShutdown = types.Errorf(types.CodeShutdown, "terminating connection due to administrator command")
	errCanceled = types.Errorf(types.CodeCanceled, "canceling statement due to user request")
	errVanished = types.Errorf("08006", "connection to client lost")
)

// statementError is the error that a client gets for what a statement failed with under ctx: if the statement was cancelled, the reason of that.
func statementError(ctx context.Context, err error) *types.Error {
	if ctx.Err() != nil {
		var cause *types.Error
		if errors.As(context.Cause(ctx), &cause) {
			return cause
		}
		if errors.Is(context.Cause(ctx), context.DeadlineExceeded) {
			return types.Errorf(types.CodeCanceled, "canceling statement due to statement timeout")
		}
	}
	return types.AsError(err)
}

// ofStatement is the error of a statement without a place if the whole statement is its place, which says nothing.
func ofStatement(ctx context.Context, err error, stmt sql.Statement) *types.Error {
	e := statementError(ctx, err)
	if e.Span != stmt.Span() {
		return e
	}
	c := *e
	c.Span = types.Span{}
	return &c
}

// errorResponse is the message of an error; text is the one that its place refers to.
func errorResponse(severity string, e *types.Error, text string) *pgproto3.ErrorResponse {
	m := &pgproto3.ErrorResponse{Severity: severity, SeverityUnlocalized: severity, Code: string(e.Code), Message: e.Msg, Detail: e.Detail, Hint: e.Hint}
	if e.Code == "" {
		m.Code = string(types.CodeInternal)
	}
	if !e.Span.IsZero() && e.Span.Start <= len(text) {
		m.Position = int32(utf8.RuneCountInString(text[:e.Span.Start])) + 1
	}
	return m
}

func noticeResponse(n streamsql.Notice) *pgproto3.NoticeResponse {
	m := &pgproto3.NoticeResponse{Severity: "NOTICE", SeverityUnlocalized: "NOTICE", Code: "00000", Message: n.Msg, Hint: n.Hint}
	if n.Warning != "" {
		m.Severity, m.SeverityUnlocalized, m.Code = "WARNING", "WARNING", string(n.Warning)
	}
	return m
}
