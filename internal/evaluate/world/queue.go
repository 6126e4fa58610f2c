package world

import (
	"time"

	"github.com/bellwether-llm/bellwether"
)

type eventKind uint8

const (
	result eventKind = iota // first among equals: what is known is known
	onset
	mark
	ticking
	traffic
	scheduled
	fast
)

type event struct {
	at     time.Duration
	kind   eventKind
	target int
	turn   int
	seq    uint64
	o      *bellwether.Observation
}

// queue is a heap of events by time, then kind, then order of arrival.
type queue struct {
	heap []event
	seq  uint64
}

func (q *queue) len() int    { return len(q.heap) }
func (q *queue) top() *event { return &q.heap[0] }

func (a *event) before(b *event) bool {
	switch {
	case a.at != b.at:
		return a.at < b.at
	case a.kind != b.kind:
		return a.kind < b.kind
	}
	return a.seq < b.seq
}

func (q *queue) push(e event) {
	q.seq++
	e.seq = q.seq
	q.heap = append(q.heap, e)
	for i := len(q.heap) - 1; i > 0; {
		up := (i - 1) / 2
		if !q.heap[i].before(&q.heap[up]) {
			break
		}
		q.heap[i], q.heap[up] = q.heap[up], q.heap[i]
		i = up
	}
}

func (q *queue) pop() event {
	top := q.heap[0]
	last := len(q.heap) - 1
	q.heap[0] = q.heap[last]
	q.heap[last] = event{}
	q.heap = q.heap[:last]
	for i := 0; ; {
		least := i
		for c := 2*i + 1; c <= 2*i+2 && c < last; c++ {
			if q.heap[c].before(&q.heap[least]) {
				least = c
			}
		}
		if least == i {
			return top
		}
		q.heap[i], q.heap[least] = q.heap[least], q.heap[i]
		i = least
	}
}
