package main

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

func TestAKilledServerCostsNoRequestAndItsReturnIsNoticed(t *testing.T) {
	_, url := simulator(t)
	dir := t.TempDir()
	text := func(file, more string) string {
		name := filepath.Join(dir, file)
		writeFile(t, name, more)
		return name
	}
	listen, alone := freePort(t), freePort(t)
	api := "http://" + listen
	both := fmt.Sprintf(`
providers:
  one: {protocol: openai, base_url: "%s/r/us-east/v1", api_key: key-of-one-12345}
  two: {protocol: anthropic, base_url: "%s/r/eu-west", api_key: key-of-two-12345}
targets:
  - {id: first, provider: one, model: "m?first_token=5ms&inter_token=0ms&tokens=5"}
  - {id: second, provider: two, model: "m?first_token=5ms&inter_token=0ms&tokens=5"}
routes: {chat: {tiers: [[first], [second]]}}
`, url, url)
	serverFile := text("server.yaml", both+fmt.Sprintf("server: {listen: %q}\nstore: {dsn: \"sqlite:%s/test.db\"}\n", listen, dir))
	routerFile := text("router.yaml", both+fmt.Sprintf("router: {listen: %q, server: %q, name: alone}\n", alone, api))
	server := start(t, "serve", "--config", serverFile)
	start(t, "router", "--config", routerFile)
	router := "http://" + alone
	ready(t, router)
	follows := func() {
		t.Helper()
		eventually(t, "the router follows", func() error {
			var list struct {
				Routers []struct{ Name string }
			}
			get(t, api+"/v1/routers", &list)
			if len(list.Routers) == 0 {
				return fmt.Errorf("nobody does")
			}
			return nil
		})
	}
	follows()
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	var mu sync.Mutex
	asked := 0
	for _, stream := range []bool{false, true} {
		wg.Go(func() {
			for ctx.Err() == nil {
				if _, err := ask(router, stream); err != nil {
					t.Errorf("a request failed: %v", err)
					return
				}
				mu.Lock()
				asked++
				mu.Unlock()
			}
		})
	}
	more := func(n int) {
		t.Helper()
		mu.Lock()
		until := asked + n
		mu.Unlock()
		eventually(t, "requests", func() error {
			mu.Lock()
			defer mu.Unlock()
			if asked < until {
				return fmt.Errorf("%d of %d", asked, until)
			}
			return nil
		})
	}
	more(20)
	server.kill(t)
	more(100)
	start(t, "serve", "--config", serverFile)
	back := time.Now()
	follows()
	t.Logf("the router was there %v after the server's start", time.Since(back))
	more(20)
	stop()
	wg.Wait()
}
