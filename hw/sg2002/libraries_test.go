//go:build linux && cgo

package sg2002

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/maixstream/maixstream/hw/frame"
)

// copyLibraries returns a function that copies the simulator's libraries to a directory and modifies them.
func copyLibraries(t *testing.T, change func(dir string)) func(string) string {
	return func(dir string) string {
		t.Helper()
		files, err := filepath.Glob(filepath.Join(simulator, "*.so"))
		if err != nil || len(files) == 0 {
			t.Fatalf("no libraries in %s: %v", simulator, err)
		}
		for _, file := range files {
			content, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, filepath.Base(file)), content, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		change(dir)
		return dir
	}
}

func rewrite(t *testing.T, file string, change func([]byte) []byte) {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	changed := change(content)
	if bytes.Equal(content, changed) {
		t.Fatalf("%s was not changed", file)
	}
	if err := os.WriteFile(file, changed, 0o755); err != nil {
		t.Fatal(err)
	}
}

// symbolSize changes the size of a symbol in a library, as if it were from another SDK.
func symbolSize(t *testing.T, file, symbol string, size uint64) {
	t.Helper()
	f, err := elf.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	symbols, err := f.DynamicSymbols()
	if err != nil {
		t.Fatal(err)
	}
	table := f.Section(".dynsym")
	for i, s := range symbols {
		if s.Name != symbol {
			continue
		}
		rewrite(t, file, func(content []byte) []byte {
			changed := bytes.Clone(content)
			at := int(table.Offset) + (i+1)*elf.Sym64Size + 16 // the list omits the first, empty entry; st_size is the last member
			if got := binary.LittleEndian.Uint64(changed[at:]); got != s.Size {
				t.Fatalf("%s: size of %s not found at its offset: %d, not %d", file, symbol, got, s.Size)
			}
			binary.LittleEndian.PutUint64(changed[at:], size)
			return changed
		})
		return
	}
	t.Fatalf("%s has no %s", file, symbol)
}

// TestLibraries: problems of the libraries are reported by name before anything in them is called.
func TestLibraries(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(t *testing.T, dir string)
		words  []string
	}{
		{"missing", func(t *testing.T, dir string) {
			for _, name := range []string{"libisp.so", "libvenc.so"} {
				if err := os.Remove(filepath.Join(dir, name)); err != nil {
					t.Fatal(err)
				}
			}
		}, []string{"libisp.so, libvenc.so not found in", "libraries missing or incompatible"}},
		{"broken", func(t *testing.T, dir string) {
			if err := os.WriteFile(filepath.Join(dir, "libvpu.so"), []byte("not a library"), 0o755); err != nil {
				t.Fatal(err)
			}
		}, []string{"libvpu.so"}},
		{"symbol", func(t *testing.T, dir string) {
			rewrite(t, filepath.Join(dir, "libvenc.so"), func(b []byte) []byte {
				return bytes.ReplaceAll(b, []byte("\x00CVI_VENC_SendFrame\x00"), []byte("\x00CVI_VENC_SendFrxme\x00"))
			})
		}, []string{"libvenc.so has no function CVI_VENC_SendFrame", "another SDK"}},
		{"newer_sensor", func(t *testing.T, dir string) {
			symbolSize(t, filepath.Join(dir, "libsophgo-middleware.so"), "stSnsGc4653_Obj", 128)
		}, []string{"stSnsGc4653_Obj", "128 bytes instead of 120", "update the board's image"}},
		{"no_sensors", func(t *testing.T, dir string) {
			for _, name := range []string{"libsophgo-middleware.so", "libsns_full.so", "libsns_gc4653.so"} {
				if err := os.Remove(filepath.Join(dir, name)); err != nil {
					t.Fatal(err)
				}
			}
		}, []string{"no library with sensor drivers", "MaixPy"}},
		{"broken_sensors", func(t *testing.T, dir string) {
			for _, name := range []string{"libsophgo-middleware.so", "libsns_full.so", "libsns_gc4653.so"} {
				if err := os.WriteFile(filepath.Join(dir, name), []byte("not a library"), 0o755); err != nil {
					t.Fatal(err)
				}
			}
		}, []string{"no library with sensor drivers", "not to be opened: ", "libsns_gc4653.so"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			libs := copyLibraries(t, func(dir string) { c.change(t, dir) })
			prepare := func(t *testing.T, root string) { // the board's own copy
				if err := os.RemoveAll(filepath.Join(root, "usr/lib/python3.11")); err != nil {
					t.Fatal(err)
				}
			}
			onBoard(t, scenario{libs: libs, prepare: prepare}, func(b *bench) {
				_, err := Open(b.Context(), Config{})
				b.expect(err, frame.ErrUnsupported, c.words...)
			})
		})
	}
}

// oldVintage returns libraries without the newer vintage of the sensor drivers; noMaixPy removes the board's own copy of it.
func oldVintage(t *testing.T) func(string) string {
	return copyLibraries(t, func(dir string) {
		if err := os.Remove(filepath.Join(dir, "libsophgo-middleware.so")); err != nil {
			t.Fatal(err)
		}
	})
}

