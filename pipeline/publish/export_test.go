package publish

// Parsed is what parse makes of an address, for tests.
func Parsed(address, key string) (url, streamKey, shown string, err error) {
	t, err := parse(address, key)
	if err != nil {
		return "", "", "", err
	}
	return t.url.String(), t.key, t.shown, nil
}

// Scrubbed is a text without the secrets of an address.
func Scrubbed(address, text string) (string, error) {
	t, err := parse(address, "")
	if err != nil {
		return "", err
	}
	return t.scrub(text), nil
}
