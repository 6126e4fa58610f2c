package spool

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t testing.TB, dir string, o Options) *Spool {
	t.Helper()
	s, err := Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func add(t testing.TB, s *Spool, records ...string) {
	t.Helper()
	for _, r := range records {
		if err := s.Append([]byte(r)); err != nil {
			t.Fatal(err)
		}
	}
}

// next reads a batch as texts.
func next(t testing.TB, s *Spool, records int) (Batch, []string) {
	t.Helper()
	b, err := s.Next(records, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, r := range b.Records {
		out = append(out, string(r))
	}
	return b, out
}

func done(t testing.TB, s *Spool, b Batch) {
	t.Helper()
	if err := s.Done(b); err != nil {
		t.Fatal(err)
	}
}

// rest delivers everything that waits.
func rest(t testing.TB, s *Spool) (all []string) {
	t.Helper()
	for {
		b, got := next(t, s, 7)
		if len(got) == 0 {
			return all
		}
		all = append(all, got...)
		done(t, s, b)
	}
}

func wantRecords(t testing.TB, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("records %q, want %q", got, want)
	}
}

func TestRecordsWaitInOrderUntilTheyAreDelivered(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	add(t, s, "a", "b", "", "c")
	b, got := next(t, s, 2)
	wantRecords(t, got, "a", "b")
	_, got = next(t, s, 3)
	wantRecords(t, got, "a", "b", "")
	done(t, s, b)
	if st := s.Stats(); st.Records != 2 {
		t.Errorf("Stats = %+v, want 2 records", st)
	}
	wantRecords(t, rest(t, s), "", "c")
	add(t, s, "d")
	wantRecords(t, rest(t, s), "d")
}

func TestWhatWasNotDeliveredWaitsAfterACrash(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	add(t, s, "a", "b", "c")
	b, _ := next(t, s, 1)
	done(t, s, b)
	_, _ = next(t, s, 1) // lent, and never said to be done
	_ = s.lock.Close()   // as the end of a process does
	s = open(t, dir, Options{})
	add(t, s, "d")
	select {
	case <-s.Ready():
	default:
		t.Error("nobody is told that records wait")
	}
	wantRecords(t, rest(t, s), "b", "c", "d")
}

func TestASpoolIsOpenedOnce(t *testing.T) {
	dir := t.TempDir()
	open(t, dir, Options{})
	if _, err := Open(dir, Options{}); err == nil || !strings.Contains(err.Error(), dir) {
		t.Errorf("a second Open = %v, want an error that names %s", err, dir)
	}
}

func TestTheOldestAreDroppedAndCountedBeyondTheLimit(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{MaxBytes: leastMax})
	long := strings.Repeat("x", 1000)
	for i := range 200 {
		add(t, s, fmt.Sprintf("%03d%s", i, long))
	}
	st := s.Stats()
	if st.Bytes > leastMax || st.Dropped == 0 || st.Records+int(st.Dropped) != 200 {
		t.Errorf("Stats = %+v, want at most %d bytes and every record waiting or counted", st, leastMax)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir, Options{MaxBytes: leastMax})
	if again := s.Stats(); again != st {
		t.Errorf("after a restart Stats = %+v, want %+v", again, st)
	}
	got := rest(t, s)
	if first := fmt.Sprintf("%03d", st.Dropped); len(got) != st.Records || !strings.HasPrefix(got[0], first) {
		t.Errorf("%d records from %.3s, want %d from %s", len(got), got[0], st.Records, first)
	}
}

func TestABatchUnderWayIsNotDropped(t *testing.T) {
	s := open(t, t.TempDir(), Options{MaxBytes: leastMax})
	long := strings.Repeat("x", 1000)
	add(t, s, "first"+long)
	b, _ := next(t, s, 1)
	for range 200 {
		add(t, s, long)
	}
	done(t, s, b)
	st := s.Stats()
	if st.Records+int(st.Dropped) != 200 {
		t.Errorf("Stats = %+v, want the 200 that were not delivered, and the first not among the dropped", st)
	}
}

func TestDamageCostsTheDamagedRecordsOnly(t *testing.T) {
	whole := string(encode([]byte("a"))) + string(encode([]byte("b"))) + string(encode([]byte("c")))
	for name, tt := range map[string]struct {
		text    string
		want    []string
		damaged uint64
	}{
		"nothing":             {"", nil, 0},
		"a tail cut short":    {whole[:len(whole)-3], []string{"a", "b"}, 1},
		"a missing line end":  {whole[:len(whole)-1], []string{"a", "b"}, 1},
		"a tail of zeros":     {whole + "\x00\x00\x00", []string{"a", "b", "c"}, 1},
		"a flipped bit":       {strings.Replace(whole, " b", " d", 1), []string{"a", "c"}, 1},
		"an empty line":       {"\n" + whole, []string{"a", "b", "c"}, 1},
		"a line of something": {"hello\n" + whole, []string{"a", "b", "c"}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%016x%s", 7, suffix)), []byte(tt.text), 0o600); err != nil {
				t.Fatal(err)
			}
			s := open(t, dir, Options{})
			add(t, s, "z")
			if st := s.Stats(); st.Damaged != tt.damaged || st.Records != len(tt.want)+1 {
				t.Errorf("Stats = %+v, want %d damaged and %d records", st, tt.damaged, len(tt.want)+1)
			}
			wantRecords(t, rest(t, s), append(tt.want, "z")...)
			if st := s.Stats(); st.Damaged != tt.damaged {
				t.Errorf("delivered: Stats = %+v, want %d damaged", st, tt.damaged)
			}
		})
	}
}

