package main_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/maixstream/maixstream/internal/testenv"
)

func TestMain(m *testing.M) { os.Exit(testenv.Main(m).Run()) }

var compilers = []string{"gcc", "riscv64-linux-gnu-gcc"}

// check compiles check.h of a tree that contains include/ and abi/ and returns the compiler's output.
func check(cc, dir string, flags ...string) (string, error) {
	args := append([]string{"-std=gnu11", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", "-x", "c"}, flags...)
	out, err := exec.Command(cc, append(args, filepath.Join(dir, "abi", "check.h"))...).CombinedOutput()
	return string(out), err
}

func TestDeclarationsMatchTheFacts(t *testing.T) {
	for _, cc := range compilers {
		for _, char := range []string{"-fsigned-char", "-funsigned-char"} {
			t.Run(cc+char, func(t *testing.T) {
				testenv.Program(t, cc)
				if out, err := check(cc, "..", char); err != nil {
					t.Errorf("the declarations do not match the facts: %v\n%s", err, out)
				}
			})
		}
	}
}

func TestDamagedDeclarationDoesNotCompile(t *testing.T) {
	damages := []struct {
		name, file, old, new, says string
	}{
		{"two members swapped", "cvi_common.h", "uint32_t u32Width;\n\tuint32_t u32Height;\n\tPIXEL_FORMAT_E", "uint32_t u32Height;\n\tuint32_t u32Width;\n\tPIXEL_FORMAT_E", "VIDEO_FRAME_S.u32Width: offset"},
		{"member missing inside padding", "cvi_venc.h", "uint8_t bSingleCore;\n", "", "VENC_ATTR_S"},
		{"member missing at the end", "cvi_sensor.h", "\tint32_t (*pfnSnsProbe)(int32_t);\n", "", "pfnSnsProbe"},
		{"member too narrow", "cvi_common.h", "uint64_t u64PTS", "uint32_t u64PTS", "VIDEO_FRAME_S.u64PTS: size"},
		{"member with the wrong sign", "cvi_common.h", "int32_t s32X", "uint32_t s32X", "POINT_S.s32X: type"},
		{"number of type char", "cvi_mipi.h", "uint8_t pn_swap[5]", "char pn_swap[5]", "struct mipi_dev_attr_s.pn_swap: type"},
		{"array shorter inside padding", "cvi_mipi.h", "uint8_t vc_mapping[4]", "uint8_t vc_mapping[3]", "struct mipi_demux_info_s.vc_mapping: size"},
		{"packing lost", "cvi_rgn.h", "__attribute__((packed, aligned(4))) ", "", "BITMAP_S.pData: offset"},
		{"union without room for its other members", "cvi_venc.h", "uint64_t room_2[39]", "uint64_t room_2[38]", "VENC_STREAM_S: size"},
		{"callback with another parameter", "cvi_sensor.h", "(*pfnSetBusInfo)(int32_t, ISP_SNS_COMMBUS_U)", "(*pfnSetBusInfo)(int32_t, ISP_SNS_COMMBUS_U *)", "ISP_SNS_OBJ_S.pfnSetBusInfo: type"},
		{"enumerator", "cvi_common.h", "PIXEL_FORMAT_NV21 = 19", "PIXEL_FORMAT_NV21 = 18", "PIXEL_FORMAT_NV21 is not"},
		{"signed enumeration", "cvi_common.h", "VIDEO_FORMAT_LINEAR = 0,", "VIDEO_FORMAT_LINEAR = 0, VIDEO_FORMAT_NONE = -1,", "VIDEO_FORMAT_E: wrong sign"},
		{"error code", "cvi_errors.h", "#define CVI_ERR_VPSS_BUF_EMPTY ((int32_t)0xC006800EU)", "#define CVI_ERR_VPSS_BUF_EMPTY ((int32_t)0xC006800DU)", "CVI_ERR_VPSS_BUF_EMPTY is not"},
		{"invalid handle sign-extended", "cvi_sys.h", "#define VB_INVALID_HANDLE 0xFFFFFFFFU", "#define VB_INVALID_HANDLE (-1)", "VB_INVALID_HANDLE is not"},
		{"bit of a bit-field", "cvi_isp.h", "bit1FEAfStat 0x10ULL", "bit1FEAfStat 0x20ULL", "bit1FEAfStat is not"},
		{"library name", "cvi_sensor.h", `"cvi_ae_lib"`, `"cvi_ae_Lib"`, "CVI_AE_LIB_NAME is not"},
		{"parameter of a function", "cvi_sys.h", "CVI_VB_ReleaseBlock(uint64_t Block)", "CVI_VB_ReleaseBlock(uint32_t Block)", "CVI_VB_ReleaseBlock is not"},
		{"result of a function", "cvi_sys.h", "uint64_t CVI_VB_GetBlock(", "uint32_t CVI_VB_GetBlock(", "CVI_VB_GetBlock is not"},
		{"function with one parameter less", "cvi_venc.h", "VENC_STREAM_S *pstStream, int32_t S32MilliSec)", "VENC_STREAM_S *pstStream)", "CVI_VENC_GetStream is not"},
	}
	for _, cc := range compilers {
		for _, d := range damages {
			t.Run(cc+"/"+d.name, func(t *testing.T) {
				testenv.Program(t, cc)
				dir := t.TempDir()
				for _, part := range []string{"include", "abi"} {
					if err := os.CopyFS(filepath.Join(dir, part), os.DirFS(filepath.Join("..", part))); err != nil {
						t.Fatal(err)
					}
				}
				path := filepath.Join(dir, "include", d.file)
				text, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				damaged := strings.Replace(string(text), d.old, d.new, 1)
				if damaged == string(text) {
					t.Fatalf("%s has no %q to damage", d.file, d.old)
				}
				if err := os.WriteFile(path, []byte(damaged), 0o644); err != nil {
					t.Fatal(err)
				}
				out, err := check(cc, dir)
				if err == nil {
					t.Fatal("the damaged declaration compiled")
				}
				if !strings.Contains(out, d.says) {
					t.Errorf("it failed, but not because of the damage (%q):\n%s", d.says, out)
				}
			})
		}
	}
}

// A declaration missing from the table would go unchecked.
func TestEveryDeclarationIsInTheTable(t *testing.T) {
	table, err := os.ReadFile("facts.h")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range declaredNames(t) {
		if !bytes.Contains(table, []byte("("+name+",")) {
			t.Errorf("%s is declared but not in facts.h; run: go run ./third_party/sg2002/abi ABI.JSON", name)
		}
	}
}

// declaredNames finds types, constants, enumerators and functions with its own scan, which is simpler than the generator's.
func declaredNames(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("../include/*.h")
	if err != nil || len(files) < 10 {
		t.Fatalf("headers: %d found, %v", len(files), err)
	}
	forms := []*regexp.Regexp{
		regexp.MustCompile(`(?m)^#define (\w+)[ \t]+\S`),
		regexp.MustCompile(`(?m)^\t(\w+) = `),
		regexp.MustCompile(`(?m)^} (\w+);`),
		regexp.MustCompile(`(?m)^((?:struct|enum) \w+) {`),
		regexp.MustCompile(`\b(CVI_[A-Z]+_\w+)\(`),
	}
	var names []string
	for _, file := range files {
		if filepath.Base(file) == "cvi_symbols.h" {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, form := range forms {
			for _, m := range form.FindAllStringSubmatch(string(text), -1) {
				names = append(names, m[1])
			}
		}
	}
	slices.Sort(names)
	names = slices.Compact(names)
	if len(names) < 400 {
		t.Fatalf("only %d names found: the scan no longer understands the headers", len(names))
	}
	return names
}
