package journal

// content is the stored, possibly compressed Content of an event.
type content struct {
	compression int32
	bytes       []byte
}
