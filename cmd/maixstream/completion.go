package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/pflag"
)

func setupCompletion(*pflag.FlagSet) func(context.Context, []string, terminal) error {
	return func(_ context.Context, args []string, t terminal) error {
		writers := map[string]func(io.Writer, []verb){"bash": bashCompletion, "zsh": zshCompletion, "fish": fishCompletion}
		if len(args) != 1 {
			return usagef("which shell? one of bash, zsh, fish")
		}
		if writers[args[0]] == nil {
			return usagef("no completions for %q: one of bash, zsh, fish", args[0])
		}
		writers[args[0]](t.out, verbs())
		return nil
	}
}

// flagsOf returns the flags that runVerb defines for a verb.
func flagsOf(v verb) []*pflag.Flag {
	set := pflag.NewFlagSet(v.name, pflag.ContinueOnError)
	set.SortFlags = false
	v.setup(set)
	addCommonFlags(set)
	var list []*pflag.Flag
	set.VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			list = append(list, f)
		}
	})
	return list
}

// choicesOf returns the words that a flag accepts, nil if it accepts any value.
func choicesOf(f *pflag.Flag) []string {
	if c, ok := f.Value.(*choiceValue); ok {
		return c.choices
	}
	return nil
}

// argChoices returns the words that a verb accepts after its flags, nil if it accepts anything.
func argChoices(v verb) []string {
	if !strings.Contains(v.args, "|") {
		return nil
	}
	return strings.Split(v.args, "|")
}

// takesFile reports whether a flag's value is a path.
func takesFile(f *pflag.Flag) bool {
	name, _ := pflag.UnquoteUsage(f)
	return name == "FILE" || name == "DIR" || name == "PATH"
}

// firstLine returns the part of a flag's help that fits into a menu.
func firstLine(f *pflag.Flag) string {
	_, usage := pflag.UnquoteUsage(f)
	line, _, _ := strings.Cut(usage, "\n")
	return line
}

func isSwitch(f *pflag.Flag) bool { return f.NoOptDefVal != "" }

func bashCompletion(w io.Writer, all []verb) {
	fmt.Fprintf(w, "# bash completion for maixstream: source it, or install as /usr/share/bash-completion/completions/maixstream\n_maixstream() {\n")
	fmt.Fprintf(w, "\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} verb=%s\n\tCOMPREPLY=()\n", all[0].name)
	fmt.Fprintf(w, "\t# bash takes --flag=value for three words\n\tif [[ $cur == = ]]; then cur=; elif [[ $prev == = ]]; then prev=${COMP_WORDS[COMP_CWORD-2]}; fi\n")
	fmt.Fprintf(w, "\tcase ${COMP_WORDS[1]} in %s) verb=${COMP_WORDS[1]} ;; esac\n\tcase $verb:$prev in\n", strings.Join(names(all), "|"))
	for _, v := range all {
		for _, f := range flagsOf(v) {
			switch {
			case choicesOf(f) != nil:
				fmt.Fprintf(w, "\t%s:--%s) COMPREPLY=($(compgen -W '%s' -- \"$cur\")); return ;;\n", v.name, f.Name, strings.Join(choicesOf(f), " "))
			case takesFile(f):
				fmt.Fprintf(w, "\t%s:--%s) mapfile -t COMPREPLY < <(compgen -f -- \"$cur\"); return ;;\n", v.name, f.Name)
			case !isSwitch(f):
				fmt.Fprintf(w, "\t%s:--%s) return ;;\n", v.name, f.Name)
			}
		}
	}
	fmt.Fprintf(w, "\tesac\n\tlocal words= rest=\n\tcase $verb in\n")
	for _, v := range all {
		var words []string
		for _, f := range flagsOf(v) {
			words = append(words, "--"+f.Name)
		}
		fmt.Fprintf(w, "\t%s) words='%s' rest='%s' ;;\n", v.name, strings.Join(words, " "), strings.Join(argChoices(v), " "))
	}
	fmt.Fprintf(w, "\tesac\n\tif [[ $COMP_CWORD == 1 && $cur != -* ]]; then words='%s'; fi\n", strings.Join(names(all), " "))
	fmt.Fprintf(w, "\tif [[ $cur == -* || $COMP_CWORD == 1 ]]; then COMPREPLY=($(compgen -W \"$words\" -- \"$cur\")); elif [[ $rest ]]; then COMPREPLY=($(compgen -W "+
		"\"$rest\" -- \"$cur\")); else mapfile -t COMPREPLY < <(compgen -f -- \"$cur\"); fi\n}\ncomplete -o filenames -F _maixstream maixstream\n")
}

