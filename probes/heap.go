package probes

import (
	"container/heap"
	"time"
)

// alarm is one due time of an entry, on the schedule or under suspicion.
type alarm struct {
	at    time.Time
	entry *entry
	fast  bool // under suspicion
	index int  // in the heap; -1 when not in it
}

// alarms is a heap by time. At one instant the schedule goes first.
type alarms []*alarm

func (a alarms) Len() int { return len(a) }
func (a alarms) Less(i, j int) bool {
	if a[i].at.Equal(a[j].at) {
		return !a[i].fast && a[j].fast
	}
	return a[i].at.Before(a[j].at)
}

func (a alarms) Swap(i, j int) {
	a[i], a[j] = a[j], a[i]
	a[i].index, a[j].index = i, j
}

// Push and Pop serve container/heap.
func (a *alarms) Push(x any) {
	x.(*alarm).index = len(*a)
	*a = append(*a, x.(*alarm))
}

func (a *alarms) Pop() any {
	old := *a
	x := old[len(old)-1]
	old[len(old)-1] = nil
	*a = old[:len(old)-1]
	x.index = -1
	return x
}

// set moves x to a time, into the heap if it is not there; the zero time takes
// it out. O(log n).
func (a *alarms) set(x *alarm, at time.Time) {
	x.at = at
	switch {
	case at.IsZero() && x.index >= 0:
		heap.Remove(a, x.index)
	case at.IsZero():
	case x.index >= 0:
		heap.Fix(a, x.index)
	default:
		heap.Push(a, x)
	}
}

// first returns the earliest alarm, nil when there is none.
func (a alarms) first() *alarm {
	if len(a) == 0 {
		return nil
	}
	return a[0]
}
