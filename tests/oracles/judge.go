// A judge of logs and receipts that shares no code with ours: the note and tlog packages of golang.org/x/mod (Go's checksum database).
//
// Called with the folder of an exported log and its verifier key. Reads one JSON case a line, answers `ok` or `no: why` a line. A case of kind `log` is
// that log with some files changed (base64) or gone (null); `receipt` is a C2SP tlog-proof; `consistency` two sizes and roots with a path between
// them. Those packages put the height of a tile into its path, `tile/8/0/000`; ours are those of C2SP, without it.
package main

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type question struct {
	Kind  string             `json:"kind"`
	Files map[string]*string `json:"files"`
	Text  string             `json:"text"`
	Old   int64              `json:"old"`
	New   int64              `json:"new"`
	OldH  string             `json:"old_root"`
	NewH  string             `json:"new_root"`
	Path  []string           `json:"path"`
}

func main() {
	whole := read(os.Args[1])
	verifier, err := note.NewVerifier(os.Args[2])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	lines := bufio.NewReaderSize(os.Stdin, 1<<20)
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) == 0 && err != nil {
			return
		}
		var asked question
		if err := json.Unmarshal(line, &asked); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		if err := judge(asked, whole, verifier); err != nil {
			fmt.Fprintf(out, "no: %s\n", strings.ReplaceAll(err.Error(), "\n", " "))
		} else {
			fmt.Fprintln(out, "ok")
		}
	}
}

func read(folder string) map[string][]byte {
	files := map[string][]byte{}
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name, err := filepath.Rel(folder, path)
		if err != nil {
			return err
		}
		files[name], err = os.ReadFile(path)
		return err
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return files
}

func judge(asked question, whole map[string][]byte, verifier note.Verifier) error {
	switch asked.Kind {
	case "log":
		files := map[string][]byte{}
		for path, bytes := range whole {
			files[path] = bytes
		}
		for path, text := range asked.Files {
			if text == nil {
				delete(files, path)
				continue
			}
			bytes, err := base64.StdEncoding.DecodeString(*text)
			if err != nil {
				return err
			}
			files[path] = bytes
		}
		return judgeLog(files, verifier)
	case "receipt":
		return judgeReceipt(asked.Text, verifier)
	case "consistency":
		return judgeConsistency(asked)
	}
	return errors.New("no such kind: " + asked.Kind)
}

// The tree of a signed checkpoint.
func open(text []byte, verifier note.Verifier) (tree tlog.Tree, err error) {
	opened, err := note.Open(text, note.VerifierList(verifier))
	if err != nil {
		return tree, err
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) != 4 || lines[0] != verifier.Name() || lines[3] != "" {
		return tree, errors.New("not a checkpoint of this log")
	}
	tree.N, err = strconv.ParseInt(lines[1], 10, 64)
	if err != nil || strconv.FormatInt(tree.N, 10) != lines[1] {
		return tree, errors.New("not a size")
	}
	tree.Hash, err = tlog.ParseHash(lines[2])
	return tree, err
}

type tiles map[string][]byte

func (tiles) Height() int { return 8 }

func (files tiles) ReadTiles(wanted []tlog.Tile) (found [][]byte, err error) {
	for _, tile := range wanted {
		path := strings.Replace(tile.Path(), "tile/8/", "tile/", 1)
		bytes, ok := files[path]
		if !ok {
			return nil, errors.New(path + " is missing")
		}
		found = append(found, bytes)
	}
	return found, nil
}

func (tiles) SaveTiles([]tlog.Tile, [][]byte) {}

// Every leaf hash is read through tlog, which proves each tile on the way to the signed root; every entry then has to have its hash.
func judgeLog(files map[string][]byte, verifier note.Verifier) error {
	tree, err := open(files["checkpoint"], verifier)
	if err != nil {
		return err
	}
	var places []int64
	for n := int64(0); n < tree.N; n++ {
		places = append(places, tlog.StoredHashIndex(0, n))
	}
	hashes, err := tlog.TileHashReader(tree, tiles(files)).ReadHashes(places)
	if err != nil {
		return err
	}
	for first := int64(0); first < tree.N; first += 256 {
		tile := tlog.Tile{H: 8, L: -1, N: first / 256, W: 256}
		if tree.N-first < 256 {
			tile.W = int(tree.N - first)
		}
		path := strings.Replace(tile.Path(), "tile/8/data/", "tile/entries/", 1)
		entries, err := bundle(files[path], tile.W)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		for place, entry := range entries {
			if n := first + int64(place); tlog.RecordHash(entry) != hashes[n] {
				return fmt.Errorf("entry %d does not have its hash", n)
			}
		}
	}
	return nil
}

func bundle(from []byte, width int) (entries [][]byte, err error) {
	for n := 0; n < width; n++ {
		if len(from) < 2 || len(from)-2 < int(from[0])<<8+int(from[1]) {
			return nil, errors.New("cut")
		}
		end := 2 + int(from[0])<<8 + int(from[1])
		entries = append(entries, from[2:end])
		from = from[end:]
	}
	if len(from) > 0 {
		return nil, errors.New("longer than its entries")
	}
	return entries, nil
}

func judgeReceipt(text string, verifier note.Verifier) error {
	head, checkpoint, found := cut(text, "\n\n")
	lines := strings.Split(head, "\n")
	if !found || len(lines) < 3 || lines[0] != "c2sp.org/tlog-proof@v1" {
		return errors.New("not a tlog-proof")
	}
	if !strings.HasPrefix(lines[1], "extra ") || !strings.HasPrefix(lines[2], "index ") {
		return errors.New("no extra or no index")
	}
	leaf, err := base64.StdEncoding.Strict().DecodeString(lines[1][len("extra "):])
	if err != nil {
		return err
	}
	number := lines[2][len("index "):]
	index, err := strconv.ParseInt(number, 10, 64)
	if err != nil || strconv.FormatInt(index, 10) != number {
		return errors.New("not an index")
	}
	proof, err := hashes(lines[3:])
	if err != nil {
		return err
	}
	tree, err := open([]byte(checkpoint), verifier)
	if err != nil {
		return err
	}
	if index < 0 || index >= tree.N {
		return errors.New("beyond the tree")
	}
	return tlog.CheckRecord(tlog.RecordProof(proof), tree.N, tree.Hash, index, tlog.RecordHash(leaf))
}

func judgeConsistency(asked question) error {
	roots, err := hashes([]string{asked.OldH, asked.NewH})
	if err != nil {
		return err
	}
	proof, err := hashes(asked.Path)
	if err != nil {
		return err
	}
	if asked.Old < 1 || asked.Old > asked.New {
		return errors.New("sizes")
	}
	return tlog.CheckTree(tlog.TreeProof(proof), asked.New, roots[1], asked.Old, roots[0])
}

func hashes(texts []string) (found []tlog.Hash, err error) {
	for _, text := range texts {
		hash, err := tlog.ParseHash(text)
		if err != nil {
			return nil, err
		}
		if !bytes.Equal([]byte(hash.String()), []byte(text)) {
			return nil, errors.New("another spelling of a hash")
		}
		found = append(found, hash)
	}
	return found, nil
}

// strings.Cut is there since Go 1.18; Debian 12 has 1.19, older ones do not.
func cut(text, by string) (before, after string, found bool) {
	if at := strings.Index(text, by); at >= 0 {
		return text[:at], text[at+len(by):], true
	}
	return text, "", false
}
