package api

import (
	"log/slog"
	"sync"
	"time"
)

// complainEvery is how often one and the same trouble is logged.
const complainEvery = time.Minute

// complaints logs a trouble that may come with every request: the first at
// once, those that follow as a count, at most one line a minute. Safe for
// concurrent use.
type complaints struct {
	log     *slog.Logger
	message string

	mu    sync.Mutex
	said  time.Time // the last line; zero before
	count int       // since then
	last  error
}

// add counts err, and logs it unless the last line is too fresh.
func (c *complaints) add(err error, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.count, c.last = c.count+1, err
	c.say(now)
}

// flush logs what was counted and not said, when it is time for that.
func (c *complaints) flush(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.say(now)
}

// say is called with mu held.
func (c *complaints) say(now time.Time) {
	if c.count == 0 || (!c.said.IsZero() && now.Sub(c.said) < complainEvery) {
		return
	}
	c.log.Error(c.message, "error", c.last, "times", c.count)
	c.said, c.count, c.last = now, 0, nil
}
