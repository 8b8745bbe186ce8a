package client

import hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"

// Subscriptions is the generated client that manages subscriptions, their dead letters and replays.
func (c *Client) Subscriptions() hookbridgev1.SubscriptionServiceClient {
	return hookbridgev1.NewSubscriptionServiceClient(c.conn)
}
