package main

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Why no test runs a command of a document.
const (
	onABoard   = "needs a board"
	anotherPC  = "needs another machine"
	withScreen = "needs a device: a display"
	booted     = "needs another machine, booted with systemd"
)

// otherCommands are the documents' commands that are neither our program's nor make's, and that neither the tests of the recipes nor the one of docs/push.md run:
// which test does what the command does, or why none can.
var otherCommands = map[string]string{
	"scp maixstream-VERSION-linux-riscv64-musl.tar.gz root@maixcam-xxxx.local:/root/":                                                        onABoard,
	"ssh root@maixcam-xxxx.local 'tar xzf maixstream-VERSION-linux-riscv64-musl.tar.gz && maixstream-VERSION-linux-riscv64-musl/install.sh'": onABoard,
	"ssh root@maixcam-xxxx.local":                          onABoard,
	"tar xzf maixstream-VERSION-linux-riscv64-musl.tar.gz": "TestBoardArchive",
	"cd maixstream-VERSION-linux-riscv64-musl":             "TestBoardArchive",
	"maixstream-VERSION-linux-riscv64-musl/install.sh":     "TestBoardArchive",
	"./install.sh": "TestBoardArchive",
	"scp build/maixstream_v*.zip root@maixcam-xxxx.local:/root/":                onABoard,
	"ssh root@maixcam-xxxx.local app_store_cli install /root/maixstream_v*.zip": onABoard,
	"/etc/init.d/S99maixstream start":                                           "TestBusyboxService",
	"/etc/init.d/S99maixstream status":                                          "TestBusyboxService",
	"/etc/init.d/S99maixstream reload":                                          "TestBusyboxService",
	"/etc/init.d/S99maixstream log":                                             "TestBusyboxService",
	"/etc/init.d/S99maixstream restart":                                         "TestBoard",
	"/etc/init.d/S99maixstream remove":                                          "TestBoard",
	"toolchain/board/board.sh ssh 'ps; cat /proc/meminfo'":                      "TestBoard",

	"sudo apt install ./maixstream_VERSION_amd64.deb":                               "TestDebianPackage",
	"apt install ./maixstream_VERSION_amd64.deb":                                    "TestDebianPackage",
	"apt remove maixstream":                                                         "TestDebianPackage",
	"apt purge maixstream":                                                          "TestDebianPackage",
	"tar xzf maixstream-VERSION-linux-amd64.tar.gz":                                 "TestArchiveStreams",
	"sudo install maixstream-VERSION-linux-amd64/maixstream /usr/local/bin/":        "TestArchiveStreams",
	"apt install libopenh264-7":                                                     "TestH264FilmWithoutTheLibrary",
	"sudo systemctl enable --now maixstream":                                        booted,
	"systemctl enable --now maixstream":                                             booted,
	"systemctl enable --now maixstream.socket":                                      booted,
	"systemctl status maixstream":                                                   booted,
	"systemctl reload maixstream":                                                   booted,
	"sudo systemctl daemon-reload":                                                  booted,
	"journalctl -u maixstream -n 20":                                                booted,
	"journalctl -u maixstream -f":                                                   booted,
	"sudo adduser --system --group --no-create-home --home /nonexistent maixstream": booted,
	"htpasswd -nB anna > /etc/maixstream/users":                                     booted,
	"chown root:maixstream /etc/maixstream/users":                                   booted,
	"chmod 640 /etc/maixstream/users":                                               booted,
	"echo 'auth-file: /etc/maixstream/users' >> /etc/maixstream.yaml":               booted,

	"toolchain/go.sh build -o mine ./examples/serve-camera": "TestCrossCompileSelectsAnotherToolchain",
	"../maixstream/toolchain/go.sh build -o mine .":         "TestCrossCompileSelectsAnotherToolchain",
	"toolchain/go.sh test -short ./pipeline/...":            "make test-riscv64",
	"go mod init example.org/mine":                          "TestModuleOfTheLibraryDocument",
	"go mod edit -require github.com/maixstream/maixstream@v0.0.0 -replace github.com/maixstream/maixstream=../maixstream": "TestModuleOfTheLibraryDocument",
	"go mod tidy": anotherPC + ": a module proxy",
	"curl --data-binary @picture.jpg \"http://SERVER:8080/upload?device=garden\"":                                                                   "TestPostsOfTheReceiveDocument",
	"curl -F photo=@picture.jpg \"http://SERVER:8080/upload?device=garden\"":                                                                        "TestPostsOfTheReceiveDocument",
	"curl -T picture.jpg \"http://SERVER:8080/upload/\"":                                                                                            "TestPostsOfTheReceiveDocument",
	"curl --output preview.jpg \"http://maixcam.local:8000/snapshot?width=320\"":                                                                    "TestCurlCommandsForACamera",
	`curl -X PATCH -H 'Content-Type: application/json' -d '{"auto_exposure": 1, "exposure_time_absolute": 120}' http://localhost:8000/api/controls`: "TestCurlCommandsForACamera",

	"ffmpeg -re -i film.mp4 -f mjpeg -":                                      "TestPicturesOnStandardInput",
	"ffmpeg -rtsp_transport tcp -i rtsp://camera/stream -c:v copy -f h264 -": "TestH264OnStandardInput",
	"ffplay -fflags nobuffer http://localhost:8000/video.mp4":                withScreen,
	"ffplay -rtsp_transport tcp rtsp://localhost:8554/h264":                  withScreen,
	"printf 'rtmp://live.example/app/abcd-1234\\n' > platform":               "TestServePublishes",
	"chmod 600 platform": "TestServePublishes",
}

