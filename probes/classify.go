package probes

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/url"
	"strings"
	"syscall"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/llm"
)

// classify says what an error of the transport means: first whether we ended
// the request ourselves and why, then whether our own host is to blame, then
// how far the request had come.
func classify(ctx, parent context.Context, err error, s stage) failure {
	if parent.Err() != nil {
		return failure{bellwether.Canceled, "canceled by us"}
	}
	if ours, ok := passed(context.Cause(ctx), s); ok {
		return ours
	}
	if why := hostTrouble(err); why != "" {
		return failure{bellwether.Missed, "not sent: " + why}
	}
	text := bare(err).Error()
	var dns *net.DNSError
	switch {
	case s == stageStart && (strings.Contains(text, "unsupported protocol") || strings.Contains(text, "no Host")):
		return failure{bellwether.ClientError, "base URL: " + text}
	case errors.As(err, &dns):
		return failure{bellwether.DNSError, "resolve: " + text}
	case isTLS(err) || s == stageTLS:
		return failure{bellwether.TLSError, "handshake: " + text}
	case s == stageDNS:
		return failure{bellwether.DNSError, "resolve: " + text}
	case s < stageConnected:
		return failure{bellwether.ConnectError, "connect: " + text}
	case errors.Is(err, errTooLarge), errors.Is(err, llm.ErrEventTooLong), isMalformed(text):
		return failure{bellwether.Malformed, "read answer: " + text}
	case s == stageConnected:
		return failure{bellwether.Truncated, "wait for answer: " + ended(err, text)}
	}
	return failure{bellwether.Truncated, "read answer: " + ended(err, text)}
}

// passed says what it means that one of our limits passed at a stage. Before
// there is a connection, the stage matters more than the limit.
func passed(cause error, s stage) (failure, bool) {
	var o bellwether.Outcome
	switch cause {
	case errTimeout:
		o = bellwether.Timeout
	case errFirstToken:
		o = bellwether.FirstTokenTimeout
	case errStall:
		o = bellwether.Stalled
	default:
		return failure{}, false
	}
	switch s {
	case stageDNS:
		return failure{bellwether.DNSError, "resolve: " + cause.Error()}, true
	case stageConnect:
		return failure{bellwether.ConnectError, "connect: " + cause.Error()}, true
	case stageTLS:
		return failure{bellwether.TLSError, "handshake: " + cause.Error()}, true
	}
	return failure{o, cause.Error()}, true
}

// hostTrouble names what our own host ran out of, "" for nothing.
func hostTrouble(err error) string {
	for _, e := range []syscall.Errno{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.EADDRNOTAVAIL} {
		if errors.Is(err, e) {
			return "our own host: " + e.Error()
		}
	}
	return ""
}

func isTLS(err error) bool {
	var (
		record   tls.RecordHeaderError
		alert    tls.AlertError
		verify   *tls.CertificateVerificationError
		unknown  x509.UnknownAuthorityError
		invalid  x509.CertificateInvalidError
		hostname x509.HostnameError
	)
	return errors.As(err, &record) || errors.As(err, &alert) || errors.As(err, &verify) ||
		errors.As(err, &unknown) || errors.As(err, &invalid) || errors.As(err, &hostname)
}

// isMalformed recognises an answer that is no HTTP by the transport's words;
// it has no types for them.
func isMalformed(text string) bool {
	for _, s := range []string{"malformed", "invalid byte in chunk length", "chunk length too large", "headers exceeded", "PROTOCOL_ERROR"} {
		if strings.Contains(text, s) {
			return true
		}
	}
	return false
}

// ended puts the end of a connection into words.
func ended(err error, text string) string {
	switch {
	case errors.Is(err, syscall.ECONNRESET):
		return "connection reset"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "connection closed"
	}
	return text
}

// bare takes the URL off an error of net/http or net/url: it may hold a key.
func bare(err error) error {
	var u *url.Error
	for errors.As(err, &u) {
		err = u.Err
	}
	return err
}

// scrubber removes what must not be seen from texts that came from outside.
type scrubber struct{ secrets []string }

// newScrubber knows the key of an endpoint and the values of its own headers.
func newScrubber(e llm.Endpoint) scrubber {
	var s scrubber
	add := func(v string) {
		if len(v) >= 6 {
			s.secrets = append(s.secrets, v, url.QueryEscape(v))
		}
	}
	add(e.Key.Reveal())
	for _, vs := range e.Header {
		for _, v := range vs {
			add(v)
			_, token, _ := strings.Cut(v, " ") // "Bearer ..."
			add(token)
		}
	}
	if u, err := url.Parse(e.BaseURL); err == nil && u.User != nil {
		pw, _ := u.User.Password()
		add(pw)
	}
	return s
}

// clean returns text with its secrets replaced.
func (s scrubber) clean(text string) string {
	for _, secret := range s.secrets {
		text = strings.ReplaceAll(text, secret, "***")
	}
	return text
}

// errorText is what people read of an error: printable, at most 500 bytes.
func errorText(s string) string { return cutBytes(printable(s), 500) }

// excerpt cuts a model's answer to 500 characters without control characters.
func excerpt(s string) string {
	s = printable(s)
	n := 0
	for i := range s {
		if n == 500 {
			return s[:i]
		}
		n++
	}
	return s
}
