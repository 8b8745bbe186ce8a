// The providers' own libraries, one entry for each pack: `verify` is what a receiver writes with the library, `sign` what the library
// offers to make signatures with, for tests mostly. A case has secret, settings, method, url, headers (lower case), text and body (bytes).
// verify returns true or throws; whatever else it returns is a refusal. sign returns headers.
import { createRequire } from 'node:module';
import { createSecretKey } from 'node:crypto';

const require = createRequire(import.meta.url);

// Libraries are loaded when they are first used: some take a second.
const load = (name) => require(name);
const made = (m) => m.default ?? m;

const standard = (c) => {
  const { Webhook } = load('standardwebhooks');
  new Webhook(c.secret).verify(c.text, c.headers);
  return true;
};
const svix = (c) => {
  const { Webhook } = load('svix');
  new Webhook(c.secret).verify(c.text, c.headers);
  return true;
};
export const sdks = {
  standard_webhooks: {
    verify: standard,
    sign: (c) => {
      const { Webhook } = load('standardwebhooks');
      return {
        'webhook-id': c.id,
        'webhook-timestamp': String(Math.floor(c.at / 1000)),
        'webhook-signature': new Webhook(c.secret).sign(c.id, new Date(c.at), c.text),
      };
    },
  },
  svix: {
    verify: svix,
    sign: (c) => {
      const { Webhook } = load('svix');
      return {
        'svix-id': c.id,
        'svix-timestamp': String(Math.floor(c.at / 1000)),
        'svix-signature': new Webhook(c.secret).sign(c.id, new Date(c.at), c.text),
      };
    },
  },
  // These send through Svix, or by Standard Webhooks, and name its library to receivers.
  // BigCommerce signs with the client secret as it is; its documentation has it written as base64 for the library.
  bigcommerce: { verify: (c) => standard({ ...c, secret: Buffer.from(c.secret).toString('base64') }) },
  brex: { verify: svix },
  incident_io: { verify: svix },
  recall_ai: { verify: svix },
  render: { verify: standard },
  stytch: { verify: svix },
  supabase_auth: { verify: (c) => standard({ ...c, secret: c.secret.replace('v1,', '') }) },
  vanta: { verify: svix },
  replicate: {
    verify: (c) =>
      load('replicate').validateWebhook({
        id: c.headers['webhook-id'],
        timestamp: c.headers['webhook-timestamp'],
        signature: c.headers['webhook-signature'],
        body: c.text,
        secret: c.secret,
      }),
  },
  pusher: {
    verify: (c) => {
      const Pusher = load('pusher');
      const pusher = new Pusher({ appId: 'test', key: c.headers['x-pusher-key'], secret: c.secret });
      return pusher.webhook({ headers: c.headers, rawBody: c.text }).isValid();
    },
  },
  clerk: {
    verify: async (c) => {
      const { verifyWebhook } = load('@clerk/backend/webhooks');
      await verifyWebhook(new Request(c.url, { method: 'POST', headers: c.headers, body: c.text }), { signingSecret: c.secret });
      return true;
    },
  },
  resend: {
    verify: (c) => {
      const { Resend } = load('resend');
      const headers = { id: c.headers['svix-id'], timestamp: c.headers['svix-timestamp'], signature: c.headers['svix-signature'] };
      new Resend('re_test').webhooks.verify({ payload: c.text, headers, webhookSecret: c.secret });
      return true;
    },
  },
  openai: {
    verify: async (c) => {
      const { OpenAI } = load('openai');
      await new OpenAI({ apiKey: 'test', webhookSecret: c.secret }).webhooks.verifySignature(c.text, c.headers, c.secret);
      return true;
    },
  },
  anthropic: {
    verify: (c) => {
      const Anthropic = made(load('@anthropic-ai/sdk'));
      new Anthropic({ apiKey: 'test' }).beta.webhooks.unwrap(c.text, { headers: c.headers, key: c.secret });
      return true;
    },
  },
  lithic: {
    verify: (c) => {
      const { Lithic } = load('lithic');
      new Lithic({ apiKey: 'test' }).webhooks.verifySignature(c.text, c.headers, c.secret);
      return true;
    },
  },
  finch: {
    verify: (c) => {
      const Finch = made(load('@tryfinch/finch-api'));
      new Finch({ accessToken: 'test' }).webhooks.verifySignature(c.text, c.headers, c.secret);
      return true;
    },
  },
  polar: {
    verify: (c) => {
      const { validateEvent, WebhookVerificationError } = load('@polar-sh/sdk/webhooks');
      try {
        validateEvent(c.body, c.headers, c.secret);
      } catch (err) {
        // Only the signature is of interest here, not whether the body is complete.
        if (err instanceof WebhookVerificationError) throw err;
      }
      return true;
    },
  },
  vonage: {
    // It leaves the token's payload_hash to its caller.
    tokenOnly: true,
    verify: (c) => load('@vonage/jwt').verifySignature(c.headers.authorization.replace('Bearer ', ''), c.secret),
  },
  contentful: {
    verify: (c) => {
      const path = new URL(c.url).pathname + new URL(c.url).search;
      return load('@contentful/node-apps-toolkit').verifyRequest(c.secret, { method: c.method, path, headers: c.headers, body: c.text }, 0);
    },
  },
  github: {
    verify: (c) => loadModule('@octokit/webhooks-methods').then(({ verify }) => verify(c.secret, c.text, c.headers['x-hub-signature-256'])),
    sign: async (c) => {
      const { sign } = await loadModule('@octokit/webhooks-methods');
      return { 'x-hub-signature-256': await sign(c.secret, c.text), 'x-github-delivery': c.id, 'x-github-event': 'push' };
    },
  },
  stripe: {
    verify: (c) => {
      load('stripe').webhooks.constructEvent(c.text, c.headers['stripe-signature'], c.secret);
      return true;
    },
    sign: (c) => ({
      'stripe-signature': load('stripe').webhooks.generateTestHeaderString({
        payload: c.text,
        secret: c.secret,
        timestamp: Math.floor(c.at / 1000),
      }),
    }),
  },
  slack: {
    verify: (c) => {
      load('@slack/bolt').verifySlackRequest({ signingSecret: c.secret, body: c.text, headers: c.headers });
      return true;
    },
  },
  twilio: {
    verify: (c) => {
      const twilio = load('twilio');
      const signature = c.headers['x-twilio-signature'];
      if (new URL(c.url).searchParams.has('bodySHA256')) {
        return twilio.validateRequestWithBody(c.secret, signature, c.url, c.text);
      }
      return twilio.validateRequest(c.secret, signature, c.url, Object.fromEntries(new URLSearchParams(c.text)));
    },
    sign: (c) => ({
      'x-twilio-signature': load('twilio').getExpectedTwilioSignature(c.secret, c.url, Object.fromEntries(new URLSearchParams(c.text))),
    }),
  },
  shopify: {
    verify: async (c) => {
      load('@shopify/shopify-api/adapters/node');
      const { shopifyApi, LogSeverity } = load('@shopify/shopify-api');
      const api = shopifyApi({
        apiKey: 'test',
        apiSecretKey: c.secret,
        hostName: 'example.com',
        isEmbeddedApp: false,
        apiVersion: '2026-01',
        logger: { level: LogSeverity.Error },
      });
      const request = { method: 'POST', url: c.url, headers: c.headers };
      const answer = await api.webhooks.validate({ rawBody: c.text, rawRequest: request, rawResponse: {} });
      // It also wants headers that the pack doesn't need.
      if (!answer.valid && answer.reason !== 'missing_headers') throw new Error(answer.reason);
      return true;
    },
  },
  workos: {
    verify: async (c) => {
      const { WorkOS } = load('@workos-inc/node');
      return new WorkOS('sk_test').webhooks.verifyHeader({ payload: JSON.parse(c.text), sigHeader: c.headers['workos-signature'], secret: c.secret });
    },
  },
  mux: {
    verify: async (c) => {
      const Mux = made(load('@mux/mux-node'));
      const mux = new Mux({ tokenId: 'test', tokenSecret: 'test', webhookSecret: c.secret });
      await mux.webhooks.verifySignature(c.text, c.headers, c.secret);
      return true;
    },
  },
  line: {
    verify: (c) => load('@line/bot-sdk').validateSignature(c.text, c.secret, c.headers['x-line-signature']),
  },
  razorpay: {
    verify: (c) => load('razorpay').validateWebhookSignature(c.text, c.headers['x-razorpay-signature'], c.secret),
  },
  paddle: {
    verify: async (c) => {
      const { Paddle } = load('@paddle/paddle-node-sdk');
      return (await new Paddle('test').webhooks.isSignatureValid(c.text, c.secret, c.headers['paddle-signature'])) === true;
    },
  },
  square: {
    verify: (c) =>
      load('square').WebhooksHelper.verifySignature({
        requestBody: c.text,
        signatureHeader: c.headers['x-square-hmacsha256-signature'],
        signatureKey: c.secret,
        notificationUrl: c.url,
      }),
  },
  hubspot: {
    verify: (c) =>
      load('@hubspot/api-client').Signature.isValid({
        signatureVersion: 'v3',
        method: c.method,
        clientSecret: c.secret,
        signature: c.headers['x-hubspot-signature-v3'],
        timestamp: Number(c.headers['x-hubspot-request-timestamp']),
        requestBody: c.text,
        url: c.url,
      }),
  },
  adyen: {
    verify: (c) => {
      const { hmacValidator } = load('@adyen/api-library');
      const { notificationItems } = JSON.parse(c.text);
      const validator = new hmacValidator();
      return notificationItems.every((item) => validator.validateHMAC(item.NotificationRequestItem, c.secret));
    },
  },
  adyen_platform: {
    verify: (c) => {
      const { hmacValidator } = load('@adyen/api-library');
      return new hmacValidator().validateHMACSignature(c.secret, c.headers.hmacsignature, c.text);
    },
  },
  braintree: {
    verify: async (c) => {
      const form = new URLSearchParams(c.text);
      const refused = gateway(c).webhookNotification.validateSignature(form.get('bt_signature'), form.get('bt_payload'));
      return refused == null;
    },
  },
  notion: {
    verify: (c) =>
      load('@notionhq/client').verifyWebhookSignature({ body: c.text, signature: c.headers['x-notion-signature'], verificationToken: c.secret }),
    sign: async (c) => ({
      'x-notion-signature': await load('@notionhq/client').signWebhookPayload({ body: c.text, verificationToken: c.secret }),
    }),
  },
  linear: {
    verify: (c) => {
      const { LinearWebhookClient } = load('@linear/sdk/webhooks');
      return new LinearWebhookClient(c.secret).verify(c.body, c.headers['linear-signature']);
    },
  },
  sanity: {
    verify: async (c) => {
      const { assertValidSignature, SIGNATURE_HEADER_NAME } = load('@sanity/webhook');
      await assertValidSignature(c.text, c.headers[SIGNATURE_HEADER_NAME], c.secret);
      return true;
    },
    sign: async (c) => ({ 'sanity-webhook-signature': await load('@sanity/webhook').encodeSignatureHeader(c.text, c.at, c.secret) }),
  },
  gocardless: {
    verify: (c) => {
      load('gocardless-nodejs/webhooks').parse(c.text, c.secret, c.headers['webhook-signature']);
      return true;
    },
  },
  coinbase_commerce: {
    verify: (c) => load('coinbase-commerce-node').Webhook.verifySigHeader(c.text, c.headers['x-cc-webhook-signature'], c.secret),
  },
  sendgrid: {
    verify: (c) => {
      const { EventWebhook } = load('@sendgrid/eventwebhook');
      const hook = new EventWebhook();
      return hook.verifySignature(
        hook.convertPublicKeyToECDSA(c.secret),
        c.body,
        c.headers['x-twilio-email-event-webhook-signature'],
        c.headers['x-twilio-email-event-webhook-timestamp'],
      );
    },
  },
  discord: {
    verify: (c) =>
      load('discord-interactions').verifyKey(c.body, c.headers['x-signature-ed25519'], c.headers['x-signature-timestamp'], c.secret),
  },
  messagebird: {
    verify: async (c) => {
      const { verify, VerifyOptions } = load('messagebird/lib/webhook-signature-jwt');
      const options = new VerifyOptions();
      options.jwtVerifyOptions.currentDate = new Date(c.at);
      await verify(c.url, c.body, c.headers['messagebird-signature-jwt'], createSecretKey(Buffer.from(c.secret)), options);
      return true;
    },
  },
  telnyx: {
    verify: async (c) => {
      const Telnyx = made(load('telnyx'));
      await new Telnyx({ apiKey: 'test', publicKey: c.secret }).webhooks.unwrap(c.text, { headers: c.headers, key: c.secret });
      return true;
    },
  },
  easypost: {
    verify: (c) => {
      const EasyPost = made(load('@easypost/api'));
      new EasyPost('test').Utils.validateWebhook(c.body, c.headers, c.secret);
      return true;
    },
  },
  cloudinary: {
    verify: (c) => {
      const cloudinary = load('cloudinary').v2;
      cloudinary.config({ api_secret: c.secret, signature_algorithm: 'sha1' });
      return cloudinary.utils.verifyNotificationSignature(c.text, Number(c.headers['x-cld-timestamp']), c.headers['x-cld-signature']);
    },
    sign: (c) => {
      const timestamp = Math.floor(c.at / 1000);
      const signature = load('cloudinary').v2.utils.webhook_signature(c.text, timestamp, { api_secret: c.secret, signature_algorithm: 'sha1' });
      return { 'x-cld-timestamp': String(timestamp), 'x-cld-signature': signature };
    },
  },
  box: {
    verify: (c) => load('box-node-sdk/lib/managers/webhooks').WebhooksManager.validateMessage(c.text, c.headers, c.secret),
  },
  orb: {
    verify: (c) => {
      const Orb = made(load('orb-billing'));
      new Orb({ apiKey: 'test' }).webhooks.verifySignature(c.text, c.headers, c.secret);
      return true;
    },
  },
  modern_treasury: {
    verify: (c) => {
      const Treasury = made(load('modern-treasury'));
      return new Treasury({ apiKey: 'test', organizationID: 'test', webhookKey: c.secret }).webhooks.validateSignature(c.text, c.headers);
    },
  },
  elevenlabs: {
    verify: async (c) => {
      const { ElevenLabsClient } = load('@elevenlabs/elevenlabs-js');
      await new ElevenLabsClient({ apiKey: 'test' }).webhooks.constructEvent(c.text, c.headers['elevenlabs-signature'], c.secret);
      return true;
    },
  },
};

function loadModule(name) {
  return import(name);
}

function gateway(c) {
  const braintree = load('braintree');
  return new braintree.BraintreeGateway({
    environment: braintree.Environment.Sandbox,
    merchantId: 'test',
    publicKey: c.settings.public_key,
    privateKey: c.secret,
  });
}
