package types

import (
	"errors"
	"fmt"
)

// Span is a half-open range of byte offsets [Start, End) in one source text. The zero Span means "no place".
type Span struct{ Start, End int }

// IsZero reports whether the span names no place.
func (s Span) IsZero() bool { return s == Span{} }

// Cover returns the smallest span that contains both s and o; a zero span is ignored.
func (s Span) Cover(o Span) Span {
	switch {
	case s.IsZero():
		return o
	case o.IsZero():
		return s
	}
	return Span{Start: min(s.Start, o.Start), End: max(s.End, o.End)}
}

// Code is a five-character PostgreSQL SQLSTATE.
type Code string

// The SQLSTATEs that streamsql raises.
const (
	CodeSyntax              Code = "42601"
	CodeUndefinedColumn     Code = "42703"
	CodeUndefinedTable      Code = "42P01"
	CodeUndefinedFunction   Code = "42883"
	CodeUndefinedObject     Code = "42704"
	CodeUndefinedParameter  Code = "42P02"
	CodeDuplicateObject     Code = "42710"
	CodeDuplicateTable      Code = "42P07"
	CodeDuplicateColumn     Code = "42701"
	CodeDuplicateAlias      Code = "42712"
	CodeDuplicateCursor     Code = "42P03"
	CodeAmbiguousColumn     Code = "42702"
	CodeAmbiguousFunction   Code = "42725"
	CodeDatatypeMismatch    Code = "42804"
	CodeIndeterminateType   Code = "42P18"
	CodeWrongObjectType     Code = "42809"
	CodeInvalidColumnRef    Code = "42P10"
	CodeGrouping            Code = "42803"
	CodeWindowing           Code = "42P20"
	CodeCannotCoerce        Code = "42846"
	CodeInvalidDefinition   Code = "42P17"
	CodeInvalidTable        Code = "42P16"
	CodeNotSupported        Code = "0A000"
	CodeInvalidParameter    Code = "22023"
	CodeNumericOutOfRange   Code = "22003"
	CodeDivisionByZero      Code = "22012"
	CodeInvalidText         Code = "22P02"
	CodeInvalidDatetime     Code = "22007"
	CodeDatetimeOverflow    Code = "22008"
	CodeIntervalOverflow    Code = "22015"
	CodeInvalidRegex        Code = "2201B"
	CodeInvalidEscape       Code = "22025"
	CodeNullNotAllowed      Code = "22004"
	CodeStringTruncation    Code = "22001"
	CodeSubstring           Code = "22011"
	CodeInvalidLog          Code = "2201E"
	CodeInvalidPower        Code = "2201F"
	CodeInvalidEncoding     Code = "22021"
	CodeInvalidJSON         Code = "22032"
	CodeSequenceLimit       Code = "2200H"
	CodeBadCopyFormat       Code = "22P04"
	CodeNotNullViolation    Code = "23502"
	CodeUniqueViolation     Code = "23505"
	CodeCheckViolation      Code = "23514"
	CodeCardinality         Code = "21000"
	CodeGeneratedAlways     Code = "428C9"
	CodeDependentObjects    Code = "2BP01"
	CodeActiveTransaction   Code = "25001"
	CodeReadOnlyTransaction Code = "25006"
	CodeFailedTransaction   Code = "25P02"
	CodeOutOfMemory         Code = "53200"
	CodeDiskFull            Code = "53100"
	CodeTooComplex          Code = "54001"
	CodeObjectInUse         Code = "55006"
	CodeCanceled            Code = "57014"
	CodeShutdown            Code = "57P01"
	CodeIO                  Code = "58030"
	CodeUndefinedFile       Code = "58P01"
	CodeConfigFile          Code = "F0000"
	CodeInternal            Code = "XX000"
	CodeDataCorrupted       Code = "XX001"
	CodeInsufficientRights  Code = "42501"
	CodeConnectionException Code = "08000"
)

// Error is the one error type that users see: what was found and what was wanted, where, and the way out.
// sql.Render draws it with the line and a caret.
type Error struct {
	Code   Code   // SQLSTATE
	Msg    string // lower case, no full stop
	Detail string // optional: which row or key, such as Key (id)=(1) already exists.
	Hint   string // optional: the way out
	// Optional, of violated constraints: the column that is NULL, the constraint's name.
	Column, Constraint string
	Span               Span // optional: the place in the source text
}

// Error returns the message and, if there are any, the detail and the hint.
func (e *Error) Error() string {
	s := e.Msg
	if e.Detail != "" {
		s += "; " + e.Detail
	}
	if e.Hint != "" {
		s += "; " + e.Hint
	}
	return s
}

// Errorf makes an Error without a place.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Msg: fmt.Sprintf(format, args...)}
}

// At returns e with the span set, if it has none yet.
func (e *Error) At(s Span) *Error {
	if !e.Span.IsZero() {
		return e
	}
	c := *e
	c.Span = s
	return &c
}

// WithHint returns e with the hint set.
func (e *Error) WithHint(format string, args ...any) *Error {
	c := *e
	c.Hint = fmt.Sprintf(format, args...)
	return &c
}

// WithDetail returns e with the detail set.
func (e *Error) WithDetail(format string, args ...any) *Error {
	c := *e
	c.Detail = fmt.Sprintf(format, args...)
	return &c
}

// Of returns e with the column and the constraint that it is about; empty: none.
func (e *Error) Of(column, constraint string) *Error {
	c := *e
	c.Column, c.Constraint = column, constraint
	return &c
}

// CodeOf returns the SQLSTATE carried by err, or CodeInternal.
func CodeOf(err error) Code {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return CodeInternal
}

// NotSupported is the error of a construct that is understood and cannot be run yet.
func NotSupported(span Span, format string, args ...any) *Error {
	return &Error{Code: CodeNotSupported, Msg: "not supported yet: " + fmt.Sprintf(format, args...), Span: span}
}

// AsError returns err as an Error: itself if it is or wraps one, else an internal error with its text.
func AsError(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return &Error{Code: CodeInternal, Msg: err.Error()}
}
