package subscription

import (
	"slices"
	"sync"
	"sync/atomic"
)

// maxRoutes bounds the cache of routes. Types come from verified deliveries and could be many.
const maxRoutes = 4096

// route is what an event is dispatched by.
type route struct{ source, typ string }

// routes says which subscriptions with members want an event. The answer is remembered for each source and type, so that an
// event costs nothing for those that don't want it, however many they are.
type routes struct {
	mu    sync.Mutex
	all   map[*subscription]*filter
	cache map[route][]*subscription
	// tried counts the filters that were asked about an event.
	tried atomic.Int64
}

func newRoutes() *routes {
	return &routes{all: map[*subscription]*filter{}, cache: map[route][]*subscription{}}
}

// lookup returns the subscriptions that want an event. The slice must not be changed.
func (r *routes) lookup(source, typ string) []*subscription {
	r.mu.Lock()
	defer r.mu.Unlock()
	key := route{source, typ}
	if list, ok := r.cache[key]; ok {
		return list
	}
	if len(r.cache) >= maxRoutes {
		clear(r.cache)
	}
	var list []*subscription
	r.tried.Add(int64(len(r.all)))
	for s, f := range r.all {
		if f.match(source, typ) {
			list = append(list, s)
		}
	}
	r.cache[key] = list
	return list
}

// add makes a subscription known under the filter that it has now.
func (r *routes) add(s *subscription, f *filter) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all[s] = f
	for key, list := range r.cache {
		if f.match(key.source, key.typ) {
			r.cache[key] = append(slices.Clip(list), s)
		}
	}
}

// remove forgets a subscription.
func (r *routes) remove(s *subscription) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f, ok := r.all[s]
	if !ok {
		return
	}
	delete(r.all, s)
	for key, list := range r.cache {
		if f.match(key.source, key.typ) {
			r.cache[key] = slices.DeleteFunc(slices.Clone(list), func(x *subscription) bool { return x == s })
		}
	}
}

// members returns all subscriptions that are known.
func (r *routes) members() []*subscription {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := make([]*subscription, 0, len(r.all))
	for s := range r.all {
		list = append(list, s)
	}
	return list
}
