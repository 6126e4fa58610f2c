package scoring

import (
	"encoding/binary"
	"errors"
	"math"

	"github.com/bellwether-llm/bellwether"
)

var errCheckpoint = errors.New("truncated or damaged")

// coder writes a checkpoint or reads one: each type has one method that names
// its fields, used both ways, so that the two cannot fall apart. After an error
// all reads leave zero values.
type coder struct {
	buf  []byte // written so far, or still to be read
	read bool
	err  error
}

func (c *coder) take(n int) []byte {
	if c.err != nil || len(c.buf) < n {
		c.err = errCheckpoint
		return nil
	}
	b := c.buf[:n]
	c.buf = c.buf[n:]
	return b
}

func (c *coder) u64(v *uint64) {
	if !c.read {
		c.buf = binary.AppendUvarint(c.buf, *v)
		return
	}
	x, n := binary.Uvarint(c.buf)
	if c.err != nil || n <= 0 {
		c.err, *v = errCheckpoint, 0
		return
	}
	*v, c.buf = x, c.buf[n:]
}

func (c *coder) i64(v *int64) {
	u := uint64(*v)<<1 ^ uint64(*v>>63)
	c.u64(&u)
	if c.read {
		*v = int64(u>>1) ^ -int64(u&1)
	}
}

func (c *coder) u32(v *uint32) {
	u := uint64(*v)
	if c.u64(&u); u > math.MaxUint32 {
		c.err, u = errCheckpoint, 0
	}
	*v = uint32(u)
}

func (c *coder) int(v *int) {
	x := int64(*v)
	c.i64(&x)
	*v = int(x)
}

func (c *coder) bool(v *bool) {
	x := uint64(0)
	if *v {
		x = 1
	}
	c.u64(&x)
	*v = x == 1
}

// f64 keeps all bits of a finite number; a damaged one is an error.
func (c *coder) f64(v *float64) {
	if !c.read {
		c.buf = binary.LittleEndian.AppendUint64(c.buf, math.Float64bits(*v))
		return
	}
	*v = 0
	if b := c.take(8); b != nil {
		x := math.Float64frombits(binary.LittleEndian.Uint64(b))
		if math.IsNaN(x) || math.IsInf(x, 0) {
			c.err = errCheckpoint
			return
		}
		*v = x
	}
}

func (c *coder) f32(v *float32) {
	if !c.read {
		c.buf = binary.LittleEndian.AppendUint32(c.buf, math.Float32bits(*v))
		return
	}
	*v = 0
	if b := c.take(4); b != nil {
		x := math.Float32frombits(binary.LittleEndian.Uint32(b))
		if x != x || math.IsInf(float64(x), 0) {
			c.err = errCheckpoint
			return
		}
		*v = x
	}
}

func (c *coder) f64s(vs []float64) {
	for i := range vs {
		c.f64(&vs[i])
	}
}

// sparse codes numbers most of which are 0, as runs of zeros and of others.
func (c *coder) sparse(vs []float32) {
	for i := 0; i < len(vs) && c.err == nil; {
		zeros, others := 0, 0
		if !c.read {
			for i+zeros < len(vs) && vs[i+zeros] == 0 {
				zeros++
			}
			for i+zeros+others < len(vs) && vs[i+zeros+others] != 0 {
				others++
			}
		}
		left := len(vs) - i
		zeros = c.count(zeros, left)
		others = c.count(others, left-zeros)
		if zeros+others == 0 {
			c.err = errCheckpoint
			return
		}
		clear(vs[i : i+zeros])
		for i += zeros; others > 0; others-- {
			c.f32(&vs[i])
			i++
		}
	}
}

func (c *coder) i64s(vs []int64) {
	for i := range vs {
		c.i64(&vs[i])
	}
}

func (c *coder) str(v *string) {
	n := c.count(len(*v), 1<<16)
	if !c.read {
		c.buf = append(c.buf, *v...)
		return
	}
	*v = string(c.take(n))
}

// count codes a length; one above most is damage.
func (c *coder) count(n, most int) int {
	u := uint64(n)
	c.u64(&u)
	if u > uint64(most) {
		c.err, u = errCheckpoint, 0
	}
	if c.err != nil {
		return 0
	}
	return int(u)
}

// list codes a slice of at most so many elements, each with code.
func list[T any](c *coder, vs *[]T, most int, code func(*T)) {
	n := c.count(len(*vs), most)
	if c.read {
		*vs = nil
	}
	for i := 0; i < n && c.err == nil; i++ {
		if c.read {
			*vs = append(*vs, *new(T))
		}
		code(&(*vs)[i])
	}
}

// there codes whether *p is nil, and makes what it points to when it is read.
func there[T any](c *coder, p **T) bool {
	yes := *p != nil
	c.bool(&yes)
	if c.read && yes {
		*p = new(T)
	}
	return yes && c.err == nil
}

// rings codes what a ring keeps, and where it stands.
func rings[T any](c *coder, r *ring[T], code func(*T)) {
	c.u64(&r.n)
	if c.read {
		if r.buf = nil; r.n > 0 {
			r.buf = make([]T, ringSize)
		}
	}
	for i := range r.len() {
		code(&r.buf[i])
	}
}

func (c *coder) state(v *bellwether.State) {
	s := string(*v)
	c.str(&s)
	switch bellwether.State(s) {
	case bellwether.Unknown, bellwether.Healthy, bellwether.Recovering, bellwether.Degraded, bellwether.Failing, bellwether.Down:
		*v = bellwether.State(s)
	default:
		c.err = errCheckpoint
	}
}

func (c *coder) cause(v *bellwether.Cause) {
	s := string(*v)
	c.str(&s)
	*v = bellwether.Cause(s)
}
