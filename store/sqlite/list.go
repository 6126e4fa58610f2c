package sqlite

import (
	"context"
	"database/sql"
	"strings"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/store"
)

// clause is what a query's filters become. Zero values do not restrict.
type clause struct {
	terms []string
	args  []any
}

func (c *clause) add(term string, args ...any) {
	c.terms = append(c.terms, term)
	c.args = append(c.args, args...)
}

func (c *clause) equal(column, v string) {
	if v != "" {
		c.add(column+" = ?", v)
	}
}

func (c *clause) between(column string, from, to time.Time) {
	if !from.IsZero() {
		c.add(column+" >= ?", nanos(from))
	}
	if !to.IsZero() {
		c.add(column+" < ?", nanos(to))
	}
}

func (c *clause) where() string {
	if len(c.terms) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(c.terms, " AND ")
}

// listing is how one kind of entry is paged through.
type listing[T any] struct {
	name store.Listing
	from string   // "SELECT columns FROM table"
	keys []string // the columns that order entries
	args func(store.Position) []any
	scan func(*sql.Rows) (T, store.Position, error)
}

// page answers one page of a listing: keyset pagination, so that what is
// inserted meanwhile neither repeats an entry nor skips one.
func page[T any](ctx context.Context, s *Store, l listing[T], c clause, q bellwether.Query) (out []T, next string, err error) {
	order, compare := " DESC", " < "
	if q.Oldest {
		order, compare = " ASC", " > "
	}
	if q.Cursor != "" {
		p, err := l.name.Parse(s.epoch, q.Cursor, q.Oldest)
		if err != nil {
			return nil, "", err
		}
		marks := strings.TrimSuffix(strings.Repeat("?, ", len(l.keys)), ", ")
		c.add("("+strings.Join(l.keys, ", ")+")"+compare+"("+marks+")", l.args(p)...)
	}
	limit := store.Limit(q.Limit)
	fetch := limit
	if limit >= 0 {
		fetch++ // one more says whether there is a next page
	}
	text := l.from + c.where() + " ORDER BY " + strings.Join(l.keys, order+", ") + order + " LIMIT ?"
	rows, err := s.readers.QueryContext(ctx, text, append(c.args, fetch)...)
	if err != nil {
		return nil, "", err
	}
	defer rows.Close()
	var last store.Position
	for rows.Next() {
		if len(out) == limit {
			return out, l.name.Cursor(s.epoch, last, q.Oldest), nil
		}
		v, p, err := l.scan(rows)
		if err != nil {
			return nil, "", err
		}
		out, last = append(out, v), p
	}
	return out, "", rows.Err()
}
