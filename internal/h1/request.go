package h1

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// usual reports whether req is one that is served here.
func (t *Transport) usual(req *http.Request) bool {
	u := req.URL
	switch {
	case u == nil || u.Scheme != "http" || u.Host == "" || u.User != nil || !plainHost(u.Host) || req.Host != "" && req.Host != u.Host:
		return false
	case req.Method != http.MethodGet && req.Method != http.MethodPost:
		return false
	case !canPeek || t.next.DisableKeepAlives || t.next.ResponseHeaderTimeout != 0 || !t.next.DisableCompression:
		return false
	//lint:ignore SA1019 who still sets Cancel gets it
	case req.Close || req.TransferEncoding != nil || req.Trailer != nil || req.Header == nil || req.Cancel != nil:
		return false
	case req.Body == nil || req.Body == http.NoBody:
		if req.ContentLength != 0 {
			return false
		}
	case req.GetBody == nil || req.ContentLength <= 0 || req.ContentLength > maxBody:
		return false
	}
	if t.next.Proxy != nil {
		if proxy, err := t.next.Proxy(req); err != nil || proxy != nil {
			return false
		}
	}
	for name, values := range req.Header {
		if len(values) > 0 && !plainHeader(name, values) {
			return false
		}
	}
	return true
}

// plainHost reports whether h is a name or an address as they are, with or
// without a port: no zone, no name that would have to be encoded.
func plainHost(h string) bool {
	for i := range len(h) {
		switch c := h[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		case c == '.', c == '-', c == '_', c == ':', c == '[', c == ']':
		default:
			return false
		}
	}
	return true
}

func trimBrackets(h string) string { return strings.TrimSuffix(strings.TrimPrefix(h, "["), "]") }

// plainHeader reports whether a header may be written as it is: no name that
// frames the message, nothing that could end a line.
func plainHeader(name string, values []string) bool {
	switch name {
	case "Host", "Content-Length", "Transfer-Encoding", "Trailer", "Connection", "Upgrade", "Expect", "Te", "Keep-Alive", "Proxy-Connection":
		return false
	}
	if name == "" || name == "User-Agent" && len(values) > 1 || http.CanonicalHeaderKey(name) != name {
		return false
	}
	for i := range len(name) {
		if !tokenByte(name[i]) {
			return false
		}
	}
	for _, v := range values {
		for i := range len(v) {
			if c := v[i]; c < ' ' && c != '\t' || c == 0x7f {
				return false
			}
		}
		if strings.TrimSpace(v) != v {
			return false
		}
	}
	return true
}

// tokenByte reports whether c may stand in a header's name.
func tokenByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_'
}

// appendRequest appends req, which is usual, as it goes over the wire.
func appendRequest(b []byte, req *http.Request) ([]byte, error) {
	b = append(append(b, req.Method...), ' ')
	from := len(b)
	b = append(b, req.URL.RequestURI()...)
	for _, c := range b[from:] {
		if c <= ' ' || c >= 0x7f {
			return b, fmt.Errorf("http: the address holds %q", c)
		}
	}
	b = append(append(b, " HTTP/1.1\r\nHost: "...), req.URL.Host...)
	if _, own := req.Header["User-Agent"]; !own {
		b = append(b, "\r\nUser-Agent: Go-http-client/1.1"...)
	}
	if req.ContentLength > 0 || req.Method == http.MethodPost {
		b = strconv.AppendInt(append(b, "\r\nContent-Length: "...), req.ContentLength, 10)
	}
	for name, values := range req.Header {
		for _, v := range values {
			if name == "User-Agent" && v == "" {
				continue // as net/http: none is to be sent
			}
			b = append(append(append(append(b, "\r\n"...), name...), ": "...), v...)
		}
	}
	b = append(b, "\r\n\r\n"...)
	if req.ContentLength == 0 {
		return b, nil
	}
	n := int(req.ContentLength)
	b = slices.Grow(b, n+1)
	end := len(b) + n
	if _, err := io.ReadFull(req.Body, b[len(b):end]); err != nil {
		return b, fmt.Errorf("http: the body is shorter than its %d bytes: %w", n, err)
	}
	if more, _ := req.Body.Read(b[end : end+1]); more > 0 {
		return b, fmt.Errorf("http: the body is longer than its %d bytes", n)
	}
	return b[:end], nil
}

// repeatable reports whether a request may be sent twice, as net/http decides.
func repeatable(req *http.Request) bool {
	if req.Method == http.MethodGet {
		return true
	}
	_, key := req.Header["Idempotency-Key"]
	_, own := req.Header["X-Idempotency-Key"]
	return key || own
}
