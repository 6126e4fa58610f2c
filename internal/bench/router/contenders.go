package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
)

// contender is one program in front of the upstream.
type contender struct {
	name    string
	address string
	token   string
	proc    *process // nil for the upstream itself
}

const callerToken = "bench-caller-0123456789"

// stage starts what is measured, and stops it.
type stage struct {
	dir      string
	upstream string
	all      []*process
}

// The cores: what is measured runs alone on one, all else on the other.
const (
	loadCore     = 0
	measuredCore = 1
)

func (s *stage) start(core int, name, program string, args ...string) (*process, error) {
	p, err := spawn(core, filepath.Join(s.dir, name+".log"), program, args...)
	if err == nil {
		s.all = append(s.all, p)
	}
	return p, err
}

func (s *stage) stop() {
	for i := len(s.all) - 1; i >= 0; i-- {
		s.all[i].stop()
	}
}

// set starts the upstream and every contender that this machine has.
func (s *stage) set(ctx context.Context, bellwether string) ([]*contender, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	if s.upstream, err = freeAddress(); err != nil {
		return nil, err
	}
	if _, err := s.start(loadCore, "upstream", self, "-role", roleUpstream, "-listen", s.upstream); err != nil {
		return nil, err
	}
	if err := answers(ctx, s.upstream); err != nil {
		return nil, err
	}
	cs := []*contender{{name: "direct", address: s.upstream}}
	for _, c := range []struct {
		name  string
		start func(address string) (*process, error)
	}{
		{"haproxy", s.haproxy},
		{"nginx", s.nginx},
		{roleReverse, func(a string) (*process, error) {
			return s.start(measuredCore, roleReverse, self, "-role", roleReverse, "-listen", a, "-upstream", s.upstream)
		}},
		{roleSplice, func(a string) (*process, error) {
			return s.start(measuredCore, roleSplice, self, "-role", roleSplice, "-listen", a, "-upstream", s.upstream)
		}},
		{"bellwether", func(a string) (*process, error) { return s.bellwether(ctx, bellwether, a) }},
	} {
		address, err := freeAddress()
		if err != nil {
			return nil, err
		}
		p, err := c.start(address)
		if err != nil {
			return nil, err
		}
		if p == nil {
			continue
		}
		if err := answers(ctx, address); err != nil {
			return nil, fmt.Errorf("%s: %w\n%s", c.name, err, tail(filepath.Join(s.dir, c.name+".log")))
		}
		cs = append(cs, &contender{name: c.name, address: address, token: callerToken, proc: p})
	}
	return cs, nil
}

// found reports where a program is that a machine need not have.
func found(names ...string) string {
	for _, n := range names {
		if _, err := os.Stat(n); err == nil {
			return n
		}
	}
	return ""
}

func (s *stage) haproxy(address string) (*process, error) {
	program := found("/usr/sbin/haproxy", "/usr/local/sbin/haproxy")
	if program == "" {
		return nil, nil
	}
	file := filepath.Join(s.dir, "haproxy.cfg")
	err := os.WriteFile(file, fmt.Appendf(nil, `global
  nbthread 1
  maxconn 2000
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  http-reuse always
frontend in
  bind %s
  default_backend up
backend up
  server up %s
`, address, s.upstream), 0o600)
	if err != nil {
		return nil, err
	}
	return s.start(measuredCore, "haproxy", program, "-db", "-f", file)
}

func (s *stage) nginx(address string) (*process, error) {
	program := found("/usr/sbin/nginx", "/usr/local/sbin/nginx")
	if program == "" {
		return nil, nil
	}
	file := filepath.Join(s.dir, "nginx.conf")
	err := os.WriteFile(file, fmt.Appendf(nil, `daemon off;
worker_processes 1;
pid %[1]s/nginx.pid;
error_log stderr crit;
events { worker_connections 4000; }
http {
  access_log off;
  client_body_temp_path %[1]s; proxy_temp_path %[1]s; fastcgi_temp_path %[1]s; uwsgi_temp_path %[1]s; scgi_temp_path %[1]s;
  keepalive_requests 100000000;
  upstream up { server %[3]s; keepalive 128; keepalive_requests 100000000; }
  server {
    listen %[2]s;
    location / { proxy_pass http://up; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off; }
  }
}
`, s.dir, address, s.upstream), 0o600)
	if err != nil {
		return nil, err
	}
	return s.start(measuredCore, "nginx", program, "-c", file, "-p", s.dir, "-e", "stderr")
}

// bellwether starts a server on the load's core, and the router that follows
// it on the measured one, with everything on.
func (s *stage) bellwether(ctx context.Context, program, address string) (*process, error) {
	server, err := freeAddress()
	if err != nil {
		return nil, err
	}
	common := fmt.Sprintf(`
server: {listen: %[1]q, tokens: [{name: routers, scopes: [read, observe], token: bench-router-0123456789}]}
store: {dsn: "sqlite:%[2]s/bench.db"}
vantage: bench
providers:
  up: {protocol: openai, base_url: "http://%[3]s/v1", api_key: bench-key}
targets:
  - {id: one, provider: up, model: m1, region: bench, price: {input: 2.5, output: 10}}
  - {id: two, provider: up, model: m2, region: bench, price: {input: 2.5, output: 10}}
canaries:
  - {name: capital, schedule: "@every 10s", prompt: "What is the capital of France?", max_tokens: 16, checks: [{contains: Paris}]}
routes:
  chat: {tiers: [[one, two]]}
`, server, s.dir, s.upstream)
	served, routed := filepath.Join(s.dir, "serve.yaml"), filepath.Join(s.dir, "router.yaml")
	if err := os.WriteFile(served, []byte(common), 0o600); err != nil {
		return nil, err
	}
	own := fmt.Sprintf(`router: {listen: %q, server: "http://%s", token: bench-router-0123456789, max_in_flight: 20000, keys: {bench: %s}}`, address, server, callerToken)
	if err := os.WriteFile(routed, []byte(common+own), 0o600); err != nil {
		return nil, err
	}
	if _, err := s.start(loadCore, "serve", program, "serve", "--config", served); err != nil {
		return nil, err
	}
	if err := answers(ctx, server); err != nil {
		return nil, fmt.Errorf("%w\n%s", err, tail(filepath.Join(s.dir, "serve.log")))
	}
	return s.start(measuredCore, "bellwether", program, "router", "--config", routed)
}
