// Package transform gives raw frames a Look before they are encoded, in software: mirrored, flipped, turned, with text over them. It handles every raw format of
// package frame without a conversion to another.
package transform
