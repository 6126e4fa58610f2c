// Package spool keeps records on disk, in order, until somebody has delivered
// them: an agent's observations while its server is away. It knows nothing of
// what the records hold; they are texts without line ends.
//
// A spool is a folder of segments, each a file of lines: a CRC-32C in eight hex
// digits, a space, the record. A record is written to its segment before
// [Spool.Append] returns, so it outlives the end of the process, however that
// ends. It is forced to the disk within [Options.SyncEvery], so that a power
// cut costs that much at most. Where the reader stands is kept beside the
// segments by an atomic rename, after delivery: a crash between the two means
// that some records are delivered twice, never that one is left out, so
// receivers must know records by an id.
//
// Damage is survived: a tail that was cut short is removed, a line that does
// not match its sum is left out; both are counted. When the folder holds more
// than [Options.MaxBytes], its oldest segments are dropped, and their records
// counted. One process may have a spool open at a time.
//
// Goroutines: none but those that call; [Spool.Run] forces to disk until its
// context ends.
package spool
