// Command interop drives golang.org/x/mod/sumdb/{note,tlog}, the verifier of Go's own module database, and
// github.com/transparency-dev/merkle over a folder in C2SP tlog-tiles layout with the proofs that the log's
// makers offer (proofs.json). It prints what was verified as one line of JSON, or says what was refused and
// exits with status 1. It checks nothing itself but that the proofs which sumdb/tlog makes out of the tiles
// are the ones offered.
//
//	interop DIR VKEY
package main

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// Tiles of 2^8 hashes, as tlog-tiles has them.
const height = 8

type counts struct {
	Checkpoints   int `json:"checkpoints"`
	Inclusions    int `json:"inclusions"`
	Consistencies int `json:"consistencies"`
}

type offered struct {
	Sizes       []int64               `json:"sizes"`
	Inclusion   map[string][][][]byte `json:"inclusion"`
	Consistency []struct {
		Old  int64    `json:"old"`
		New  int64    `json:"new"`
		Path [][]byte `json:"path"`
	} `json:"consistency"`
}

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: interop DIR VKEY")
		os.Exit(2)
	}
	verified, err := verify(os.Args[1], os.Args[2])
	if err != nil {
		fmt.Fprintln(os.Stderr, "refused:", err)
		os.Exit(1)
	}
	json.NewEncoder(os.Stdout).Encode(verified)
}

func verify(dir, vkey string) (verified counts, err error) {
	var proofs offered
	data, err := os.ReadFile(filepath.Join(dir, "proofs.json"))
	if err != nil {
		return verified, err
	}
	if err = json.Unmarshal(data, &proofs); err != nil {
		return verified, err
	}
	trees := map[int64]tlog.Tree{}
	for _, size := range proofs.Sizes {
		tree, err := openCheckpoint(dir, size, vkey)
		if err != nil {
			return verified, fmt.Errorf("checkpoint %d: %w", size, err)
		}
		trees[size] = tree
		verified.Checkpoints++
	}
	files := tileFiles{dir, map[string][]byte{}}
	entries, err := files.entries(proofs.Sizes[len(proofs.Sizes)-1])
	if err != nil {
		return verified, err
	}
	for _, size := range proofs.Sizes {
		reader := tlog.TileHashReader(trees[size], files)
		for index, path := range proofs.Inclusion[strconv.FormatInt(size, 10)] {
			if err := included(trees[size], reader, int64(index), entries[index], path); err != nil {
				return verified, fmt.Errorf("entry %d of %d: %w", index, size, err)
			}
			verified.Inclusions++
		}
	}
	for _, each := range proofs.Consistency {
		old, new := trees[each.Old], trees[each.New]
		if err := consistent(old, new, tlog.TileHashReader(new, files), each.Path); err != nil {
			return verified, fmt.Errorf("from %d to %d: %w", each.Old, each.New, err)
		}
		verified.Consistencies++
	}
	return verified, nil
}

// openCheckpoint verifies the signature of the log's key and reads size and root of the text, which
// tlog.ParseTree does for Go's own origin only.
func openCheckpoint(dir string, size int64, vkey string) (tree tlog.Tree, err error) {
	data, err := os.ReadFile(filepath.Join(dir, fmt.Sprintf("checkpoint.%d", size)))
	if err != nil {
		return tree, err
	}
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		return tree, err
	}
	opened, err := note.Open(data, note.VerifierList(verifier))
	if err != nil {
		return tree, err
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) < 4 || lines[0] != verifier.Name() {
		return tree, fmt.Errorf("not a checkpoint of %s", verifier.Name())
	}
	if tree.N, err = strconv.ParseInt(lines[1], 10, 64); err != nil {
		return tree, err
	}
	tree.Hash, err = tlog.ParseHash(lines[2])
	return tree, err
}

// included has both libraries check the offered path, and the first one make it again out of the tiles.
func included(tree tlog.Tree, reader tlog.HashReader, index int64, entry []byte, path [][]byte) error {
	own, err := tlog.ProveRecord(tree.N, index, reader)
	if err != nil {
		return err
	}
	given, err := hashes(path)
	if err != nil {
		return err
	}
	leaf := tlog.RecordHash(entry)
	if err := tlog.CheckRecord(given, tree.N, tree.Hash, index, leaf); err != nil {
		return err
	}
	hasher := rfc6962.DefaultHasher
	if err := proof.VerifyInclusion(hasher, uint64(index), uint64(tree.N), hasher.HashLeaf(entry), path, tree.Hash[:]); err != nil {
		return err
	}
	return same(own, given)
}

// consistent does the same for a proof that one tree continues another.
func consistent(old, new tlog.Tree, reader tlog.HashReader, path [][]byte) error {
	own, err := tlog.ProveTree(new.N, old.N, reader)
	if err != nil {
		return err
	}
	given, err := hashes(path)
	if err != nil {
		return err
	}
	if err := tlog.CheckTree(given, new.N, new.Hash, old.N, old.Hash); err != nil {
		return err
	}
	if err := proof.VerifyConsistency(rfc6962.DefaultHasher, uint64(old.N), uint64(new.N), path, old.Hash[:], new.Hash[:]); err != nil {
		return err
	}
	return same(own, given)
}

func hashes(path [][]byte) ([]tlog.Hash, error) {
	given := make([]tlog.Hash, len(path))
	for i, hash := range path {
		if len(hash) != tlog.HashSize {
			return nil, fmt.Errorf("%s is no hash", base64.StdEncoding.EncodeToString(hash))
		}
		copy(given[i][:], hash)
	}
	return given, nil
}

func same(own, given []tlog.Hash) error {
	if fmt.Sprint(own) != fmt.Sprint(given) {
		return fmt.Errorf("the tiles give another proof than the one offered")
	}
	return nil
}

// tileFiles is a tlog.TileReader over a folder; what it reads, it keeps.
type tileFiles struct {
	dir  string
	kept map[string][]byte
}

func (tileFiles) Height() int { return height }

func (tileFiles) SaveTiles([]tlog.Tile, [][]byte) {}

func (files tileFiles) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var out [][]byte
	for _, tile := range tiles {
		data, err := files.read(strings.TrimPrefix(tile.Path(), fmt.Sprintf("tile/%d/", height)))
		if err != nil {
			return nil, err
		}
		out = append(out, data)
	}
	return out, nil
}

func (files tileFiles) read(name string) ([]byte, error) {
	if data, ok := files.kept[name]; ok {
		return data, nil
	}
	data, err := os.ReadFile(filepath.Join(files.dir, "tile", name))
	files.kept[name] = data
	return data, err
}

// entries reads the bundles of a log of that size: for each entry its length in two bytes, and itself.
func (files tileFiles) entries(size int64) (all [][]byte, err error) {
	for int64(len(all)) < size {
		bundle := tlog.Tile{H: height, L: -1, N: int64(len(all)) >> height, W: 1 << height}
		if rest := size - int64(len(all)); rest < 1<<height {
			bundle.W = int(rest)
		}
		name := strings.TrimPrefix(bundle.Path(), fmt.Sprintf("tile/%d/data/", height))
		data, err := files.read("entries/" + name)
		if err != nil {
			return nil, err
		}
		for len(data) >= 2 {
			end := 2 + int(binary.BigEndian.Uint16(data))
			if end > len(data) {
				return nil, fmt.Errorf("the bundle %s ends within an entry", name)
			}
			all, data = append(all, data[2:end]), data[end:]
		}
	}
	return all, nil
}
