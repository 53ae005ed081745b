// Package fences tests the tree as a whole: imports, public packages, library messages, and references in documents.
package fences
