package server

import _ "embed"

// builtinPage is served at / unless there is another. It needs nothing from outside.
//
//go:embed page.html
var builtinPage []byte
