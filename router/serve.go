package router

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// Serve serves applications on ln until ctx ends. Then it takes no more
// connections, and gives answers under way the time to drain; what is not over
// then ends with an error in-band, so that no answer is ever cut without a
// word. It returns when everything has ended.
func (rt *Router) Serve(ctx context.Context, ln net.Listener) error {
	rt.flushAccounts(time.Now(), false) // what was used before this start counts from the first request on
	requests, end := context.WithCancelCause(context.Background())
	defer end(nil)
	srv := &http.Server{
		Handler: rt.Handler(), BaseContext: func(net.Listener) context.Context { return requests },
		ReadHeaderTimeout: 10 * time.Second, ReadTimeout: rt.cfg.BodyLimit.Std(), IdleTimeout: 2 * time.Minute,
		WriteTimeout:   rt.cfg.BodyLimit.Std() + rt.cfg.WriteLimit.Std(), // of what is no answer of a provider's: see exchange.allow
		MaxHeaderBytes: 64 << 10, ErrorLog: slog.NewLogLogger(rt.log.Handler(), slog.LevelDebug),
	}
	done := make(chan error, 1)
	go func() { done <- srv.Serve(ln) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	late := time.AfterFunc(rt.cfg.Drain.Std(), func() { end(ErrDrained) })
	defer late.Stop()
	over, cancel := context.WithTimeout(context.Background(), rt.cfg.Drain.Std()+lastWord)
	defer cancel()
	if err := srv.Shutdown(over); err != nil {
		_ = srv.Close() // some caller does not even take the error
	}
	<-done
	return nil
}

// lastWord is how long the errors may take that end what would not drain.
const lastWord = 2 * time.Second
