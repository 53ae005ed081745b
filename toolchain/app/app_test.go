package main

import (
	"bytes"
	"image/png"
	"testing"

	"go.yaml.in/yaml/v3"
)

func TestVersionSuitsTheAppStore(t *testing.T) {
	for described, want := range map[string]string{
		"v1.2.3": "1.2.3", "1.2.3": "1.2.3", "v0.10.0-4-gabcdef0-dirty": "0.10.0", "c146609": "0.0.0", "": "0.0.0", "v1.2": "0.0.0", "unknown": "0.0.0",
	} {
		if got := appVersion(described); got != want {
			t.Errorf("%q: %s, want %s", described, got, want)
		}
	}
}

func TestManifestNamesEveryFileOfThePackage(t *testing.T) {
	var m struct {
		ID, Name, Version, Icon, Author, Desc string
		Files                                 map[string]string
	}
	if err := yaml.Unmarshal(manifest("1.2.3"), &m); err != nil {
		t.Fatal(err)
	}
	if m.ID != id || m.Version != "1.2.3" || m.Name == "" || m.Author == "" || m.Desc == "" || m.Files[m.Icon] != m.Icon || len(m.Files) != 4 {
		t.Errorf("%+v", m)
	}
}

func TestIconIsASquarePNGWithClearCorners(t *testing.T) {
	text, err := icon()
	if err != nil {
		t.Fatal(err)
	}
	img, err := png.Decode(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if s := img.Bounds().Size(); s.X != iconSize || s.Y != iconSize {
		t.Errorf("size %v", s)
	}
	if _, _, _, a := img.At(0, 0).RGBA(); a != 0 {
		t.Errorf("the corner is not clear: alpha %d", a)
	}
	if _, _, _, a := img.At(iconSize/2, iconSize/2).RGBA(); a != 0xffff {
		t.Errorf("the middle is clear: alpha %d", a)
	}
}
