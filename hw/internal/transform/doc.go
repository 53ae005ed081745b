// Package transform applies a Look to raw frames before they are encoded, in software: mirrored, flipped, rotated, magnified, with text over them. It
// handles every raw format of package frame without conversion.
package transform
