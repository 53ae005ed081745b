package fences_test

import (
	"go/ast"
	"testing"
)

// A float outside of a Duration's range becomes any Duration, which differs by processor: internal/pace converts with limits.
func TestFloatsBecomeDurationsInOnePlace(t *testing.T) {
	files, positions := sources(t)
	for _, f := range files {
		if f.test || f.pkg == "internal/pace" || below(f.pkg, "internal/bench") || below(f.pkg, "toolchain") {
			continue
		}
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok && isSelector(call.Fun, "time", "Duration") && len(call.Args) == 1 {
				ast.Inspect(call.Args[0], func(n ast.Node) bool {
					if inner, ok := n.(*ast.CallExpr); ok && isName(inner.Fun, "float64") && len(inner.Args) == 1 && isSelector(inner.Args[0], "time", "Second") {
						t.Errorf("%s: converts a float itself; use internal/pace", positions.Position(call.Pos()))
					}
					return true
				})
			}
			return true
		})
	}
}

func isName(e ast.Expr, name string) bool {
	id, ok := e.(*ast.Ident)
	return ok && id.Name == name
}

func isSelector(e ast.Expr, pkg, name string) bool {
	s, ok := e.(*ast.SelectorExpr)
	return ok && isName(s.X, pkg) && s.Sel.Name == name
}
