// Package client is a Go client of Bellwether's API for those who follow the
// weights: routers, and applications that route by themselves. [Client.Watch]
// keeps up with the weights over a WebSocket, or by blocking polls where a
// WebSocket cannot be had; [Client.Observe] reports what real traffic saw.
//
// Agents, which probe from elsewhere, take their plan by [Client.WatchPlan] and
// say how they are by [Client.Hello].
//
// It is not for operating a server, and it decides nothing: what to do when
// there is no news is its caller's, who asks [Client.News].
//
// Goroutines: everything runs on its caller's; only net/http keeps some for
// idle connections until [Client.Close].
package client
