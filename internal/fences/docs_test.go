package fences_test

import (
	"go/ast"
	"go/token"
	"strings"
	"testing"
)

// Every exported name of an importable package has a doc comment that begins with the name.
func TestEveryExportedNameHasADocComment(t *testing.T) {
	files, positions := sources(t)
	packaged := map[string]bool{} // folders whose package comment was seen
	for _, f := range files {
		if f.test {
			continue
		}
		packaged[f.pkg] = packaged[f.pkg] || f.syntax.Doc.Text() != ""
		if f.syntax.Name.Name == "main" {
			continue
		}
		complain := func(at token.Pos, name string, doc *ast.CommentGroup, group bool) {
			text := doc.Text()
			switch {
			case text == "":
				t.Errorf("%s: %s has no doc comment", positions.Position(at), name)
			case !group && !begins(text, name):
				t.Errorf("%s: the doc comment of %s begins with %.30q", positions.Position(at), name, text)
			}
		}
		for _, decl := range f.syntax.Decls {
			switch d := decl.(type) {
			case *ast.FuncDecl:
				if d.Name.IsExported() && exportedReceiver(d) && d.Name.Name != "Error" && d.Name.Name != "Unwrap" {
					complain(d.Pos(), d.Name.Name, d.Doc, false)
				}
			case *ast.GenDecl:
				checkGroup(d, positions, complain)
			}
		}
	}
	for pkg, ok := range packaged {
		if !ok {
			t.Errorf("package %s has no package comment", pkg)
		}
	}
}

func begins(text, name string) bool {
	for _, article := range []string{"", "A ", "An ", "The "} {
		if rest, ok := strings.CutPrefix(text, article+name); ok && !strings.HasPrefix(rest, "_") {
			return true
		}
	}
	return strings.HasPrefix(text, "Deprecated:")
}

// exportedReceiver reports whether a function is exported: not a method of an unexported type.
func exportedReceiver(d *ast.FuncDecl) bool {
	if d.Recv == nil || len(d.Recv.List) == 0 {
		return true
	}
	kind := d.Recv.List[0].Type
	if star, ok := kind.(*ast.StarExpr); ok {
		kind = star.X
	}
	if generic, ok := kind.(*ast.IndexExpr); ok {
		kind = generic.X
	}
	name, ok := kind.(*ast.Ident)
	return ok && name.IsExported()
}

// checkGroup checks types, constants and variables. One comment may cover several constants or variables.
func checkGroup(d *ast.GenDecl, positions *token.FileSet, complain func(token.Pos, string, *ast.CommentGroup, bool)) {
	var last *ast.CommentGroup
	for _, spec := range d.Specs {
		switch s := spec.(type) {
		case *ast.TypeSpec:
			doc := s.Doc
			if doc == nil && len(d.Specs) == 1 {
				doc = d.Doc
			}
			if s.Name.IsExported() {
				complain(s.Pos(), s.Name.Name, doc, false)
				checkFields(s, doc, positions, complain)
			}
		case *ast.ValueSpec:
			doc := s.Doc
			switch {
			case doc != nil:
				last = doc
			case s.Comment != nil:
				doc = s.Comment
			case last != nil:
				doc = last
			default:
				doc = d.Doc
			}
			for _, name := range s.Names {
				if name.IsExported() {
					complain(s.Pos(), name.Name, doc, true)
				}
			}
		}
	}
}

// checkFields checks the fields of a struct and the methods of an interface. A comment also covers those that follow without an
// empty line, the type's own comment the first.
func checkFields(s *ast.TypeSpec, last *ast.CommentGroup, positions *token.FileSet, complain func(token.Pos, string, *ast.CommentGroup, bool)) {
	var fields *ast.FieldList
	switch kind := s.Type.(type) {
	case *ast.StructType:
		fields = kind.Fields
	case *ast.InterfaceType:
		fields = kind.Methods
	default:
		return
	}
	end := positions.Position(fields.Opening).Line
	for _, f := range fields.List {
		doc := f.Doc
		if doc == nil {
			doc = f.Comment
		}
		if doc == nil && positions.Position(f.Pos()).Line <= end+1 {
			doc = last
		}
		last, end = doc, positions.Position(f.End()).Line
		for _, name := range f.Names {
			if name.IsExported() {
				complain(f.Pos(), s.Name.Name+"."+name.Name, doc, true)
			}
		}
	}
}
