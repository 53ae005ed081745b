// Package fences holds tests of the whole tree: which package may import which, which are public, what libraries may say, and that documents point at what exists.
package fences
