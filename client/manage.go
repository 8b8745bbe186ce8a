package client

import hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"

// Subscriptions is the generated client that manages subscriptions, their dead letters and replays.
func (c *Client) Subscriptions() hookbridgev1.SubscriptionServiceClient {
	return hookbridgev1.NewSubscriptionServiceClient(c.conn)
}

// Sources is the generated client that shows the sources and what they refused.
func (c *Client) Sources() hookbridgev1.SourceServiceClient {
	return hookbridgev1.NewSourceServiceClient(c.conn)
}
