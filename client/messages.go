package client

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/dynamicpb"
	"google.golang.org/protobuf/types/known/anypb"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
)

const (
	// maxSchema is above what gRPC takes by default: an image has the messages of all providers, with comments.
	maxSchema = 64 << 20
	// schemaTimeout bounds a question for the schema.
	schemaTimeout = 10 * time.Second
	// schemaAge is for how long an answer serves; a message that it doesn't have is asked for anew after schemaRetry.
	schemaAge   = time.Minute
	schemaRetry = 10 * time.Second
)

// Messages finds the messages that events carry: those that are linked into the program, and those that only the bridge knows, because
// a team added them there. For the latter it asks the bridge, at most every ten seconds; a message that was changed there is read in
// its new form within a minute. It is safe for concurrent use, and is a resolver for protojson and anypb, which asks nobody and
// knows what Data has found so far.
type Messages struct {
	service hookbridgev1.SchemaServiceClient
	now     func() time.Time

	mu sync.Mutex
	// dynamic is nil until the bridge has answered; failed is why it didn't when it was asked last.
	dynamic *dynamicpb.Types
	asked   time.Time
	failed  error
}

var (
	_ protoregistry.MessageTypeResolver   = (*Messages)(nil)
	_ protoregistry.ExtensionTypeResolver = (*Messages)(nil)
)

// Messages returns what finds the messages of this bridge's events.
func (c *Client) Messages() *Messages { return c.messages }

// Schemas is the generated client of the bridge's schema.
func (c *Client) Schemas() hookbridgev1.SchemaServiceClient { return c.schemas }

func newMessages(service hookbridgev1.SchemaServiceClient) *Messages {
	return &Messages{service: service, now: time.Now}
}

// Data returns the data of an event: a generated message where the program has its type linked, else one made of the bridge's
// description (dynamicpb); nil where the event has no data. Of what On handles, no one needs it.
func (t *Messages) Data(ctx context.Context, e *hookbridgev1.Event) (proto.Message, error) {
	if e.GetData() == nil {
		return nil, nil
	}
	name := e.GetData().MessageName()
	if _, err := protoregistry.GlobalTypes.FindMessageByName(name); err != nil {
		if err := t.learn(ctx, name); err != nil {
			return nil, fmt.Errorf("data of event %d: %w", e.GetSequence(), err)
		}
	}
	m, err := anypb.UnmarshalNew(e.GetData(), proto.UnmarshalOptions{Resolver: t})
	if errors.Is(err, protoregistry.NotFound) {
		return nil, fmt.Errorf("data of event %d: neither this program nor the bridge knows the message %s", e.GetSequence(), name)
	}
	return m, err
}

// learn asks the bridge for its schema if what is known is old or lacks a message. What is known stays when the bridge doesn't
// answer.
func (t *Messages) learn(ctx context.Context, name protoreflect.FullName) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	age, known := t.now().Sub(t.asked), false
	if t.dynamic != nil {
		_, err := t.dynamic.FindMessageByName(name)
		known = err == nil
	}
	failed := t.failed
	if t.asked.IsZero() || age >= schemaAge || !known && age >= schemaRetry {
		// Who gave up has learned nothing that holds for the next one.
		if failed = t.ask(ctx); failed == nil || ctx.Err() == nil {
			t.asked, t.failed = t.now(), failed
		}
	}
	if failed != nil && !known {
		return fmt.Errorf("the message %s is not linked here, and the bridge's schema can't be had: %w", name, failed)
	}
	return nil
}

func (t *Messages) ask(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, schemaTimeout)
	defer cancel()
	resp, err := t.service.GetDescriptorSet(ctx, &hookbridgev1.GetDescriptorSetRequest{}, grpc.MaxCallRecvMsgSize(maxSchema))
	if err != nil {
		return err
	}
	files, err := protodesc.NewFiles(resp.GetDescriptorSet())
	if err != nil {
		return err
	}
	t.dynamic = dynamicpb.NewTypes(files)
	return nil
}

// learned returns what the bridge has told; it has nothing before that.
func (t *Messages) learned() *dynamicpb.Types {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.dynamic == nil {
		return dynamicpb.NewTypes(&protoregistry.Files{})
	}
	return t.dynamic
}

// FindMessageByName implements protoregistry.MessageTypeResolver.
func (t *Messages) FindMessageByName(name protoreflect.FullName) (protoreflect.MessageType, error) {
	if found, err := protoregistry.GlobalTypes.FindMessageByName(name); err == nil {
		return found, nil
	}
	return t.learned().FindMessageByName(name)
}

// FindMessageByURL implements protoregistry.MessageTypeResolver.
func (t *Messages) FindMessageByURL(url string) (protoreflect.MessageType, error) {
	if found, err := protoregistry.GlobalTypes.FindMessageByURL(url); err == nil {
		return found, nil
	}
	return t.learned().FindMessageByURL(url)
}

// FindExtensionByName implements protoregistry.ExtensionTypeResolver.
func (t *Messages) FindExtensionByName(name protoreflect.FullName) (protoreflect.ExtensionType, error) {
	if found, err := protoregistry.GlobalTypes.FindExtensionByName(name); err == nil {
		return found, nil
	}
	return t.learned().FindExtensionByName(name)
}

// FindExtensionByNumber implements protoregistry.ExtensionTypeResolver.
func (t *Messages) FindExtensionByNumber(message protoreflect.FullName, number protoreflect.FieldNumber) (protoreflect.ExtensionType, error) {
	if found, err := protoregistry.GlobalTypes.FindExtensionByNumber(message, number); err == nil {
		return found, nil
	}
	return t.learned().FindExtensionByNumber(message, number)
}
