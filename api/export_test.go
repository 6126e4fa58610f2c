package api

// Limit sets how many requests of each kind may stay.
func (s *Server) Limit(n int) {
	for k := range s.streams.limits {
		s.streams.limits[k] = n
	}
}
