package signature

import "slices"

// CoversBody reports whether the proof covers the body's bytes.
func (s *Scheme) CoversBody() bool {
	if s.method != nil {
		return s.method.Traits().Body
	}
	return s.content.coversBody() && !s.extensible() || len(s.bodyDigests) > 0
}

// extensible reports whether who has one delivery can make others whose content is longer. The state of these hashes after a message is its
// digest, so that of a longer one follows from it, unless what comes last is secret.
func (s *Scheme) extensible() bool {
	return s.algorithm.family == digests && s.content[len(s.content)-1].kind != secretPart
}

// Covers reports whether nobody without the secret can change the value at a place.
func (s *Scheme) Covers(p Place) bool {
	if s.method != nil {
		return s.method.Covers(p)
	}
	if s.extensible() && s.content[len(s.content)-1].at == p {
		return false
	}
	switch p.kind {
	case inElement:
		return s.CoversBody()
	case inForm, inJSON:
		return s.CoversBody() || s.content.names(p)
	case inQuery:
		// With some escapes undone, what is a parameter's value may become a parameter of its own.
		return s.content.usesURL() && !slices.Contains(s.urlForms, "decoded") || s.content.names(p)
	case inHeader:
		isID := s.content.has(idPart) && len(s.id) == 1 && s.id[0] == p
		isStamp := s.content.has(stampPart) && !s.stamp.item && len(s.stamp.at) == 1 && s.stamp.at[0] == p
		return isID || isStamp || s.content.names(p)
	}
	return false
}

// CoversFirst reports whether nobody without the secret can change which value is the first at any of the places.
func (s *Scheme) CoversFirst(places []Place) bool {
	if n := len(s.id); n > 0 && s.method == nil && len(places) >= n && slices.Equal(places[:n], s.id) {
		return true // the signed id is always there, and looked up in the same order
	}
	return len(places) > 0 && !slices.ContainsFunc(places, func(p Place) bool { return !s.Covers(p) })
}

// Outdoes reports whether the scheme proves what the other one doesn't, and nothing less: that a delivery is of its time, or anything of it at
// all beside that its sender knows the secret. Where one secret serves for both, it is not for the sender to choose the other one: a provider may
// send both at once, and what it signs by the one may read like what it signs by the other.
func (s *Scheme) Outdoes(other *Scheme) bool {
	_, stamped := s.Tolerance()
	_, otherStamped := other.Tolerance()
	return (stamped || !otherStamped) && (s.provesContent() || !other.provesContent()) &&
		(stamped != otherStamped || s.provesContent() != other.provesContent())
}

// provesContent reports whether the proof is another one for another delivery.
func (s *Scheme) provesContent() bool {
	return s.algorithm.family != tokens && s.algorithm.family != basics
}

// Reusable reports whether who hears one delivery can prove another one with what stands in it: the secret itself, or a token that says
// nothing of the body.
func (s *Scheme) Reusable() bool {
	return !s.provesContent() || s.method != nil && !s.CoversBody() && len(s.Credentials()) > 0
}
