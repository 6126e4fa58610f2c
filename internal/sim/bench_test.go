//go:build unix

package sim_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/bellwether-llm/bellwether/internal/sim"
)

// streams asks for n streams at once over loopback and reads them to their
// ends as cheaply as can be, on connections that it opened before. It returns
// how many events came, and how many reads that took.
func streams(b *testing.B, conns []net.Conn, request []byte) (events, reads int) {
	var wg sync.WaitGroup
	var mu sync.Mutex
	for _, c := range conns {
		wg.Go(func() {
			if _, err := c.Write(request); err != nil {
				b.Error(err)
				return
			}
			buf := make([]byte, 32<<10)
			tail, n, k := []byte(nil), 0, 0
			for !bytes.HasSuffix(tail, []byte("0\r\n\r\n")) {
				got, err := c.Read(buf)
				if err != nil {
					b.Error(err)
					return
				}
				n += bytes.Count(buf[:got], []byte("\n\n"))
				k++
				tail = append(tail[max(0, len(tail)-5):], buf[max(0, got-5):got]...)
			}
			mu.Lock()
			events, reads = events+n, reads+k
			mu.Unlock()
		})
	}
	wg.Wait()
	return events, reads
}

// cpu is the time that this process has used.
func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkChunksOnOneCore streams over loopback on one core, which the reading
// client shares, and reports chunks a second and how many came in one write.
// "flood" has no gaps; "paced" wants 200 streams to have a chunk every 2 ms
// each, twice what is asked of a simulator that is not to be the bottleneck.
//
//	go test ./internal/sim -run '^$' -bench ChunksOnOneCore -benchtime 20x
func BenchmarkChunksOnOneCore(b *testing.B) {
	for _, bm := range []struct {
		name    string
		streams int
		gap     string
	}{{"flood", 8, "0ms"}, {"paced", 200, "2ms"}} {
		b.Run(bm.name, func(b *testing.B) {
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
			s, err := sim.New(sim.Options{})
			if err != nil {
				b.Fatal(err)
			}
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				b.Fatal(err)
			}
			srv := &http.Server{Handler: s}
			done := make(chan error, 1)
			go func() { done <- srv.Serve(ln) }()
			defer func() { _ = srv.Close(); <-done }()
			conns := make([]net.Conn, bm.streams)
			for i := range conns {
				if conns[i], err = net.Dial("tcp", ln.Addr().String()); err != nil {
					b.Fatal(err)
				}
				defer func(c io.Closer) { _ = c.Close() }(conns[i])
			}
			body := fmt.Sprintf(`{"model":"m?first_token=0ms&inter_token=%s&tokens=250","stream":true,"messages":[{"role":"user","content":"Tell me about rivers."}]}`, bm.gap)
			request := fmt.Appendf(nil, "POST /v1/chat/completions HTTP/1.1\r\nHost: sim\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
			streams(b, conns, request)
			events, reads, used := 0, 0, cpu()
			b.ReportAllocs()
			for b.Loop() {
				n, k := streams(b, conns, request)
				events, reads = events+n, reads+k
			}
			used = cpu() - used
			b.ReportMetric(float64(events)/b.Elapsed().Seconds(), "chunks/s")
			b.ReportMetric(float64(events)/used.Seconds(), "chunks/cpu-s")
			b.ReportMetric(float64(events)/float64(reads), "chunks/read")
		})
	}
}
