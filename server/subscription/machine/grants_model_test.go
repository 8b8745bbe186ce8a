package machine

import (
	"fmt"
	"slices"
)

// principal is who a member is. Those below principals lose their grant and get it back; root always has it.
type principal int

const (
	principals = 3
	root       = principals
)

// regrant takes a grant away, or gives one back. Grants are configuration: a restart changes none.
func (s *simulation) regrant() error {
	who := principal(s.rng.IntN(principals))
	if s.withdrawn[who] {
		s.withdrawn[who] = false
		s.seen["grant given back"]++
		return nil
	}
	if s.rng.IntN(2) == 0 {
		return s.withdraw(who)
	}
	return nil
}

// withdraw ends all members of a principal, in one step, and lets none come until it has its grant again. What they had goes to others.
func (s *simulation) withdraw(who principal) error {
	s.withdrawn[who] = true
	s.seen["grant withdrawn"]++
	var gone []MemberID
	for i := 0; i < len(s.members); {
		c := s.members[i]
		if c.who != who {
			i++
			continue
		}
		s.members = slices.Delete(s.members, i, i+1)
		gone = append(gone, c.id)
		for seq := range c.leases {
			s.seen["grant withdrawn with a lease"]++
			s.comeBack(seq, StreamLost)
		}
	}
	if len(gone) == 0 {
		return nil
	}
	s.left = true
	s.rules.withdraw(s.m, s.now, gone)
	if len(s.members) > 0 {
		s.seen["others take over"]++
	}
	s.wake()
	for _, id := range gone {
		if sends := s.rules.take(s.m, s.now, id, 5, 500); len(sends) > 0 {
			return fmt.Errorf("the grant of member %d was withdrawn, and it was sent %+v", id, sends)
		}
		if is, ok := s.m.MemberStats(id); ok {
			return fmt.Errorf("the grant of member %d was withdrawn, and it is there: %+v", id, is)
		}
	}
	return nil
}

// refused says that a call doesn't come as far as the machine: who makes it has no grant.
func (s *simulation) refused(id ackID) bool {
	if !s.withdrawn[id.who] {
		return false
	}
	s.seen["refused without a grant"]++
	return true
}
