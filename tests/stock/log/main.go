// Judges checkpoints and proofs of Custodia's log with golang.org/x/mod: sumdb/note for signatures, sumdb/tlog for proofs.
// It computes nothing of its own and reads no tiles.
//
//	log note VKEY CHECKPOINT...            each is a note that this key signed
//	log record VKEY PROOF ENTRY            the C2SP proof file holds the entry (hexadecimal) in a tree whose checkpoint this key signed
//	log tree VKEY OLD NEW PROOF            the tree of checkpoint OLD is the beginning of that of NEW; PROOF has a hexadecimal hash a line
//
// It exits with 0 if all holds and with 1, and the reason, if anything does not.
package main

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(arguments []string) error {
	switch {
	case len(arguments) >= 3 && arguments[0] == "note":
		for _, path := range arguments[2:] {
			if _, err := open(arguments[1], path); err != nil {
				return err
			}
		}
		return nil
	case len(arguments) == 4 && arguments[0] == "record":
		return record(arguments[1], arguments[2], arguments[3])
	case len(arguments) == 5 && arguments[0] == "tree":
		return consistent(arguments[1], arguments[2], arguments[3], arguments[4])
	}
	return errors.New("log note VKEY CHECKPOINT..., log record VKEY PROOF ENTRY, or log tree VKEY OLD NEW PROOF")
}

// record asks tlog whether the entry is in the tree of the checkpoint at the end of a C2SP tlog-proof.
func record(vkey, path, entry string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	head, checkpoint, found := strings.Cut(string(text), "\n\n")
	if !found {
		return fmt.Errorf("%s: no empty line before the checkpoint", path)
	}
	tree, err := judge(vkey, []byte(checkpoint))
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	lines := strings.Split(head, "\n")
	if lines[0] != "c2sp.org/tlog-proof@v1" {
		return fmt.Errorf("%s is no tlog-proof", path)
	}
	lines = lines[1:]
	if len(lines) > 0 && strings.HasPrefix(lines[0], "extra ") {
		lines = lines[1:]
	}
	if len(lines) == 0 || !strings.HasPrefix(lines[0], "index ") {
		return fmt.Errorf("%s names no index", path)
	}
	index, err := strconv.ParseInt(strings.TrimPrefix(lines[0], "index "), 10, 64)
	if err != nil {
		return err
	}
	var proof tlog.RecordProof
	for _, line := range lines[1:] {
		hash, err := tlog.ParseHash(line)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		proof = append(proof, hash)
	}
	bytes, err := hex.DecodeString(entry)
	if err != nil {
		return err
	}
	return tlog.CheckRecord(proof, tree.N, tree.Hash, index, tlog.RecordHash(bytes))
}

// consistent asks tlog whether the older tree is the beginning of the newer one.
func consistent(vkey, old, new, path string) error {
	before, err := open(vkey, old)
	if err != nil {
		return err
	}
	after, err := open(vkey, new)
	if err != nil {
		return err
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var proof tlog.TreeProof
	for _, line := range strings.Fields(string(text)) {
		bytes, err := hex.DecodeString(line)
		if err != nil || len(bytes) != tlog.HashSize {
			return fmt.Errorf("%s: %q is no hash", path, line)
		}
		var hash tlog.Hash
		copy(hash[:], bytes)
		proof = append(proof, hash)
	}
	return tlog.CheckTree(proof, after.N, after.Hash, before.N, before.Hash)
}

func open(vkey, path string) (tlog.Tree, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return tlog.Tree{}, err
	}
	tree, err := judge(vkey, text)
	if err != nil {
		return tlog.Tree{}, fmt.Errorf("%s: %w", path, err)
	}
	return tree, nil
}

// judge opens a checkpoint as a note that the key signed, and reads size and root from its text.
func judge(vkey string, text []byte) (tlog.Tree, error) {
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		return tlog.Tree{}, err
	}
	opened, err := note.Open(text, note.VerifierList(verifier))
	if err != nil {
		return tlog.Tree{}, err
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) != 4 || lines[0] != verifier.Name() || lines[3] != "" {
		return tlog.Tree{}, fmt.Errorf("no checkpoint of %s", verifier.Name())
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		return tlog.Tree{}, err
	}
	root, err := base64.StdEncoding.DecodeString(lines[2])
	if err != nil || len(root) != tlog.HashSize {
		return tlog.Tree{}, fmt.Errorf("%q is no root", lines[2])
	}
	tree := tlog.Tree{N: size}
	copy(tree.Hash[:], root)
	return tree, nil
}
