package h1

import (
	"sync"
	"time"
)

// idle keeps connections for a next request, the latest of a host first. It is
// safe for concurrent use.
type idle struct {
	timeout time.Duration
	perHost int
	most    int // of all hosts; 0: no bound

	mu    sync.Mutex
	hosts map[string][]*conn // the longest idle first
	n     int
	sweep *time.Timer // nil while nobody is idle
}

// get returns a connection to host that is still good, nil when there is none.
func (p *idle) get(host string, now time.Time) *conn {
	for {
		c := p.pop(host)
		if c == nil {
			return nil
		}
		if now.Sub(c.since) < p.timeout && c.quiet() {
			return c
		}
		_ = c.Conn.Close()
	}
}

func (p *idle) pop(host string) *conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	list := p.hosts[host]
	if len(list) == 0 {
		return nil
	}
	c := list[len(list)-1]
	list[len(list)-1] = nil
	p.hosts[host] = list[:len(list)-1]
	p.n--
	return c
}

// put keeps c. It reports false when there are enough.
func (p *idle) put(c *conn, now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if list := p.hosts[c.host]; !c.peeks() || len(list) >= p.perHost || p.most > 0 && p.n >= p.most {
		return false
	}
	if p.hosts == nil {
		p.hosts = map[string][]*conn{}
	}
	c.since = now
	p.hosts[c.host] = append(p.hosts[c.host], c)
	p.n++
	if p.sweep == nil {
		p.sweep = time.AfterFunc(p.timeout, p.expire)
	}
	return true
}

// expire closes what has been idle for too long, and comes again while there
// is something.
func (p *idle) expire() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.sweep == nil {
		return // all are closed
	}
	now := time.Now()
	for host, list := range p.hosts {
		old := 0
		for old < len(list) && now.Sub(list[old].since) >= p.timeout {
			_ = list[old].Conn.Close()
			old++
		}
		p.n -= old
		if rest := append(list[:0:0], list[old:]...); len(rest) > 0 {
			p.hosts[host] = rest
		} else {
			delete(p.hosts, host)
		}
	}
	if p.n == 0 {
		p.sweep = nil
		return
	}
	p.sweep.Reset(p.timeout / 2)
}

// close closes all.
func (p *idle) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, list := range p.hosts {
		for _, c := range list {
			_ = c.Conn.Close()
		}
	}
	p.hosts, p.n = nil, 0
	if p.sweep != nil {
		p.sweep.Stop()
		p.sweep = nil
	}
}
