package provider

import (
	"fmt"
	"net/http"
	"strings"

	providerv1 "github.com/hookbridge/hookbridge/gen/hookbridge/provider/v1"
	"github.com/hookbridge/hookbridge/server/signature"
)

// Trait is something that people should know about a provider. Its text is Markdown on one line.
type Trait struct{ Name, Text string }

// proofTexts say how a description was proven.
var proofTexts = map[string]string{
	"vector": "published vector",
	"sdk":    "official SDK",
	"signer": "independent signer",
	"none":   "unproven",
}

// Proofs are all that Proof returns, the strongest first.
func Proofs() []string {
	return []string{proofTexts["vector"], proofTexts["sdk"], proofTexts["signer"], proofTexts["none"]}
}

// Proof says how the description was proven to be right: "published vector", "official SDK", "independent signer" or "unproven".
func (p *Pack) Proof() string {
	if text, ok := proofTexts[p.spec.GetProof()]; ok {
		return text
	}
	return proofTexts["none"]
}

// Covered names what the proof by the strongest scheme covers, of "body", "id", "type" and "time".
func (p *Pack) Covered() []string {
	covered, _ := coverage(p, p.schemes[0])
	return covered
}

// Traits describes the provider: where to paste what, what is proven and what is not, how it retries, what nobody has confirmed. What the
// proof covers is what the engine derives, not what somebody wrote down.
func (p *Pack) Traits() []Trait {
	var list []Trait
	add := func(name, text string) {
		if text != "" {
			list = append(list, Trait{name, text})
		}
	}
	spec := p.spec
	add("URL", spec.GetGuide().GetEndpoint())
	add("Secret", spec.GetGuide().GetSecret())
	for _, s := range spec.GetSettings() {
		add("Setting `"+s.GetName()+"`", settingText(s))
	}
	for n, scheme := range p.schemes {
		name := "Signature"
		if len(p.schemes) > 1 {
			name = fmt.Sprintf("Signature %d, `%s`", n+1, scheme.Name())
		}
		add(name, schemeText(p, scheme, spec.GetSchemes()[n]))
	}
	add("Id", idText(p)+stableText(spec.GetIdStable()))
	add("Type", selectorsText(spec.GetType(), "Each event has the type `unknown`."))
	if len(spec.GetOrderingKey()) > 0 {
		add("Ordering key", selectorsText(spec.GetOrderingKey(), ""))
	}
	add("Batches", batchText(spec.GetBatch()))
	add("Retries", spec.GetGuide().GetRetries())
	add("Handshake", p.handshakeText())
	add("Answers", answersText(spec.GetAnswers()))
	add("Limits", limitsText(p))
	for _, note := range spec.GetGuide().GetNotes() {
		add("Note", note)
	}
	for _, doubt := range spec.GetUnverified() {
		add("Not confirmed", doubt+".")
	}
	for _, c := range spec.GetConfirmed() {
		add("Confirmed", "`"+c.GetFact()+"`, by "+c.GetBy()+".")
	}
	add("Proven by", p.Proof()+": "+strings.Join(spec.GetEvidence(), "; ")+".")
	return list
}

func settingText(s *providerv1.Setting) string {
	text := s.GetDescription()
	switch {
	case s.GetDefault() != "":
		text += " Default `" + s.GetDefault() + "`."
	case s.GetOptional():
		text += " Optional."
	default:
		text += " Required."
	}
	if s.GetSecret() {
		text += " A reference, `env:NAME` or `file:PATH`."
	}
	return text
}

func stableText(stable string) string {
	switch stable {
	case "yes":
		return " A retry has the same id."
	case "no":
		return " A retry has another id."
	}
	return ""
}

func selectorsText(selectors []*providerv1.Selector, none string) string {
	if len(selectors) == 0 {
		return none
	}
	var texts []string
	for _, s := range selectors {
		var parts []string
		for _, part := range s.GetParts() {
			parts = append(parts, partText(part))
		}
		text := strings.Join(parts, ", a dot and ")
		for _, c := range s.GetWhen() {
			text += " where " + conditionText(c)
		}
		texts = append(texts, text)
	}
	return strings.Join(texts, "; else ") + "."
}

func partText(part *providerv1.Part) string {
	text := "`" + placeText(part) + "`"
	switch {
	case part.GetLiteral() != "":
		text = "the text `" + part.GetLiteral() + "`"
	case part.GetEnvelope() != "":
		text = "`json " + part.GetEnvelope() + "` of the whole delivery"
	case part.GetKeyMatching() != "":
		text = "the key of the JSON that matches `" + part.GetKeyMatching() + "`"
	}
	if part.GetOptional() {
		text += " where it is there"
	}
	return text
}