func zshCompletion(w io.Writer, all []verb) {
	quote := strings.NewReplacer("'", "'\\''", "[", "\\[", "]", "\\]", ":", "\\:").Replace
	fmt.Fprintf(w, "#compdef maixstream\n# zsh completion for maixstream: install as _maixstream in a directory of $fpath\n_maixstream() {\n\tlocal verb=%s\n", all[0].name)
	fmt.Fprintf(w, "\tif (( CURRENT == 2 )) && [[ $words[2] != -* ]]; then\n\t\tlocal -a verbs=(\n")
	for _, v := range all {
		fmt.Fprintf(w, "\t\t\t'%s:%s'\n", v.name, strings.NewReplacer("'", "'\\''", ":", "\\:").Replace(v.summary))
	}
	fmt.Fprintf(w, "\t\t)\n\t\t_describe verb verbs\n\t\treturn\n\tfi\n\tcase $words[2] in (%s) verb=$words[2] ;; esac\n\tcase $verb in\n", strings.Join(names(all), "|"))
	for _, v := range all {
		fmt.Fprintf(w, "\t(%s) _arguments", v.name)
		for _, f := range flagsOf(v) {
			value := ":value:"
			switch {
			case isSwitch(f):
				value = ""
			case choicesOf(f) != nil:
				value = ":value:(" + strings.Join(choicesOf(f), " ") + ")"
			case takesFile(f):
				value = ":file:_files"
			}
			equals := "="
			if value == "" {
				equals = ""
			}
			fmt.Fprintf(w, " \\\n\t\t'--%s%s[%s]%s'", f.Name, equals, quote(firstLine(f)), value)
		}
		rest := "*:file:_files"
		if words := argChoices(v); words != nil {
			rest = "*:value:(" + strings.Join(words, " ") + ")"
		}
		fmt.Fprintf(w, " \\\n\t\t'%s' ;;\n", rest)
	}
	fmt.Fprintf(w, "\tesac\n}\n_maixstream \"$@\"\n")
}

func fishCompletion(w io.Writer, all []verb) {
	quote := func(s string) string { return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s) + "'" }
	fmt.Fprintf(w, "# fish completion for maixstream: install as ~/.config/fish/completions/maixstream.fish\n")
	others := strings.Join(names(all)[1:], " ")
	for _, v := range all {
		fmt.Fprintf(w, "complete -c maixstream -n __fish_use_subcommand -f -a %s -d %s\n", v.name, quote(v.summary))
	}
	for i, v := range all {
		condition := "__fish_seen_subcommand_from " + v.name
		if i == 0 { // the verb when none is given
			condition = "not __fish_seen_subcommand_from " + others
		}
		if words := argChoices(v); words != nil {
			fmt.Fprintf(w, "complete -c maixstream -n %s -f -a %s\n", quote(condition), quote(strings.Join(words, " ")))
		}
		for _, f := range flagsOf(v) {
			kind := " -x"
			switch {
			case isSwitch(f):
				kind = ""
			case choicesOf(f) != nil:
				kind = " -x -a " + quote(strings.Join(choicesOf(f), " "))
			case takesFile(f):
				kind = " -r"
			}
			fmt.Fprintf(w, "complete -c maixstream -n %s -l %s%s -d %s\n", quote(condition), f.Name, kind, quote(firstLine(f)))
		}
	}
}