// documentedCommand is a line of a shell block.
type documentedCommand struct {
	document string // its path in the repository
	role     string // the word after the block's language
	line     string
}

var (
	fencedBlock = regexp.MustCompile("(?ms)^[ \t]*```(\\w*)(?: (\\S+))?\n(.*?)^[ \t]*```")
	lineComment = regexp.MustCompile(`(?:^|\s+)#.*$`)
	nextCommand = regexp.MustCompile(` (?:&&|\|) `)
)

// documentedCommands returns the commands of all shell blocks in README.md and docs.
func documentedCommands(t *testing.T) (list []documentedCommand) {
	t.Helper()
	documents(t, func(path, text string) {
		document, err := filepath.Rel(root, path)
		if err != nil {
			t.Fatal(err)
		}
		for _, block := range fencedBlock.FindAllStringSubmatch(text, -1) {
			switch block[1] {
			case "sh", "bash", "shell", "console":
			default:
				continue
			}
			for line := range strings.Lines(strings.ReplaceAll(block[3], "\\\n", " ")) {
				if line = strings.TrimSpace(lineComment.ReplaceAllString(strings.TrimRight(line, "\n"), "")); line != "" {
					list = append(list, documentedCommand{filepath.ToSlash(document), block[2], line})
				}
			}
		}
	})
	return list
}

// Each command in the documents' shell blocks is run by a test, accepted by our program's flags, or listed with the reason why neither is possible.
func TestEveryCommandInTheDocumentsIsChecked(t *testing.T) {
	recipes := file(t, "docs/recipes/recipes_test.go")
	targets := file(t, "toolchain/nightly/targets")
	used, count := map[string]bool{}, map[string]int{}
	for _, c := range documentedCommands(t) {
		if recipe, ok := strings.CutPrefix(c.document, "docs/recipes/"); ok {
			// follow fails for a block that the recipe's test does not use.
			if count["recipes"]++; !strings.Contains(recipes, `follow(t, "`+recipe+`")`) {
				t.Errorf("%s: no test follows this recipe: %s", c.document, c.line)
			}
			continue
		}
		if c.document == "docs/push.md" && (c.role == "" || c.role == "serve") {
			count["TestCommandsOfThePushDocument"]++
			continue
		}
		parts := nextCommand.Split(c.line, -1)
		if _, ok := otherCommands[c.line]; ok { // && may be quoted
			parts = []string{c.line}
		}
		for _, part := range parts {
			if _, ok := otherCommands[part]; ok {
				used[part] = true
				count["table"]++
			} else if why := uncheckedCommand(part, targets, count); why != "" {
				t.Errorf("%s: %s: %s", c.document, part, why)
			}
		}
	}
	tests := testNames(t)
	for command, how := range otherCommands {
		if !used[command] {
			t.Errorf("no document has the command %s", command)
		}
		target, isTarget := strings.CutPrefix(how, "make ")
		switch {
		case strings.HasPrefix(how, "needs a board"), strings.HasPrefix(how, "needs a device"), strings.HasPrefix(how, "needs another machine"):
		case isTarget && regexp.MustCompile(`(?m)^`+target+` `).MatchString(targets):
		case !tests[how]:
			t.Errorf("%s: there is no test %s", command, how)
		}
	}
	t.Log(count)
	if count["recipes"] < 30 || count["maixstream"] < 20 || count["make"] < 10 || count["table"] < 30 || count["TestCommandsOfThePushDocument"] < 15 {
		t.Errorf("too few commands were found: %v", count)
	}
}

