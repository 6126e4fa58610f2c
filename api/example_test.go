package api_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/api"
	"github.com/bellwether-llm/bellwether/api/client"
)

func ExampleBoard() {
	board := api.NewBoard()
	newer := board.Next()
	board.Publish(bellwether.Weights{Epoch: "f3a9c2", Revision: 1})
	<-newer
	fmt.Println(board.Current().Revision)
	// Output: 1
}

// A server with nothing but a board is enough for routers to follow.
func ExampleNew() {
	board := api.NewBoard()
	server, err := api.New(api.Config{}, api.Deps{
		Board: board,
		Store: &shelf{}, // what is kept
		Facts: func() api.Facts { return api.Facts{Version: "1.0.0"} },
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	listener := httptest.NewServer(server.Handler()) // or server.HTTP().ListenAndServe()
	defer listener.Close()

	board.Publish(bellwether.Weights{Epoch: "f3a9c2", Revision: 1842})
	c, err := client.New(client.Config{Server: listener.URL})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	w, err := c.Weights(context.Background())
	fmt.Println(w.Revision, err)
	// Output: 1842 <nil>
}

// A router says what it sent where, and which requests it moved.
func ExampleNew_routers() {
	board := api.NewBoard()
	server, err := api.New(api.Config{}, api.Deps{Board: board, Store: &shelf{}, Facts: someFacts})
	if err != nil {
		fmt.Println(err)
		return
	}
	listener := httptest.NewServer(server.Handler())
	defer listener.Close()
	c, err := client.New(client.Config{Server: listener.URL, Name: "router-3", Region: "eu-west"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	c.Sent(map[string]map[string]int{"chat": {"gpt-us": 120, "claude-us": 30}}) // told while Watch runs
	fmt.Println(c.Failovers(context.Background(), []bellwether.Failover{
		{At: time.Now(), Route: "chat", From: "gpt-us", To: "claude-us", Why: bellwether.Overloaded, Count: 12, Served: 11},
	}))
	// Output: <nil>
}
