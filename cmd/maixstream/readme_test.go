package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

const root = "../.."

// othersCommands are commands of other programs, with different flags.
var othersCommands = regexp.MustCompile(`systemctl [^\n` + "`" + `]*`)

func readme(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestReadmeGivesEachDependencyAReason(t *testing.T) {
	mod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	text := readme(t)
	direct := map[string]bool{}
	for _, line := range strings.Split(string(mod), "\n") {
		fields := strings.Fields(strings.TrimPrefix(strings.TrimSpace(line), "require "))
		if len(fields) >= 2 && strings.Contains(fields[0], ".") && strings.HasPrefix(fields[1], "v") && !strings.Contains(line, "// indirect") {
			direct[fields[0]] = true
		}
	}
	if len(direct) < 10 {
		t.Fatalf("go.mod was not understood: %v", direct)
	}
	rows := regexp.MustCompile(`(?m)^\| ([a-z.]+\.[a-z]+/\S+) \| (.+) \|$`).FindAllStringSubmatch(text, -1)
	for _, row := range rows {
		if !direct[row[1]] {
			t.Errorf("the table names %s, which go.mod does not require", row[1])
		}
		delete(direct, row[1])
	}
	for module := range direct {
		t.Errorf("the table of dependencies does not say why %s is there", module)
	}
}

// documents calls use for README.md and each document in docs, with its path and text.
func documents(t *testing.T, use func(path, text string)) {
	t.Helper()
	for _, pattern := range []string{"README.md", "docs/*.md", "docs/recipes/*.md"} {
		paths, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			use(path, string(text))
		}
	}
}

func TestReadmeLinksExist(t *testing.T) {
	documents(t, func(path, text string) {
		for _, link := range regexp.MustCompile(`\]\(([^)#:]+)(#[^)]*)?\)`).FindAllStringSubmatch(text, -1) {
			if _, err := os.Stat(filepath.Join(filepath.Dir(path), link[1])); err != nil {
				t.Errorf("%s: %v", filepath.Base(path), err)
			}
		}
	})
}

// words splits a command like a shell, as far as the documents need it.
func words(command string) (list []string) {
	var word strings.Builder
	quote, open := rune(0), false
	for _, r := range command {
		switch {
		case quote == 0 && (r == '"' || r == '\''):
			quote, open = r, true
		case r == quote:
			quote = 0
		case quote == 0 && (r == ' ' || r == '\t'):
			if open {
				list = append(list, word.String())
			}
			word.Reset()
			open = false
		default:
			word.WriteRune(r)
			open = true
		}
	}
	if open {
		list = append(list, word.String())
	}
	return list
}

var (
	shellBlocks   = regexp.MustCompile("(?ms)^```(?:sh|console|bash)\n(.*?)^```")
	shellEnd      = regexp.MustCompile(`\s(?:#|[|;&>]|2>).*$`)
	ourCommand    = regexp.MustCompile(`^(?:.*[|;&] *)?(?:sudo |MAIXSTREAM_\w+=\S+ )*(?:\S*/)?maixstream(?: (.*))?$`)
	anotherOption = regexp.MustCompile(`^\[|…|\.\.\.|^[A-Z]+…?$`)
)

// The program accepts each of its commands in the documents' shell blocks: verb, flags and their values.
func TestCommandsInDocumentsAreAccepted(t *testing.T) {
	seen := 0
	for _, documents := range []string{"README.md", "docs/*.md", "docs/recipes/*.md", "CONTRIBUTING.md", "SECURITY.md"} {
		paths, err := filepath.Glob(filepath.Join(root, documents))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			for _, block := range shellBlocks.FindAllStringSubmatch(string(text), -1) {
				for line := range strings.Lines(strings.ReplaceAll(block[1], "\\\n", " ")) {
					m := ourCommand.FindStringSubmatch(strings.TrimSpace(line))
					if m == nil {
						continue
					}
					args := words(shellEnd.ReplaceAllString(" "+m[1], ""))
					seen++
					if why := refusedArguments(args); why != nil {
						t.Errorf("%s: %s: %v", filepath.Base(path), strings.TrimSpace(line), why)
					}
				}
			}
		}
	}
	t.Logf("%d commands", seen)
	if seen < 30 {
		t.Errorf("only %d commands were found", seen)
	}
}

// refusedArguments parses a command line as run does.
func refusedArguments(args []string) error {
	name := "serve"
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		name, args = args[0], args[1:]
	}
	if name == "help" || len(args) > 0 && anotherOption.MatchString(args[0]) && !strings.HasPrefix(args[0], "-") {
		return nil
	}
	for _, v := range verbs() {
		if v.name != name {
			continue
		}
		flags := pflag.NewFlagSet(name, pflag.ContinueOnError)
		v.setup(flags)
		addCommonFlags(flags)
		flags.BoolP("version", "v", false, "")
		return flags.Parse(args)
	}
	return fmt.Errorf("there is no verb %q", name)
}

func TestReadmeNamesOnlyFlagsVerbsAndTargetsThatExist(t *testing.T) {
	text := readme(t)
	known := map[string]bool{}
	for _, v := range verbs() {
		flags := pflag.NewFlagSet(v.name, pflag.ContinueOnError)
		v.setup(flags)
		addCommonFlags(flags)
		flags.VisitAll(func(f *pflag.Flag) { known[f.Name] = true })
		if !strings.Contains(text, "maixstream "+v.name) && !strings.Contains(text, "["+v.name+"]") && v.name != "completion" && v.name != "man" && v.name != "version" {
			t.Errorf("%s is not named", v.name)
		}
	}
	for _, flag := range regexp.MustCompile("[` ]--([a-z][a-z-]+)").FindAllStringSubmatch(othersCommands.ReplaceAllString(text, ""), -1) {
		if !known[flag[1]] {
			t.Errorf("no verb has --%s", flag[1])
		}
	}
	for _, verb := range regexp.MustCompile(`(?m)^maixstream ([a-z]+)`).FindAllStringSubmatch(text, -1) {
		found := false
		for _, v := range verbs() {
			found = found || v.name == verb[1]
		}
		if !found {
			t.Errorf("there is no verb %s", verb[1])
		}
	}
	var targets string
	for _, pattern := range []string{"Makefile", "toolchain/make/*.mk"} {
		paths, _ := filepath.Glob(filepath.Join(root, pattern))
		for _, path := range paths {
			rules, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			targets += "\n" + string(rules)
		}
	}
	for _, target := range regexp.MustCompile("(?m)(?:^|`)make ([a-z][a-z0-9-]*)").FindAllStringSubmatch(text, -1) {
		if !strings.Contains(targets, "\n"+target[1]+":") {
			t.Errorf("there is no make %s", target[1])
		}
	}
}
