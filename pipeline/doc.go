// Package pipeline runs a source into a ring at the wanted rate.
package pipeline
