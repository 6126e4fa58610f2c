package client

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"time"
)

const (
	firstRetry   = 200 * time.Millisecond
	longestRetry = 800 * time.Millisecond
	firstBeg     = 10 * time.Second // where a person must do something first
	longestBeg   = 60 * time.Second
)

// mood is how a follower's server was when the log last heard of it. The log
// gets a line when it changes; what repeats is for those who debug.
type mood int

const (
	untold mood = iota
	bySocket
	byPolls
	away
	denied
)

// feel changes the mood, and logs at level if it is a change.
func (f *follower) feel(m mood, level slog.Level, message string, attrs ...any) {
	if f.mood == m {
		level = slog.LevelDebug
	}
	f.mood = m
	f.client.log.Log(context.Background(), level, message, append([]any{"of", f.what, "server", f.client.base.Host}, attrs...)...)
}

// follows says that something came from the server.
func (f *follower) follows(m mood, reason error) {
	switch {
	case f.mood == m: // with every message: not even for those who debug
	case m == bySocket:
		f.feel(m, slog.LevelInfo, "server: following by WebSocket")
	case reason == nil:
		f.feel(m, slog.LevelInfo, "server: following by polls")
	default:
		f.feel(m, slog.LevelInfo, "server: following by polls, no WebSocket is to be had", "reason", reason)
	}
}

// pause waits after err before the next try, or until ctx ends.
func (f *follower) pause(ctx context.Context, err error) {
	wait := f.backoff(err)
	switch {
	case isDenied(err):
		f.feel(denied, slog.LevelError, "server: refused", "reason", err, "again_in", wait,
			"remedy", "set a token that the server knows (its server.tokens) with the scopes read, observe")
	case f.mood == bySocket || f.mood == byPolls:
		f.feel(away, slog.LevelWarn, "server: connection lost", "reason", err, "again_in", wait)
	default:
		f.feel(away, slog.LevelWarn, "server: no connection", "reason", err, "again_in", wait)
	}
	sleep(ctx, wait)
}

// backoff returns how long to wait after err: full jitter, doubling from 0.2 s
// up to 0.8 s, so that a healed network is noticed within a second, and at least what the server asked for. Where only a person can
// help it is 10 s to 60 s.
func (f *follower) backoff(err error) time.Duration {
	fails := min(f.fails, 10)
	f.fails++
	if isDenied(err) {
		ceiling := min(2*firstBeg<<fails, longestBeg)
		return firstBeg + rand.N(ceiling-firstBeg+1)
	}
	wait := rand.N(min(firstRetry<<fails, longestRetry) + 1)
	if e, ok := errors.AsType[*Error](err); ok && e.RetryAfter > 0 {
		wait += min(e.RetryAfter, time.Minute)
	}
	return wait
}

// isDenied reports whether the server itself lets this client not in: trying
// in another way, or soon again, is of no use. A 403 that is not in the
// server's words is a proxy's, which may mind WebSockets only; see Watch.
func isDenied(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && (e.Status == http.StatusUnauthorized || (e.Status == http.StatusForbidden && (e.ours || e.polled)))
}

func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
