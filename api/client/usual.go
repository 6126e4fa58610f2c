package client

import (
	"context"
	"fmt"
	"net/http"

	"github.com/bellwether-llm/bellwether"
)

// Usual fetches what the server knows to be usual for the first token of each
// target, in seconds; targets of which it does not know yet are left out.
func (c *Client) Usual(ctx context.Context) (map[string]bellwether.Usual, error) {
	ctx, cancel := context.WithTimeout(ctx, requestLimit)
	defer cancel()
	var got struct {
		Targets []struct {
			ID    string             `json:"id"`
			Usual []bellwether.Usual `json:"usual"`
		} `json:"targets"`
	}
	if err := c.call(ctx, http.MethodGet, "/v1/targets", nil, nil, &got); err != nil {
		return nil, fmt.Errorf("usual: %w", err)
	}
	out := map[string]bellwether.Usual{}
	for _, t := range got.Targets {
		for _, u := range t.Usual {
			if u.Signal == bellwether.FirstToken {
				out[t.ID] = u
			}
		}
	}
	return out, nil
}