func noMaixPy(t *testing.T, root string) {
	t.Helper()
	if err := os.RemoveAll(filepath.Join(root, "usr/lib/python3.11")); err != nil {
		t.Fatal(err)
	}
}

// TestLibraryOrder: the driver comes from the newest sensor library available; the oldest has one mode of one sensor, which is then used as far as possible.
func TestLibraryOrder(t *testing.T) {
	t.Run("copy_of_an_app", func(t *testing.T) {
		libs := copyLibraries(t, func(dir string) {
			if err := os.Remove(filepath.Join(dir, "libsophgo-middleware.so")); err != nil {
				t.Fatal(err)
			}
		})
		onBoard(t, scenario{libs: libs, settings: "sensor=ov2685"}, func(b *bench) {
			camera := b.open(Config{}) // from the board's Python directory
			b.read(camera)
			if err := camera.Close(); err != nil {
				b.Error(err)
			}
		})
	})
	t.Run("old_vintage", func(t *testing.T) {
		onBoard(t, scenario{libs: oldVintage(t), prepare: noMaixPy}, func(b *bench) {
			camera := b.open(Config{FPS: 25})
			b.read(camera)
			if err := camera.Close(); err != nil {
				b.Error(err)
			}
			camera = b.open(Config{FPS: 60}) // a rate that this driver does not have
			if info := camera.Info(); info.FPS != 30 {
				b.Errorf("%v frames per second", info.FPS)
			}
			b.read(camera)
			if err := camera.Close(); err != nil {
				b.Error(err)
			}
		})
	})
	t.Run("no_more_than_needed", func(t *testing.T) {
		onBoard(t, scenario{}, func(b *bench) {
			camera := b.open(Config{})
			maps, err := os.ReadFile("/proc/self/maps")
			if err != nil {
				b.Fatal(err)
			}
			if !bytes.Contains(maps, []byte("libsophgo-middleware.so")) || bytes.Contains(maps, []byte("libsns_")) {
				b.Errorf("libraries with sensors: %s", regexp.MustCompile(`/lib(sns|sophgo)\S*`).FindAll(maps, -1))
			}
			b.close(camera)
		})
	})
	t.Run("other_directory", func(t *testing.T) {
		onBoard(t, scenario{}, func(b *bench) {
			_, err := Open(b.Context(), Config{LibDir: b.root})
			if err == nil || !strings.Contains(err.Error(), "new process") {
				b.Errorf("libraries of another directory: %v", err)
			}
		})
	})
}

// TestLoaderPath: without a given directory, the libraries are found along the loader's path; two sets of them are not mixed.
func TestLoaderPath(t *testing.T) {
	t.Run("one_set", func(t *testing.T) {
		env := func(libs string) []string { return []string{"MAIXSTREAM_MPI_LIBS=", "LD_LIBRARY_PATH=" + libs} }
		onBoard(t, scenario{env: env}, func(b *bench) {
			camera := b.open(Config{})
			b.read(camera)
			if err := camera.Close(); err != nil {
				b.Error(err)
			}
		})
	})
	t.Run("two_sets", func(t *testing.T) {
		libs := copyLibraries(t, func(dir string) {
			for _, name := range []string{"libvenc.so", "libisp.so"} {
				if err := os.Remove(filepath.Join(dir, name)); err != nil {
					t.Fatal(err)
				}
			}
		})
		env := func(libs string) []string {
			return []string{"MAIXSTREAM_MPI_LIBS=", "LD_LIBRARY_PATH=" + libs + ":" + simulator}
		}
		onBoard(t, scenario{libs: libs, env: env}, func(b *bench) {
			_, err := Open(b.Context(), Config{})
			b.expect(err, ErrLibraries, "two sets", "libvenc.so", "LD_LIBRARY_PATH")
		})
	})
}

// TestExports: the program exports GCC's three helpers to the chip's libraries, and none of its own functions, which could replace a library's
// function of the same name.
func TestExports(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	f, err := elf.Open(self)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	symbols, err := f.DynamicSymbols()
	if err != nil {
		t.Fatal(err)
	}
	exported := map[string]bool{}
	for _, s := range symbols {
		if s.Section != elf.SHN_UNDEF {
			exported[s.Name] = true
		}
	}
	for _, name := range []string{"__atomic_compare_exchange_1", "__sync_fetch_and_add_1", "__sync_fetch_and_and_1"} {
		if !exported[name] {
			t.Errorf("%s is not exported", name)
		}
	}
	checked := 0
	headers, err := filepath.Glob("*.h")
	if err != nil {
		t.Fatal(err)
	}
	for _, header := range headers {
		text, err := os.ReadFile(header)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range regexp.MustCompile(`(?m)^[a-zA-Z].*?[ *](\w+)\(.*\);`).FindAllStringSubmatch(string(text), -1) {
			checked++
			if exported[match[1]] {
				t.Errorf("%s of %s is exported", match[1], header)
			}
		}
	}
	if checked < 20 {
		t.Errorf("only %d functions found in the headers", checked)
	}
}
