package main

import (
	"errors"
	"testing"
)

// What --set makes of a body, and what it refuses, with where and what was expected.
func TestSet(t *testing.T) {
	const body = `{"name":"a","n":1,"ok":true,"none":null,"list":[{"x":1}],"of.dots":1}`
	for _, tc := range []struct {
		set, want, err string
		usage          bool
	}{
		{set: "name=b", want: `{"name":"b","n":1,"ok":true,"none":null,"list":[{"x":1}],"of.dots":1}`},
		{set: "name=", want: `{"name":"","n":1,"ok":true,"none":null,"list":[{"x":1}],"of.dots":1}`},
		{set: "n=2", want: `{"name":"a","n":2,"ok":true,"none":null,"list":[{"x":1}],"of.dots":1}`},
		{set: "none.deep=x", want: `{"name":"a","n":1,"ok":true,"none":{"deep":"x"},"list":[{"x":1}],"of.dots":1}`},
		{set: "list.0.x=2", want: `{"name":"a","n":1,"ok":true,"none":null,"list":[{"x":2}],"of.dots":1}`},
		{set: "list.1=2", want: `{"name":"a","n":1,"ok":true,"none":null,"list":[{"x":1},2],"of.dots":1}`},
		{set: "list.-1.y=2", want: `{"name":"a","n":1,"ok":true,"none":null,"list":[{"x":1},{"y":2}],"of.dots":1}`},
		{set: `of\.dots=2`, want: `{"name":"a","n":1,"ok":true,"none":null,"list":[{"x":1}],"of.dots":2}`},
		{set: "=1", err: `--set wants PATH=VALUE, got "=1"`, usage: true},
		{set: "a..b=1", err: "--set a..b: want names and numbers with a dot between each two, and element 2 is empty", usage: true},
		{set: ".a=1", err: "--set .a: want names and numbers with a dot between each two, and element 1 is empty", usage: true},
		{set: "a.=1", err: "--set a.: want names and numbers with a dot between each two, and element 2 is empty", usage: true},
		{set: "list.#.x=1", err: `--set list.#.x: want the names of members and the numbers of elements, got "#", which could be several`, usage: true},
		{set: "name.first=1", err: "--set name.first: name is a text: want an object or a list there"},
		{set: "n.0=1", err: "--set n.0: n is a number: want an object or a list there"},
		{set: "ok.x.y=1", err: "--set ok.x.y: ok is true or false: want an object or a list there"},
		{set: "list.x=1", err: `--set list.x: list is a list: want the number of an element, from 0, or -1 for one more at its end, got "x"`},
		{set: "list.5=1", err: "--set list.5: list has 1 element: want a number from 0 to 1, or -1 for one more at its end, got 5"},
		{set: "new.1000000000=1", err: "--set new.1000000000: new is not there yet, and would be a list with its first element: want 0, or :1000000000 for a member of this name"},
	} {
		got, err := set([]byte(body), []string{tc.set})
		_, usage := errors.AsType[usageError](err)
		if tc.err == "" && (err != nil || string(got) != tc.want) || tc.err != "" && (err == nil || err.Error() != tc.err || usage != tc.usage) {
			t.Errorf("--set %s: got %s, %v", tc.set, got, err)
		}
	}
	if _, err := set([]byte("a=b"), []string{"a=1"}); err == nil || err.Error() != "--set a: the body is no JSON" {
		t.Errorf("no JSON: got %v", err)
	}
	for _, value := range []string{`{"2024":1}`, `{}`} {
		if got, err := set([]byte(value), []string{"2024=2"}); err != nil || string(got) != `{"2024":2}` {
			t.Errorf("a member whose name is a number: got %s, %v", got, err)
		}
	}
}
