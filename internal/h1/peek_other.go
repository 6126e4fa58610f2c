//go:build !unix

package h1

// canPeek says that all goes to net/http.
const canPeek = false

// peeker cannot tell here whether an idle connection is still good, so that
// none is used again.
type peeker struct{}

func (c *conn) watch()        {}
func (p *peeker) peeks() bool { return false }
func (p *peeker) quiet() bool { return false }
