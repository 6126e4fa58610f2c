package ui

import "strings"

// IsPage reports whether path is one of the dashboard's pages. All pages are
// the same document; what it shows is decided in the browser.
func IsPage(path string) bool {
	switch path {
	case "/", "/slos", "/routing", "/probes", "/status", "/incidents":
		return true
	}
	for _, prefix := range []string{"/targets/", "/incidents/"} {
		if rest, ok := strings.CutPrefix(path, prefix); ok {
			return rest != "" && !strings.Contains(rest, "/")
		}
	}
	return false
}
