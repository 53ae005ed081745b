// Package testenv is what this module's tests share: what a test does when the machine lacks something, free ports, simulated boards, waiting.
//
// A test that needs a program, a right or the simulator asks for it here. Where it is missing the test is skipped; with CI=true, as under make test, it fails,
// so that nothing goes untested unnoticed. A package whose tests may skip runs them through Main, which says afterwards how many were skipped and what to run:
//
//	func TestMain(m *testing.M) { os.Exit(testenv.Main(m).Run()) }
package testenv
