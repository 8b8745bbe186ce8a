package config

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// await waits for a change, or for the proof that there is none: a change of a file that is watched only for that.
func await(t *testing.T, w *Watcher) {
	t.Helper()
	select {
	case <-w.Changes():
	case <-time.After(20 * time.Second):
		t.Fatal("no change was reported")
	}
}

// Every way in which files change is seen, over real files.
func TestWatch(t *testing.T) {
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	put := func(path, content string) {
		t.Helper()
		must(os.MkdirAll(filepath.Dir(path), 0o700))
		must(os.WriteFile(path, []byte(content), 0o600))
	}
	for _, tc := range []struct {
		name string
		// prepare makes the files and returns those to watch; the changes come one after the other.
		prepare func(dir string) []string
		changes []func(dir string)
	}{
		{
			"written in place",
			func(dir string) []string { put(dir+"/a", "1"); return []string{dir + "/a"} },
			[]func(string){func(dir string) { put(dir+"/a", "2") }, func(dir string) { put(dir+"/a", "3") }},
		},
		{
			"the second of two, in another folder",
			func(dir string) []string {
				put(dir+"/a", "1")
				put(dir+"/secrets/b", "1")
				return []string{dir + "/a", dir + "/secrets/b"}
			},
			[]func(string){func(dir string) { put(dir+"/secrets/b", "2") }, func(dir string) { put(dir+"/a", "2") }},
		},
		{
			"replaced by renaming, as editors do",
			func(dir string) []string { put(dir+"/a", "1"); return []string{dir + "/a"} },
			[]func(string){
				func(dir string) { put(dir+"/.a.swp", "2"); must(os.Rename(dir+"/.a.swp", dir+"/a")) },
				func(dir string) { put(dir+"/.a.swp", "3"); must(os.Rename(dir+"/.a.swp", dir+"/a")) },
				func(dir string) { must(os.Rename(dir+"/a", dir+"/a~")); put(dir+"/a", "4") },
			},
		},
		{
			"removed and made again",
			func(dir string) []string { put(dir+"/a", "1"); return []string{dir + "/a"} },
			[]func(string){func(dir string) { must(os.Remove(dir + "/a")) }, func(dir string) { put(dir+"/a", "1") }},
		},
		{
			"made in a folder that wasn't there",
			func(dir string) []string { return []string{dir + "/x/y/a"} },
			[]func(string){func(dir string) { put(dir+"/x/y/a", "1") }, func(dir string) { put(dir+"/x/y/a", "2") }},
		},
		{
			"the folder replaced",
			func(dir string) []string { put(dir+"/x/a", "1"); return []string{dir + "/x/a"} },
			[]func(string){
				func(dir string) {
					put(dir+"/y/a", "2")
					must(os.Rename(dir+"/x", dir+"/z"))
					must(os.Rename(dir+"/y", dir+"/x"))
				},
				func(dir string) { put(dir+"/x/a", "3") },
			},
		},
		{
			"a link pointed elsewhere",
			func(dir string) []string {
				put(dir+"/1/a", "1")
				put(dir+"/2/a", "2")
				must(os.Symlink(dir+"/1/a", dir+"/a"))
				return []string{dir + "/a"}
			},
			[]func(string){
				func(dir string) { must(os.Symlink(dir+"/2/a", dir+"/new")); must(os.Rename(dir+"/new", dir+"/a")) },
				func(dir string) { put(dir+"/2/a", "3") },
			},
		},
		{
			"a folder's link pointed elsewhere",
			func(dir string) []string {
				put(dir+"/releases/1/a", "1")
				put(dir+"/releases/2/a", "2")
				must(os.Symlink("releases/1", dir+"/current"))
				return []string{dir + "/current/a"}
			},
			[]func(string){
				func(dir string) {
					must(os.Symlink("releases/2", dir+"/new"))
					must(os.Rename(dir+"/new", dir+"/current"))
				},
				func(dir string) { put(dir+"/releases/2/a", "3") },
			},
		},
		{
			"a volume of Kubernetes",
			func(dir string) []string {
				put(dir+"/..2026_01/a", "1")
				must(os.Symlink("..2026_01", dir+"/..data"))
				must(os.Symlink("..data/a", dir+"/a"))
				return []string{dir + "/a"}
			},
			[]func(string){
				func(dir string) {
					put(dir+"/..2026_02/a", "2")
					must(os.Symlink("..2026_02", dir+"/..data_tmp"))
					must(os.Rename(dir+"/..data_tmp", dir+"/..data"))
					must(os.RemoveAll(dir + "/..2026_01"))
				},
				func(dir string) {
					put(dir+"/..2026_03/a", "3")
					must(os.Symlink("..2026_03", dir+"/..data_tmp"))
					must(os.Rename(dir+"/..data_tmp", dir+"/..data"))
					must(os.RemoveAll(dir + "/..2026_02"))
				},
			},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			w, err := Watch(tc.prepare(dir))
			must(err)
			defer func() { must(w.Close()) }()
			await(t, w) // The files are new to the watcher.
			for _, change := range tc.changes {
				change(dir)
				await(t, w)
			}
		})
	}
}

// What changes no content is no change.
func TestWatchComparesContents(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "a")
	if err := os.WriteFile(file, []byte("1"), 0o600); err != nil {
		t.Fatal(err)
	}
	w, err := Watch([]string{file})
	if err != nil {
		t.Fatal(err)
	}
	// Compared by hand from here on.
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	<-w.Changes()
	for _, step := range []struct {
		content string
		mode    os.FileMode
		changed bool
	}{{"1", 0o600, false}, {"1", 0o640, false}, {"2", 0o640, true}, {"2", 0o640, false}, {"", 0o640, true}, {"1", 0o640, true}} {
		if err := os.WriteFile(file, []byte(step.content), step.mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(file, step.mode); err != nil {
			t.Fatal(err)
		}
		w.compare()
		changed := false
		select {
		case <-w.Changes():
			changed = true
		default:
		}
		if changed != step.changed {
			t.Errorf("%q with mode %v: reported %v", step.content, step.mode, changed)
		}
	}
}

// Files that are no longer of the configuration are no longer watched, and new ones are.
func TestWatchOtherFiles(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"x", "y"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	w, err := Watch([]string{filepath.Join(dir, "x", "a")})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	}()
	await(t, w)
	if err := w.SetFiles([]string{filepath.Join(dir, "y", "a")}); err != nil {
		t.Fatal(err)
	}
	await(t, w)
	if diff := cmp.Diff([]string{filepath.Join(dir, "y")}, w.notify.WatchList()); diff != "" {
		t.Errorf("folders (-want +got)\n%s", diff)
	}
	if err := os.WriteFile(filepath.Join(dir, "y", "a"), []byte("1"), 0o600); err != nil {
		t.Fatal(err)
	}
	await(t, w)
}
