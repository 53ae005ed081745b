//go:build dist

package packaging_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Input of a user, and words that each shell must offer for it.
var typed = []struct {
	line  string
	wants []string
}{
	{"maixstream sna", []string{"snapshot"}},
	{"maixstream serve --rota", []string{"--rotate"}},
	{"maixstream --idle", []string{"--idle-fps"}},
	{"maixstream serve --rotate ", []string{"0", "90", "180", "270"}},
	{"maixstream serve --rotate=", []string{"90", "180"}},
	{"maixstream snapshot --sen", []string{"--sensor"}},
	{"maixstream completion ", []string{"bash", "zsh", "fish"}},
}

func wantAll(t *testing.T, shell, line, offered string, wants []string) {
	t.Helper()
	for _, want := range wants {
		if !regexp.MustCompile(`(^|[\s=])` + regexp.QuoteMeta(want) + `($|[\s=])`).MatchString(offered) {
			t.Errorf("%s: %q offers %q, want %s among it", shell, line, offered, want)
		}
	}
}

func TestBashCompletes(t *testing.T) {
	file := filepath.Join(unpacked(t, "*-linux-amd64.tar.gz"), "maixstream.bash")
	for _, c := range typed {
		script := `set -eu; source /usr/share/bash-completion/bash_completion; source "$1"; set +eu
			read -ra COMP_WORDS <<<"${2//=/ = }"; [[ $2 == *" " ]] && COMP_WORDS+=(""); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); COMP_LINE=$2; COMP_POINT=${#2}
			[[ $(complete -p maixstream) =~ -F\ ([^ ]+) ]] && "${BASH_REMATCH[1]}" maixstream "${COMP_WORDS[COMP_CWORD]}" && printf '%s\n' "${COMPREPLY[@]}"`
		wantAll(t, "bash", c.line, command(t, "bash", "--norc", "-c", script, "bash", file, c.line), c.wants)
	}
}

func TestFishCompletes(t *testing.T) {
	file := filepath.Join(unpacked(t, "*-linux-amd64.tar.gz"), "maixstream.fish")
	t.Setenv("HOME", t.TempDir())
	for _, c := range typed {
		out := command(t, "fish", "--no-config", "-c", "source $argv[1]; complete -C $argv[2]", file, c.line)
		wantAll(t, "fish", c.line, out, c.wants)
	}
}

// zsh has no scripting interface to its completion: the test types at a pseudo-terminal and reads the display.
func TestZshCompletes(t *testing.T) {
	dir := unpacked(t, "*-linux-amd64.tar.gz")
	script := `
zmodload zsh/zpty
zpty typist 'TERM=dumb COLUMNS=4000 zsh -f -i'
zpty -w typist 'stty -echo cols 4000; unset zle_bracketed_paste; PS1=; fpath=("$DIR" $fpath); autoload -U compinit; compinit -u -D; LISTMAX=0; setopt list_rows_first; zstyle ":completion:*" list-prompt ""; bindkey "^T" list-choices; show() { print -r -- "BEGIN$BUFFER"; zle list-choices; }; zle -N show; print re""ady'
zpty -r typist out '*ready*' || exit 1
zpty -w -n typist "$LINE_TYPED"$'\t'
zpty -w -n typist $'\t\t'
integer n
out=
for ((n = 0; n < 600; n++)); do
  while zpty -r -t typist chunk; do out+=$chunk; done
  all=1
  for want in ${(s: :)WANTS}; do [[ $out == *$want* ]] || all=; done
  [[ -n $all ]] && break
  sleep 0.1
done
zpty -d typist
print -r -- "$out"
`
	for _, c := range typed {
		cmd := exec.Command("zsh", "-f", "-c", script)
		cmd.Env = append(os.Environ(), "DIR="+dir, "LINE_TYPED="+c.line, "WANTS="+strings.Join(c.wants, " "))
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("zsh: %v\n%s", err, out)
		}
		for _, want := range c.wants {
			if !strings.Contains(string(out), want) {
				t.Errorf("zsh: %q shows %q, want %s in it", c.line, out, want)
			}
		}
	}
}

var longFlag = regexp.MustCompile(`--[a-z][a-z-]+`)

// The manual page is valid for both implementations of man and has every flag.
func TestManualPage(t *testing.T) {
	folder := unpacked(t, "*-linux-amd64.tar.gz")
	page := filepath.Join(folder, "maixstream.1")
	out, _ := exec.Command("mandoc", "-T", "lint", "-W", "warning", page).Output() // its exit code does not matter
	for line := range strings.Lines(string(out)) {
		if !strings.Contains(line, "missing date") { // the version matters instead
			t.Errorf("mandoc: %s", line)
		}
	}
	cmd := exec.Command("man", "--warnings", "-l", page)
	cmd.Env = append(os.Environ(), "MANWIDTH=1000", "LC_ALL=C.UTF-8", "MAN_KEEP_FORMATTING=", "MANPAGER=cat")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	text, err := cmd.Output()
	if err != nil || stderr.Len() > 0 {
		t.Errorf("man: %v\n%s", err, stderr.String())
	}
	help := command(t, filepath.Join(folder, "maixstream"), "serve", "--help")
	for _, flag := range longFlag.FindAllString(help, -1) {
		if !strings.Contains(string(text), flag) {
			t.Errorf("the page lacks %s", flag)
		}
	}
}
