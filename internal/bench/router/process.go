package main

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// ticks is how many units of processor time Linux counts a second in
// /proc/PID/stat; it is 100 on every architecture that Go runs on.
const ticks = 100

// process is a program that is measured from outside, with its children.
type process struct {
	cmd *exec.Cmd
}

// spawn starts a program on one core. It and its children are one process
// group, which stop ends.
func spawn(core int, log string, name string, args ...string) (*process, error) {
	out, err := os.OpenFile(log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	defer func() { _ = out.Close() }()
	cmd := exec.Command("taskset", append([]string{"-c", strconv.Itoa(core), name}, args...)...)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", filepath.Base(name), err)
	}
	return &process{cmd}, nil
}

// stop ends the whole group and waits for its first process.
func (p *process) stop() {
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGTERM)
	done := time.AfterFunc(15*time.Second, func() { _ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL) })
	_ = p.cmd.Wait()
	done.Stop()
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
}

// usage is the processor time that the group has taken, and its resident
// memory in bytes.
func (p *process) usage() (cpu time.Duration, resident int64) {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return 0, 0
	}
	group := strconv.Itoa(p.cmd.Process.Pid)
	for _, name := range stats {
		b, err := os.ReadFile(name)
		if err != nil {
			continue // it has just ended
		}
		// The name of the program stands in parentheses and may hold spaces.
		fields := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
		if len(fields) < 22 || fields[2] != group {
			continue
		}
		user, _ := strconv.ParseInt(fields[11], 10, 64)
		system, _ := strconv.ParseInt(fields[12], 10, 64)
		pages, _ := strconv.ParseInt(fields[21], 10, 64)
		cpu += time.Duration(user+system) * time.Second / ticks
		resident += pages * int64(os.Getpagesize())
	}
	return cpu, resident
}

// freeAddress is a loopback address that nobody listens on just now.
func freeAddress() (string, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer func() { _ = ln.Close() }()
	return ln.Addr().String(), nil
}

// answers waits, at most 20 seconds, until address accepts connections.
func answers(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	for {
		c, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "tcp", address)
		if err == nil {
			return c.Close()
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s does not answer: %w", address, err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// tail is the end of a log, for the error that names it.
func tail(name string) string {
	f, err := os.Open(name)
	if err != nil {
		return ""
	}
	defer func() { _ = f.Close() }()
	var last []string
	for s := bufio.NewScanner(f); s.Scan(); {
		if last = append(last, s.Text()); len(last) > 5 {
			last = last[1:]
		}
	}
	return strings.Join(last, "\n")
}
