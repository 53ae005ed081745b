//go:build !unix

package push

func syncFolder(string) error { return nil }