func TestALostStateDeliversAgainAndLosesNothing(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	add(t, s, "a", "b")
	b, _ := next(t, s, 1)
	done(t, s, b)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, stateName), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	wantRecords(t, rest(t, open(t, dir, Options{})), "a", "b")
}

func TestWhatCannotBeKeptIsRefused(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	if s.Append([]byte("a\nb")) == nil || s.Append(make([]byte, maxRecord+1)) == nil {
		t.Error("a line end, or a record that is too long, is taken")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if s.Append([]byte("a")) == nil {
		t.Error("a closed spool takes a record")
	}
	if _, err := s.Next(1, 1); err == nil {
		t.Error("a closed spool lends records")
	}
}

func TestManyMayAppendWhileOneReads(t *testing.T) {
	s := open(t, t.TempDir(), Options{MaxBytes: 1 << 20})
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := range 100 {
				add(t, s, fmt.Sprintf("%d-%02d", w, i))
			}
		})
	}
	seen := map[string]bool{}
	for len(seen) < 800 {
		<-s.Ready()
		for _, r := range rest(t, s) {
			if seen[r] {
				t.Errorf("%s is delivered twice", r)
			}
			seen[r] = true
		}
	}
	wg.Wait()
}

func TestRunForcesToDiskUntilItsEnd(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s, err := Open(dir, Options{SyncEvery: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		ended := make(chan error, 1)
		go func() { ended <- s.Run(t.Context()) }()
		add(t, s, "a")
		time.Sleep(61 * time.Second)
		synctest.Wait()
		s.mu.Lock()
		dirty := s.dirty
		s.mu.Unlock()
		if dirty {
			t.Error("after a minute the record is not forced to disk")
		}
	})
}

// TestASpoolIsAQueueThatForgetsNothing holds the spool to a slice.
func TestASpoolIsAQueueThatForgetsNothing(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp(t.TempDir(), "")
		if err != nil {
			rt.Fatal(err)
		}
		s := open(t, dir, Options{})
		s.segment = 100 // many small ones
		var model []string
		n := 0
		rt.Repeat(map[string]func(*rapid.T){
			"append": func(rt *rapid.T) {
				r := fmt.Sprint(n, strings.Repeat("x", rapid.IntRange(0, 60).Draw(rt, "length")))
				n++
				add(t, s, r)
				model = append(model, r)
			},
			"deliver": func(rt *rapid.T) {
				k := rapid.IntRange(1, 9).Draw(rt, "most")
				b, got := next(t, s, k)
				if want := model[:min(k, len(model))]; !slices.Equal(got, want) {
					rt.Fatalf("Next(%d) = %q, want %q", k, got, want)
				}
				if rapid.Bool().Draw(rt, "done") {
					done(t, s, b)
					model = model[len(got):]
				}
			},
			"restart": func(rt *rapid.T) {
				if err := s.Close(); err != nil {
					rt.Fatal(err)
				}
				s = open(t, dir, Options{})
				s.segment = 100
			},
			"": func(rt *rapid.T) {
				if st := s.Stats(); st.Records != len(model) || st.Dropped+st.Damaged != 0 {
					rt.Fatalf("Stats = %+v, want %d records", st, len(model))
				}
			},
		})
		_ = s.Close()
	})
}

func FuzzSegments(f *testing.F) {
	f.Add([]byte(""))
	f.Add(append(encode([]byte("a")), encode([]byte("b"))...))
	f.Add([]byte("00000000 \n\n\x00"))
	f.Fuzz(func(t *testing.T, text []byte) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%016x%s", 1, suffix)), text, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := Open(dir, Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		add(t, s, "last")
		n := s.Stats().Records
		got := rest(t, s)
		if len(got) != n || got[n-1] != "last" {
			t.Errorf("%d records were counted, %q delivered", n, got)
		}
		for _, r := range got[:n-1] {
			if !bytes.Contains(text, encode([]byte(r))) {
				t.Errorf("%q was never written", r)
			}
		}
	})
}

func BenchmarkAppend(b *testing.B) {
	s, err := Open(b.TempDir(), Options{MaxBytes: 8 << 20})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	record := bytes.Repeat([]byte("x"), 700)
	b.ReportAllocs()
	for b.Loop() {
		if err := s.Append(record); err != nil {
			b.Fatal(err)
		}
	}
}

func Example() {
	dir, err := os.MkdirTemp("", "spool")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	s, err := Open(dir, Options{MaxBytes: 1 << 20})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Close()
	_ = s.Append([]byte(`{"id":"1"}`))
	_ = s.Append([]byte(`{"id":"2"}`))
	batch, err := s.Next(500, 1<<20)
	fmt.Println(len(batch.Records), err)
	fmt.Println(s.Done(batch), s.Stats().Records)
	// Output:
	// 2 <nil>
	// <nil> 0
}
