//go:build !linux || !(amd64 || arm64)

package arrival

import "net"

func wrap(tcp *net.TCPConn) net.Conn { return tcp }
