package fences_test

import (
	"go/ast"
	"slices"
	"testing"
)

// Tests skip through testenv, and packages whose tests may skip report how many did.
func TestSkippedTestsAreReportedByTheirPackage(t *testing.T) {
	files, positions := sources(t)
	skips, reports := map[string]bool{}, map[string]bool{}
	for _, f := range files {
		if !f.test || f.pkg == "internal/testenv" {
			continue
		}
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			call, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			switch x, _ := call.X.(*ast.Ident); {
			case x == nil:
			case x.Name == "testenv" && slices.Contains([]string{"Missing", "Long", "Unable", "Program", "Simulator", "Board", "Axe"}, call.Sel.Name), x.Name == "browser" && call.Sel.Name == "Start":
				skips[f.pkg] = true
			case x.Name == "testenv" && call.Sel.Name == "Main":
				reports[f.pkg] = true
			case (x.Name == "t" || x.Name == "b") && slices.Contains([]string{"Skip", "Skipf", "SkipNow"}, call.Sel.Name):
				t.Errorf("%s: skip through testenv, to count it", positions.Position(call.Pos()))
			}
			return true
		})
	}
	for pkg := range skips {
		if !reports[pkg] {
			t.Errorf("%s: its tests may skip: add func TestMain(m *testing.M) { os.Exit(testenv.Main(m).Run()) }", pkg)
		}
	}
}