func conditionText(c *providerv1.Condition) string {
	text := "`" + placeText(c) + "` is "
	switch {
	case c.Equals != nil:
		return text + "`" + c.GetEquals() + "`"
	case c.GetMatches() != "":
		return "`" + placeText(c) + "` matches `" + c.GetMatches() + "`"
	case c.GetAbsent():
		return text + "not there"
	}
	return text + "there"
}

// placeText names a place as it is written in a pack.
func placeText(l signature.Located) string {
	if claimed, ok := l.(interface{ GetClaim() string }); ok && claimed.GetClaim() != "" {
		return "claim " + claimed.GetClaim()
	}
	switch {
	case l.GetHeader() != "":
		return "header " + l.GetHeader()
	case l.GetQuery() != "":
		return "query " + l.GetQuery()
	case l.GetForm() != "":
		return "form " + l.GetForm()
	case l.GetJson() != "":
		return "json " + l.GetJson()
	}
	return "the body"
}

func batchText(b *providerv1.Batch) string {
	if b == nil {
		return ""
	}
	lists := []string{"the list that the body is"}
	if b.GetEvents() != "" {
		lists[0] = "`" + b.GetEvents() + "`"
	}
	for _, list := range b.GetMoreEvents() {
		lists = append(lists, "`"+list+"`")
	}
	text := "Each element of " + enumerate(lists, "and") + " becomes an event."
	switch b.GetFormat() {
	case "lines":
		return "Each line of the body is an event."
	case "array-or-lines":
		return text + " So does each line of a body of several lines."
	}
	if b.GetKeepsEnvelope() {
		text += " Its body is the delivery's, with that element alone in its list."
	}
	return text
}

func (p *Pack) handshakeText() string {
	var texts []string
	for _, s := range p.schemes {
		if text := s.Confirms(); text != "" {
			texts = append(texts, text)
		}
	}
	if len(texts)+len(p.handshakes) == 0 {
		return "None: anything but POST is answered 405."
	}
	for _, h := range p.spec.GetHandshakes() {
		text := h.GetMethod()
		if h.GetSigned() {
			text = "A signed " + text
		}
		var when []string
		for _, c := range h.GetWhen() {
			when = append(when, conditionText(c))
		}
		if len(when) > 0 {
			text += " where " + strings.Join(when, " and ")
		}
		text += " is answered"
		if h.GetRespond().GetBody() != "" {
			text += " with `" + unescaped.Replace(h.GetRespond().GetBody()) + "`"
		}
		text += " and is no event"
		var require []string
		for _, c := range h.GetRequire() {
			require = append(require, conditionText(c))
		}
		if len(require) > 0 {
			text += "; refused unless " + strings.Join(require, " and ")
		}
		if h.GetCaptures() != nil {
			text += "; it brings the secret in `" + placeText(h.GetCaptures()) + "`, which is taken only while `hookbridge sources capture` has opened a window"
		}
		texts = append(texts, text+".")
	}
	return strings.Join(texts, " ")
}

// unescaped writes a template's braces as the answer has them.
var unescaped = strings.NewReplacer("{{", "{", "}}", "}")

func answersText(a *providerv1.Answers) string {
	var texts []string
	if r := a.GetSuccess(); r != nil {
		texts = append(texts, "A stored delivery is answered with "+responseText(r))
	}
	if r := a.GetDuplicate(); r != nil {
		texts = append(texts, "a duplicate with "+responseText(r))
	}
	if r := a.GetFailure(); r != nil {
		status := r.GetStatus()
		if status == 0 {
			status = http.StatusUnauthorized
		}
		text := fmt.Sprintf("one that isn't authentic with %d", status)
		if r.GetEmpty() {
			text += " and no body"
		}
		texts = append(texts, text)
	}
	if len(texts) == 0 {
		return ""
	}
	text := strings.Join(texts, ", ") + "."
	return strings.ToUpper(text[:1]) + text[1:]
}

func responseText(r *providerv1.Response) string {
	status := r.GetStatus()
	if status == 0 {
		status = http.StatusOK
	}
	if r.GetBody() == "" {
		return fmt.Sprintf("%d and no body", status)
	}
	return fmt.Sprintf("%d and `%s`", status, strings.ReplaceAll(unescaped.Replace(r.GetBody()), "\n", " "))
}

func limitsText(p *Pack) string {
	var media []string
	for _, body := range p.bodies {
		media = append(media, "`"+body.mediaType+"`")
	}
	text := fmt.Sprintf("Bodies of up to %s as %s", bytesText(p.MaxBody()), strings.Join(media, " or "))
	if d := p.deadline(); d > 0 {
		return text + fmt.Sprintf("; the provider waits %g seconds for the answer.", d.Seconds())
	}
	return text + "; how long the provider waits for the answer is not published."
}

func bytesText(n int64) string {
	if n%(1<<20) == 0 {
		return fmt.Sprintf("%d MiB", n>>20)
	}
	return fmt.Sprintf("%d bytes", n)
}
