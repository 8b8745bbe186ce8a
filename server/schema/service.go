package schema

import (
	"context"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
)

// Service is the SchemaService of the registry in force.
type Service struct {
	hookbridgev1.UnsafeSchemaServiceServer
	live *Live
}

var _ hookbridgev1.SchemaServiceServer = (*Service)(nil)

// NewService returns the service.
func NewService(live *Live) *Service { return &Service{live: live} }

// ListEventTypes implements hookbridge.v1.SchemaService.
func (s *Service) ListEventTypes(_ context.Context, req *hookbridgev1.ListEventTypesRequest) (*hookbridgev1.ListEventTypesResponse, error) {
	registry := s.live.Registry()
	resp := &hookbridgev1.ListEventTypesResponse{}
	for _, t := range registry.types {
		if req.GetProvider() != "" && req.GetProvider() != t.Provider {
			continue
		}
		text, err := registry.Description(t.Message.FullName())
		if err != nil {
			return nil, err
		}
		resp.EventTypes = append(resp.EventTypes, &hookbridgev1.EventType{
			Provider: t.Provider, Types: t.Elements, Message: string(t.Message.FullName()), Origin: t.Origin, Description: text,
		})
	}
	return resp, nil
}

// GetDescriptorSet implements hookbridge.v1.SchemaService.
func (s *Service) GetDescriptorSet(context.Context, *hookbridgev1.GetDescriptorSetRequest) (*hookbridgev1.GetDescriptorSetResponse, error) {
	set, err := s.live.Registry().DescriptorSet()
	if err != nil {
		return nil, err
	}
	return &hookbridgev1.GetDescriptorSetResponse{DescriptorSet: set.Files, Etag: set.ETag}, nil
}
