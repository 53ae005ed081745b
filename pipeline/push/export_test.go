package push

// CloseIdle closes Post's connections, for the leak check.
func CloseIdle() { defaultClient().CloseIdleConnections() }
