//go:build !race

package arrival

const racing = false
