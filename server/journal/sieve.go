package journal

import (
	"encoding/binary"
	"errors"
	"sync"

	"github.com/bits-and-blooms/bloom/v3"
	"github.com/cockroachdb/pebble/v2"
)

// sieve tells from memory of most new ids that they are new. It says "maybe" of every id that was added, of less than one in a hundred
// that were not, and of all until load was called; then the index on disk is asked. Without it, asking for an id that is not there cost a
// tenth of a delivery, and with one in twenty it still cost 4 %.
//
// Ids are kept in generations, as in the index, and each in layers that double in size, at about fifteen bits an id: 3.6 MB for a million.
// A generation that outgrows maxSieve says "maybe" of everything from then on.
type sieve struct {
	mu     sync.RWMutex
	loaded bool
	layers map[uint64][]*layer // nil for a generation that has outgrown
}

type layer struct {
	filter *bloom.BloomFilter
	left   uint
}

const (
	firstLayer = 1 << 18 // half a megabyte
	maxSieve   = 1 << 25 // ids in a generation: 60 MB
	falseMaybe = 0.001   // of each layer
)

func newSieve() *sieve { return &sieve{layers: map[uint64][]*layer{}} }

// load says that everything which is in the index was added.
func (s *sieve) load() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.loaded = true
}

// add adds a key to a generation.
func (s *sieve) add(generation uint64, key []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	layers, known := s.layers[generation]
	if known && layers == nil {
		return
	}
	if n := len(layers); n == 0 || layers[n-1].left == 0 {
		size := uint(firstLayer) << n
		if size > maxSieve/2 {
			s.layers[generation] = nil
			return
		}
		layers = append(layers, &layer{bloom.NewWithEstimates(size, falseMaybe), size})
		s.layers[generation] = layers
	}
	last := layers[len(layers)-1]
	last.filter.Add(key)
	last.left--
}

// maybe says whether a key may be in a generation.
func (s *sieve) maybe(generation uint64, key []byte) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	layers, known := s.layers[generation]
	if !s.loaded || known && layers == nil {
		return true
	}
	if len(layers) == 0 {
		return false
	}
	// All have the same number of hashes, so they are computed once. The newest is the largest.
	places := bloom.Locations(key, layers[0].filter.K())
	for i := len(layers) - 1; i >= 0; i-- {
		if layers[i].filter.TestLocations(places) {
			return true
		}
	}
	return false
}

// forget drops a generation.
func (s *sieve) forget(generation uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.layers, generation)
}

// fillSieve adds what is in the index when it is opened. What is written from then on is added by those who write it.
func (ix *index) fillSieve() {
	it, err := ix.db.NewIter(&pebble.IterOptions{LowerBound: []byte{keyID}, UpperBound: []byte{keyID + 1}})
	if err != nil {
		ix.fail(err)
		return
	}
	const checkEvery = 1 << 12
	n := 0
	for ok := it.First(); ok; ok = it.Next() {
		if n++; n%checkEvery == 0 && ix.over() != nil {
			break
		}
		ix.sieve.add(binary.BigEndian.Uint64(it.Key()[1:]), it.Key())
	}
	err = it.Error()
	if err = errors.Join(err, it.Close()); err != nil {
		ix.fail(err)
		return
	}
	if ix.over() == nil {
		ix.sieve.load()
	}
}
