package api

import (
	"encoding/json"
	"net/http"
	"slices"
	"time"

	"github.com/gorilla/websocket"

	"github.com/bellwether-llm/bellwether"
)

// Subprotocol is the WebSocket subprotocol of /v1/weights/watch.
const Subprotocol = "bellwether.weights.v1"

const (
	bookmarkEvery = 10 * time.Second
	pingEvery     = 20 * time.Second
	silenceLimit  = 60 * time.Second // a watcher not heard of for so long is gone
	writeLimit    = 10 * time.Second // a watcher that does not read for so long is gone
	messageLimit  = 128 << 10        // bytes of one message from a watcher
)

// watch serves the weights as they change over a WebSocket.
func (s *Server) watch(w http.ResponseWriter, r *http.Request) error {
	p := readParams(r)
	f := parseFollowing(p)
	if err := p.err(); err != nil {
		return err
	}
	if !websocket.IsWebSocketUpgrade(r) {
		p := problem(http.StatusUpgradeRequired, "this address speaks WebSocket only; /v1/weights?after=N&wait=55s blocks without one")
		p.header = http.Header{"Upgrade": {"websocket"}, "Connection": {"Upgrade"}}
		return p
	}
	if offered := websocket.Subprotocols(r); len(offered) > 0 && !slices.Contains(offered, Subprotocol) {
		return problem(http.StatusBadRequest, "none of the subprotocols %q is spoken here; offer %s", offered, Subprotocol)
	}
	if e := s.deps.Board.current.Load(); !e.blank && !e.has(f.route) {
		return notFound("route", f.route)
	}
	end, err := s.streams.begin(watchers)
	if err != nil {
		return err
	}
	defer end()
	conn, err := s.upgrader.Upgrade(w, r, nil)
	if err != nil {
		return nil // the upgrader has answered
	}
	defer conn.Close()
	v := &watcher{server: s, conn: conn, following: f, gone: make(chan struct{})}
	go v.listen()
	v.tell()
	_ = conn.Close() // ends listen
	<-v.gone
	if v.router != "" {
		s.routers.left(v.router)
	}
	return nil
}

// watcher is one connection. Its handler's goroutine writes (tell), a second
// one reads (listen).
type watcher struct {
	server *Server
	conn   *websocket.Conn
	following
	gone   chan struct{} // closed by listen when the peer is gone
	router string        // the name it gave; listen's until gone is closed
}

// tell sends what is new until the peer is gone or the server ends. Whatever
// was published while a write lasted is skipped in favour of the newest.
func (v *watcher) tell() {
	marks, pings := time.NewTicker(bookmarkEvery), time.NewTicker(pingEvery)
	defer marks.Stop()
	defer pings.Stop()
	for {
		e := v.server.deps.Board.current.Load()
		if !e.blank && !v.current(e) {
			if !v.send(v.server.sheet(e, v.following).message) {
				return
			}
			v.after, v.hasAfter, v.epoch = e.weights.Revision, true, e.weights.Epoch
			marks.Reset(bookmarkEvery)
			continue
		}
		select {
		case <-e.next:
		case <-marks.C:
			if !v.send(e.bookmark) {
				return
			}
		case <-pings.C:
			if v.conn.WriteControl(websocket.PingMessage, nil, time.Now().Add(writeLimit)) != nil {
				return
			}
		case <-v.server.streams.closing:
			bye := websocket.FormatCloseMessage(websocket.CloseGoingAway, "the server is shutting down")
			_ = v.conn.WriteControl(websocket.CloseMessage, bye, time.Now().Add(time.Second))
			return
		case <-v.gone:
			return
		}
	}
}

func (v *watcher) send(m *websocket.PreparedMessage) bool {
	return v.conn.SetWriteDeadline(time.Now().Add(writeLimit)) == nil && v.conn.WritePreparedMessage(m) == nil
}

// listen reads what the peer says until it is silent or gone.
func (v *watcher) listen() {
	defer close(v.gone)
	v.conn.SetReadLimit(messageLimit)
	alive := func(string) error { return v.conn.SetReadDeadline(time.Now().Add(silenceLimit)) }
	v.conn.SetPongHandler(alive)
	for {
		if alive("") != nil {
			return
		}
		_, msg, err := v.conn.ReadMessage()
		if err != nil {
			return
		}
		a, ok := parseApplied(msg)
		if !ok || (v.router != "" && v.router != a.Name) {
			continue // newer clients may say more than we understand
		}
		a.Epoch = orElse(a.Epoch, v.server.deps.Board.Current().Epoch)
		if v.router == "" {
			v.router = a.Name
			v.server.routers.joined(a.Name)
		}
		v.server.heard(a, v.region)
	}
}

func parseApplied(msg []byte) (bellwether.Applied, bool) {
	var m struct {
		Type     string                    `json:"type"`
		Name     string                    `json:"name"`
		Epoch    string                    `json:"epoch"`
		Revision uint64                    `json:"revision"`
		Split    map[string]map[string]int `json:"split"`
	}
	if json.Unmarshal(msg, &m) != nil || m.Type != "applied" || !validName(m.Name) || len(m.Epoch) > 100 {
		return bellwether.Applied{}, false
	}
	return bellwether.Applied{Name: m.Name, Epoch: m.Epoch, Revision: m.Revision, At: time.Now(), Split: soundSplit(m.Split)}, true
}
