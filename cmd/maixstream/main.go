// Command maixstream streams a camera's pictures as JPEG over HTTP.
package main

var version, commit = "unknown", "unknown"

func main() { println("maixstream", version, commit) }
