// Package testenv is shared by this module's tests: handling of missing prerequisites, free ports, simulated boards, waiting.
//
// A test that needs a program, a privilege or the simulator asks for it here. If it is missing the test is skipped; with CI=true, as under make test, it fails,
// so that nothing remains untested unnoticed. A package whose tests may skip runs them through Main, which reports how many were skipped and what to install:
//
//	func TestMain(m *testing.M) { os.Exit(testenv.Main(m).Run()) }
package testenv
