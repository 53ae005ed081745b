package upload

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path"
	"strconv"
	"strings"
)

// key is a hash of an Idempotency-Key, and so of fixed size.
type key [16]byte

// maxKeys is how many keys are remembered per device: senders repeat the picture that got no reply, or a few.
const maxKeys = 512

func keyOf(text string) key {
	if text == "" {
		return key{}
	}
	sum := sha256.Sum256([]byte(text))
	return key(sum[:16])
}

// numbered is the key of the n-th of several pictures sent under one key; the zero key stays zero.
func (k key) numbered(n int) key {
	if k == (key{}) {
		return k
	}
	return keyOf(string(k[:]) + "#" + strconv.Itoa(n))
}

// keys are a device's newest keys with their pictures, in memory and in a file in its directory, one per line.
type keys struct {
	known map[key]kept
	order []key // oldest first
	lines int   // in the file
}

func (k *keys) find(one key) (kept, bool) {
	if one == (key{}) {
		return kept{}, false
	}
	p, ok := k.known[one]
	return p, ok
}

// add remembers a key and appends it to the file.
func (k *keys) add(root *os.Root, device string, one key, p kept) error {
	if one == (key{}) {
		return nil
	}
	if k.known == nil {
		k.known = map[key]kept{}
	}
	k.known[one] = p
	k.order = append(k.order, one)
	if len(k.order) > maxKeys {
		delete(k.known, k.order[0])
		k.order = k.order[1:]
	}
	if err := checkKeysFile(root, device); err != nil {
		k.drop(one)
		return err
	}
	if k.lines >= 4*maxKeys {
		return k.rewrite(root, device)
	}
	f, err := root.OpenFile(path.Join(device, keysFile), os.O_WRONLY|os.O_CREATE|os.O_APPEND, fileMode)
	if err != nil {
		k.drop(one)
		return err
	}
	defer f.Close()
	k.lines++
	// In one write; a line truncated by a full disk is ignored.
	if _, err := f.Write(appendKey(nil, one, p)); err != nil {
		k.drop(one)
		return err
	}
	return nil
}

// drop forgets the key added last.
func (k *keys) drop(one key) {
	if n := len(k.order); n > 0 && k.order[n-1] == one {
		k.order = k.order[:n-1]
		delete(k.known, one)
	}
}

// rewrite removes forgotten keys from the file.
func (k *keys) rewrite(root *os.Root, device string) error {
	var text []byte
	for _, one := range k.order {
		text = appendKey(text, one, k.known[one])
	}
	name := path.Join(device, keysFile)
	err := root.WriteFile(name+".new", text, fileMode)
	if err == nil {
		err = root.Rename(name+".new", name)
	}
	if err != nil {
		_ = root.Remove(name + ".new")
		k.drop(k.order[len(k.order)-1])
		return err
	}
	k.lines = len(k.order)
	return nil
}

// A line begins with a newline, so that a truncated one does not spoil the next.
func appendKey(dst []byte, one key, p kept) []byte {
	dst = append(dst, '\n')
	dst = hex.AppendEncode(dst, one[:])
	dst = append(dst, ' ')
	dst = append(dst, p.File[strings.IndexByte(p.File, '/')+1:]...)
	return append(dst, ';')
}

// checkKeysFile refuses what must be neither opened, such as a pipe, which would wait for ever, nor replaced.
func checkKeysFile(root *os.Root, device string) error {
	name := path.Join(device, keysFile)
	if info, err := root.Lstat(name); err == nil && !info.Mode().IsRegular() {
		return fmt.Errorf("%s is not a regular file (%s); remove it", name, info.Mode().Type())
	}
	return nil
}

// load reads the keys of stored pictures.
func (k *keys) load(root *os.Root, d *device) error {
	if err := checkKeysFile(root, d.name); err != nil {
		return err
	}
	text, err := root.ReadFile(path.Join(d.name, keysFile))
	if err != nil {
		if os.IsNotExist(err) {
			return nil
		}
		return err
	}
	k.known = map[key]kept{}
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		k.lines++
		line, whole := strings.CutSuffix(lines.Text(), ";")
		digits, file, _ := strings.Cut(line, " ")
		sum, err := hex.DecodeString(digits)
		if !whole || err != nil || len(sum) != len(key{}) {
			continue
		}
		p, ok := d.lookup(file)
		if !ok {
			continue
		}
		one := key(sum)
		if _, double := k.known[one]; !double {
			k.order = append(k.order, one)
		}
		k.known[one] = p
	}
	for len(k.order) > maxKeys {
		delete(k.known, k.order[0])
		k.order = k.order[1:]
	}
	return nil
}

// lookup finds a picture by DAY/NAME.
func (d *device) lookup(file string) (kept, bool) {
	name, base, _ := strings.Cut(file, "/")
	y := d.day(name, false)
	ms, sequence, f, ok := parseFileName(base)
	if y == nil || !ok {
		return kept{}, false
	}
	i, found := y.find(entry{sequence: sequence, ms: ms})
	if !found || y.entries[i].format() != f {
		return kept{}, false
	}
	return d.kept(y, y.entries[i]), true
}
