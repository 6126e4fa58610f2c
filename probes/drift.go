package probes

import (
	"math"
	"slices"
)

// How many answers are compared with those before, and from how many on.
const (
	mixBlock, mixKnown, mixMost          = 40, 80, 400
	lengthBlock, lengthKnown, lengthMost = 30, 60, 200

	mixLeast = 0.25 // a shift by less than a quarter of all answers is let pass
)

// blend follows which share each value of one thing has. Several at once are
// usual; what counts is that the shares were others before.
type blend struct {
	ref   map[string]float64 // answers before the block
	n     float64            // of them
	runs  float64            // of equal values in a row among them
	block map[string]int
	count int // of the block
	turns int // runs of the block
	last  string
}

// shifted takes one value, and tells after every block of 40 whether its shares
// are others than those before: by a likelihood ratio (G) test at one in a
// million, on as many answers as are independent. Which server answers depends
// on the connection, so that equal values come in runs; the runs of before say
// how many answers are worth one. distance is the share of answers that moved.
func (m *blend) shifted(v string) (distance float64, yes bool) {
	if m.block == nil {
		m.block, m.ref = map[string]int{}, map[string]float64{}
	}
	if _, known := m.block[v]; !known && len(m.block) >= maxDistinct {
		return 0, false
	}
	if v != m.last {
		m.last = v
		m.turns++
	}
	m.block[v]++
	if m.count++; m.count < mixBlock {
		return 0, false
	}
	if m.n >= mixKnown {
		distance, yes = m.test()
	}
	if yes {
		clear(m.ref)
		m.n, m.runs = 0, 0
	}
	for v, c := range m.block {
		m.ref[v] += float64(c)
	}
	m.n, m.runs = m.n+float64(m.count), m.runs+float64(m.turns)
	if scale := mixMost / m.n; scale < 1 {
		for v := range m.ref {
			if m.ref[v] *= scale; m.ref[v] < 0.01 {
				delete(m.ref, v) // long gone; it also bounds how many there are
			}
		}
		m.n, m.runs = m.n*scale, m.runs*scale
	}
	clear(m.block)
	m.count, m.turns = 0, 0
	return distance, yes
}

// test compares the block with what was before.
func (m *blend) test() (distance float64, yes bool) {
	g, kinds, same, size := 0.0, 0, 0.0, float64(m.count)
	part := func(seen, of, all float64) {
		if seen > 0 {
			g += 2 * seen * math.Log(seen/(of*all/(m.n+size)))
		}
	}
	add := func(before, now float64) {
		kinds++
		part(before, m.n, before+now)
		part(now, size, before+now)
		distance += math.Abs(before/m.n-now/size) / 2
		same += before * before / (m.n * m.n)
	}
	for v, before := range m.ref {
		add(before, float64(m.block[v]))
	}
	for v, now := range m.block {
		if _, known := m.ref[v]; !known {
			add(0, float64(now))
		}
	}
	// Of runs that are 1 / f as long as chance makes them, neighbours correlate by
	// 1 - f, and a mean of n varies like one of n f / (2 - f).
	f := min(1, m.runs/(1+(m.n-1)*(1-same)))
	return distance, kinds > 1 && distance >= mixLeast && g*f/(2-f) > chiSquared(float64(kinds-1))
}

// chiSquared is what a chi-squared variable of df degrees of freedom exceeds
// once in a million, by Wilson and Hilferty; a little too high for df 1.
func chiSquared(df float64) float64 {
	const z = 4.7534
	c := 2 / (9 * df)
	return df * math.Pow(1-c+z*math.Sqrt(c), 3)
}

// lengths follows how many tokens the answers to one prompt have.
type lengths struct {
	ref   []uint16 // sorted not: in the order of their coming
	block []uint16
}

// changed takes one answer's tokens, and tells after every block of 30 whether
// they are distributed as those before, by the Kolmogorov-Smirnov test at one
// in a million; ties make it stricter. median is the block's.
func (l *lengths) changed(tokens int) (median int, yes bool) {
	l.block = append(l.block, uint16(min(max(tokens, 0), math.MaxUint16)))
	if len(l.block) < lengthBlock {
		return 0, false
	}
	if len(l.ref) >= lengthKnown {
		n, m := float64(len(l.ref)), float64(len(l.block))
		yes = apart(l.ref, l.block) > 2.694*math.Sqrt((n+m)/(n*m)) // sqrt(ln(2 / 1e-6) / 2)
	}
	sorted := slices.Sorted(slices.Values(l.block))
	median = int(sorted[len(sorted)/2])
	if yes {
		l.ref = l.ref[:0]
	}
	l.ref = append(l.ref, l.block...)
	if over := len(l.ref) - lengthMost; over > 0 {
		l.ref = slices.Delete(l.ref, 0, over)
	}
	l.block = l.block[:0]
	return median, yes
}

// apart is the largest difference between the shares of a and of b that are at
// most some number.
func apart(a, b []uint16) (d float64) {
	a, b = slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b))
	for i, j := 0, 0; i < len(a) || j < len(b); {
		var x uint16
		if j >= len(b) || i < len(a) && a[i] <= b[j] {
			x = a[i]
		} else {
			x = b[j]
		}
		for i < len(a) && a[i] == x {
			i++
		}
		for j < len(b) && b[j] == x {
			j++
		}
		d = max(d, math.Abs(float64(i)/float64(len(a))-float64(j)/float64(len(b))))
	}
	return d
}

// idForm is how the ids of answers begin: the words of lower-case letters
// before the part that is new each time ("chatcmpl-", "msg_", "msg_bdrk_"), or
// "other".
func idForm(id string) string {
	end, i := 0, 0
	for ; i < len(id) && i < 40; i++ {
		if c := id[i]; (c == '-' || c == '_') && i-end >= 3 {
			end = i + 1
		} else if c < 'a' || c > 'z' {
			break
		}
	}
	if end == 0 {
		return "other"
	}
	return id[:end]
}

// witness carries what identity looks at and no observation holds from the
// prober to who asked for it.
type witness struct{ id string }

type witnessKey struct{}