var (
	makeCommand = regexp.MustCompile(`^(?:sudo )?make ([a-z][a-z0-9-]*)(?: |$)`)
	oursInShell = regexp.MustCompile(`^(?:\S*/)?maixstream(?: (.*))?$`)
	variableSet = regexp.MustCompile(`^(ARGS|MAIXSTREAM_\w+)=(.*)$`)
)

// uncheckedCommand returns why a command is neither checked here nor run by make nightly, and counts those that are.
func uncheckedCommand(command, targets string, count map[string]int) string {
	if m := makeCommand.FindStringSubmatch(command); m != nil {
		count["make"]++
		if !regexp.MustCompile(`(?m)^` + m[1] + ` `).MatchString(targets) {
			return "toolchain/nightly/targets does not run it"
		}
		return ""
	}
	args, ok := "", false
	if m := oursInShell.FindStringSubmatch(command); m != nil {
		args, ok = m[1], true
	} else if m := variableSet.FindStringSubmatch(command); m != nil && m[1] == "ARGS" {
		args, ok = strings.Trim(m[2], `"`), true
	} else if m != nil {
		flag := strings.ReplaceAll(strings.ToLower(strings.TrimPrefix(m[1], "MAIXSTREAM_")), "_", "-")
		args, ok = "--"+flag+" "+m[2], true
	}
	if !ok {
		return "no test runs it, and it is not in otherCommands"
	}
	count["maixstream"]++
	if err := refusedArguments(words(args)); err != nil {
		return err.Error()
	}
	return ""
}

// testNames returns the names of all tests in the repository.
func testNames(t *testing.T) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	declared := regexp.MustCompile(`(?m)^func (Test\w+)\(`)
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "build" || d.Name() == ".git" || d.Name() == "node_modules") {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, "_test.go") {
			return nil
		}
		text, err := os.ReadFile(path)
		for _, m := range declared.FindAllSubmatch(text, -1) {
			names[string(m[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// file returns a text file of the repository.
func file(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// The commands that require the module, in a folder beside the repository.
func TestModuleOfTheLibraryDocument(t *testing.T) {
	dir := t.TempDir()
	mine := filepath.Join(dir, "mine")
	if err := os.Mkdir(mine, 0o755); err != nil {
		t.Fatal(err)
	}
	repository, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(repository, filepath.Join(dir, "maixstream")); err != nil {
		t.Fatal(err)
	}
	ran := 0
	for _, c := range documentedCommands(t) {
		if c.document != "docs/library.md" || otherCommands[c.line] != "TestModuleOfTheLibraryDocument" {
			continue
		}
		ran++
		args := words(c.line)
		cmd := exec.Command(args[0], args[1:]...)
		cmd.Dir = mine
		cmd.Env = append(os.Environ(), "GOFLAGS=", "GOWORK=off")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v: %s", c.line, err, out)
		}
	}
	text, err := os.ReadFile(filepath.Join(mine, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	replaced := regexp.MustCompile(`(?m)^replace (\S+) => (\S+)$`).FindStringSubmatch(string(text))
	if ran != 2 || replaced == nil || !strings.Contains(string(text), "require "+replaced[1]+" v0.0.0") {
		t.Fatalf("after %d commands: %s", ran, text)
	}
	module, err := os.ReadFile(filepath.Join(mine, filepath.FromSlash(replaced[2]), "go.mod"))
	if err != nil || !strings.HasPrefix(string(module), "module "+replaced[1]+"\n") {
		t.Errorf("%s: %v: %.80s", replaced[2], err, module)
	}
}
